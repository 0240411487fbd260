//! What a summary tells: who stands before a number, why the line stands still, which numbers pages show.

use sluice_config::Mode;

use super::{
    super::{Batch, Known, Rules, SKIP},
    bench::Bench,
    rules,
};
use crate::line::Reason;

#[test]
fn who_comes_back_late_is_ranked_among_all_who_did() {
    const LATE: u64 = 4_900;
    let mut bench = Bench::new(Rules { max_waiting: 10_000, mode: Mode::Hold, ..rules() });
    bench.join(LATE + 1);
    // All but the last are away, so that the head passes them.
    bench.after(0, Batch { away: (1..=LATE).collect(), ..Batch::default() });
    bench.rules.mode = Mode::Auto;
    bench.see(1_000, [LATE + 1]);
    assert_eq!(bench.line.summary().lanes[0].head, LATE + 1);
    bench.rules.mode = Mode::Hold;
    let summary = bench.see(1_000, 1..=LATE).summary;
    assert_eq!((summary.lanes[0].late, summary.waiting), (LATE, LATE));
    for number in [1, 2, 255, 256, 1_000, 4_095, 4_096, LATE] {
        assert!(summary.ahead_of(number).abs_diff(number - 1) <= 1, "{number}: {}", summary.ahead_of(number));
    }
    // Half of them again.
    let summary = bench.see(30_000, (1..=LATE).filter(|number| number % 2 == 0)).summary;
    assert_eq!(summary.lanes[0].late, LATE / 2);
    for number in [2, 256, 1_000, LATE] {
        let off = summary.ahead_of(number).abs_diff(number / 2 - 1);
        assert!(off <= 16, "{number}: off by {off}");
    }
}

#[test]
fn a_line_that_stands_because_the_rate_was_lowered_says_so() {
    let mut bench = Bench::new(Rules { release_per_minute: 600, burst: 600, max_waiting: 10_000, ..rules() });
    assert_eq!(bench.join(1_000).called, 600);
    bench.rules.release_per_minute = 60;
    let all = || 601..=1_000;
    assert_eq!(bench.see(7_000, all()).summary.reason, Some(Reason::RateUsed));
    assert_eq!(bench.see(50_000, all()).summary.reason, Some(Reason::RateUsed));
    let outcome = bench.see(5_000, all());
    assert_eq!((outcome.summary.reason, outcome.summary.called_total > 600), (None, true));
}

#[test]
fn a_line_at_its_pace_gives_no_reason() {
    for release_per_minute in [1, 2, 6, 60, 600] {
        let mut bench = Bench::new(Rules { release_per_minute, burst: 1, max_waiting: 10_000, ..rules() });
        bench.join(1_000);
        for _ in 0..150 {
            let head = bench.line.summary().lanes[0].head;
            let summary = bench.see(1_000, head + 1..=1_000).summary;
            assert!(summary.reason.is_none(), "{release_per_minute} a minute: {:?}", summary.reason);
        }
    }
}

#[test]
fn numbers_are_shown_without_those_that_were_skipped() {
    let mut bench = Bench::new(rules());
    bench.join(100);
    // Two losses, one of which leaves nothing.
    let summary = bench.see(100, [120]).summary;
    assert_eq!(summary.lanes[0].gaps, [(121, 120 + SKIP)]);
    let number = bench.join(1).newcomers[0].0;
    assert_eq!((number, bench.line.summary().shown_number(number)), (121 + SKIP, 121));
    assert_eq!(bench.line.summary().shown_number(50), 50);
    let mut known = Known { steps: 900, ..bench.line.known() };
    known.lanes[0].issued = number;
    let mut bench = Bench::new(rules());
    bench.join(1);
    bench.after(100, Batch { known, ..Batch::default() });
    let number = bench.join(1).newcomers[0].0;
    assert_eq!((number, bench.line.summary().shown_number(number)), (122 + 2 * SKIP, 122));
}

/// P10: the first step of a node that had heard of the line right after the loss took the gap for handed out.
#[test]
fn numbers_stay_skipped_when_nodes_say_what_they_were_told_of_the_line() {
    let mut bench = Bench::new(rules());
    bench.join(100);
    bench.see(100, [120]);
    let known = bench.line.known();
    assert_eq!(known.lanes[0].issued, 120 + SKIP);
    let summary = bench.after(100, Batch { known: known.clone(), ..Batch::default() }).summary;
    assert_eq!(summary.lanes[0].gaps, [(121, 120 + SKIP)]);
    // Another loss: the gap is known from the node alone.
    let mut bench = Bench::new(rules());
    let summary = bench.after(100, Batch { known: Known { steps: 900, ..known }, ..Batch::default() }).summary;
    assert_eq!(summary.shown_number(summary.lanes[0].issued + 1), 121);
}

#[test]
fn many_losses_leave_few_gaps_and_later_numbers_as_they_are_shown() {
    let mut bench = Bench::new(Rules { mode: Mode::Hold, ..rules() });
    for loss in 1..=40 {
        let top = bench.line.summary().lanes[0].issued + 10;
        bench.see(100, [top]);
        let number = bench.join(1).newcomers[0].0;
        assert_eq!(bench.line.summary().shown_number(number), loss * 11);
    }
    assert_eq!(bench.line.summary().lanes[0].gaps.len(), 16);
}
