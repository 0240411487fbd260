//! What the line counts, beside what the simulator knows of its crowd.

use std::cell::RefCell;

use sluice_admission::line::{
    Ask, Batch, Histogram, Known, LaneId, Line, Minute, Newcomer, Outcome, Reading, Rules, Verdict,
};

use super::{CROWD, run_on, scenario};
use crate::simulate::{
    core::Core,
    store::START_MS,
    verdict::facts::{Ledger, Tally},
    world,
};

thread_local! {
    /// What was counted, and how many are inside.
    static COUNTED: RefCell<(Vec<Minute>, u64)> = const { RefCell::new((Vec::new(), 0)) };
}

/// The real line, of which the counts are kept.
#[derive(Clone)]
struct Counting(Line);

impl Core for Counting {
    fn begin(rules: &Rules, reading: Reading, known: &Known) -> Self {
        Self(Line::new(rules, reading, known))
    }

    fn sync(&mut self, rules: &Rules, reading: Reading, batch: &Batch) -> Outcome {
        let outcome = self.0.sync(rules, reading, batch);
        COUNTED.set((self.0.counts(0), outcome.summary.inside));
        outcome
    }

    fn counts(&self, since_minute: u64) -> Vec<Minute> {
        self.0.counts(since_minute)
    }
}

#[test]
fn the_line_counts_what_happens_to_a_crowd() {
    let report = run_on::<Counting>(&scenario(CROWD));
    let (minutes, inside) = COUNTED.take();
    let sum = |of: fn(&Minute) -> u32| minutes.iter().map(|minute| u64::from(of(minute))).sum::<u64>();
    let figures = &report.figures;
    let counted = [sum(|m| m.arrived), sum(|m| m.numbered), sum(|m| m.called)];
    assert_eq!(counted, [figures.took_a_number, figures.took_a_number, figures.calls]);
    // A walk-in whose pass never comes back, as the visit is one request long, has not entered as far as the line knows.
    let (entered, ended, lapsed) = (sum(|m| m.entered), sum(|m| m.ended), sum(|m| m.lapsed));
    let one_request = figures.entered - entered;
    assert!(one_request < figures.entered / 200, "{entered} of {} entered", figures.entered);
    assert!((0..=one_request).contains(&(lapsed - figures.calls_in_vain)), "{lapsed} of {}", figures.calls_in_vain);
    assert_eq!(ended + inside, entered);
    let mut waits = Histogram::default();
    minutes.iter().for_each(|minute| waits.merge(&minute.waits));
    assert_eq!(waits.total(), figures.calls);
    for (percent, told_s) in [(50, figures.wait_s.median), (90, figures.wait_s.p90)] {
        let mut rank = figures.calls * percent / 100;
        let bucket = waits.counts().find(|&(_, count)| {
            let is_here = rank < u64::from(count);
            rank = rank.saturating_sub(u64::from(count));
            is_here
        });
        let bucket = bucket.unwrap().0;
        let (low, high) = (Histogram::begins_at_s(bucket) as f64, Histogram::begins_at_s(bucket + 1) as f64);
        // From the arrival to the entry is a few polls more than from the number to the call.
        assert!((low * 0.9 - 1.0..high * 1.1 + 6.0).contains(&told_s), "{percent} %: {low} to {high} s, and {told_s}");
    }
}

/// A line, and the ledger beside it.
struct Booked {
    line: Line,
    ledger: Ledger,
    rules: Rules,
}

impl Booked {
    fn new() -> Self {
        let rules = world::rules(&scenario(CROWD));
        let reading = Reading { wall_ms: START_MS, slack_ms: 0, run: 1 };
        Self { line: Line::new(&rules, reading, &Known::default()), ledger: Ledger::default(), rules }
    }

    fn step(&mut self, at_s: u64, batch: &Batch) -> Outcome {
        let reading = Reading { wall_ms: START_MS + at_s * 1_000, slack_ms: 0, run: 1 };
        let outcome = self.line.sync(&self.rules, reading, batch);
        self.ledger.step(at_s * 1_000, self.rules.seat_ms, batch, &outcome);
        outcome
    }

    /// A step each second, in which nothing is said.
    fn silence(&mut self, seconds: std::ops::Range<u64>) {
        for at_s in seconds {
            self.step(at_s, &Batch::default());
        }
    }

    /// What was written down, all of which the line must have counted.
    fn close(mut self) -> Tally {
        self.ledger.close();
        let tally = self.ledger.tally().clone();
        let minutes = self.line.counts(0);
        let sum = |of: fn(&Minute) -> u32| minutes.iter().map(|minute| u64::from(of(minute))).sum::<u64>();
        let counted = [sum(|m| m.arrived), sum(|m| m.numbered), sum(|m| m.called), sum(|m| m.entered)];
        assert_eq!(counted, [tally.arrived.unwrap(), tally.numbered, tally.called, tally.entered]);
        let counted = [sum(|m| m.lapsed), sum(|m| m.left), sum(|m| m.ended)];
        assert_eq!(counted, [tally.lapsed, tally.left, tally.ended]);
        tally
    }
}

fn newcomer(id: u64, walk_in: bool) -> Newcomer {
    Newcomer { id, hold_ms: 4_000, enter: walk_in, walk_in, lane: LaneId::FIRST, arrived_ms: 0 }
}

#[test]
fn a_walk_in_has_entered_once_the_pass_is_back() {
    let mut booked = Booked::new();
    let newcomers = vec![newcomer(1, true), newcomer(2, true)];
    booked.step(0, &Batch { newcomers, ..Batch::default() });
    booked.step(2, &Batch { inside: vec![1], ..Batch::default() });
    booked.silence(3..40);
    booked.step(40, &Batch { ended: vec![1], ..Batch::default() });
    // A node that has not heard of it yet.
    booked.step(41, &Batch { inside: vec![1], ..Batch::default() });
    let tally = booked.close();
    let Tally { called, entered, lapsed, ended, .. } = tally;
    assert_eq!((called, entered, lapsed, ended), (2, 1, 1, 1));
    assert_eq!((tally.waits_ms, tally.visits_ms), (vec![0, 0], vec![38_000]));
}

#[test]
fn a_number_that_is_called_again_counts_again_and_a_seat_that_lapsed_ends_the_visit() {
    let mut booked = Booked::new();
    let outcome = booked.step(0, &Batch { newcomers: vec![newcomer(1, false)], ..Batch::default() });
    assert!(matches!(outcome.newcomers[..], [(1, Verdict::Called { .. })]), "{outcome:?}");
    let claim_s = booked.rules.claim_within_ms / 1_000;
    booked.silence(1..claim_s + 1);
    let asks = vec![Ask { number: 1, hold_ms: 4_000, enter: true }];
    let outcome = booked.step(claim_s + 1, &Batch { asks, ..Batch::default() });
    assert!(matches!(outcome.asks[..], [Verdict::Inside { provisional: false, .. }]), "{outcome:?}");
    let seat_s = booked.rules.seat_ms.div_ceil(1_000);
    booked.silence(claim_s + 2..claim_s + seat_s + 3);
    let tally = booked.close();
    let Tally { called, entered, lapsed, ended, .. } = tally;
    assert_eq!((called, entered, lapsed, ended), (2, 1, 1, 1));
    assert_eq!((tally.waits_ms, tally.visits_ms), (vec![0, (claim_s + 1) * 1_000], vec![0]));
}
