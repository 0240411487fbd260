//! What holds after every step. Checked where assertions are on: in all tests, and in the simulator.

use super::Line;
use super::Rules;
use super::seats::Claim;

/// Seats are looked at one by one after every step while there are few, else after one step in this many.
const EVERY_STEPS: u64 = 64;
const FEW: usize = 256;

impl Line {
    pub(super) fn check(&self, rules: &Rules, called: u32) {
        if !cfg!(debug_assertions) {
            return;
        }
        let (base, floor, head, issued) = (self.base, self.heads.floor(), self.head, self.issued);
        assert!(base.is_multiple_of(64) && base <= floor + 1, "base {base} lies above the floor {floor}");
        assert!(floor <= head && head <= issued, "not in order: floor {floor}, head {head}, issued {issued}");
        let summary = &self.summary;
        assert_eq!((summary.epoch, summary.revision), (self.epoch, self.controlled.revision()));
        self.controlled.check();
        self.issues.check(issued, self.clock.now_ms);
        self.minutes.check();
        let seats = (self.due.len() + self.inside.len()) as u64;
        assert_eq!(summary.due + summary.inside, seats);
        if let Some(max) = rules.max_active.filter(|_| called > 0) {
            assert!(seats <= u64::from(max), "called, and {seats} seats of {max} are held");
        }
        assert!(called <= rules.burst, "{called} called at once");
        if self.ticked_ms == self.clock.now_ms {
            let sum = |counts: &[u32]| counts.iter().map(|&count| u64::from(count)).sum::<u64>();
            assert_eq!(sum(&summary.late_blocks.counts), summary.late);
        }
        assert!(summary.gaps.is_sorted() && summary.gaps.iter().all(|gap| gap.0 <= gap.1 && gap.1 <= issued));
        if seats <= FEW as u64 || self.lives.steps().is_multiple_of(EVERY_STEPS) {
            self.check_seats();
        }
    }

    fn check_seats(&self) {
        for (number, until_ms) in self.inside.iter() {
            assert!(until_ms >= self.clock.now_ms && number <= self.head && self.is_gone(number), "{number} is inside");
            assert!(self.due.get(number).is_none(), "{number} holds two seats");
            assert!(!self.ended.contains(number), "{number} has ended and is inside");
            let has_lapsed = self.offset(number).is_some_and(|offset| self.lapsed.get(offset));
            assert!(!has_lapsed, "{number} has lapsed and is inside");
        }
        for (number, until_ms) in self.due.iter() {
            assert!(until_ms >= self.clock.now_ms && number <= self.head && self.is_gone(number), "{number} is due");
            assert!(!self.ended.contains(number), "{number} has ended and is due");
            let seat = self.due.get(number);
            assert!(seat.is_some_and(|seat| seat.of != Claim::Provisional || seat.since_ms <= self.clock.now_ms));
        }
    }
}
