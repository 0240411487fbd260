//! Several lanes in one line.

use super::{
    super::{
        Batch, Known, KnownLane, LaneId, LaneRule, Newcomer, Outcome, Rules, SKIP, Verdict, number_of, place_of,
        slot_of,
    },
    bench::Bench,
    rules,
};
use sluice_config::{Name, limits::LANES_MAX};

fn lane(name: &str) -> LaneId {
    LaneId::named(&Name::new(name).unwrap())
}

/// The first lane with the first weight, and others.
fn with_lanes(first: u32, others: &[(&str, u32)]) -> Rules {
    let others = others.iter().map(|&(name, weight)| LaneRule { lane: lane(name), weight });
    let lanes = std::iter::once(LaneRule { lane: LaneId::FIRST, weight: first }).chain(others).collect();
    Rules { lanes, ..rules() }
}

impl Bench {
    /// So many newcomers to a lane, who have come back with their slips.
    fn join_lane(&mut self, lane: LaneId, count: u64) -> Outcome {
        let ids = self.fresh_ids(count);
        let newcomer = |id| Newcomer { id, hold_ms: 4_000, enter: false, walk_in: false, lane, arrived_ms: 0 };
        self.after(0, Batch { newcomers: ids.map(newcomer).collect(), ..Batch::default() })
    }

    fn calls_by_lane(&self) -> Vec<u64> {
        self.line.summary().lanes.iter().map(|lane| lane.called_total).collect()
    }
}

/// All of the lanes wait all the time; how many each has called after so many seconds.
fn after_a_run(rules: Rules, seconds: u64) -> Vec<u64> {
    let mut bench = Bench::new(rules.clone());
    for rule in &rules.lanes {
        bench.join_lane(rule.lane, 4_000);
    }
    let (lanes, before) = (bench.line.summary().lanes.len(), bench.calls_by_lane());
    for _ in 0..seconds {
        let ahead = |slot: usize, bench: &Bench| {
            let head = place_of(bench.line.summary().lanes[slot].head);
            (head + 1..head + 400).map(move |place| number_of(slot, place)).collect::<Vec<_>>()
        };
        let waiting: Vec<u64> = (0..lanes).flat_map(|slot| ahead(slot, &bench)).collect();
        let entered = bench.line.due().map(|seat| seat.0).collect::<Vec<_>>();
        let visits = Batch { ended: entered, ..Batch::default() };
        bench.after(0, visits);
        bench.see(1_000, waiting);
    }
    bench.calls_by_lane().iter().zip(before).map(|(after, before)| after - before).collect()
}

#[test]
fn lanes_are_called_by_their_weights_within_one_percent() {
    // A few a minute, many at once, and where seats are short.
    let paces = [(60, 5, None, 1_800), (3_000, 300, None, 120), (3_000, 300, Some(7), 300)];
    for (release_per_minute, burst, max_active, seconds) in paces {
        let rules = with_lanes(5, &[("members", 3), ("press", 1), ("staff", 1)]);
        let calls =
            after_a_run(Rules { release_per_minute, burst, max_active, max_waiting: 100_000, ..rules }, seconds);
        let total: u64 = calls.iter().sum();
        assert!(total > 1_000, "{calls:?}");
        for (called, weight) in calls.iter().zip([5, 3, 1, 1]) {
            let fair = total * weight / 10;
            assert!(called.abs_diff(fair) * 100 <= fair, "{calls:?} at {release_per_minute} a minute");
        }
    }
}

#[test]
fn a_share_that_a_lane_cannot_use_is_given_away_in_the_same_step() {
    let mut bench = Bench::new(Rules { burst: 60, ..with_lanes(1, &[("members", 9)]) });
    let ids = bench.fresh_ids(103);
    let newcomer = |id| {
        let lane = if id % 50 == 0 { lane("members") } else { LaneId::FIRST };
        Newcomer { id, hold_ms: 4_000, enter: false, walk_in: false, lane, arrived_ms: 0 }
    };
    let outcome = bench.after(0, Batch { newcomers: ids.map(newcomer).collect(), ..Batch::default() });
    assert_eq!(outcome.called, 60);
    assert_eq!(bench.calls_by_lane(), [57, 3], "there are but three members");
    assert_eq!(outcome.summary.lanes[1].standing_since_ms, 0);
    assert!(outcome.summary.standing && outcome.summary.lanes[0].standing_since_ms > 0);
}

#[test]
fn each_lane_has_its_own_numbers_head_and_places() {
    let mut bench = Bench::new(Rules { burst: 2, ..with_lanes(1, &[("members", 1)]) });
    bench.join(10);
    let outcome = bench.join_lane(lane("members"), 5);
    let numbers: Vec<u64> = outcome.newcomers.iter().map(|newcomer| newcomer.0).collect();
    assert!(numbers.iter().all(|&number| slot_of(number) == 1) && numbers.is_sorted());
    let summary = bench.line.summary();
    let shown: Vec<u64> = numbers.iter().map(|&number| summary.shown_number(number)).collect();
    assert_eq!(shown, [1, 2, 3, 4, 5]);
    assert_eq!((summary.ahead_of(numbers[4]), summary.waiting), (4, 13));
    assert_eq!((summary.lanes[0].waiting, summary.lanes[1].waiting), (8, 5));
    assert_eq!(place_of(summary.lanes[1].head), 0);
    // The next two places are one of each.
    let all = (1..=10).chain(numbers.clone()).collect::<Vec<_>>();
    let summary = bench.see(3_000, all).summary;
    assert_eq!((summary.lanes[0].head, summary.lanes[1].head), (3, numbers[0]));
    assert_eq!(bench.ask(numbers[0], true), bench.ask(numbers[0], false), "inside");
    assert_eq!(bench.ask(numbers[1], true), Verdict::Waiting);
}

#[test]
fn a_lane_that_is_taken_out_of_the_file_is_called_until_nobody_is_left_in_it() {
    let mut bench = Bench::new(Rules { burst: 1, ..with_lanes(1, &[("members", 3)]) });
    bench.join(20);
    let members: Vec<u64> = bench.join_lane(lane("members"), 3).newcomers.iter().map(|newcomer| newcomer.0).collect();
    bench.rules = Rules { burst: 1, ..rules() };
    for _ in 0..7 {
        bench.see(1_000, (1..=20).chain(members.clone()));
    }
    assert!(members.iter().all(|&number| matches!(bench.ask(number, true), Verdict::Inside { .. })));
    // Who comes for it now stands in the first lane.
    assert_eq!(
        slot_of(bench.join_lane(lane("members"), 1).newcomers[0].0),
        1,
        "as long as no other lane needs its slot"
    );
}

#[test]
fn a_slot_is_used_again_once_nobody_waits_in_a_lane_that_is_not_in_the_file_any_more() {
    let names: Vec<String> = (1..LANES_MAX).map(|n| format!("lane{n}")).collect();
    let all: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut bench = Bench::new(Rules { burst: 1, ..with_lanes(1, &all) });
    let stays = bench.join_lane(lane("lane1"), 2).newcomers[1].0;
    let mut others = all.clone();
    others[0] = ("other", 1);
    bench.rules = Rules { burst: 1, ..with_lanes(1, &others) };
    bench.see(100, [stays]);
    let first = bench.join_lane(lane("other"), 1).newcomers[0].0;
    assert_eq!(slot_of(first), 0, "somebody waits in the lane whose slot it would be");
    bench.after(1_000, Batch { away: vec![stays], ..Batch::default() });
    bench.see(100, [first]);
    bench.see(100, [first]);
    let number = bench.join_lane(lane("other"), 1).newcomers[0].0;
    assert_eq!((slot_of(number), place_of(number)), (1, 3), "numbers go on: none is given twice");
}

#[test]
fn a_line_that_was_lost_learns_from_a_node_which_lane_is_in_which_slot() {
    let mut bench = Bench::new(with_lanes(1, &[("members", 2), ("press", 1)]));
    let member = bench.join_lane(lane("members"), 1).newcomers[0].0;
    let known = bench.line.known();
    let mut lost = Bench::new(with_lanes(1, &[("press", 1), ("members", 2)]));
    lost.after(100, Batch::default());
    let ids = |bench: &Bench| bench.line.summary().lanes.iter().map(|lane| lane.lane).collect::<Vec<_>>();
    assert_eq!(ids(&lost), [LaneId::FIRST, lane("press"), lane("members")]);
    let known = Known { steps: 100, ..known };
    lost.after(100, Batch { known, ..Batch::default() });
    assert_eq!(ids(&lost), [LaneId::FIRST, lane("members"), lane("press")]);
    let next = lost.join_lane(lane("members"), 1).newcomers[0].0;
    assert_eq!((slot_of(next), next > member + SKIP), (1, true));
}

#[test]
fn a_lane_is_in_one_slot_although_a_node_remembers_it_in_another() {
    // A node remembers one lane in the first slot. The line was lost, and begun anew from a file that names them in
    // another order.
    let mut old = Bench::new(with_lanes(1, &[("members", 2)]));
    old.after(100, Batch::default());
    let known = Known { steps: 100, ..old.line.known() };
    let mut lost = Bench::new(with_lanes(1, &[("press", 5), ("members", 2)]));
    lost.after(100, Batch::default());
    lost.after(100, Batch { known, ..Batch::default() });
    let ids: Vec<_> = lost.line.summary().lanes.iter().map(|lane| lane.lane).collect();
    assert_eq!(ids, [LaneId::FIRST, lane("members"), lane("press")], "the weight of the members counts once");
}

#[test]
fn a_visitor_whose_lane_was_lost_keeps_the_place() {
    let mut bench = Bench::new(rules());
    let number = number_of(2, 40);
    let summary = bench.see(100, [number]).summary;
    assert_eq!((summary.life, summary.lanes.len()), (1, 3));
    assert_eq!(summary.lanes[2].waiting, 1);
    bench.see(2_000, [number]);
    bench.see(100, [number]);
    assert!(matches!(bench.ask(number, true), Verdict::Inside { .. }));
    // The first lane of the file that has no slot is taken for it.
    bench.rules = with_lanes(1, &[("members", 1), ("press", 1)]);
    bench.after(100, Batch::default());
    let lanes = bench.line.summary().lanes.iter().map(|lane| lane.lane).collect::<Vec<_>>();
    assert_eq!(lanes, [LaneId::FIRST, lane("members"), lane("press")]);
}

#[test]
fn what_is_known_of_lanes_is_merged_by_maximum() {
    let mut bench = Bench::new(with_lanes(1, &[("members", 1)]));
    bench.join_lane(lane("members"), 9);
    let mut known = bench.line.known();
    known.lanes[1] = KnownLane { issued: number_of(1, 50), head: number_of(1, 30), ..known.lanes[1].clone() };
    let lane = bench.after(100, Batch { known, ..Batch::default() }).summary.lanes[1].clone();
    assert_eq!((place_of(lane.head), place_of(lane.issued)), (30, 50));
}

#[test]
fn a_reset_voids_the_numbers_of_all_lanes_and_keeps_their_slots() {
    let mut bench = Bench::new(with_lanes(1, &[("members", 1), ("press", 1)]));
    bench.join_lane(lane("press"), 4);
    let rules = bench.rules.clone();
    bench.line.reset(&rules);
    let number = bench.join_lane(lane("press"), 1).newcomers[0].0;
    assert_eq!(number, number_of(2, 1));
}

#[test]
fn a_lane_in_which_nobody_stands_takes_no_memory() {
    let mut bench = Bench::new(with_lanes(1, &[("members", 1), ("press", 1)]));
    bench.join(1_000);
    for lane in bench.line.lanes.iter().skip(1) {
        assert_eq!((lane.presence.len_words(), lane.called.len_words()), (0, 0));
    }
}
