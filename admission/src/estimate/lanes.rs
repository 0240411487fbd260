//! How many calls of a queue come before one of a lane.
//!
//! While lanes stand, calls go round by weight: until a lane has got `n` calls, another one has got as many as its weight is
//! of the first one's, `n · w`, or all who stood in it. So no more need be known of the other lanes than who waits there and
//! how many come. With one lane every call is its own.

use std::collections::VecDeque;

use sluice_config::limits::LANES_MAX;

use crate::line::{Rules, Summary};

/// How far back arrivals are measured, and how far at least: in a rush they change within seconds.
const COME_MS_MAX: u64 = 30_000;
const COME_MS_MIN: u64 = 3_000;
/// For so long after a line has begun to stand every lane may fill: who comes to the others is not known yet.
const UNKNOWN_MS: u64 = 10_000;
/// More may come than did.
const COME_MORE: f64 = 1.25;
/// Calls and arrivals bring each other about: so often they are worked out from each other. Each time is nearer, from above.
const ROUNDS: usize = 8;

/// Another lane, as one lane meets it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Other {
    /// Its calls for one of this lane, while both stand; 0: there is no such lane.
    per_call: f64,
    waiting: f64,
    /// Most who come each second; infinite while it is not known.
    come_per_s: f64,
}

/// The other lanes of a queue by slot, as one lane meets them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Others([Other; LANES_MAX]);

impl Others {
    /// The calls of the queue until this lane has got this many, if no visitor more comes to the others.
    pub(super) fn calls_at_least(&self, of_lane: f64) -> f64 {
        let others = self.0.iter().map(|other| other.waiting.min(of_lane * other.per_call));
        of_lane + others.sum::<f64>()
    }

    /// The same if as many come to the others as did, at so many calls a second.
    pub(super) fn calls_at_most(&self, of_lane: f64, calls_per_s: f64) -> f64 {
        let all = |within_s: f64| {
            let other = |other: &Other| {
                let come = if other.come_per_s > 0.0 { other.come_per_s * within_s } else { 0.0 };
                (other.waiting + come).min(of_lane * other.per_call)
            };
            of_lane + self.0.iter().map(other).sum::<f64>()
        };
        (0..ROUNDS).fold(all(f64::INFINITY), |calls, _| all(calls / calls_per_s))
    }
}

/// Who comes to the lanes of a queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    /// The numbers handed out by slot, once a second.
    issued: VecDeque<(u64, [u64; LANES_MAX])>,
}

impl Arrivals {
    /// Numbers were skipped: nothing is known.
    pub(super) fn forget(&mut self) {
        self.issued.clear();
    }

    pub(super) fn watch(&mut self, summary: &Summary, every_ms: u64) {
        let now_ms = summary.now_ms;
        if self.issued.back().is_none_or(|&(at_ms, _)| at_ms + every_ms <= now_ms) {
            self.issued.push_back((now_ms, issued(summary)));
        }
        while self.issued.get(1).is_some_and(|&(at_ms, _)| at_ms + COME_MS_MAX < now_ms) {
            self.issued.pop_front();
        }
    }

    /// The other lanes as the one in this slot meets them.
    pub(super) fn others(&self, rules: &Rules, summary: &Summary, slot: usize) -> Others {
        let mut others = Others::default();
        if summary.lanes.len() < 2 {
            return others;
        }
        let own = f64::from(rules.weight(summary.lanes[slot].lane));
        let since_ms = summary.lanes.iter().map(|lane| lane.standing_since_ms).filter(|&since_ms| since_ms > 0).min();
        let is_new = since_ms.is_none_or(|since_ms| since_ms + UNKNOWN_MS > summary.now_ms);
        let now = issued(summary);
        let long = self.issued.front();
        let short = self.issued.iter().rev().find(|&&(at_ms, _)| at_ms + COME_MS_MIN <= summary.now_ms);
        for (at, lane) in summary.lanes.iter().enumerate().filter(|&(at, _)| at != slot) {
            let come = |since: Option<&(u64, [u64; LANES_MAX])>| {
                let &(at_ms, before) = since.filter(|since| since.0 + COME_MS_MIN <= summary.now_ms)?;
                Some(now[at].saturating_sub(before[at]) as f64 * 1e3 / (summary.now_ms - at_ms) as f64)
            };
            let come_per_s = match (come(long), come(short)) {
                (Some(long), Some(short)) if !is_new => long.max(short) * COME_MORE,
                _ => f64::INFINITY,
            };
            let per_call = f64::from(rules.weight(lane.lane)) / own;
            // Where nobody can be called, those who are counted have left or look at another tab.
            let waiting = if lane.standing_since_ms > 0 { lane.waiting as f64 } else { 0.0 };
            others.0[at] = Other { per_call, waiting, come_per_s };
        }
        others
    }
}

fn issued(summary: &Summary) -> [u64; LANES_MAX] {
    std::array::from_fn(|slot| summary.lanes.get(slot).map_or(0, |lane| lane.issued))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others(others: &[(f64, f64, f64)]) -> Others {
        let mut all = Others::default();
        for (of, &(per_call, waiting, come_per_s)) in all.0.iter_mut().zip(others) {
            *of = Other { per_call, waiting, come_per_s };
        }
        all
    }

    #[test]
    fn a_queue_of_one_lane_has_no_other_calls() {
        assert_eq!((others(&[]).calls_at_least(7.0), others(&[]).calls_at_most(7.0, 2.0)), (7.0, 7.0));
    }

    #[test]
    fn another_lane_takes_its_weight_or_all_who_stand_there() {
        let members = others(&[(3.0, 60.0, 0.0)]);
        assert_eq!((members.calls_at_least(10.0), members.calls_at_most(10.0, 5.0)), (40.0, 40.0));
        assert_eq!((members.calls_at_least(100.0), members.calls_at_most(100.0, 5.0)), (160.0, 160.0));
    }

    #[test]
    fn those_who_come_to_another_lane_are_called_as_well() {
        // One of five calls a second is for those who come: 100 own, 60 that wait, a quarter more for who comes meanwhile.
        let calls = others(&[(3.0, 60.0, 1.0)]).calls_at_most(100.0, 5.0);
        assert!((199.9..205.0).contains(&calls), "{calls}");
        // More come than are called: the lane stands throughout.
        assert_eq!(others(&[(3.0, 0.0, 9.0)]).calls_at_most(100.0, 5.0), 400.0);
        assert_eq!(others(&[(3.0, 0.0, f64::INFINITY)]).calls_at_most(100.0, 5.0), 400.0);
    }
}
