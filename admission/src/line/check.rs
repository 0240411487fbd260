//! What holds after every step. Checked where assertions are on: in all tests, and in the simulator.

use super::{LaneId, Line, Rules, lane::Lane, queue::seats::Claim, slot_of};

/// Seats are looked at one by one after every step while there are few, else after one step in this many.
const EVERY_STEPS: u64 = 64;
const FEW: usize = 256;

impl Line {
    pub(super) fn check(&self, rules: &Rules, called: u32) {
        if !cfg!(debug_assertions) {
            return;
        }
        let summary = &self.summary;
        assert_eq!((summary.epoch, summary.revision), (self.epoch, self.controlled.revision()));
        self.controlled.check();
        self.minutes.check();
        self.check_lanes();
        let seats = (self.due.len() + self.inside.len()) as u64;
        assert_eq!(summary.due + summary.inside, seats);
        if let Some(max) = rules.max_active.filter(|_| called > 0) {
            assert!(seats <= u64::from(max), "called, and {seats} seats of {max} are held");
        }
        assert!(called <= rules.burst, "{called} called at once");
        if seats <= FEW as u64 || self.lives.steps().is_multiple_of(EVERY_STEPS) {
            self.check_seats();
        }
    }

    fn check_lanes(&self) {
        let summary = &self.summary;
        assert_eq!(self.lanes.len(), summary.lanes.len());
        assert_eq!(summary.waiting, summary.lanes.iter().map(|lane| lane.waiting).sum::<u64>());
        let called: u64 = self.lanes.iter().map(|lane| lane.called_total).sum();
        assert_eq!(called, self.called_total, "calls of lanes do not add up");
        let mut ids: Vec<_> = self.lanes.iter().map(|lane| lane.id).filter(|&id| id != LaneId::UNKNOWN).collect();
        ids.sort_unstable();
        assert!(ids.is_sorted_by(|a, b| a < b), "a lane is in two slots");
        for (slot, (lane, told)) in self.lanes.iter().zip(summary.lanes.iter()).enumerate() {
            lane.check(slot, self.clock.now_ms);
            assert!(told.gaps.is_sorted() && told.gaps.iter().all(|gap| gap.0 <= gap.1 && gap.1 <= lane.issued));
            if self.ticked_ms == self.clock.now_ms {
                let late = told.late_blocks.counts.iter().map(|&count| u64::from(count)).sum::<u64>();
                assert_eq!(late, told.late);
                assert!(told.standing_since_ms == 0 || summary.standing, "a lane stands, and the line does not");
            }
        }
    }

    fn check_seats(&self) {
        let is_at_most_head = |number| self.lane(number).is_some_and(|lane| number <= lane.head);
        let is_called = |number| is_at_most_head(number) && self.is_gone(number);
        for (number, until_ms) in self.inside.iter() {
            assert!(until_ms >= self.clock.now_ms && is_called(number), "{number} is inside");
            assert!(self.due.get(number).is_none(), "{number} holds two seats");
            assert!(!self.ended.contains(number), "{number} has ended and is inside");
            assert!(
                !self.lane(number).is_some_and(|lane| lane.has_lapsed(number)),
                "{number} has lapsed and is inside"
            );
        }
        for (number, until_ms) in self.due.iter() {
            assert!(until_ms >= self.clock.now_ms && is_called(number), "{number} is due");
            assert!(!self.ended.contains(number), "{number} has ended and is due");
            let seat = self.due.get(number);
            assert!(seat.is_some_and(|seat| seat.of != Claim::Provisional || seat.since_ms <= self.clock.now_ms));
        }
    }
}

impl Lane {
    fn check(&self, slot: usize, now_ms: u64) {
        let (base, floor, head, issued) = (self.base, self.heads.floor(), self.head, self.issued);
        assert!(base.is_multiple_of(64) && base <= floor + 1, "base {base} lies above the floor {floor}");
        assert!(floor <= head && head <= issued, "not in order: floor {floor}, head {head}, issued {issued}");
        assert!(self.origin <= base, "base {base} of another lane than {slot}");
        assert!([self.origin, issued].iter().all(|&number| slot_of(number) == slot), "{issued} is not of lane {slot}");
        self.issues.check(issued, now_ms);
    }
}
