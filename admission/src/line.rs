//! The line: numbers 1, 2, 3 …, who is present, who is called, who is inside.
//!
//! [`Line::sync`] is the one step that reads and writes it: pure, with the clock handed in. Four rules:
//!
//! 1. *Arrive*: take the next number.
//! 2. *Be there*: every poll marks the number as present for a while.
//! 3. *Call*: the first `k` numbers, in order, that are present and not yet called, with `k` the least of
//!    rate credit, room in the 60 s window and free seats.
//! 4. *Enter*: a called number takes its seat inside.
//!
//! Who has left is not present, so is skipped and costs nothing. Who comes back late is the lowest present
//! number, so is next. An empty line calls a newcomer in the step in which it takes its number.

mod batch;
mod bits;
mod call;
mod check;
mod clock;
mod constants;
mod control;
mod count;
mod ended;
mod find;
mod gaps;
mod issues;
mod lives;
mod marks;
mod merge;
mod minutes;
mod presence;
mod rate;
mod rules;
mod seats;
mod settling;
mod slips;
mod summary;
mod verdict;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use sluice_config::Mode;

pub use self::{
    batch::{Ask, Batch, Known, Newcomer, Outcome, Seen, Verdict},
    clock::Reading,
    control::{
        ACTOR_BYTES_MAX, BadChange, CHANGE_ID_MAX, Change, Changed, Control, Override, Revision, TEXT_BYTES_MAX,
    },
    find::{Lookup, Whereabouts},
    lives::SKIP,
    minutes::{Histogram, MINUTES_KEPT, Minute},
    presence::HOLD_MS_MAX,
    rules::{CREDIT_PER_VISITOR, Rules},
    summary::{Blocks, Summary},
};
use self::{
    bits::Bits,
    clock::Clock,
    control::Controlled,
    ended::Ended,
    gaps::Gaps,
    issues::Issues,
    lives::Lives,
    marks::Heads,
    minutes::Minutes,
    presence::Presence,
    rate::Rate,
    seats::{Claim, Seats},
    settling::Settling,
    slips::Slips,
};
pub(crate) use self::{
    constants::CONSTANTS,
    ended::ENDED_TOLD_MAX,
    rate::{SLOT_MS, SLOTS},
};

/// More time than this between two steps while visitors wait: the line could not be asked. Ticks are 100 ms apart.
const SILENT_MS: u64 = 2_000;
/// The same while none wait: ushers look at such a line every 5 s.
const SILENT_IDLE_MS: u64 = 10_000;
/// A page that gets no answer asks again after no more than this: a minute, and time for the way.
const PAGE_BACK_MS_MAX: u32 = 66_000;

/// The state of one line. Nothing in it is per visitor but one bit per generation, and the seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    epoch: u64,
    issued: u64,
    head: u64,
    heads: Heads,
    clock: Clock,
    /// For how long the line could not be asked, in all.
    silent_ms: u64,
    rate: Rate,
    /// Bits are offsets from here; a multiple of 64.
    base: u64,
    presence: Presence,
    called: Bits,
    /// Numbers that were called, heard of it and did not enter: called again only after an ask that enters, and once
    /// more only.
    lapsed: Bits,
    due: Seats<Claim>,
    inside: Seats<()>,
    /// Whose visit has ended, for as long as a pass lives.
    ended: Ended,
    slips: Slips,
    settling: Settling,
    gaps: Gaps,
    called_total: u64,
    /// When the last tick was; 0: never.
    ticked_ms: u64,
    lives: Lives,
    /// What an operator has set.
    controlled: Controlled,
    /// When numbers were handed out.
    issues: Issues,
    /// What happened in each of the last minutes.
    minutes: Minutes,
    /// The summary after the last step. What is counted over the whole line is as of the last tick.
    summary: Summary,
}

impl Line {
    /// A line that nobody has stood in; `known` is what the first node to ask remembers of an earlier one.
    pub fn new(rules: &Rules, reading: Reading, known: &Known) -> Self {
        let clock = Clock::start(reading, known.clock_ms);
        // Numbers may be high already; blocks are counted from where the line is.
        let blocks = Blocks { start: Blocks::start_for(known.head), counts: Vec::new() };
        Self {
            epoch: known.epoch.max(1),
            issued: 0,
            head: 0,
            heads: Heads::default(),
            silent_ms: 0,
            rate: Rate::full(rules, clock.now_ms),
            base: 0,
            presence: Presence::new(),
            called: Bits::default(),
            lapsed: Bits::default(),
            due: Seats::default(),
            inside: Seats::default(),
            ended: Ended::default(),
            slips: Slips::default(),
            settling: Settling::default(),
            gaps: Gaps::default(),
            called_total: 0,
            ticked_ms: 0,
            lives: Lives::default(),
            controlled: Controlled::default(),
            issues: Issues::default(),
            minutes: Minutes::begin(clock.now_ms),
            summary: Summary { blocks, ..Summary::default() },
            clock,
        }
    }

    /// One step: takes in a batch, calls who may be called, answers. The rules are those of the queue's file; what an
    /// operator has set takes their place.
    pub fn sync(&mut self, file: &Rules, reading: Reading, batch: &Batch) -> Outcome {
        let before_ms = self.clock.now_ms;
        self.clock.advance(reading, batch.known.clock_ms);
        let moved = self.lives.step(reading.run);
        self.notice_silence(self.clock.now_ms - before_ms, batch.away_since_ms > 0);
        let now_ms = self.clock.now_ms;
        if self.minutes.turn(now_ms) {
            self.issues.thin(self.heads.floor(), now_ms);
        }
        self.controlled.learn(&batch.known);
        let changes = batch.changes.iter().map(|change| self.controlled.change(change, now_ms)).collect();
        let rules = &self.controlled.rules(file, now_ms);
        self.expire(rules);
        let current = self.merge(batch, moved);
        if current {
            self.mark(rules, batch);
        }
        self.settle();
        let mut newcomers = self.arrive(rules, batch);

        // The first step in a tick does the calling. While no line stands, every step does: an empty
        // line must not keep a newcomer waiting for the next tick. A node that was cut off may be so still, and hear
        // nothing of whom it calls.
        let tick_due = !self.summary.standing || now_ms >= self.ticked_ms + rules.tick_ms() * 4 / 5;
        let tick = tick_due && batch.away_since_ms == 0;
        let (mut called, mut due) = (0, Vec::new());
        if tick {
            let mut places = self.places(rules);
            called = self.call(rules, &mut places, &mut due);
            called += self.walk_in(rules, batch, &mut newcomers, &mut places);
            self.book(called);
        }
        self.heads.note(self.head, rules.return_within_ms, self.may_call(rules));
        self.rebase();

        for (newcomer, answer) in batch.newcomers.iter().zip(&mut newcomers) {
            if answer.0 != 0 {
                answer.1 = self.verdict(rules, answer.0, newcomer.enter, !newcomer.walk_in);
            }
        }
        let asks = batch
            .asks
            .iter()
            .map(|a| if current { self.verdict(rules, a.number, a.enter, true) } else { Verdict::Spent });
        let asks = asks.collect();
        self.summarise(rules, tick, called);
        self.check(rules, called);
        let ended = batch.known.ended_ms.map(|told_ms| self.ended.after(told_ms).collect()).unwrap_or_default();
        let control = self.controlled.news(batch.known.revision);
        Outcome { newcomers, asks, called, due, ended, changes, control, summary: self.summary.clone() }
    }

    /// A new epoch: every number, ticket and pass of the old one is void. The rate's window stays, so that a
    /// reset is no way round it, and so does what an operator has set.
    pub fn reset(&mut self, file: &Rules) {
        let fresh = Self::new(file, Reading { wall_ms: 0, slack_ms: 0, run: 0 }, &Known::default());
        let old = std::mem::replace(self, fresh);
        self.epoch = old.epoch + 1;
        self.clock = old.clock;
        self.silent_ms = old.silent_ms;
        self.rate = old.rate;
        self.lives = old.lives;
        self.controlled = old.controlled;
        self.minutes = old.minutes;
        self.summarise(&self.controlled.rules(file, self.clock.now_ms), true, 0);
    }

    /// The line as of its last step.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What a node would know after an outcome of this line.
    pub fn known(&self) -> Known {
        Known {
            epoch: self.epoch,
            issued: self.issued,
            head: self.head,
            floor: self.heads.floor(),
            clock_ms: Some(self.clock.now_ms),
            steps: self.lives.steps(),
            life: self.lives.life(),
            ended_ms: None,
            revision: self.controlled.revision(),
            control: self.controlled.news(Revision::default()),
            gaps: self.gaps.all().to_vec(),
            calls: self.rate.calls().collect(),
            due: self.due().collect(),
            inside: self.inside.iter().collect(),
        }
    }

    /// Numbers that are called and have not entered yet, and until when their seats are kept (ms on the line's clock),
    /// the next to lapse first.
    pub fn due(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.due.iter()
    }

    /// Between two steps more time may have gone by than while visitors are there to ask: the line could not be asked.
    /// Then what runs out by time stands still. Claims wait until their visitors can hear of the call; and who was
    /// present still is, until the page asks again, or those who ask first would overtake all others. A node that was
    /// there itself, and only cut off from its store, knows whom it saw meanwhile.
    fn notice_silence(&mut self, gone_ms: u64, node_was_there: bool) {
        let silent_ms = gone_ms.saturating_sub(if self.summary.waiting > 0 { SILENT_MS } else { SILENT_IDLE_MS });
        // What stands still runs in between, or it would stand for ever in a line that is asked a little too seldom.
        self.heads.run(gone_ms - silent_ms);
        if silent_ms == 0 {
            return;
        }
        self.silent_ms += silent_ms;
        self.due.postpone(silent_ms);
        // A page that gets no answer asks again after twice as long each time, and no later than that.
        let back_ms = u32::try_from(gone_ms * 2 + SILENT_MS).unwrap_or(u32::MAX).min(PAGE_BACK_MS_MAX);
        if !node_was_there {
            self.presence.carry(self.asked_ms(), self.clock.now_ms, back_ms);
        }
    }

    /// The line's clock without the time for which it could not be asked: how long ago a visitor was seen is counted on
    /// it.
    fn asked_ms(&self) -> u64 {
        self.clock.now_ms - self.silent_ms
    }

    fn expire(&mut self, rules: &Rules) {
        let now_ms = self.clock.now_ms;
        self.presence.expire(self.asked_ms(), now_ms);
        self.slips.expire(now_ms);
        self.inside.cut(now_ms + rules.seat_ms);
        while let Some((_, seat)) = self.inside.pop_lapsed(now_ms) {
            self.count_visit(seat.since_ms, seat.until_ms.saturating_sub(rules.seat_ms));
        }
        self.ended.expire(now_ms, rules.seat_ms);
        while let Some((number, seat)) = self.due.pop_lapsed(now_ms) {
            self.minutes.now.lapsed += 1;
            if let Some(offset) = self.offset(number) {
                self.lapse(offset, seat.of);
            }
        }
    }

    /// Hands out numbers to those who came while the line could not be asked.
    fn settle(&mut self) {
        for id in self.settling.take_due(self.clock.now_ms) {
            let number = self.issue(id);
            self.see(number, settling::NUMBERED_HOLD_MS);
            self.summary.count_newcomer(number);
        }
    }

    /// Hands out numbers to newcomers with a slip; walk-ins get theirs only when they can be called.
    fn arrive(&mut self, rules: &Rules, batch: &Batch) -> Vec<(u64, Verdict)> {
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
            if settling {
                let is_new = self.settling.write_down(newcomer.id, newcomer.arrived_ms, now_ms);
                self.minutes.now.arrived += u32::from(is_new);
                room -= u64::from(is_new);
                return (0, Verdict::Refused);
            }
            room -= 1;
            self.minutes.now.arrived += 1;
            let number = self.issue(newcomer.id);
            self.see(number, newcomer.hold_ms);
            self.summary.count_newcomer(number);
            (number, Verdict::Waiting)
        });
        answers.collect()
    }

    fn issue(&mut self, id: u64) -> u64 {
        self.issues.note(self.issued, self.clock.now_ms);
        self.minutes.now.numbered += 1;
        self.issued += 1;
        self.slips.remember(id, self.issued);
        self.issued
    }

    /// Counts calls that were made.
    fn book(&mut self, called: u32) {
        self.rate.book(called, self.clock.now_ms);
        self.called_total += u64::from(called);
        self.minutes.now.called += called;
    }

    /// Numbers that are called are at or below the head.
    fn set_called(&mut self, number: u64) {
        self.head = self.head.max(number);
        if let Some(offset) = self.offset(number) {
            self.called.set(offset);
        }
    }

    /// As [`Self::set_called`], of a number that will not be called again.
    fn set_spent(&mut self, number: u64) {
        self.set_called(number);
        if let Some(offset) = self.offset(number) {
            self.lapsed.clear(offset);
        }
    }

    /// Where a number's bit is; `None` below the base, where every number is spent.
    fn offset(&self, number: u64) -> Option<u64> {
        number.checked_sub(self.base)
    }

    fn word_above_floor(&self) -> usize {
        usize::try_from((self.heads.floor() + 1).saturating_sub(self.base) / 64).unwrap_or(usize::MAX)
    }

    /// A mask over one word: the numbers above the floor.
    fn above_floor(&self, index: usize) -> u64 {
        let lowest = (self.heads.floor() + 1).saturating_sub(self.base);
        match lowest.checked_sub(index as u64 * 64) {
            Some(skip) if skip >= 64 => 0,
            Some(skip) => u64::MAX << skip,
            None => u64::MAX,
        }
    }

    /// Moves the base up to the floor once that saves a good part of the bitmaps.
    fn rebase(&mut self) {
        const WORTH_WORDS: u64 = 1_024;
        let words = (self.heads.floor() + 1).saturating_sub(self.base) / 64;
        if words < WORTH_WORDS {
            return;
        }
        let count = usize::try_from(words).unwrap_or(usize::MAX);
        self.presence.drop_front(count);
        self.called.drop_front(count);
        self.lapsed.drop_front(count);
        self.base += words * 64;
    }
}
