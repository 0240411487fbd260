//! What visitors are shown, for lines whose future is known. How often it holds for crowds whose future is not, the
//! crowd simulator says (`loadtest/`).
#![allow(clippy::unwrap_used)]

use sluice_config::Mode;

use super::*;
use crate::line::{LaneId, LaneRule, PerLane};

const START_MS: u64 = 1_700_000_000_000;

fn rules() -> Rules {
    Rules {
        release_per_minute: 600,
        burst: 100,
        max_active: None,
        max_waiting: 1_000_000,
        mode: Mode::Auto,
        claim_within_ms: 120_000,
        return_within_ms: 1_800_000,
        seat_ms: 100_000,
        lanes: Vec::new(),
    }
}

/// A line of 20,000, of which so many are called and so many found to have left each second; told once a second.
fn after(rules: &Rules, seconds: u64, calls_per_s: u64, leave_per_s: u64, seats: u64) -> Speed {
    let mut speedometer = Speedometer::default();
    let mut speed = Speed::default();
    for second in 0..=seconds {
        let summary = standing_lane(
            LaneSummary {
                issued: 20_000,
                called_total: second * calls_per_s,
                waiting: 20_000 - second * (calls_per_s + leave_per_s),
                standing_since_ms: START_MS,
                ..LaneSummary::default()
            },
            Summary { now_ms: START_MS + second * 1_000, inside: seats, ..Summary::default() },
        );
        speed = speedometer.observe(rules, &summary);
    }
    speed
}

/// A queue of one lane, in which somebody stands.
fn standing_lane(lane: LaneSummary, rest: Summary) -> Summary {
    let (waiting, called_total) = (lane.waiting, lane.called_total);
    Summary { waiting, called_total, standing: true, lanes: PerLane::one(lane), ..rest }
}

fn holds(speed: &Speed, ahead: u64, wait_s: u32) {
    let range = speed.wait(ahead).unwrap();
    assert!((range.low_s..=range.high_s).contains(&wait_s), "{wait_s} s with {ahead} ahead, shown {range:?}");
}

#[test]
fn a_line_that_nobody_leaves_moves_at_the_rate() {
    for stood_s in [0, 5, 30, 90, 150, 300, 900] {
        let speed = after(&rules(), stood_s, 10, 0, 0);
        for ahead in [1, 10, 100, 1_000, 5_000] {
            holds(&speed, ahead, u32::try_from(ahead / 10).unwrap());
        }
    }
}

#[test]
fn the_range_is_narrow_once_it_is_known_who_stays() {
    let range = after(&rules(), 600, 10, 0, 0).wait(3_000).unwrap();
    assert!(f64::from(range.high_s) < f64::from(range.low_s) * 1.5, "{range:?}");
}

#[test]
fn whoever_leaves_shortens_the_wait_of_those_behind() {
    // 20,000 - 600 · 20 = 8,000 are left, of whom 10 leave each second: 1 in 800.
    let speed = after(&rules(), 600, 10, 10, 0);
    let hazard = 10.0 / 8_600.0;
    let wait_s = (hazard * 4_000.0 / 10.0_f64).ln_1p() / hazard;
    assert!(wait_s < 340.0, "instead of 400");
    holds(&speed, 4_000, whole_seconds(wait_s));
    assert!(speed.wait(4_000).unwrap().high_s < 400);
}

#[test]
fn before_it_can_be_known_who_left_the_range_allows_for_both() {
    // After half a minute nobody has been noticed to leave; half of them may have.
    let speed = after(&rules(), 30, 10, 0, 0);
    holds(&speed, 5_000, 500);
    holds(&speed, 5_000, 260);
}

#[test]
fn a_line_in_which_nobody_is_called_shows_no_wait() {
    assert_eq!(after(&rules(), 60, 0, 0, 0).wait(100), None);
    assert!(after(&rules(), 60, 1, 0, 0).wait(100).is_some());
}

#[test]
fn whoever_needs_a_seat_that_is_taken_may_wait_for_visits_to_end() {
    // 100 seats, all but 10 taken; a visit takes about as long as a seat is kept, 100 s.
    let bounded = Rules { max_active: Some(100), ..rules() };
    let speed = after(&bounded, 0, 10, 0, 90);
    let few = speed.wait(5).unwrap();
    assert!(few.high_s <= 6, "there is a seat for them: {few:?}");
    let many = speed.wait(510).unwrap();
    assert!(many.high_s >= 500, "5 visits in each of 100 seats: {many:?}");
}

#[test]
fn the_next_poll_comes_on_the_way_and_never_too_late_or_too_soon() {
    let speed = after(&rules(), 60, 10, 0, 0);
    assert_eq!(speed.poll_s(0), POLL_S_MIN);
    assert_eq!(speed.poll_s(1_000_000), POLL_S_MAX);
    let polls: Vec<_> = (0..2_000).step_by(50).map(|ahead| speed.poll_s(ahead)).collect();
    assert!(polls.is_sorted(), "{polls:?}");
}

#[test]
fn in_a_line_that_has_stood_still_those_at_the_head_go_on_asking() {
    let [moving, standing] = [10, 0].map(|calls_per_s| after(&rules(), 60, calls_per_s, 0, 0));
    for ahead in [0, 30, 300, 3_000] {
        assert!(standing.poll_s(ahead) <= moving.poll_s(ahead), "{ahead}");
    }
}

#[test]
fn numbers_that_are_skipped_in_a_new_life_are_nobody_who_left() {
    let mut speedometer = Speedometer::default();
    let mut told = |second: u64, life: u64, skipped: u64| {
        let summary = standing_lane(
            LaneSummary {
                issued: 20_000 + skipped,
                called_total: second * 10,
                waiting: 20_000 - second * 10,
                standing_since_ms: START_MS,
                ..LaneSummary::default()
            },
            Summary {
                now_ms: START_MS + second * 1_000,
                life,
                life_began_ms: if life > 0 { START_MS + 300_000 } else { 0 },
                ..Summary::default()
            },
        );
        speedometer.observe(&rules(), &summary)
    };
    for second in 0..300 {
        told(second, 0, 0);
    }
    for second in 300..360 {
        holds(&told(second, 1, 131_072), 3_000, 300);
    }
}

/// A line in which somebody is called every so many seconds, looked at at any moment of it.
fn slow(per_minute: u32, seconds: u64) -> Vec<(u64, Speed)> {
    let rules = Rules { release_per_minute: per_minute, burst: 1, ..rules() };
    let mut speedometer = Speedometer::default();
    let seen = (0..=seconds).map(|second| {
        let called_total = second * u64::from(per_minute) / 60;
        let summary = standing_lane(
            LaneSummary {
                issued: 1_000,
                called_total,
                waiting: 1_000 - called_total,
                standing_since_ms: START_MS,
                ..LaneSummary::default()
            },
            Summary {
                now_ms: START_MS + second * 1_000,
                called_last_minute: u64::from(per_minute).min(called_total),
                ..Summary::default()
            },
        );
        (second, speedometer.observe(&rules, &summary))
    });
    seen.collect()
}

/// P10 in slow lines: 1, 2, 3 and 6 a minute.
#[test]
fn in_a_slow_line_every_range_holds_from_the_first_second() {
    for per_minute in [1_u32, 2, 3, 6] {
        let every_s = 60 / u64::from(per_minute);
        for (second, speed) in slow(per_minute, 1_200) {
            for ahead in [0, 1, 2, 5, 20] {
                let turn_s = (second / every_s + 1 + ahead) * every_s;
                let wait_s = u32::try_from(turn_s - second).unwrap();
                let range = speed.wait(ahead).unwrap();
                let holds = range.low_s <= wait_s && wait_s <= range.high_s + 3;
                assert!(holds, "{per_minute}/min, {ahead} ahead, after {second} s: {wait_s} s, shown {range:?}");
            }
        }
    }
}

#[test]
fn a_line_whose_rate_was_lowered_shows_that_it_has_to_wait_for_the_minute_to_pass() {
    let lowered = Rules { release_per_minute: 60, burst: 10, ..rules() };
    let mut speedometer = Speedometer::default();
    for second in 0_u64..=300 {
        let called_total = second.min(120) * 10;
        let rules = if second <= 120 { rules() } else { lowered.clone() };
        let gone = second.saturating_sub(120).min(60);
        let summary = standing_lane(
            LaneSummary {
                issued: 20_000,
                // 54 s long nobody can be called.
                called_total: called_total + second.saturating_sub(174),
                waiting: 15_000,
                standing_since_ms: START_MS,
                ..LaneSummary::default()
            },
            Summary {
                now_ms: START_MS + second * 1_000,
                called_last_minute: (second * 10).min(600).saturating_sub(gone * 10).max(60.min(second * 10)),
                ..Summary::default()
            },
        );
        let speed = speedometer.observe(&rules, &summary);
        if second > 120 {
            let ahead = 30;
            let turn_s = if second < 174 { 174 - second + ahead + 1 } else { ahead + 1 };
            holds(&speed, ahead, u32::try_from(turn_s).unwrap());
        }
    }
}

/// After a restart with every seat taken the first in line needs a visit to end.
#[test]
fn who_is_next_while_every_seat_is_taken_is_not_told_seconds() {
    let rules = Rules { max_active: Some(30), ..rules() };
    let speed = after(&rules, 1, 0, 0, 30);
    let range = speed.wait(0).unwrap();
    assert!(range.high_s >= 10, "{range:?}");
}

/// Two lanes of 20,000, the second with three times the weight of the first, after so many seconds; the second stands until
/// `until_s`. Ten a second are called.
fn two_lanes(seconds: u64, until_s: u64) -> [Speed; 2] {
    let ids = [LaneId::FIRST, LaneId::from_code(5)];
    let lanes = [(ids[0], 1), (ids[1], 3)].map(|(lane, weight)| LaneRule { lane, weight });
    let rules = Rules { lanes: lanes.to_vec(), ..rules() };
    let mut speedometers = [Speedometer::default(), Speedometer::default()];
    let mut speeds = [Speed::default(); 2];
    for second in 0..=seconds {
        let both = second.min(until_s);
        let called = [both * 10 / 4 + (second - both) * 10, both * 30 / 4];
        let mut told = Summary {
            now_ms: START_MS + second * 1_000,
            called_total: called.iter().sum(),
            standing: true,
            ..Summary::default()
        };
        for slot in 0..2 {
            let lane = LaneSummary {
                lane: ids[slot],
                issued: 20_000,
                called_total: called[slot],
                waiting: 20_000 - called[slot],
                standing_since_ms: if slot == 0 || second <= until_s { START_MS } else { 0 },
                ..LaneSummary::default()
            };
            told.waiting += lane.waiting;
            told.lanes.put(slot, lane);
        }
        speeds = [0, 1].map(|slot| speedometers[slot].observe_lane(&rules, &told, slot));
    }
    speeds
}

#[test]
fn lanes_that_stand_move_by_their_weights() {
    for seconds in [4, 60] {
        let [first, second] = two_lanes(seconds, 1_000);
        holds(&first, 250, 100);
        holds(&second, 750, 100);
        let (own, other) = (first.wait(500).unwrap(), second.wait(500).unwrap());
        assert!(own.high_s > 2 * other.high_s, "{own:?} {other:?}");
    }
}

#[test]
fn lanes_that_have_just_begun_to_stand_share_the_rate_at_once() {
    for seconds in [0, 1, 2] {
        let [first, second] = two_lanes(seconds, 1_000);
        holds(&first, 250, 100);
        holds(&second, 750, 100);
    }
}

#[test]
fn a_lane_that_is_left_alone_moves_at_the_whole_rate() {
    let [first, _] = two_lanes(100, 60);
    holds(&first, 1_000, 100);
}
