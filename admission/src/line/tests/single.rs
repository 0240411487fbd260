use super::{
    super::{Ask, Batch, Known, KnownLane, PerLane, Reading, Rules, SKIP, Seen, Verdict},
    bench::Bench,
    rules,
};
use crate::line::Reason;
use sluice_config::Mode;

#[test]
fn an_empty_line_calls_a_newcomer_in_the_same_step() {
    let mut bench = Bench::new(rules());
    let outcome = bench.join(1);
    assert!(matches!(outcome.newcomers[0], (1, Verdict::Called { .. })));
}

#[test]
fn who_comes_back_late_is_called_before_those_who_came_after() {
    let mut bench = Bench::new(Rules { burst: 1, ..rules() });
    bench.join(3);
    // Number 2 sleeps; the head passes it.
    bench.see(30_000, [3]);
    assert!(matches!(bench.ask(3, true), Verdict::Inside { .. }));
    bench.join(20);
    bench.see(1_000, [2, 4, 5]);
    assert!(matches!(bench.ask(2, false), Verdict::Called { .. }), "{:?}", bench.line.known());
}

#[test]
fn who_stays_away_too_long_has_lost_the_place() {
    let mut bench = Bench::new(Rules { burst: 1, ..rules() });
    bench.join(2);
    for _ in 0..40 {
        bench.join(1);
        bench.after(10_000, Batch::default());
    }
    assert_eq!(bench.ask(2, false), Verdict::Spent);
}

#[test]
fn a_called_number_that_does_not_enter_gives_its_seat_back_and_is_next_when_it_comes() {
    let mut bench = Bench::new(Rules { max_active: Some(1), ..rules() });
    bench.join(2);
    assert!(matches!(bench.ask(1, false), Verdict::Called { .. }));
    assert_eq!(bench.ask(2, false), Verdict::Waiting);
    bench.see(10_001, [2]);
    assert!(matches!(bench.ask(2, true), Verdict::Inside { .. }));
    assert_eq!(bench.ask(1, true), Verdict::Waiting);
    bench.after(250, Batch { ended: vec![2], ..Batch::default() });
    assert!(matches!(bench.ask(1, true), Verdict::Inside { .. }));
}

#[test]
fn a_hidden_tab_is_called_between_two_polls_and_keeps_its_seat_until_the_next() {
    let mut bench = Bench::new(Rules { burst: 1, release_per_minute: 2, ..rules() });
    bench.join(2);
    bench.after(0, Batch { seen: vec![Seen { number: 2, hold_ms: 65_000 }], ..Batch::default() });
    bench.pass(62);
    assert_eq!(bench.line.lanes[0].head, 2, "called while nothing was heard of it");
    bench.pass(2);
    assert!(matches!(bench.ask(2, true), Verdict::Inside { .. }));
}

/// Tickets that ask and never enter, and an honest visitor behind them.
#[test]
fn tickets_that_never_enter_delay_those_behind_by_no_more_than_one_call_each() {
    const PARKED: u64 = 400;
    let mut bench = Bench::new(Rules { release_per_minute: 600, burst: 10, ..rules() });
    bench.join(PARKED + 20);
    for second in 1.. {
        bench.see(1_000, PARKED + 1..=PARKED + 20);
        let asks = (1..=PARKED).map(|number| Ask { number, hold_ms: 4_000, enter: false });
        bench.after(0, Batch { asks: asks.collect(), ..Batch::default() });
        if matches!(bench.ask(PARKED + 20, true), Verdict::Inside { .. }) {
            assert!(second <= PARKED / 10 + 5, "in after {second} s");
            break;
        }
        assert!(second < 100, "never in");
    }
}

#[test]
fn who_heard_of_the_call_and_did_not_enter_is_called_again_when_the_page_is_loaded_and_once_more_only() {
    let mut bench = Bench::new(rules());
    bench.join(1);
    assert!(matches!(bench.ask(1, false), Verdict::Called { .. }));
    bench.pass(11);
    assert_eq!(bench.ask(1, false), Verdict::Lapsed);
    assert_eq!(bench.ask(1, false), Verdict::Lapsed, "asking is not enough");
    assert!(matches!(bench.ask(1, true), Verdict::Inside { .. }), "the page was loaded");

    let mut bench = Bench::new(rules());
    bench.join(1);
    bench.ask(1, false);
    bench.pass(11);
    // The page is loaded, but no number can be called just then.
    bench.rules.mode = Mode::Hold;
    assert_eq!(bench.ask(1, true), Verdict::Waiting);
    bench.rules.mode = Mode::Auto;
    bench.pass(1);
    assert!(matches!(bench.ask(1, false), Verdict::Called { .. }));
    bench.pass(11);
    assert_eq!(bench.ask(1, true), Verdict::Spent);
}

#[test]
fn who_did_not_hear_of_the_call_is_first_again_when_seen() {
    let mut bench = Bench::new(Rules { max_active: Some(1), ..rules() });
    bench.join(1);
    // The answer to the newcomer says that it is called; the second hears nothing.
    assert!(matches!(bench.ask(1, true), Verdict::Inside { .. }));
    bench.join(1);
    bench.after(1_000, Batch { ended: vec![1], ..Batch::default() });
    assert_eq!(bench.line.due.len(), 1);
    for _ in 0..3 {
        bench.pass(11);
        assert_eq!(bench.see(0, [2]).called, 1, "as often as it takes");
    }
    assert!(matches!(bench.ask(2, true), Verdict::Inside { .. }));
}

#[test]
fn clients_that_keep_no_cookies_hold_seats_for_half_a_minute_only() {
    let mut bench = Bench::new(Rules { release_per_minute: 600, burst: 10, seat_ms: 677_000, ..rules() });
    let mut most = 0;
    for _ in 0..300 {
        for _ in 0..3 {
            let outcome = bench.walk_in();
            assert!(matches!(outcome.newcomers[0].1, Verdict::Inside { provisional: true, .. }));
            most = most.max(outcome.summary.due + outcome.summary.inside);
        }
        bench.after(1_000, Batch::default());
    }
    assert!((80..=95).contains(&most), "{most} seats");
}

#[test]
fn a_walk_in_whose_pass_comes_back_is_inside_and_one_who_comes_back_later_is_first() {
    let mut bench = Bench::new(Rules { max_active: Some(3), ..rules() });
    for number in 1..=3 {
        assert_eq!(bench.walk_in().newcomers[0].0, number);
    }
    bench.after(5_000, Batch { inside: vec![1], ..Batch::default() });
    assert!(matches!(bench.ask(2, false), Verdict::Inside { provisional: false, .. }));
    bench.pass(26);
    assert_eq!((bench.line.due.len(), bench.line.inside.len()), (0, 2), "the third has not been back");
    assert!(matches!(bench.walk_in().newcomers[0], (4, Verdict::Inside { .. })));
    bench.join(1);
    assert_eq!(bench.ask(3, true), Verdict::Waiting, "there is no seat");
    let outcome = bench.after(100, Batch { ended: vec![4], ..Batch::default() });
    assert_eq!(outcome.due[0].0, 3, "before who came later");
}

#[test]
fn a_visit_that_has_ended_is_not_taken_up_again_by_a_mark_that_comes_late() {
    let mut bench = Bench::new(Rules { max_active: Some(1), ..rules() });
    bench.join(2);
    assert!(matches!(bench.ask(1, true), Verdict::Inside { .. }));
    assert_eq!(bench.see(250, [2]).called, 0);
    // It ends through one node, and the next is called into its seat.
    let outcome = bench.after(250, Batch { ended: vec![1], ..Batch::default() });
    assert_eq!((outcome.called, outcome.summary.inside), (1, 0));
    // Another node saw it inside before, and says so only now.
    let outcome = bench.after(1_000, Batch { inside: vec![1], ..Batch::default() });
    assert_eq!((outcome.summary.due, outcome.summary.inside), (1, 0));
    assert_eq!(bench.ask(1, true), Verdict::Spent);
}

#[test]
fn a_pass_that_was_copied_takes_no_seat_after_the_visit_for_as_long_as_it_lives() {
    let mut bench = Bench::new(Rules { max_active: Some(3), seat_ms: 600_000, burst: 5, ..rules() });
    let mut most = 0;
    for number in 1..=60 {
        assert!(matches!(bench.walk_in().newcomers[0].1, Verdict::Inside { .. }), "{number}");
        bench.after(1_000, Batch { ended: vec![number], ..Batch::default() });
        // All the copies are used.
        let outcome = bench.after(1_000, Batch { inside: (1..=number).collect(), ..Batch::default() });
        most = most.max(outcome.summary.inside + outcome.summary.due);
        assert_eq!(bench.ask(number, true), Verdict::Spent);
    }
    assert_eq!(most, 0);
}

#[test]
fn a_node_is_told_whose_visits_have_ended() {
    let mut bench = Bench::new(rules());
    bench.join(3);
    let mut told = |ended: &[u64], ended_ms| {
        let known = Known { epoch: 1, ended_ms: Some(ended_ms), ..Known::default() };
        bench.after(0, Batch { known, ended: ended.to_vec(), ..Batch::default() }).ended
    };
    let first = told(&[2, 1], 0);
    assert_eq!(first.iter().map(|ended| ended.0).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(told(&[2, 1], first[1].1), [], "each once");
    assert_eq!(told(&[3], first[1].1).len(), 1);
    assert_eq!(told(&[], 0).len(), 3, "a node that has just started");
}

#[test]
fn a_repeated_claim_gives_the_same_seat() {
    let mut bench = Bench::new(rules());
    bench.join(1);
    let first = bench.ask(1, true);
    bench.now_ms += 3_000;
    assert_eq!(bench.ask(1, true), first);
    assert_eq!(bench.line.inside.len(), 1);
}

#[test]
fn a_full_line_refuses_newcomers_and_says_so() {
    let mut bench = Bench::new(Rules { mode: Mode::Hold, max_waiting: 5, ..rules() });
    let outcome = bench.join(8);
    let refused = outcome.newcomers.iter().filter(|n| n.1 == Verdict::Refused).count();
    assert_eq!((refused, outcome.summary.lanes[0].issued, outcome.summary.reason), (3, 5, Some(Reason::Paused)));
}

#[test]
fn a_number_that_was_never_handed_out_proves_that_the_state_was_lost() {
    let mut bench = Bench::new(rules());
    let outcome = bench.see(0, [500]);
    assert_eq!((outcome.called, outcome.summary.reason), (0, Some(Reason::Recovering)));
    // Others above it may have been handed out as well.
    assert_eq!(bench.join(1).newcomers[0].0, 500 + SKIP + 1);
    assert_eq!(bench.see(2_000, [500]).called, 2, "both, once the line has heard all nodes");
}

#[test]
fn a_number_that_lies_far_off_takes_no_memory() {
    let mut bench = Bench::new(rules());
    bench.join(8);
    let far = 1 << 45;
    let outcome = bench.after(100, Batch { inside: vec![far], ..Batch::default() });
    assert_eq!((outcome.summary.life, outcome.summary.inside), (1, 1));
    bench.see(100, [far - 5]);
    // A page of each bitmap that is in use, for the numbers that are kept.
    assert!(bench.line.lanes[0].called.len_words() < 100_000, "{} words", bench.line.lanes[0].called.len_words());
    assert!(bench.line.lanes[0].presence.len_words() < 100_000);
    assert_eq!(bench.ask(far - 5, false), Verdict::Waiting, "it is kept");
    assert_eq!(bench.ask(8, false), Verdict::Spent);
}

#[test]
fn a_node_that_was_cut_off_while_none_waited_lets_newcomers_in_at_once() {
    let mut bench = Bench::new(rules());
    for _ in 0..3 {
        let away_since_ms = bench.now_ms - 5_000;
        let outcome = bench.after(1_000, Batch { away_since_ms, ..Batch::default() });
        assert!(!outcome.summary.settling);
    }
    bench.after(2_000, Batch::default());
    assert_eq!(bench.join(1).newcomers[0].0, 1);
}

#[test]
fn a_shorter_session_idle_ends_old_visits_sooner() {
    let mut bench = Bench::new(Rules { seat_ms: 600_000, ..rules() });
    bench.join(1);
    assert!(matches!(bench.ask(1, true), Verdict::Inside { .. }));
    bench.rules.seat_ms = 10_000;
    assert_eq!(bench.after(1_000, Batch::default()).summary.inside, 1);
    assert_eq!(bench.after(10_000, Batch::default()).summary.inside, 0);
}

#[test]
fn a_join_that_is_repeated_after_minutes_gets_the_same_number() {
    let mut bench = Bench::new(rules());
    let number = bench.join(1).newcomers[0].0;
    bench.pass(500);
    bench.rejoin();
    assert_eq!(bench.join(1).newcomers[0].0, number);
}

#[test]
fn a_line_that_was_lost_calls_no_burst_a_second_time() {
    let mut bench = Bench::new(rules());
    let old = bench.line.clone();
    let lost = bench.join(20);
    assert_eq!(lost.called, 5);
    // What is left is a copy from before, and nobody remembers whom it called.
    bench.line = old;
    let known = Known {
        epoch: 1,
        lanes: PerLane::one(KnownLane { issued: 20, ..KnownLane::default() }),
        steps: lost.summary.steps,
        ..Known::default()
    };
    assert_eq!(bench.after(100, Batch { known, ..Batch::default() }).summary.life, 1);
    assert_eq!(bench.see(1_799, 1..=20).called, 0, "it listens");
    assert_eq!(bench.see(201, 1..=20).called, 2, "what the rate has earned since, not a burst");
}

#[test]
fn a_line_that_could_not_be_asked_listens_to_all_nodes_before_it_calls() {
    let mut bench = Bench::new(Rules { burst: 1, ..rules() });
    bench.join(3);
    // One node is back and has seen number 3; another, which has seen number 2, is only about to be.
    bench.now_ms += 20_000;
    let seen = vec![Seen { number: 3, hold_ms: 8_000 }];
    let away_since_ms = bench.now_ms - 19_000;
    let outcome = bench.after(0, Batch { seen, away_since_ms, ..Batch::default() });
    assert_eq!((outcome.called, outcome.summary.reason), (0, Some(Reason::Recovering)));
    let seen = vec![Seen { number: 2, hold_ms: 8_000 }];
    assert_eq!(bench.after(1_500, Batch::default()).called, 0);
    assert_eq!(bench.after(400, Batch { seen, away_since_ms, ..Batch::default() }).called, 0);
    assert_eq!(bench.after(100, Batch::default()).called, 1);
    assert!(matches!(bench.ask(2, false), Verdict::Called { .. }));
}

#[test]
fn another_run_of_the_store_may_have_lost_its_last_numbers() {
    let mut bench = Bench::new(Rules { burst: 1, ..rules() });
    bench.join(3);
    let mut step = |run| {
        let reading = Reading { wall_ms: bench.now_ms, slack_ms: 0, run };
        bench.line.sync(&bench.rules, reading, &Batch::default()).summary
    };
    assert_eq!((step(7).life, step(0).life, step(7).life), (0, 0, 0), "the same run, or not told");
    let moved = step(8);
    assert_eq!((moved.life, moved.lanes[0].issued, moved.reason), (1, 3 + SKIP, Some(Reason::Recovering)));
    assert_eq!(step(8).life, 1);
}

#[test]
fn a_batch_of_an_old_epoch_changes_nothing() {
    let mut bench = Bench::new(Rules { mode: Mode::Hold, ..rules() });
    bench.join(3);
    let rules = bench.rules.clone();
    bench.line.reset(&rules);
    let known = Known {
        epoch: 1,
        lanes: PerLane::one(KnownLane { issued: 3, head: 3, ..KnownLane::default() }),
        ..Known::default()
    };
    let asks = vec![Ask { number: 2, hold_ms: 4_000, enter: true }];
    let outcome = bench.after(0, Batch { known, asks, ..Batch::default() });
    assert_eq!((outcome.asks[0], outcome.summary.epoch, outcome.summary.lanes[0].issued), (Verdict::Spent, 2, 0));
}

#[test]
fn those_who_come_in_one_rush_each_see_those_before() {
    let mut bench = Bench::new(Rules { release_per_minute: 1, burst: 1, max_waiting: 100_000, ..rules() });
    bench.join(1);
    for n in 0..50 {
        let outcome = bench.join(1_000);
        let last = outcome.newcomers[999].0;
        assert_eq!(outcome.summary.ahead_of(last), n * 1_000 + 999);
    }
}

#[test]
fn a_long_line_gives_back_its_memory_as_it_moves() {
    let mut bench =
        Bench::new(Rules { release_per_minute: 100_000, burst: 100_000, max_waiting: 1_000_000, ..rules() });
    for _ in 0..20 {
        bench.join(20_000);
        bench.see(60_000, 1..=bench.line.lanes[0].issued);
    }
    assert!(bench.line.lanes[0].base > 200_000, "base {}", bench.line.lanes[0].base);
    assert!(bench.line.lanes[0].called.len_words() < 5_000);
}
