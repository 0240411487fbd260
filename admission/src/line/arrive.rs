//! Hands out numbers.

use sluice_config::Mode;

use super::{Batch, Line, Rules, Verdict, queue::settling};

impl Line {
    /// Hands out numbers to those who came while the line could not be asked.
    pub(super) fn settle(&mut self) {
        for (slot, id) in self.settling.take_due(self.clock.now_ms) {
            let number = self.issue(slot, id);
            self.see(number, settling::NUMBERED_HOLD_MS);
            self.count_newcomer(slot, number);
        }
    }

    /// Hands out numbers to newcomers with a slip; walk-ins get theirs only when they can be called.
    pub(super) fn arrive(&mut self, rules: &Rules, batch: &Batch) -> Vec<(u64, Verdict)> {
        let now_ms = self.clock.now_ms;
        let closed = rules.mode == Mode::Closed;
        let settling = self.settling.is_on(now_ms);
        let taken = self.summary.waiting + self.settling.len() as u64;
        let mut room = u64::from(rules.max_waiting).saturating_sub(taken);
        let answers = batch.newcomers.iter().map(|newcomer| {
            if let Some(number) = self.slips.number(newcomer.id) {
                self.see(number, newcomer.hold_ms);
                if newcomer.enter && !newcomer.walk_in {
                    self.reclaim(number);
                }
                return (number, Verdict::Waiting);
            }
            if newcomer.walk_in || closed || room == 0 {
                return (0, Verdict::Refused);
            }
            let slot = self.slot_for(newcomer.lane);
            if settling {
                let is_new = self.settling.write_down(newcomer.id, slot, newcomer.arrived_ms, now_ms);
                self.minutes.now.arrived += u32::from(is_new);
                room -= u64::from(is_new);
                return (0, Verdict::Refused);
            }
            room -= 1;
            self.minutes.now.arrived += 1;
            let number = self.issue(slot, newcomer.id);
            self.see(number, newcomer.hold_ms);
            self.count_newcomer(slot, number);
            (number, Verdict::Waiting)
        });
        answers.collect()
    }

    /// The next number of a lane.
    pub(super) fn issue(&mut self, slot: usize, id: u64) -> u64 {
        self.minutes.now.numbered += 1;
        let number = self.lanes[slot].issue(self.clock.now_ms);
        self.slips.remember(id, number);
        number
    }

    fn count_newcomer(&mut self, slot: usize, number: u64) {
        self.summary.lanes[slot].count_newcomer(number);
        self.summary.waiting += 1;
    }
}
