//! What really happens, by the visitors' own account and by every call that is made: what the judge goes by.

use sluice_admission::{
    line::{LaneRule, Outcome, Rules, Verdict},
    standing::Reason,
    token::Pass,
};
use sluice_config::limits::LANES_MAX;

use super::{TAB, World, gate::small};
use crate::simulate::{
    agenda::What,
    core::Core,
    node::Flight,
    verdict::facts::{Demand, Lanes},
    verdict::numbers::{short, slot},
    visitor::{NEVER, State, flag},
};

/// For this long after the rate has begun to decide a burst may take from it.
const SETTLED_MS: u64 = 60_000;
/// Two calls of one number are further apart.
const SAME_CALL_MS: u64 = 1_000;

impl<C: Core> World<'_, C> {
    /// Looks at what a step has done.
    pub(super) fn after_step(&mut self, now_ms: u64, flight: &Flight, returning: &[u32], outcome: &Outcome) {
        let batch = &*flight.batch;
        let stood: [bool; LANES_MAX] = std::array::from_fn(|slot| self.present.stands_in(slot));
        self.facts.step(batch);
        self.facts.step_begins();
        let mut highest = [0; LANES_MAX];
        let mut called = |number: u32| highest[slot(number)] = number.max(highest[slot(number)]);
        for (newcomer, &(number, verdict)) in batch.newcomers.iter().zip(&outcome.newcomers) {
            let (number, source) = (short(number), self.by_slip.get(&newcomer.id).copied());
            let Some(source) = source.filter(|_| number != 0) else { continue };
            let who = source & !TAB;
            self.give(now_ms, number, who);
            let visitor = &mut self.visitors[who as usize];
            if visitor.state == State::Joining
                && visitor.number == 0
                && !visitor.is(flag::HIDDEN | flag::DUE | flag::PARKED)
            {
                self.present.insert(number);
            }
            // Who joins anew, as the place is gone, has not heard of the new number yet.
            if visitor.joined_ms == NEVER {
                visitor.number = number;
            }
            // Called in the step in which the number was taken, and inside with it; a provisional seat is seen as due.
            let is_in = matches!(verdict, Verdict::Inside { provisional: false, .. });
            if newcomer.enter && is_in && visitor.called_ms == NEVER {
                called(self.call(now_ms, number, who, None));
            }
        }
        for &who in returning {
            let visitor = &self.visitors[who as usize];
            if visitor.is_present() {
                self.present.insert(visitor.number);
            }
        }
        if outcome.called > 0 {
            let line_ms = outcome.summary.now_ms;
            // Walk-ins that go in at once are not among those who stood. A claim that is moved on after a silence, or asked
            // about again, is no new call.
            let walked_in = outcome.newcomers.iter().filter_map(|&(number, verdict)| match verdict {
                Verdict::Inside { since_ms, until_ms, provisional: true } if since_ms == line_ms => {
                    Some((number, until_ms))
                }
                _ => None,
            });
            for (number, until_ms) in outcome.due.iter().copied().chain(walked_in) {
                called(self.see_due(now_ms, short(number), now_ms + until_ms.saturating_sub(line_ms)));
            }
        }
        self.facts.step_ends();
        for (slot, lane) in outcome.summary.lanes.iter().enumerate() {
            self.note_passed(now_ms, slot, lane.head);
            self.look_for_overtaken(slot, highest[slot]);
        }
        self.look_at_lanes(&stood, &flight.rules, outcome);
        self.measure_demand(now_ms, outcome);
        self.count(now_ms, flight, outcome);
    }

    fn give(&mut self, now_ms: u64, number: u32, who: u32) {
        // Numbered while the line settled, and called before the next poll.
        if let Some((called_ms, until_ms)) = self.facts.phantoms.remove(&number) {
            let visitor = &mut self.visitors[who as usize];
            visitor.called_ms = small(called_ms);
            visitor.due_ms = small(until_ms);
            visitor.set(flag::DUE | flag::SEATED);
            self.facts.take_seat();
            self.agenda.plan(until_ms.max(now_ms), What::CallEnd, who);
        }
        let before = self.by_number.give(number, who);
        self.facts.given_twice += u64::from(before.is_some_and(|holder| holder != who));
    }

    /// A number is due: is that news? Gives the number if it is.
    fn see_due(&mut self, now_ms: u64, number: u32, until_ms: u64) -> u32 {
        let Some(who) = self.by_number.of(number) else {
            self.facts.see_phantom(now_ms, number, until_ms);
            return 0;
        };
        let visitor = &self.visitors[who as usize];
        // The line's clock may lag a little behind since the call was seen, which is the same call then.
        // And who enters in the step of the call has been seen.
        let known = visitor.called_ms == small(now_ms)
            || visitor.due_ms > 0 && until_ms < u64::from(visitor.due_ms) + SAME_CALL_MS;
        if known || matches!(visitor.state, State::Inside | State::Done) {
            return 0;
        }
        self.call(now_ms, number, who, Some(until_ms))
    }

    fn call(&mut self, now_ms: u64, number: u32, who: u32, until_ms: Option<u64>) -> u32 {
        self.present.remove(number);
        let demand = self.facts.demand.is_on;
        let visitor = &mut self.visitors[who as usize];
        if visitor.joined_ms == NEVER {
            visitor.number = number;
        }
        visitor.called_ms = small(now_ms);
        if demand {
            visitor.set(flag::IN_DEMAND);
        } else {
            visitor.clear(flag::IN_DEMAND);
        }
        self.facts.parked_calls += u64::from(visitor.is(flag::PARKED));
        self.facts.called(now_ms, number);
        if !visitor.is(flag::SEATED) {
            visitor.set(flag::SEATED);
            self.facts.take_seat();
        }
        if let Some(until_ms) = until_ms {
            visitor.set(flag::DUE);
            visitor.due_ms = small(until_ms);
            self.agenda.plan(until_ms, What::CallEnd, who);
        }
        number
    }

    pub(super) fn call_ends(&mut self, now_ms: u64, who: u32) {
        let visitor = &mut self.visitors[who as usize];
        if !visitor.is(flag::DUE) || u64::from(visitor.due_ms) > now_ms {
            return;
        }
        visitor.clear(flag::DUE);
        let visitor = *visitor;
        self.seat_ends(who);
        self.facts.lapsed(&visitor);
    }

    pub(super) fn seat(&mut self, who: u32) {
        let visitor = &mut self.visitors[who as usize];
        self.present.remove(visitor.number);
        visitor.clear(flag::DUE);
        if !visitor.is(flag::SEATED) {
            visitor.set(flag::SEATED);
            self.facts.take_seat();
        }
    }

    /// The visitor holds a seat for as long as the pass that a node has handed out.
    pub(super) fn extend_seat(&mut self, now_ms: u64, n: usize, who: u32, pass: &Pass) {
        let left_ms = pass.expires_at_ms.saturating_sub(self.nodes[n].line_ms(now_ms));
        self.visitors[who as usize].seat_ms = small(now_ms + left_ms);
    }

    pub(super) fn seat_ends(&mut self, who: u32) {
        let visitor = &mut self.visitors[who as usize];
        if visitor.is(flag::SEATED) {
            visitor.clear(flag::SEATED);
            self.facts.seats -= 1;
        }
    }

    /// A visitor learns the number, or gets another one since the first is of no use any more.
    pub(super) fn take_number(&mut self, now_ms: u64, who: u32, number: u64) {
        let number = short(number);
        let visitor = &mut self.visitors[who as usize];
        if visitor.joined_ms != NEVER && visitor.number != number {
            self.present.remove(visitor.number);
            if visitor.is(flag::TOO_LATE) {
                visitor.clear(flag::TOO_LATE);
                self.facts.too_late += 1;
            } else {
                visitor.set(flag::LOST);
            }
            visitor.ahead_shown = NEVER;
            visitor.due_ms = 0;
        }
        visitor.number = number;
        if visitor.state == State::Joining {
            visitor.state = State::Waiting;
            if visitor.joined_ms == NEVER {
                visitor.joined_ms = small(now_ms);
                self.facts.joined += 1;
            }
        } else if visitor.state == State::Gone {
            self.present.remove(number);
        }
    }

    /// Notes of hidden pages when the head goes past them, which is their turn.
    fn note_passed(&mut self, now_ms: u64, slot: usize, head: u64) {
        for number in self.heads_noted[slot] + 1..=head {
            let Some(who) = self.by_number.of(short(number)) else { continue };
            let visitor = &mut self.visitors[who as usize];
            if visitor.is(flag::HIDDEN) && visitor.called_ms == NEVER && visitor.passed_ms == NEVER {
                visitor.passed_ms = small(now_ms);
            }
        }
        self.heads_noted[slot] = self.heads_noted[slot].max(head);
    }

    fn look_for_overtaken(&mut self, slot: usize, highest: u32) {
        while let Some(number) = self.present.first_in(slot).filter(|&n| n < highest) {
            // Noted once each; who is polling on will be put back with the next poll.
            self.present.remove(number);
            if let Some(who) = self.by_number.of(number) {
                let visitor = &mut self.visitors[who as usize];
                self.facts.overtaken += u64::from(!visitor.is(flag::OVERTAKEN));
                visitor.set(flag::OVERTAKEN);
            }
        }
    }

    /// Notes what each lane got of the calls of this step.
    fn look_at_lanes(&mut self, stood: &[bool; LANES_MAX], rules: &Rules, outcome: &Outcome) {
        let mut lanes = Lanes::default();
        for (slot, lane) in outcome.summary.lanes.iter().enumerate() {
            lanes.stand[slot] = stood[slot] && self.present.stands_in(slot);
            lanes.seen_standing[slot] = lane.standing_since_ms > 0;
            lanes.weights[slot] = rules.weight(lane.lane);
        }
        let knows = outcome.summary.reason != Some(Reason::Recovering);
        self.facts.lanes.step_ends(&lanes, knows && self.store.answered_since(self.facts.demand.at_ms));
    }

    /// Time counts as demand when for a minute nothing but the rate has decided who is called: visitors stood, seats were
    /// free, and the line was asked all along and gave no reason to stand still. Before that a burst takes from the rate.
    fn measure_demand(&mut self, now_ms: u64, outcome: &Outcome) {
        let summary = &outcome.summary;
        let last = self.facts.demand;
        let rate = u64::from(self.rules.release_per_minute);
        let seats_taken = self.rules.max_active.is_some_and(|max| summary.due + summary.inside >= u64::from(max));
        let could_call = !seats_taken && self.store.answered_since(last.at_ms);
        if last.is_on && could_call {
            let (ms, calls) = (now_ms - last.at_ms, u64::from(outcome.called));
            let allowed = rate as f64 / 60e3 * ms as f64;
            self.facts.demand.ms += ms;
            self.facts.demand.allowed += allowed;
            self.facts.demand.calls += calls;
            let stands = |lane: &LaneRule| {
                let of = summary.lanes.iter().find(|of| of.lane == lane.lane);
                of.is_some_and(|of| of.standing_since_ms > 0)
            };
            if self.rules.lanes.iter().any(|lane| !stands(lane)) {
                let used = &mut self.facts.lanes.while_one_is_empty;
                (used.ms, used.allowed, used.calls) = (used.ms + ms, used.allowed + allowed, used.calls + calls);
            }
        }
        // After a lowered rate the minute has to go by first.
        let rate_decides =
            could_call && summary.standing && summary.reason.is_none() && summary.called_last_minute <= rate;
        let since_ms = rate_decides.then(|| last.since_ms.unwrap_or(now_ms));
        let is_on = since_ms.is_some_and(|since_ms| now_ms >= since_ms + SETTLED_MS);
        self.facts.demand = Demand { at_ms: now_ms, is_on, since_ms, ..self.facts.demand };
    }
}
