//! What a run leaves behind, for the judge and the report.

mod lanes;
mod ledger;

use std::collections::BTreeMap;

use sluice_admission::{
    line::{Batch, Minute},
    standing::WaitRange,
};

pub(in crate::simulate) use self::{
    lanes::{LaneFacts, Lanes},
    ledger::{Ledger, Tally},
};
use crate::simulate::{
    verdict::numbers::{Holders, slot},
    visitor::{NEVER, State, Visitor, flag},
};

/// Most shown ranges that are noted.
const RANGES_MAX: usize = 2_000_000;
/// Most marks that one call of the Redis script takes; a longer batch is several calls.
const MARKS_PER_CALL: u64 = 2_000;

/// Figures of one moment; counts are since the last one.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::simulate) struct Sample {
    pub(in crate::simulate) at_ms: u64,
    /// By the line's own count.
    pub(in crate::simulate) waiting: u64,
    /// Who really is there and polls as told.
    pub(in crate::simulate) present: u64,
    pub(in crate::simulate) seats: u64,
    /// Whose visit has not ended.
    pub(in crate::simulate) inside: u64,
    pub(in crate::simulate) called: u64,
    pub(in crate::simulate) entered: u64,
    pub(in crate::simulate) polls: u64,
    pub(in crate::simulate) steps: u64,
    pub(in crate::simulate) commands: u64,
    pub(in crate::simulate) came: u64,
    /// Calls that came to nothing, by when they were noticed.
    pub(in crate::simulate) lapsed: u64,
}

/// A range that somebody was shown.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulate) struct Shown {
    pub(in crate::simulate) who: u32,
    pub(in crate::simulate) at_ms: u32,
    pub(in crate::simulate) low_s: u32,
    pub(in crate::simulate) high_s: u32,
}

/// Time in which the whole rate should have been used.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::simulate) struct Demand {
    pub(in crate::simulate) at_ms: u64,
    pub(in crate::simulate) is_on: bool,
    /// Since when nothing but the rate decides who is called.
    pub(in crate::simulate) since_ms: Option<u64>,
    pub(in crate::simulate) ms: u64,
    /// Calls that the rate allowed.
    pub(in crate::simulate) allowed: f64,
    pub(in crate::simulate) calls: u64,
    /// Calls that came to nothing.
    pub(in crate::simulate) lapsed: u64,
}

#[derive(Debug, Default)]
pub(in crate::simulate) struct Facts {
    /// Who has which number, by place in `visitors`.
    pub(in crate::simulate) by_number: Holders,
    pub(in crate::simulate) visitors: Vec<Visitor>,
    pub(in crate::simulate) samples: Vec<Sample>,
    pub(in crate::simulate) ranges: Vec<Shown>,
    /// When somebody was called, and how many.
    pub(in crate::simulate) calls: Vec<(u64, u32)>,
    /// The numbers called, in the order of their calls.
    pub(in crate::simulate) order: Vec<u32>,
    pub(in crate::simulate) demand: Demand,
    pub(in crate::simulate) lanes: LaneFacts,
    /// What there was for the line to count, and what it has counted, by the minute.
    pub(in crate::simulate) ledger: Ledger,
    pub(in crate::simulate) minutes: Vec<Minute>,
    /// The first minute that has not been read.
    pub(in crate::simulate) unread_minute: u64,
    /// When the store lost what the line had counted, for the first time.
    pub(in crate::simulate) counts_lost_ms: Option<u64>,
    pub(in crate::simulate) came: u64,
    pub(in crate::simulate) joined: u64,
    pub(in crate::simulate) entries: u64,
    pub(in crate::simulate) cookieless: u64,
    pub(in crate::simulate) cookieless_sent_away: u64,
    /// Answers that the line is full.
    pub(in crate::simulate) full: u64,
    /// Polls and navigations of visitors in line.
    pub(in crate::simulate) polls: u64,
    /// Those of them that asked the line.
    pub(in crate::simulate) asks: u64,
    pub(in crate::simulate) steps: u64,
    /// Calls of the script in Redis that these steps are.
    pub(in crate::simulate) commands: u64,
    pub(in crate::simulate) marks: u64,
    pub(in crate::simulate) attempts_failed: u64,
    /// Seats taken, by the visitors' account; and the most there were.
    pub(in crate::simulate) seats: u64,
    pub(in crate::simulate) seats_max: u64,
    pub(in crate::simulate) lapsed: u64,
    /// Those of them whose visitors had gone, or were asleep, when they were called.
    pub(in crate::simulate) lapsed_gone: u64,
    pub(in crate::simulate) lapsed_asleep: u64,
    /// Numbers called that nobody has: when, and until when.
    pub(in crate::simulate) phantoms: BTreeMap<u32, (u64, u64)>,
    pub(in crate::simulate) overtaken: u64,
    pub(in crate::simulate) given_twice: u64,
    /// When something happened that no one could foresee, such as an operator who holds the line.
    pub(in crate::simulate) surprises: Vec<u32>,
    /// From when to when no visitor could be called: the line was held, or could not be asked.
    pub(in crate::simulate) stops: Vec<(u32, u32)>,
    pub(in crate::simulate) too_late: u64,
    /// Calls of tickets that never enter.
    pub(in crate::simulate) parked_calls: u64,
    /// How often a position was shown that was higher than one before.
    pub(in crate::simulate) rises: u64,
    /// Visitors who stay, and have not been called at the end of the run.
    pub(in crate::simulate) still_waiting: u64,
    /// How many were called before this step.
    step_from: usize,
    /// Counters at the last sample.
    last: Sample,
}

impl Facts {
    pub(in crate::simulate) fn step(&mut self, batch: &Batch) {
        let marks = batch.seen.len() + batch.away.len() + batch.inside.len() + batch.ended.len();
        let marks = marks as u64;
        self.steps += 1;
        self.commands += marks.div_ceil(MARKS_PER_CALL).max(1);
        self.marks += marks;
    }

    /// The calls of one step have no order among them: they are noted by number.
    pub(in crate::simulate) fn step_begins(&mut self) {
        self.step_from = self.order.len();
    }

    pub(in crate::simulate) fn step_ends(&mut self) {
        self.order[self.step_from..].sort_unstable();
    }

    pub(in crate::simulate) fn called(&mut self, now_ms: u64, number: u32) {
        match self.calls.last_mut().filter(|last| last.0 == now_ms) {
            Some(last) => last.1 += 1,
            None => self.calls.push((now_ms, 1)),
        }
        self.order.push(number);
        self.lanes.called(slot(number));
    }

    pub(in crate::simulate) fn see_phantom(&mut self, now_ms: u64, number: u32, until_ms: u64) {
        if self.phantoms.insert(number, (now_ms, until_ms)).is_none() {
            self.called(now_ms, number);
        }
    }

    pub(in crate::simulate) fn entered(&mut self) {
        self.entries += 1;
    }

    pub(in crate::simulate) fn take_seat(&mut self) {
        self.seats += 1;
        self.seats_max = self.seats_max.max(self.seats);
    }

    /// A call came to nothing.
    pub(in crate::simulate) fn lapsed(&mut self, visitor: &Visitor) {
        if !visitor.is(flag::DECLINES | flag::PARKED) {
            self.lapsed += 1;
            let gone = visitor.state == State::Gone;
            self.lapsed_gone += u64::from(gone && visitor.leaves_ms < visitor.called_ms);
            self.lapsed_asleep += u64::from(!gone);
            self.demand.lapsed += u64::from(visitor.is(flag::IN_DEMAND));
        }
    }

    pub(in crate::simulate) fn note_range(&mut self, now_ms: u64, who: u32, range: WaitRange) {
        if self.ranges.len() < RANGES_MAX {
            let at_ms = u32::try_from(now_ms).unwrap_or(NEVER);
            self.ranges.push(Shown { who, at_ms, low_s: range.low_s, high_s: range.high_s });
        }
    }

    /// Notes a sample; its counts are filled in here.
    pub(in crate::simulate) fn sample(&mut self, sample: Sample) {
        let calls = self.order.len() as u64;
        let now = Sample {
            called: calls,
            entered: self.entries,
            polls: self.polls,
            steps: self.steps,
            commands: self.commands,
            came: self.came,
            lapsed: self.lapsed,
            ..sample
        };
        let last = std::mem::replace(&mut self.last, now);
        self.samples.push(Sample {
            called: now.called - last.called,
            entered: now.entered - last.entered,
            polls: now.polls - last.polls,
            steps: now.steps - last.steps,
            commands: now.commands - last.commands,
            came: now.came - last.came,
            lapsed: now.lapsed - last.lapsed,
            ..now
        });
    }

    /// The run is over.
    pub(in crate::simulate) fn end(mut self, visitors: Vec<Visitor>, by_number: Holders) -> Self {
        self.lanes.stretch_ends();
        for visitor in &visitors {
            // Called, and will never come: it only has not been noticed yet.
            if visitor.is(flag::DUE) && visitor.state == State::Gone {
                self.lapsed(visitor);
            }
            let stands = matches!(visitor.state, State::Joining | State::Waiting | State::Told);
            self.still_waiting += u64::from(stands && !visitor.is(flag::DECLINES | flag::PARKED));
        }
        self.visitors = visitors;
        self.by_number = by_number;
        self
    }
}
