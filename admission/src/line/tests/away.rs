//! Who came, or was let in, while the line could not be asked.

use super::{
    super::{Batch, LaneId, Newcomer, Rules, Verdict},
    bench::Bench,
    rules,
};
use sluice_config::Mode;

#[test]
fn who_came_while_the_line_was_away_is_numbered_by_time_of_arrival() {
    let mut bench = Bench::new(Rules { mode: Mode::Hold, ..rules() });
    bench.join(2);
    let begin_ms = bench.now_ms;
    let came = |id, after_ms| Newcomer {
        id,
        hold_ms: 4_000,
        enter: false,
        walk_in: false,
        lane: LaneId::FIRST,
        arrived_ms: begin_ms + after_ms,
    };
    let away = |newcomers| Batch { away_since_ms: begin_ms + 1_000, newcomers, ..Batch::default() };
    // Two nodes are back; the one that is later has the visitor who came first.
    let outcome = bench.after(30_000, away(vec![came(101, 20_000), came(102, 5_000)]));
    assert_eq!(outcome.newcomers, [(0, Verdict::Refused); 2]);
    assert!(outcome.summary.settling);
    // Slips collected before count as of the beginning: no reward for hoarding them.
    bench.after(1_000, away(vec![came(103, 2_000), came(99, 10), came(98, 900)]));
    let all = [98, 99, 103, 102, 101];
    let again = all.map(|id| came(id, 0)).to_vec();
    let outcome = bench.after(7_000, Batch { newcomers: again, ..Batch::default() });
    assert_eq!(outcome.newcomers.iter().map(|n| n.0).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
    assert!(!outcome.summary.settling);
}

#[test]
fn who_was_on_the_way_when_the_line_went_away_moves_up_to_the_time_of_arrival() {
    let mut bench = Bench::new(Rules { mode: Mode::Hold, max_waiting: 5, ..rules() });
    bench.join(2);
    let begin_ms = bench.now_ms;
    let came = |id, after_ms| Newcomer {
        id,
        hold_ms: 4_000,
        enter: false,
        walk_in: false,
        lane: LaneId::FIRST,
        arrived_ms: begin_ms + after_ms,
    };
    let away = |newcomers| Batch { away_since_ms: begin_ms + 1_000, newcomers, ..Batch::default() };
    // What a node had sent before the line went away says of nobody when they came.
    let on_the_way = Newcomer { arrived_ms: 0, ..came(100, 0) };
    bench.after(30_000, away(vec![on_the_way, came(101, 5_000)]));
    // Its visitor asks again, and says when. A later time changes nothing, and nobody takes a second place: of the two
    // who are new there is room for one.
    let again = vec![came(100, 2_000), came(101, 20_000), came(102, 25_000), came(103, 26_000)];
    bench.after(1_000, away(again.clone()));
    let outcome = bench.after(7_000, Batch { newcomers: again, ..Batch::default() });
    assert_eq!(outcome.newcomers.iter().map(|n| n.0).collect::<Vec<_>>(), [3, 4, 5, 0]);
}

#[test]
fn who_was_let_in_while_the_line_was_away_is_counted_once() {
    let mut bench = Bench::new(Rules { burst: 2, max_active: Some(10), ..rules() });
    bench.join(5);
    let admitted = || Batch { admitted: vec![3, 4], ..Batch::default() };
    let outcome = bench.after(1_000, admitted());
    assert_eq!((outcome.summary.inside, outcome.summary.called_total), (2, 4));
    assert_eq!(bench.after(10, admitted()).summary.called_total, 4, "the same batch again");
    assert!(matches!(bench.ask(3, true), Verdict::Inside { .. }));
}

#[test]
fn who_was_let_in_while_the_line_was_away_and_has_left_is_counted_once() {
    let mut bench = Bench::new(Rules { mode: Mode::Hold, ..rules() });
    bench.join(5);
    for after_ms in [1_000, 10, 20_000] {
        let outcome = bench.after(after_ms, Batch { admitted: vec![3], ended: vec![3], ..Batch::default() });
        assert_eq!((outcome.summary.called_total, outcome.summary.inside), (1, 0), "{after_ms} ms later");
    }
    assert_eq!(bench.ask(3, true), Verdict::Spent);
}

#[test]
fn who_was_let_in_while_the_line_was_away_takes_no_seat_after_the_visit() {
    let mut bench = Bench::new(Rules { mode: Mode::Hold, ..rules() });
    bench.join(5);
    // The visit ends through one node before the other tells that it let the visitor in.
    bench.after(1_000, Batch { ended: vec![3], ..Batch::default() });
    let outcome = bench.after(1_000, Batch { admitted: vec![3], ..Batch::default() });
    assert_eq!((outcome.summary.inside, outcome.summary.due, outcome.summary.called_total), (0, 0, 1));
    assert_eq!(bench.ask(3, true), Verdict::Spent);
}

#[test]
fn who_is_told_twice_to_have_been_let_in_is_counted_once() {
    let mut bench = Bench::new(Rules { mode: Mode::Hold, ..rules() });
    bench.join(8);
    let outcome = bench.after(1_000, Batch { admitted: vec![7, 7], ..Batch::default() });
    assert_eq!((outcome.summary.called_total, outcome.summary.inside), (1, 1));
}

#[test]
fn who_was_called_and_then_let_in_is_counted_again_only_if_the_seat_was_given_back() {
    let mut bench = Bench::new(Rules { mode: Mode::Hold, ..rules() });
    bench.join(2);
    bench.rules.mode = Mode::Auto;
    // Neither hears of it.
    assert_eq!(bench.after(1_000, Batch::default()).summary.called_total, 2);
    bench.rules.mode = Mode::Hold;
    let let_in = |number| Batch { admitted: vec![number], ..Batch::default() };
    assert_eq!(bench.after(1_000, let_in(1)).summary.called_total, 2);
    assert_eq!(bench.after(10_000, let_in(2)).summary.called_total, 3);
}
