//! What a run leaves behind, for the judge and the report.

mod lanes;

use std::collections::BTreeMap;

use sluice_admission::{line::Batch, standing::WaitRange};

pub(super) use self::lanes::{LaneFacts, Lanes};
use super::{
    numbers::{Holders, slot},
    visitor::{NEVER, State, Visitor, flag},
};

/// Most shown ranges that are noted.
const RANGES_MAX: usize = 2_000_000;
/// Most marks that one call of the Redis script takes; a longer batch is several calls.
const MARKS_PER_CALL: u64 = 2_000;

/// Figures of one moment; counts are since the last one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    pub(super) at_ms: u64,
    /// By the line's own count.
    pub(super) waiting: u64,
    /// Who really is there and polls as told.
    pub(super) present: u64,
    pub(super) seats: u64,
    /// Whose visit has not ended.
    pub(super) inside: u64,
    pub(super) called: u64,
    pub(super) entered: u64,
    pub(super) polls: u64,
    pub(super) steps: u64,
    pub(super) commands: u64,
    pub(super) came: u64,
    /// Calls that came to nothing, by when they were noticed.
    pub(super) lapsed: u64,
}

/// A range that somebody was shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) who: u32,
    pub(super) at_ms: u32,
    pub(super) low_s: u32,
    pub(super) high_s: u32,
}

/// Time in which the whole rate should have been used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    pub(super) at_ms: u64,
    pub(super) is_on: bool,
    /// Since when nothing but the rate decides who is called.
    pub(super) since_ms: Option<u64>,
    pub(super) ms: u64,
    /// Calls that the rate allowed.
    pub(super) allowed: f64,
    pub(super) calls: u64,
    /// Calls that came to nothing.
    pub(super) lapsed: u64,
}

#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Who has which number, by place in `visitors`.
    pub(super) by_number: Holders,
    pub(super) visitors: Vec<Visitor>,
    pub(super) samples: Vec<Sample>,
    pub(super) ranges: Vec<Shown>,
    /// When somebody was called, and how many.
    pub(super) calls: Vec<(u64, u32)>,
    /// The numbers called, in the order of their calls.
    pub(super) order: Vec<u32>,
    pub(super) demand: Demand,
    pub(super) lanes: LaneFacts,
    pub(super) came: u64,
    pub(super) joined: u64,
    pub(super) entries: u64,
    pub(super) cookieless: u64,
    pub(super) cookieless_sent_away: u64,
    /// Answers that the line is full.
    pub(super) full: u64,
    /// Polls and navigations of visitors in line.
    pub(super) polls: u64,
    /// Those of them that asked the line.
    pub(super) asks: u64,
    pub(super) steps: u64,
    /// Calls of the script in Redis that these steps are.
    pub(super) commands: u64,
    pub(super) marks: u64,
    pub(super) attempts_failed: u64,
    /// Seats taken, by the visitors' account; and the most there were.
    pub(super) seats: u64,
    pub(super) seats_max: u64,
    pub(super) lapsed: u64,
    /// Those of them whose visitors had gone, or were asleep, when they were called.
    pub(super) lapsed_gone: u64,
    pub(super) lapsed_asleep: u64,
    /// Numbers called that nobody has: when, and until when.
    pub(super) phantoms: BTreeMap<u32, (u64, u64)>,
    pub(super) overtaken: u64,
    pub(super) given_twice: u64,
    /// When something happened that no one could foresee, such as an operator who holds the line.
    pub(super) surprises: Vec<u32>,
    /// From when to when no visitor could be called: the line was held, or could not be asked.
    pub(super) stops: Vec<(u32, u32)>,
    pub(super) too_late: u64,
    /// Calls of tickets that never enter.
    pub(super) parked_calls: u64,
    /// How often a position was shown that was higher than one before.
    pub(super) rises: u64,
    /// Visitors who stay, and have not been called at the end of the run.
    pub(super) still_waiting: u64,
    /// How many were called before this step.
    step_from: usize,
    /// Counters at the last sample.
    last: Sample,
}

impl Facts {
    pub(super) fn step(&mut self, batch: &Batch) {
        let marks = batch.seen.len() + batch.away.len() + batch.inside.len() + batch.ended.len();
        let marks = marks as u64;
        self.steps += 1;
        self.commands += marks.div_ceil(MARKS_PER_CALL).max(1);
        self.marks += marks;
    }

    /// The calls of one step have no order among them: they are noted by number.
    pub(super) fn step_begins(&mut self) {
        self.step_from = self.order.len();
    }

    pub(super) fn step_ends(&mut self) {
        self.order[self.step_from..].sort_unstable();
    }

    pub(super) fn called(&mut self, now_ms: u64, number: u32) {
        match self.calls.last_mut().filter(|last| last.0 == now_ms) {
            Some(last) => last.1 += 1,
            None => self.calls.push((now_ms, 1)),
        }
        self.order.push(number);
        self.lanes.called(slot(number));
    }

    pub(super) fn see_phantom(&mut self, now_ms: u64, number: u32, until_ms: u64) {
        if self.phantoms.insert(number, (now_ms, until_ms)).is_none() {
            self.called(now_ms, number);
        }
    }

    pub(super) fn entered(&mut self) {
        self.entries += 1;
    }

    pub(super) fn take_seat(&mut self) {
        self.seats += 1;
        self.seats_max = self.seats_max.max(self.seats);
    }

    /// A call came to nothing.
    pub(super) fn lapsed(&mut self, visitor: &Visitor) {
        if !visitor.is(flag::DECLINES | flag::PARKED) {
            self.lapsed += 1;
            let gone = visitor.state == State::Gone;
            self.lapsed_gone += u64::from(gone && visitor.leaves_ms < visitor.called_ms);
            self.lapsed_asleep += u64::from(!gone);
            self.demand.lapsed += u64::from(visitor.is(flag::IN_DEMAND));
        }
    }

    pub(super) fn note_range(&mut self, now_ms: u64, who: u32, range: WaitRange) {
        if self.ranges.len() < RANGES_MAX {
            let at_ms = u32::try_from(now_ms).unwrap_or(NEVER);
            self.ranges.push(Shown { who, at_ms, low_s: range.low_s, high_s: range.high_s });
        }
    }

    /// Notes a sample; its counts are filled in here.
    pub(super) fn sample(&mut self, sample: Sample) {
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
    pub(super) fn end(mut self, visitors: Vec<Visitor>, by_number: Holders) -> Self {
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
