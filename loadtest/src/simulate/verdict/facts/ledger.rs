//! What there was for the line to count, number by number: by what nodes told it and what it answered, never by what it
//! has counted itself. Each count is kept by what [`Minute`](sluice_admission::line::Minute) says of it.
//!
//! Calls and seats run out on the line's clock, as its answers show it; lengths are measured on that of the run. No node
//! lets visitors in by itself in a run. A line cannot count what it has lost: the ledger is closed before.

use std::collections::{HashMap, HashSet};

use sluice_admission::line::{
    Batch, Newcomer, Outcome, SILENT_IDLE_MS, SILENT_MS, SKIP, Summary, Verdict, number_of, slot_of,
};
use sluice_config::limits::LANES_MAX;

const MINUTE_MS: u64 = 60_000;

/// What happened, in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::simulate) struct Tally {
    /// Whoever is taken in gets a number, one each. `None`: some were to get theirs later, since the line could not be
    /// asked when they came.
    pub(in crate::simulate) arrived: Option<u64>,
    pub(in crate::simulate) numbered: u64,
    pub(in crate::simulate) called: u64,
    pub(in crate::simulate) entered: u64,
    pub(in crate::simulate) lapsed: u64,
    pub(in crate::simulate) left: u64,
    pub(in crate::simulate) ended: u64,
    /// From number to call, of every call of which the line can know it.
    pub(in crate::simulate) waits_ms: Vec<u64>,
    /// From the first to the last that was heard of a visitor inside, of visits that ended.
    pub(in crate::simulate) visits_ms: Vec<u64>,
}

#[derive(Debug, Default)]
pub(in crate::simulate) struct Ledger {
    tally: Tally,
    is_closed: bool,
    /// Of the last step: the time of the run, the line's clock (0: there was no step), and how long a seat is held.
    now_ms: u64,
    line_ms: u64,
    seat_ms: u64,
    /// For how long the line could not be asked, in all.
    silent_ms: u64,
    /// Who waited after the last step, by the line's count, which decides what is a silence.
    waiting: u64,
    life: u64,
    /// Newcomers have been taken in whose numbers are still to come.
    is_settling: bool,
    lanes: [Lane; LANES_MAX],
    claims: HashMap<u64, Claim>,
    visits: HashMap<u64, Visit>,
    /// Numbers whose visit has ended, and until when the line knows of it.
    ended: HashMap<u64, u64>,
    /// Numbers that cannot be called, as they are or were called; those at or below a floor are left out.
    called: HashSet<u64>,
    /// Numbers that were called, heard of it and did not enter: may be called once more.
    lapsed: HashSet<u64>,
}

#[derive(Debug, Default)]
struct Lane {
    issued: u64,
    floor: u64,
    /// The line does not know any more when numbers up to this one were handed out.
    forgotten: u64,
    /// The last number that was handed out in a step, and when that was.
    handed_out: Vec<(u64, u64)>,
}

/// A call that has not been used.
#[derive(Clone, Copy, Debug)]
struct Claim {
    /// On the line's clock, without the time for which it could not be asked.
    until_ms: u64,
    /// The visitor was answered that it is called.
    is_heard: bool,
}

#[derive(Clone, Copy, Debug)]
struct Visit {
    since_ms: u64,
    seen_ms: u64,
    /// On the line's clock.
    until_ms: u64,
}

impl Ledger {
    pub(in crate::simulate) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(in crate::simulate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Writes down a step, in the order in which the line takes things.
    pub(in crate::simulate) fn step(&mut self, now_ms: u64, seat_ms: u64, batch: &Batch, outcome: &Outcome) {
        if self.is_closed {
            return;
        }
        (self.now_ms, self.seat_ms) = (now_ms, seat_ms);
        self.time_goes_by(&outcome.summary);
        for &number in &batch.inside {
            // It may be told of a visitor who has ended the visit since.
            if !self.has_ended(number) {
                self.enter(number);
            }
        }
        for &number in &batch.ended {
            self.end(number);
        }
        let answers = batch.newcomers.iter().zip(&outcome.newcomers).filter(|(_, answer)| answer.0 != 0);
        let joined: Vec<(&Newcomer, u64, Verdict)> =
            answers.map(|(newcomer, &(number, verdict))| (newcomer, number, verdict)).collect();
        let back = joined.iter().filter(|(newcomer, ..)| newcomer.enter && !newcomer.walk_in).map(|of| of.1);
        let loaded = batch.asks.iter().filter(|ask| ask.enter).map(|ask| ask.number);
        for number in loaded.chain(back) {
            self.reclaim(number);
        }

        let issued = self.hand_out(&outcome.summary);
        for &(number, until_ms) in &outcome.due {
            let handed_out_ms = self.lanes[slot_of(number)].handed_out_ms(number);
            self.call(number, until_ms, handed_out_ms.map(|at_ms| now_ms.saturating_sub(at_ms)));
        }
        // A visitor who walks in gets a number with the call, and never waits.
        let is_new = |number: u64| number > issued[slot_of(number)];
        for &(_, number, verdict) in joined.iter().filter(|of| of.0.walk_in && is_new(of.1)) {
            if let Verdict::Inside { until_ms, provisional: true, .. } | Verdict::Called { until_ms } = verdict {
                self.call(number, until_ms, Some(0));
            }
        }
        let asked = batch.asks.iter().zip(&outcome.asks).map(|(ask, &verdict)| (ask.number, verdict));
        for (number, verdict) in joined.iter().map(|&(_, number, verdict)| (number, verdict)).chain(asked) {
            self.answer(number, verdict);
        }
        self.leave(&outcome.summary);
    }

    /// The run is over, or the line loses what it has counted: nothing more is written down.
    pub(in crate::simulate) fn close(&mut self) {
        self.settle_all();
        self.tally.arrived = (!self.is_settling).then_some(self.tally.numbered);
        self.is_closed = true;
    }

    fn time_goes_by(&mut self, summary: &Summary) {
        let gone_ms = if self.line_ms == 0 { 0 } else { summary.now_ms.saturating_sub(self.line_ms) };
        self.silent_ms += gone_ms.saturating_sub(if self.waiting > 0 { SILENT_MS } else { SILENT_IDLE_MS });
        let is_next_minute = summary.now_ms / MINUTE_MS > self.line_ms / MINUTE_MS;
        (self.line_ms, self.waiting, self.is_settling) = (summary.now_ms, summary.waiting, summary.settling);
        // What has run out is counted when its number is met with again, and of all numbers now and then.
        if is_next_minute {
            self.settle_all();
        }
    }

    fn settle_all(&mut self) {
        let numbers: Vec<u64> = self.claims.keys().chain(self.visits.keys()).copied().collect();
        for number in numbers {
            self.settle(number);
        }
        let line_ms = self.line_ms;
        self.ended.retain(|_, until_ms| *until_ms > line_ms);
    }

    /// Counts what has run out by now of what a number holds.
    fn settle(&mut self, number: u64) {
        let (line_ms, silent_ms) = (self.line_ms, self.silent_ms);
        if self.claims.get(&number).is_some_and(|claim| claim.until_ms + silent_ms <= line_ms)
            && let Some(claim) = self.claims.remove(&number)
        {
            self.lapse(number, claim.is_heard);
        }
        if self.visits.get(&number).is_some_and(|visit| visit.until_ms <= line_ms)
            && let Some(visit) = self.visits.remove(&number)
        {
            self.tally.end(visit.since_ms, visit.seen_ms);
        }
    }

    /// A call was not used. Whoever has not heard of it may be called as if there had been none.
    fn lapse(&mut self, number: u64, is_heard: bool) {
        self.tally.lapsed += 1;
        if !is_heard {
            self.called.remove(&number);
        } else if !self.lapsed.remove(&number) {
            self.lapsed.insert(number);
        }
    }

    /// The page of a number that has lapsed was loaded.
    fn reclaim(&mut self, number: u64) {
        self.settle(number);
        if self.lapsed.contains(&number) && !self.claims.contains_key(&number) {
            self.called.remove(&number);
        }
    }

    /// Numbers are handed out in a row, also to those who came while the line could not be asked, and whom no answer of
    /// this step tells. Gives the last number of each lane before, by slot.
    fn hand_out(&mut self, summary: &Summary) -> [u64; LANES_MAX] {
        // With each life some numbers are skipped, and it is forgotten when those before were handed out.
        let lives = summary.life.saturating_sub(self.life);
        self.life = summary.life;
        let mut before = [0; LANES_MAX];
        for (slot, told) in summary.lanes.iter().enumerate() {
            let lane = &mut self.lanes[slot];
            before[slot] = lane.issued.max(number_of(slot, 0));
            let from = before[slot] + lives * SKIP;
            if lives > 0 {
                lane.forgotten = from;
                lane.handed_out.clear();
            }
            if told.issued > from {
                self.tally.numbered += told.issued - from;
                lane.handed_out.push((told.issued, self.now_ms));
            }
            lane.issued = told.issued;
        }
        before
    }

    fn call(&mut self, number: u64, until_ms: u64, waited_ms: Option<u64>) {
        self.settle(number);
        self.tally.called += 1;
        self.tally.waits_ms.extend(waited_ms);
        self.called.insert(number);
        let until_ms = until_ms.saturating_sub(self.silent_ms);
        self.claims.insert(number, Claim { until_ms, is_heard: false });
    }

    fn answer(&mut self, number: u64, verdict: Verdict) {
        match verdict {
            // Said again of a visit that goes on: a question is no sign of it.
            Verdict::Inside { provisional: false, .. } => {
                self.settle(number);
                if !self.visits.contains_key(&number) {
                    self.enter(number);
                }
            }
            Verdict::Called { .. } => {
                if let Some(claim) = self.claims.get_mut(&number) {
                    claim.is_heard = true;
                }
            }
            // A visitor who walks in has entered once the pass is back.
            Verdict::Inside { provisional: true, .. }
            | Verdict::Waiting
            | Verdict::Lapsed
            | Verdict::Spent
            | Verdict::Refused => {}
        }
    }

    /// A visitor is seen inside, which begins the visit if there is none.
    fn enter(&mut self, number: u64) {
        self.settle(number);
        self.spend(number);
        let (now_ms, until_ms) = (self.now_ms, self.line_ms + self.seat_ms);
        if !self.visits.contains_key(&number) {
            self.tally.entered += 1;
        }
        let visit = self.visits.entry(number).or_insert(Visit { since_ms: now_ms, seen_ms: now_ms, until_ms });
        (visit.seen_ms, visit.until_ms) = (now_ms, until_ms);
    }

    /// A visit is said to have ended.
    fn end(&mut self, number: u64) {
        self.settle(number);
        self.spend(number);
        if let Some(visit) = self.visits.remove(&number) {
            self.tally.end(visit.since_ms, self.now_ms);
        }
        if !self.has_ended(number) {
            self.ended.insert(number, self.line_ms + self.seat_ms);
        }
    }

    /// A call was used, and there will be none after it.
    fn spend(&mut self, number: u64) {
        self.claims.remove(&number);
        self.lapsed.remove(&number);
        self.called.insert(number);
    }

    fn has_ended(&self, number: u64) -> bool {
        self.ended.get(&number).is_some_and(|&until_ms| until_ms > self.line_ms)
    }

    /// Numbers that can no longer be called, as the floor of their lane has passed them, and hold no call.
    fn leave(&mut self, summary: &Summary) {
        for (slot, told) in summary.lanes.iter().enumerate() {
            let from = std::mem::replace(&mut self.lanes[slot].floor, told.floor).max(number_of(slot, 0));
            for number in from + 1..=told.floor {
                self.settle(number);
                let is_called = self.called.remove(&number);
                let was_skipped = told.gaps.iter().any(|&(first, last)| (first..=last).contains(&number));
                self.tally.left += u64::from(!is_called && !was_skipped);
            }
        }
    }
}

impl Lane {
    /// When a number was handed out, as far as the line can know it.
    fn handed_out_ms(&self, number: u64) -> Option<u64> {
        let index = self.handed_out.partition_point(|&(last, _)| last < number);
        self.handed_out.get(index).filter(|_| number > self.forgotten).map(|&(_, at_ms)| at_ms)
    }
}

impl Tally {
    fn end(&mut self, since_ms: u64, seen_ms: u64) {
        self.ended += 1;
        self.visits_ms.push(seen_ms.saturating_sub(since_ms));
    }
}
