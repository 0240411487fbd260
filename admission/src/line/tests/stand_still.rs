//! While visitors cannot be called, or cannot ask, nothing runs out.

use sluice_config::Mode;

use super::{
    super::{Ask, Batch, Rules, Seen, Verdict},
    bench::Bench,
    rules,
};

/// What a page does: asks again after a while near to what it was told, and when it gets no answer after twice as long
/// each time.
struct Page {
    number: u64,
    next_ms: u64,
    failures: u32,
}

/// Pages that ask by themselves, and tell in what order they were called.
struct Crowd {
    bench: Bench,
    pages: Vec<Page>,
    called: Vec<u64>,
}

const STEP_MS: u64 = 100;
const GRACE_MS: u64 = 1_500;

impl Crowd {
    fn new(rules: Rules, count: u64) -> Self {
        let mode = rules.mode;
        let mut bench = Bench::new(Rules { mode: Mode::Hold, ..rules });
        bench.join(count);
        bench.rules.mode = mode;
        let pages = (1..=count).map(|number| Page { number, next_ms: bench.now_ms + number % 20 * 100, failures: 0 });
        Self { pages: pages.collect(), bench, called: Vec::new() }
    }

    /// Something between 0 and 999, the same in every run.
    fn per_mille(number: u64, ms: u64) -> u64 {
        ((number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ ms.wrapping_mul(0xD1B5_4A32_D192_ED03)) >> 20) % 1_000
    }

    /// As the wait has it: four times on the way, no more often than every two seconds.
    fn poll_ms(&self, number: u64) -> u64 {
        let ahead = self.bench.line.summary().ahead_of(number);
        (ahead * 60_000 / u64::from(self.bench.rules.release_per_minute) / 4).clamp(2_000, 20_000)
    }

    /// So long; `awake` says who asks at all.
    fn run(&mut self, ms: u64, awake: impl Fn(u64) -> bool) {
        let end_ms = self.bench.now_ms + ms;
        while self.bench.now_ms < end_ms {
            let now_ms = self.bench.now_ms;
            let (mut seen, mut asks) = (Vec::new(), Vec::new());
            let head = self.bench.line.summary().lanes[0].head;
            for at in 0..self.pages.len() {
                let number = self.pages[at].number;
                if self.pages[at].next_ms > now_ms || !awake(number) {
                    continue;
                }
                let poll_ms = self.poll_ms(number);
                let hold_ms = u32::try_from(poll_ms + GRACE_MS).unwrap();
                if number > head {
                    seen.push(Seen { number, hold_ms });
                } else {
                    asks.push(Ask { number, hold_ms, enter: false });
                }
                let page = &mut self.pages[at];
                page.failures = 0;
                page.next_ms = now_ms + poll_ms * (900 + Self::per_mille(number, now_ms) / 5) / 1_000;
            }
            let asked: Vec<u64> = asks.iter().map(|ask| ask.number).collect();
            let outcome = self.bench.after_silence(STEP_MS, Batch { seen, asks, ..Batch::default() });
            self.called.extend(outcome.due.iter().map(|due| due.0));
            for (number, verdict) in asked.into_iter().zip(outcome.asks) {
                assert!(verdict != Verdict::Spent, "{number} has lost its place");
                if matches!(verdict, Verdict::Called { .. } | Verdict::Lapsed) {
                    // The page is loaded.
                    if matches!(self.bench.ask(number, true), Verdict::Inside { .. }) {
                        self.pages.retain(|page| page.number != number);
                    }
                }
            }
        }
    }

    /// The line cannot be asked for so long. Pages ask in vain meanwhile.
    fn down(&mut self, ms: u64) {
        let end_ms = self.bench.now_ms + ms;
        for page in &mut self.pages {
            while page.next_ms < end_ms {
                let most_ms = (2_000_u64 << page.failures.min(5)).min(60_000);
                page.failures += 1;
                page.next_ms += most_ms * (500 + Self::per_mille(page.number, page.next_ms) / 2) / 1_000;
            }
        }
        self.bench.now_ms = end_ms;
    }
}

/// Most of those who were called later and are higher, over all who were called.
fn worst_overtaken(called: &[u64]) -> usize {
    let overtaken = |at: usize| called[..at].iter().filter(|&&number| number > called[at]).count();
    (0..called.len()).map(overtaken).max().unwrap_or(0)
}

#[test]
fn a_node_that_was_down_calls_those_who_waited_in_their_order() {
    for down_s in [3, 10, 30, 60] {
        let rules =
            Rules { release_per_minute: 600, burst: 100, max_waiting: 10_000, claim_within_ms: 60_000, ..rules() };
        let mut crowd = Crowd::new(rules, 2_000);
        crowd.run(20_000, |_| true);
        crowd.down(down_s * 1_000);
        crowd.called.clear();
        crowd.run(40_000, |_| true);
        assert!(crowd.called.len() > 300, "{} called", crowd.called.len());
        assert_eq!(worst_overtaken(&crowd.called), 0, "down for {down_s} s");
    }
}

#[test]
fn who_sleeps_longer_than_return_within_loses_nothing_to_a_crowd_that_all_comes_back() {
    let rules = Rules { release_per_minute: 600, burst: 100, max_waiting: 10_000, return_within_ms: 90_000, ..rules() };
    let mut crowd = Crowd::new(rules, 3_000);
    // One in ten is awake, so that the head soon passes all the others.
    crowd.run(50_000, |number| number % 10 == 0);
    assert!(crowd.bench.line.summary().lanes[0].head > 2_000);
    // They are back in time, and the last of them is called minutes later. None has lost its place meanwhile.
    crowd.run(240_000, |_| true);
    assert!(crowd.pages.len() < 600, "{} still wait", crowd.pages.len());
}

#[test]
fn a_line_that_is_held_takes_no_number_away() {
    for down in [false, true] {
        let mut bench = Bench::new(Rules { burst: 1, return_within_ms: 30_000, ..rules() });
        bench.join(20);
        // Number 1 is called with the first step; number 2 sleeps, and the head passes it.
        for _ in 0..10 {
            bench.see(1_000, 3..=20);
        }
        assert!(bench.line.summary().lanes[0].head > 5);
        if down {
            bench.after_silence(600_000, Batch::default());
        } else {
            bench.rules.mode = Mode::Hold;
            bench.pass(600);
            bench.rules.mode = Mode::Auto;
        }
        assert_eq!(bench.see(1_000, [2]).due[0].0, 2, "down: {down}");
    }
}

#[test]
fn a_line_whose_seats_do_not_come_free_takes_no_number_away() {
    let seats = Rules { max_active: Some(2), seat_ms: 1_000_000, ..rules() };
    let mut bench = Bench::new(Rules { burst: 1, ..seats });
    bench.join(3);
    bench.ask(1, true);
    bench.after(0, Batch { away: vec![2], ..Batch::default() });
    bench.see(1_000, [3]);
    assert!(matches!(bench.ask(3, true), Verdict::Inside { .. }), "the head has passed number 2");
    bench.pass(600);
    assert_eq!(bench.ask(2, false), Verdict::Waiting);
}

#[test]
fn a_claim_does_not_run_out_while_the_line_cannot_be_asked() {
    let mut bench = Bench::new(Rules { claim_within_ms: 30_000, ..rules() });
    bench.join(1);
    assert!(matches!(bench.ask(1, false), Verdict::Called { .. }));
    bench.pass(5);
    bench.after_silence(300_000, Batch::default());
    assert!(matches!(bench.ask(1, false), Verdict::Called { .. }), "it has not lapsed");
}

#[test]
fn a_line_in_which_none_wait_counts_the_time_between_two_looks() {
    let mut bench = Bench::new(rules());
    bench.join(1);
    bench.pass(130);
    assert_eq!(bench.line.summary().waiting, 0);
    bench.walk_in();
    bench.after_silence(5_000, Batch::default());
    for _ in 0..10 {
        bench.after_silence(5_000, Batch::default());
    }
    assert_eq!(bench.line.due.len(), 0, "an usher looks at an idle line every 5 s");
}

#[test]
fn a_line_that_falls_silent_once_a_minute_forgets_who_has_left() {
    let mut bench = Bench::new(Rules { mode: Mode::Hold, ..rules() });
    bench.join(100);
    for _ in 0..3 {
        bench.after(57_000, Batch::default());
        bench.after_silence(3_000, Batch::default());
    }
    assert_eq!(bench.line.summary().waiting, 0);
}

#[test]
fn visitors_who_have_left_a_line_that_is_asked_too_seldom_keep_no_others_out() {
    let mut bench = Bench::new(Rules { max_active: Some(5), ..rules() });
    bench.join(100);
    let mut entered = Vec::new();
    // Steps are always a little further apart than the time after which a line was silent. Two of 100 are there.
    for _ in 0..120 {
        for number in [99, 100] {
            let asks = vec![Ask { number, hold_ms: 6_000, enter: true }];
            let outcome = bench.after_silence(2_100, Batch { asks, ..Batch::default() });
            if matches!(outcome.asks[0], Verdict::Inside { .. }) {
                entered.push(number);
            }
        }
    }
    assert!(entered.contains(&99) && entered.contains(&100), "{:?}", bench.line.summary());
}

#[test]
fn the_floor_of_a_line_that_is_asked_too_seldom_rises() {
    let mut bench = Bench::new(rules());
    bench.join(10);
    for _ in 0..200 {
        bench.join(3);
        bench.after_silence(2_100, Batch::default());
    }
    assert!(bench.line.summary().lanes[0].floor > 10, "{:?}", bench.line.lanes[0].heads);
}
