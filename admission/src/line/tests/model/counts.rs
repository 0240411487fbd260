//! What a step says of how many there are, as the model has it.

use super::{Model, Place, Visitor};
use crate::line::{Line, Outcome, lane::presence, slot_of};

impl Model {
    pub(super) fn counts(&self, line: &Line, outcome: &Outcome, now_ms: u64) {
        let summary = &outcome.summary;
        let count = |f: &dyn Fn(&Visitor) -> bool| self.visitors.values().filter(|v| f(v)).count() as u64;
        assert_eq!(summary.due, count(&|v| matches!(v.place, Place::Due { .. })));
        assert_eq!(summary.inside, count(&|v| matches!(v.place, Place::Inside { .. })));
        if line.ticked_ms != now_ms {
            return;
        }
        let oldest = (self.half_minute(now_ms) + 1).saturating_sub(presence::WAITING_GENERATIONS as u64).max(1);
        let waiting = |v: &Visitor| v.place == Place::Waiting && v.seen >= oldest;
        for (slot, lane) in summary.lanes.iter().enumerate() {
            let floor = self.lanes[slot].floor;
            let behind = |n: u64| slot_of(n) == slot && n > lane.head && n > floor;
            let ahead = self.visitors.iter().filter(|&(&n, v)| behind(n) && waiting(v)).count() as u64;
            let late = self.candidates(now_ms, slot).into_iter().filter(|&n| n <= lane.head).count() as u64;
            assert_eq!((lane.waiting, lane.late), (ahead + late, late), "of lane {slot}");
            let counted: u64 = lane.blocks.counts.iter().map(|&c| u64::from(c)).sum();
            assert_eq!(lane.late + counted, lane.waiting);
        }
    }
}
