//! Lanes and their turns, as the model has them.

use super::{Lane, Model};
use crate::line::{LaneId, Rules, number_of};

/// What a call is worth.
const CALL: i64 = 1 << 32;

impl Model {
    /// Every lane of the file has a slot, in the order in which they were first named.
    pub(super) fn open_lanes(&mut self, rules: &Rules) {
        for rule in &rules.lanes {
            if self.lanes.iter().all(|lane| lane.id != rule.lane) {
                self.open_lane(rule.lane);
            }
        }
    }

    pub(super) fn open_lane(&mut self, id: LaneId) {
        let origin = number_of(self.lanes.len(), 0);
        self.lanes.push(Lane { id, issued: origin, floor: origin, in_hand: 0 });
    }

    /// One call after the other went to the lane whose turn it was: with each, all that stand gain their shares, and the
    /// one that has most pays for all. `stood` and `calls`: how many stood in each lane, and were called.
    pub(super) fn turns(&mut self, rules: &Rules, stood: &[usize], calls: &[usize]) {
        let weight = |lane: &Lane| {
            let in_file = rules.lanes.iter().find(|rule| rule.lane == lane.id);
            in_file.map_or(1, |rule| i64::from(rule.weight))
        };
        self.lanes.iter_mut().for_each(|lane| lane.in_hand = lane.in_hand.clamp(-CALL, CALL));
        let mut called = vec![0; calls.len()];
        for _ in 0..calls.iter().sum() {
            let standing: Vec<usize> = (0..stood.len()).filter(|&slot| called[slot] < stood[slot]).collect();
            let total: i64 = standing.iter().map(|&slot| weight(&self.lanes[slot])).sum();
            let shares: Vec<i64> = standing.iter().map(|&slot| CALL * weight(&self.lanes[slot]) / total).collect();
            let mut next = standing[0];
            for (&slot, share) in standing.iter().zip(&shares) {
                self.lanes[slot].in_hand += share;
                if self.lanes[slot].in_hand > self.lanes[next].in_hand {
                    next = slot;
                }
            }
            self.lanes[next].in_hand -= shares.iter().sum::<i64>();
            called[next] += 1;
            self.came.in_turn += u64::from(standing.len() > 1);
            let is_named = rules.lanes.iter().any(|rule| rule.lane == self.lanes[next].id);
            self.came.retired += u64::from(next > 0 && !is_named);
        }
        assert_eq!(called, calls, "calls are not shared out by weight: {stood:?} stood under {rules:?}");
    }
}
