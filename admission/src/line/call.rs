//! Whom the line calls: the first present, uncalled numbers, then newcomers who walk in.

use sluice_config::Mode;

use super::{Batch, Line, Rules, SLOT_MS, Verdict, seats, seats::Claim};

/// A line of which all seats are taken moves if it has called within this time.
pub(super) const MOVING_MS: u64 = 60_000;

impl Line {
    /// How many may be called now.
    pub(super) fn places(&mut self, rules: &Rules) -> u32 {
        let rate = self.rate.allowed(rules, self.clock.now_ms, self.clock.slack_ms);
        match rules.mode {
            Mode::Hold | Mode::Closed => 0,
            _ if self.lives.is_healing(self.clock.now_ms) => 0,
            Mode::Open | Mode::Auto | Mode::Drain => rate.min(self.seats_free(rules)),
        }
    }

    /// Whether visitors can be called, as far as time counts against those who are away. Where seats are short they are
    /// mostly all taken; such a line moves for as long as it has called lately.
    pub(super) fn may_call(&self, rules: &Rules) -> bool {
        let called_lately = (self.rate.last().0 * SLOT_MS + MOVING_MS) > self.clock.now_ms;
        match rules.mode {
            Mode::Hold | Mode::Closed => false,
            _ if self.lives.is_healing(self.clock.now_ms) => false,
            Mode::Open | Mode::Auto | Mode::Drain => called_lately || self.seats_free(rules) > 0,
        }
    }

    /// Calls the first present, uncalled numbers above the floor.
    pub(super) fn call(&mut self, rules: &Rules, places: &mut u32, due: &mut Vec<(u64, u64)>) -> u32 {
        let now_ms = self.clock.now_ms;
        let mut called = 0;
        let words = self.presence.len_words();
        let mut index = self.word_above_floor();
        self.summary.standing = false;
        while index < words {
            let mut candidates = self.candidates(index);
            while candidates != 0 {
                if *places == 0 {
                    self.summary.standing = true;
                    return called;
                }
                let bit = u64::from(candidates.trailing_zeros());
                candidates &= candidates - 1;
                let number = self.base + index as u64 * 64 + bit;
                self.set_called(number);
                self.count_wait(number);
                // No visitor loses the seat before the poll that tells of it.
                let until_ms = self.presence.until_ms(number - self.base).max(now_ms + rules.claim_within_ms);
                self.due.hold(number, now_ms, until_ms, Claim::Open);
                due.push((number, until_ms));
                *places -= 1;
                called += 1;
            }
            index += 1;
        }
        called
    }

    /// Gives the places that are left to visitors who have no slip yet.
    pub(super) fn walk_in(
        &mut self,
        rules: &Rules,
        batch: &Batch,
        answers: &mut [(u64, Verdict)],
        places: &mut u32,
    ) -> u32 {
        let mut called = 0;
        if rules.mode == Mode::Closed || self.summary.standing || self.settling.is_on(self.clock.now_ms) {
            return called;
        }
        let refused = batch.newcomers.iter().zip(answers).filter(|(n, a)| n.walk_in && a.0 == 0);
        for (newcomer, answer) in refused.take(*places as usize) {
            let number = self.issue(newcomer.id);
            self.set_called(number);
            let (claim, for_ms) = if newcomer.enter {
                (Claim::Provisional, seats::provisional_ms(rules))
            } else {
                (Claim::Open, rules.claim_within_ms)
            };
            self.due.hold(number, self.clock.now_ms, self.clock.now_ms + for_ms, claim);
            answer.0 = number;
            called += 1;
        }
        if called > 0 {
            self.minutes.now.arrived += called;
            self.minutes.now.waits.add(0, called);
        }
        *places -= called;
        called
    }

    /// Present, uncalled numbers above the floor in one word.
    pub(super) fn candidates(&self, index: usize) -> u64 {
        self.presence.door_word(index) & !self.called.word(index) & self.above_floor(index)
    }

    fn seats_free(&self, rules: &Rules) -> u32 {
        let taken = self.due.len() + self.inside.len();
        rules.max_active.map_or(u32::MAX, |max| max.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX)))
    }
}
