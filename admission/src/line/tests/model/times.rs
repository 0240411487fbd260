//! Who counts as present, and who has stayed away for too long, as the model has it.

use super::{LEFT, Model, Place, Visitor};
use crate::line::lane::presence;

impl Model {
    /// P5: no number that was seen lately loses its right to be called.
    pub(super) fn floor(&mut self, slot: usize, before: u64, floor: u64, now_ms: u64) {
        assert!(floor >= before);
        let passed = self.visitors.range(before + 1..floor + 1);
        for (number, visitor) in passed {
            let is_seen = visitor.seen + presence::WAITING_GENERATIONS as u64 > self.half_minute(now_ms);
            assert!(visitor.place != Place::Waiting || !is_seen, "the floor passed {number}");
        }
        let left = self.visitors.range(before + 1..floor + 1).filter(|v| v.1.place == Place::Waiting).count();
        self.tally(LEFT, u32::try_from(left).unwrap());
        self.lanes[slot].floor = floor;
    }

    /// P1, P7: while the line is not asked claims do not run out, and who was present still is.
    pub(super) fn silence(&mut self, now_ms: u64) {
        let gone_ms = now_ms - self.last_ms;
        let silent_ms = gone_ms.saturating_sub(if self.waiting > 0 { 2_000 } else { 10_000 });
        if silent_ms == 0 {
            return;
        }
        self.silent_ms += silent_ms;
        self.hush_ms = self.hush_ms.map(|since_ms| since_ms + silent_ms);
        let half_minute = self.half_minute(now_ms);
        let hold_ms = (gone_ms * 2 + 2_000).min(66_000);
        for visitor in self.visitors.values_mut() {
            if let Place::Due { until_ms, .. } = &mut visitor.place {
                *until_ms += silent_ms;
            }
            let is_counted = visitor.seen + presence::WAITING_GENERATIONS as u64 > half_minute;
            if is_counted && visitor.present_until_ms() > self.last_ms {
                visitor.hold(now_ms, hold_ms);
            }
        }
    }

    /// Who is not counted as waiting is not at the door.
    pub(super) fn forget(&mut self, now_ms: u64) {
        let half_minute = self.half_minute(now_ms);
        let is_over = |v: &&mut Visitor| v.seen + presence::WAITING_GENERATIONS as u64 <= half_minute;
        self.visitors
            .values_mut()
            .filter(is_over)
            .for_each(|visitor| (visitor.near_until_ms, visitor.far_until_ms) = (0, 0));
    }

    /// Which half minute it is, without the time for which the line could not be asked.
    pub(super) fn half_minute(&self, now_ms: u64) -> u64 {
        (now_ms - self.silent_ms) / presence::WAITING_MS
    }

    pub(super) fn see(&mut self, number: u64, now_ms: u64, hold_ms: u32) {
        let half_minute = self.half_minute(now_ms);
        let visitor = self.visitors.get_mut(&number).unwrap();
        visitor.hold(now_ms, hold_ms.min(presence::HOLD_MS_MAX).into());
        visitor.seen = half_minute;
        visitor.is_heard = true;
    }
}

impl Visitor {
    /// Counts as present for this long from now on.
    fn hold(&mut self, now_ms: u64, hold_ms: u64) {
        let (until_ms, length_ms) =
            if hold_ms <= 9_000 { (&mut self.near_until_ms, 1_000) } else { (&mut self.far_until_ms, 16_000) };
        *until_ms = (*until_ms).max(((now_ms + hold_ms) / length_ms + 1) * length_ms);
    }
}
