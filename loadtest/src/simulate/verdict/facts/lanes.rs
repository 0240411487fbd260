//! What the lanes of a queue got, of each other and of the whole rate: by every call, and by who really stood where.

use sluice_config::limits::LANES_MAX;

/// Fewest calls of a stretch of which shares are judged.
const JUDGED_CALLS_MIN: u64 = 200;

/// The lanes at one step, by slot.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::simulate) struct Lanes {
    /// Somebody stood there before the step and still does behind it, by the visitors' own account.
    pub(in crate::simulate) stand: [bool; LANES_MAX],
    /// The line had, or saw, somebody to call there.
    pub(in crate::simulate) seen_standing: [bool; LANES_MAX],
    /// 0: no lane is there.
    pub(in crate::simulate) weights: [u32; LANES_MAX],
}

/// Calls while the same lanes stood, and had the same weights.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    stand: [bool; LANES_MAX],
    weights: [u32; LANES_MAX],
    calls: [u64; LANES_MAX],
}

/// Calls that the whole rate allowed, and those that were made.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::simulate) struct Used {
    pub(in crate::simulate) ms: u64,
    pub(in crate::simulate) allowed: f64,
    pub(in crate::simulate) calls: u64,
}

#[derive(Debug, Default)]
pub(in crate::simulate) struct LaneFacts {
    /// Calls of this step by slot.
    called: [u64; LANES_MAX],
    stretch: Option<Stretch>,
    /// For how many rounds, by the weights of each step, a lane that stands has not been called, by slot.
    passed_over: [f64; LANES_MAX],
    /// Most lanes that there were.
    pub(in crate::simulate) lanes_max: usize,
    /// Calls in stretches that are judged.
    pub(in crate::simulate) shared_calls: u64,
    /// The furthest that a lane's calls were from its share of a stretch, as a part of all calls of that stretch.
    pub(in crate::simulate) share_off: f64,
    /// The longest that a lane which stood was not called, in rounds: as many calls as the weights add up to, by its own.
    pub(in crate::simulate) starved_rounds: f64,
    /// The highest sum of weights by that of one lane.
    pub(in crate::simulate) round_max: f64,
    /// What was used of the rate while a lane of the file had nobody to call.
    pub(in crate::simulate) while_one_is_empty: Used,
}

impl LaneFacts {
    /// A number of the lane in this slot is called.
    pub(super) fn called(&mut self, slot: usize) {
        self.called[slot] += 1;
    }

    /// A step is over. `may_judge`: the line knows who is there.
    pub(in crate::simulate) fn step_ends(&mut self, lanes: &Lanes, may_judge: bool) {
        let called = std::mem::take(&mut self.called);
        let there = lanes.weights.iter().filter(|&&weight| weight > 0).count();
        self.lanes_max = self.lanes_max.max(there);
        if there < 2 {
            return;
        }
        self.look_for_starved(lanes, &called, may_judge);
        let is_clear =
            (0..LANES_MAX).all(|slot| lanes.stand[slot] || (called[slot] == 0 && !lanes.seen_standing[slot]));
        let standing = lanes.stand.iter().filter(|&&stands| stands).count();
        let goes_on = self.stretch.is_some_and(|s| s.stand == lanes.stand && s.weights == lanes.weights);
        if !(goes_on && is_clear && may_judge) {
            self.stretch_ends();
        }
        if standing > 1 && is_clear && may_judge {
            let Lanes { stand, weights, .. } = *lanes;
            let stretch = self.stretch.get_or_insert(Stretch { stand, weights, calls: [0; LANES_MAX] });
            stretch.calls.iter_mut().zip(called).for_each(|(all, more)| *all += more);
        }
    }

    /// The run, or a time in which the same lanes stood, is over.
    pub(in crate::simulate) fn stretch_ends(&mut self) {
        let Some(stretch) = self.stretch.take() else { return };
        let calls: u64 = stretch.calls.iter().sum();
        if calls < JUDGED_CALLS_MIN {
            return;
        }
        self.shared_calls += calls;
        let weight = |slot: usize| if stretch.stand[slot] { f64::from(stretch.weights[slot]) } else { 0.0 };
        let total: f64 = (0..LANES_MAX).map(weight).sum();
        for slot in 0..LANES_MAX {
            let due = calls as f64 * weight(slot) / total;
            self.share_off = self.share_off.max((stretch.calls[slot] as f64 - due).abs() / calls as f64);
        }
    }

    fn look_for_starved(&mut self, lanes: &Lanes, called: &[u64; LANES_MAX], may_judge: bool) {
        let all: u64 = called.iter().sum();
        let round: u32 = lanes.weights.iter().sum();
        for (slot, passed_over) in self.passed_over.iter_mut().enumerate() {
            let weight = lanes.weights[slot];
            if !lanes.stand[slot] || called[slot] > 0 || weight == 0 || !may_judge {
                *passed_over = 0.0;
                continue;
            }
            let own = f64::from(round) / f64::from(weight);
            *passed_over += all as f64 / own;
            self.round_max = self.round_max.max(own);
            self.starved_rounds = self.starved_rounds.max(*passed_over);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many calls of two lanes of weights 3 and 1, of which these stand.
    fn steps(facts: &mut LaneFacts, stand: [bool; 2], calls: &[[u64; 2]]) {
        let mut lanes = Lanes::default();
        lanes.stand[..2].copy_from_slice(&stand);
        lanes.seen_standing = lanes.stand;
        lanes.weights[..2].copy_from_slice(&[3, 1]);
        for step in calls {
            (0..2).for_each(|slot| (0..step[slot]).for_each(|_| facts.called(slot)));
            facts.step_ends(&lanes, true);
        }
    }

    #[test]
    fn shares_are_judged_while_the_same_lanes_stand() {
        let mut facts = LaneFacts::default();
        steps(&mut facts, [true, true], &[[3, 1]; 100]);
        // Alone a lane gets everything.
        steps(&mut facts, [false, true], &[[0, 4]; 100]);
        steps(&mut facts, [true, true], &[[2, 2]; 20]);
        facts.stretch_ends();
        assert_eq!((facts.shared_calls, facts.share_off), (400, 0.0), "80 calls are too few to judge");
        steps(&mut facts, [true, true], &[[2, 2]; 100]);
        facts.stretch_ends();
        assert_eq!((facts.shared_calls, facts.share_off), (800, 0.25));
    }

    #[test]
    fn a_lane_that_is_passed_over_while_it_stands_is_starved() {
        let mut facts = LaneFacts::default();
        steps(&mut facts, [true, true], &[[4, 0]; 5]);
        assert_eq!(facts.starved_rounds, 5.0);
        let mut facts = LaneFacts::default();
        steps(&mut facts, [true, false], &[[4, 0]; 5]);
        assert_eq!(facts.starved_rounds, 0.0, "nobody stood there");
    }
}
