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
mod check;
mod clock;
mod constants;
mod ended;
mod gaps;
mod lives;
mod marks;
mod merge;
mod presence;
mod rate;
mod rules;
mod seats;
mod settling;
mod slips;
mod summary;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use sluice_config::Mode;

pub use self::{
    batch::{Ask, Batch, Known, Newcomer, Outcome, Seen, Verdict},
    clock::Reading,
    lives::SKIP,
    presence::HOLD_MS_MAX,
    rules::{CREDIT_PER_VISITOR, Rules},
    summary::{Blocks, Summary},
};
use self::{
    bits::Bits,
    clock::Clock,
    ended::Ended,
    gaps::Gaps,
    lives::Lives,
    marks::Heads,
    presence::Presence,
    rate::Rate,
    seats::{Claim, Seat, Seats},
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
/// A line of which all seats are taken moves if it has called within this time.
const MOVING_MS: u64 = 60_000;

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
            summary: Summary { blocks, ..Summary::default() },
            clock,
        }
    }

    /// One step: takes in a batch, calls who may be called, answers.
    pub fn sync(&mut self, rules: &Rules, reading: Reading, batch: &Batch) -> Outcome {
        let before_ms = self.clock.now_ms;
        self.clock.advance(reading, batch.known.clock_ms);
        let moved = self.lives.step(reading.run);
        self.notice_silence(self.clock.now_ms - before_ms, batch.away_since_ms > 0);
        let now_ms = self.clock.now_ms;
        self.expire(rules);
        let current = self.merge(batch, moved);
        if current {
            self.mark(rules, batch);
        }
        self.settle();
        let mut newcomers = self.arrive(rules, batch);

        // Whoever comes first in a tick does the calling. While nobody has to stand, everybody does: an empty
        // line must not keep a newcomer waiting for the next tick. A node that was cut off may be so still, and hear
        // nothing of whom it calls.
        let tick_due = !self.summary.standing || now_ms >= self.ticked_ms + rules.tick_ms() * 4 / 5;
        let tick = tick_due && batch.away_since_ms == 0;
        let (mut called, mut due) = (0, Vec::new());
        if tick {
            let mut places = self.places(rules);
            called = self.call(rules, &mut places, &mut due);
            called += self.walk_in(rules, batch, &mut newcomers, &mut places);
            self.rate.book(called, now_ms);
            self.called_total += u64::from(called);
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
        Outcome { newcomers, asks, called, due, ended, summary: self.summary.clone() }
    }

    /// A new epoch: every number, ticket and pass of the old one is void. The rate's window stays, so that a
    /// reset is no way round it.
    pub fn reset(&mut self, rules: &Rules) {
        let fresh = Self::new(rules, Reading { wall_ms: 0, slack_ms: 0, run: 0 }, &Known::default());
        let old = std::mem::replace(self, fresh);
        self.epoch = old.epoch + 1;
        self.clock = old.clock;
        self.silent_ms = old.silent_ms;
        self.rate = old.rate;
        self.lives = old.lives;
        self.summarise(rules, true, 0);
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
    /// present still is, until the page asks again, or whoever asks first would overtake all others. A node that was
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
        while self.inside.pop_lapsed(now_ms).is_some() {}
        self.ended.expire(now_ms, rules.seat_ms);
        while let Some((number, claim)) = self.due.pop_lapsed(now_ms) {
            if let Some(offset) = self.offset(number) {
                self.lapse(offset, claim);
            }
        }
    }

    /// A called visitor who did not come has given the seat back. Who could not hear of the call, or walked in and has
    /// not been back, stands first in line when seen. Who heard of it is called once more when the page is loaded, and
    /// no more after that: tickets that only ask would else be first for ever, and keep all others out.
    fn lapse(&mut self, offset: u64, claim: Claim) {
        match claim {
            Claim::Open | Claim::Provisional => self.called.clear(offset),
            Claim::Notified if self.lapsed.get(offset) => self.lapsed.clear(offset),
            Claim::Notified => self.lapsed.set(offset),
        }
    }

    /// The page of a number that has lapsed was loaded: it may be called again.
    fn reclaim(&mut self, number: u64) {
        if let Some(offset) = self.offset(number)
            && self.lapsed.get(offset)
            && self.due.get(number).is_none()
        {
            self.called.clear(offset);
        }
    }

    /// Whoever is inside has been called, and has not lapsed.
    fn take_in(&mut self, number: u64, since_ms: u64, until_ms: u64) -> Seat<()> {
        self.due.free(number);
        self.set_spent(number);
        self.inside.hold(number, since_ms, until_ms, ())
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
                room -= u64::from(self.settling.write_down(newcomer.id, newcomer.arrived_ms, now_ms));
                return (0, Verdict::Refused);
            }
            room -= 1;
            let number = self.issue(newcomer.id);
            self.see(number, newcomer.hold_ms);
            self.summary.count_newcomer(number);
            (number, Verdict::Waiting)
        });
        answers.collect()
    }

    fn issue(&mut self, id: u64) -> u64 {
        self.issued += 1;
        self.slips.remember(id, self.issued);
        self.issued
    }

    /// How many may be called now.
    fn places(&mut self, rules: &Rules) -> u32 {
        let rate = self.rate.allowed(rules, self.clock.now_ms, self.clock.slack_ms);
        match rules.mode {
            Mode::Hold | Mode::Closed => 0,
            _ if self.lives.is_healing(self.clock.now_ms) => 0,
            Mode::Open | Mode::Auto | Mode::Drain => rate.min(self.seats_free(rules)),
        }
    }

    /// Whether visitors can be called, as far as time counts against those who are away. Where seats are short they are
    /// mostly all taken; such a line moves for as long as it has called lately.
    fn may_call(&self, rules: &Rules) -> bool {
        let called_lately = (self.rate.last().0 * SLOT_MS + MOVING_MS) > self.clock.now_ms;
        match rules.mode {
            Mode::Hold | Mode::Closed => false,
            _ if self.lives.is_healing(self.clock.now_ms) => false,
            Mode::Open | Mode::Auto | Mode::Drain => called_lately || self.seats_free(rules) > 0,
        }
    }

    fn seats_free(&self, rules: &Rules) -> u32 {
        let taken = self.due.len() + self.inside.len();
        rules.max_active.map_or(u32::MAX, |max| max.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX)))
    }

    /// Calls the first present, uncalled numbers above the floor.
    fn call(&mut self, rules: &Rules, places: &mut u32, due: &mut Vec<(u64, u64)>) -> u32 {
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

    /// Present, uncalled numbers above the floor in one word.
    fn candidates(&self, index: usize) -> u64 {
        self.presence.door_word(index) & !self.called.word(index) & self.above_floor(index)
    }

    /// Gives the places that are left to visitors who have no slip yet.
    fn walk_in(&mut self, rules: &Rules, batch: &Batch, answers: &mut [(u64, Verdict)], places: &mut u32) -> u32 {
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
        *places -= called;
        called
    }

    /// What a number may do. `is_back`: its visitor has shown that it keeps what it was given.
    fn verdict(&mut self, rules: &Rules, number: u64, enter: bool, is_back: bool) -> Verdict {
        let inside =
            |seat: Seat<()>| Verdict::Inside { since_ms: seat.since_ms, until_ms: seat.until_ms, provisional: false };
        if let Some(seat) = self.inside.get(number) {
            return inside(seat);
        }
        if let Some(Seat { until_ms, of: claim, .. }) = self.due.get(number) {
            let now_ms = self.clock.now_ms;
            let walked_in_ms = until_ms.saturating_sub(seats::provisional_ms(rules)).min(now_ms);
            let since_ms = match claim {
                Claim::Provisional if is_back => walked_in_ms,
                Claim::Provisional => {
                    return Verdict::Inside { since_ms: walked_in_ms, until_ms, provisional: true };
                }
                Claim::Open | Claim::Notified if enter => now_ms,
                Claim::Open | Claim::Notified => {
                    self.due.notify(number);
                    return Verdict::Called { until_ms };
                }
            };
            return inside(self.take_in(number, since_ms, now_ms + rules.seat_ms));
        }
        match self.offset(number) {
            _ if !self.is_gone(number) => Verdict::Waiting,
            Some(offset) if number > self.heads.floor() && self.lapsed.get(offset) => Verdict::Lapsed,
            _ => Verdict::Spent,
        }
    }

    /// Whether a number has been called, or was passed over too long ago to be; below the base every number was.
    fn is_gone(&self, number: u64) -> bool {
        number <= self.heads.floor() || self.offset(number).is_none_or(|offset| self.called.get(offset))
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

    fn summarise(&mut self, rules: &Rules, tick: bool, called: u32) {
        let now_ms = self.clock.now_ms;
        if tick {
            self.count(rules);
            self.ticked_ms = now_ms;
            if !self.summary.standing {
                self.summary.standing_since_ms = 0;
                self.summary.called_standing = 0;
            } else if self.summary.standing_since_ms == 0 {
                self.summary.standing_since_ms = now_ms;
                self.summary.called_standing = 0;
            } else {
                self.summary.called_standing += u64::from(called);
            }
            self.summary.called_last_minute = self.rate.in_window();
            self.summary.rate_used_until_ms = self.rate.used_until_ms(rules, self.clock.slack_ms);
        }
        let summary = &mut self.summary;
        (summary.steps, summary.life) = (self.lives.steps(), self.lives.life());
        summary.life_began_ms = self.lives.began_ms();
        summary.quiet_until_ms = self.lives.quiet_until_ms();
        summary.settling = self.settling.is_on(now_ms);
        summary.last_calls = self.rate.last();
        summary.now_ms = now_ms;
        summary.called_total = self.called_total;
        summary.epoch = self.epoch;
        summary.issued = self.issued;
        summary.head = self.head;
        summary.floor = self.heads.floor();
        summary.due = self.due.len() as u64;
        summary.inside = self.inside.len() as u64;
        summary.ended_dropped = self.ended.dropped();
        if summary.gaps != self.gaps.all() {
            summary.gaps = self.gaps.all().to_vec();
        }
        summary.mode = Some(rules.mode);
        summary.reason = summary.reason(rules);
    }

    /// Counts who is waiting, over the whole line: one pass over the bitmaps. Above the head that is whoever was
    /// seen lately; of those the head has passed, only who is back at the door will be called. The floor rises, but not
    /// over a number that was seen lately and is not called.
    fn count(&mut self, rules: &Rules) {
        let start = Blocks::start_for(self.head);
        let mut blocks = Blocks { start, counts: Vec::with_capacity(self.summary.blocks.counts.len()) };
        let mut late_blocks = Blocks::default();
        let (mut late, mut waiting) = (0, 0);
        let passed = self.heads.passed(rules.return_within_ms);
        let mut lowest = passed.map(|_| None);
        for index in self.word_above_floor()..self.presence.len_words() {
            let first = self.base + index as u64 * 64;
            let at_most_head = match (self.head + 1).checked_sub(first) {
                None | Some(0) => 0,
                Some(n) if n >= 64 => u64::MAX,
                Some(n) => (1 << n) - 1,
            };
            if lowest == Some(None) {
                let word = self.presence.waiting_word(index) & !self.called.word(index) & self.above_floor(index);
                lowest = Some((word != 0).then(|| first + u64::from(word.trailing_zeros())));
            }
            if at_most_head != 0 {
                let word = self.candidates(index) & at_most_head;
                if word != 0 {
                    if late == 0 {
                        late_blocks.start = Blocks::start_for(first + u64::from(word.trailing_zeros()));
                    }
                    late_blocks.add(first, word.count_ones());
                    late += u64::from(word.count_ones());
                }
            }
            if at_most_head != u64::MAX {
                let word = self.presence.waiting_word(index) & !self.called.word(index) & self.above_floor(index);
                let count = (word & !at_most_head).count_ones();
                if count > 0 {
                    // Blocks are multiples of 64 long and aligned, so that a word never straddles two.
                    blocks.add(first, count);
                    waiting += u64::from(count);
                }
            }
        }
        if let Some(passed) = passed {
            self.heads.settle(passed, lowest.flatten().map_or(u64::MAX, |lowest| lowest - 1));
        }
        self.summary.late = late;
        self.summary.waiting = waiting + late;
        self.summary.blocks = blocks;
        self.summary.late_blocks = late_blocks;
    }
}
