//! Whom the line calls: the first present, uncalled numbers of each lane, lanes by their weights; then newcomers who walk
//! in.

use sluice_config::{Mode, limits::LANES_MAX};

use super::{
    Batch, Line, Rules, SLOT_MS, Verdict,
    lane::{Front, Lane},
    queue::{
        seats::{self, Claim},
        turns::{self, Contender},
    },
};

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

    /// Calls the first present, uncalled numbers above the floor of each lane: one number after the other, of the lane
    /// whose [turn](turns) it is. A share that a lane cannot use goes to the others at once.
    pub(super) fn call(&mut self, rules: &Rules, places: &mut u32, due: &mut Vec<(u64, u64)>) -> u32 {
        let mut fronts: Vec<Front> = self.lanes.iter().map(Front::of).collect();
        let mut in_hand = self.in_hand();
        let mut called = 0;
        let mut standing = self.contenders(rules, &mut fronts);
        let waits = self.hush.waits();
        while *places > 0 {
            let before = in_hand;
            let Some(slot) = turns::next(&standing, &mut in_hand) else { break };
            let Some(number) = fronts[slot].peek(&self.lanes[slot]) else { break };
            if waits && self.lanes[slot].is_unheard(number) {
                in_hand = before;
                break;
            }
            fronts[slot].take();
            self.call_number(rules, slot, number, due);
            *places -= 1;
            called += 1;
            if fronts[slot].peek(&self.lanes[slot]).is_none() {
                standing.retain(|contender| contender.slot != slot);
            }
        }
        // As in the script, which calls lane by lane.
        due.sort_unstable();
        self.summary.standing = !standing.is_empty();
        for (slot, lane) in self.lanes.iter_mut().enumerate() {
            lane.turn = in_hand[slot];
            let since_ms = &mut self.summary.lanes[slot].standing_since_ms;
            let stands = standing.iter().any(|contender| contender.slot == slot);
            *since_ms = if !stands {
                0
            } else if *since_ms == 0 {
                self.clock.now_ms
            } else {
                *since_ms
            };
        }
        called
    }

    /// Lanes that have somebody to call, by slot.
    fn contenders(&self, rules: &Rules, fronts: &mut [Front]) -> Vec<Contender> {
        let lanes = self.lanes.iter().zip(fronts).enumerate();
        let standing = lanes.filter_map(|(slot, (lane, front))| front.peek(lane).map(|_| slot));
        standing.map(|slot| Contender { slot, weight: self.weight(rules, slot) }).collect()
    }

    /// What each lane has in hand, by slot.
    fn in_hand(&self) -> [i64; LANES_MAX] {
        let mut in_hand = [0; LANES_MAX];
        in_hand.iter_mut().zip(self.lanes.iter()).for_each(|(of, lane)| *of = turns::bound(lane.turn));
        in_hand
    }

    /// The weight of the lane in a slot. One that is not in the file any more has the least, until nobody is left in it.
    pub(super) fn weight(&self, rules: &Rules, slot: usize) -> u32 {
        rules.weight(self.lanes[slot].id)
    }

    fn call_number(&mut self, rules: &Rules, slot: usize, number: u64, due: &mut Vec<(u64, u64)>) {
        let now_ms = self.clock.now_ms;
        let lane: &mut Lane = &mut self.lanes[slot];
        lane.set_called(number);
        lane.called_total += 1;
        self.minutes.count_wait(lane.issues.at(number), now_ms);
        // No visitor loses the seat before the poll that tells of it.
        let until_ms = lane.present_until_ms(number).max(now_ms + rules.claim_within_ms);
        self.due.hold(number, now_ms, until_ms, Claim::Open);
        due.push((number, until_ms));
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
            let slot = self.slot_for(newcomer.lane);
            let number = self.issue(slot, newcomer.id);
            self.lanes[slot].set_called(number);
            self.lanes[slot].called_total += 1;
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

    fn seats_free(&self, rules: &Rules) -> u32 {
        let taken = self.due.len() + self.inside.len();
        rules.max_active.map_or(u32::MAX, |max| max.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX)))
    }
}
