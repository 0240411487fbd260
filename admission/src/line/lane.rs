//! One lane: numbers in a row, who of them is present, who is called, and how far the head has come.
//!
//! What it has in common with the other lanes of its queue (clock, rate, seats) is handed in.

pub(super) mod bits;
pub(super) mod blocks;
pub(super) mod count;
pub(super) mod gaps;
pub(super) mod heads;
pub(super) mod issues;
pub(super) mod number;
pub(super) mod presence;

use serde::{Deserialize, Serialize};

use self::{
    bits::Bits,
    gaps::Gaps,
    heads::Heads,
    issues::Issues,
    number::{LaneId, origin},
    presence::Presence,
};
use super::{Blocks, KnownLane, LaneSummary, queue::lives, queue::seats::Claim};

/// The state of one lane. Nothing in it is per visitor but one bit per generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lane {
    /// Which lane it is.
    pub(super) id: LaneId,
    /// Its numbers are above this, see [`number`].
    pub(super) origin: u64,
    pub(super) issued: u64,
    pub(super) head: u64,
    pub(super) heads: Heads,
    /// Bits are offsets from here; a multiple of 64.
    pub(super) base: u64,
    pub(super) presence: Presence,
    pub(super) called: Bits,
    /// Numbers that were called, heard of it and did not enter: called again only after an ask that enters, and once
    /// more only.
    pub(super) lapsed: Bits,
    pub(super) gaps: Gaps,
    /// When numbers were handed out.
    pub(super) issues: Issues,
    pub(super) called_total: u64,
    /// What it has in hand against the other lanes, see [`turns`](super::queue::turns).
    pub(super) turn: i64,
}

impl Lane {
    /// A lane in which nobody has stood.
    pub(super) fn new(slot: usize, id: LaneId) -> Self {
        let origin = origin(slot);
        Self {
            id,
            origin,
            issued: origin,
            head: origin,
            heads: Heads::at(origin),
            base: origin,
            presence: Presence::new(),
            called: Bits::default(),
            lapsed: Bits::default(),
            gaps: Gaps::default(),
            issues: Issues::after(origin),
            called_total: 0,
            turn: 0,
        }
    }

    /// What is told of it before its first tick. Numbers may be high already, up to this head: blocks are counted from
    /// where the lane is.
    pub(super) fn first_summary(&self, head: u64) -> LaneSummary {
        let blocks = Blocks { start: Blocks::start_for(head.max(self.origin)), counts: Vec::new() };
        LaneSummary { blocks, ..LaneSummary::default() }
    }

    pub(super) fn summarise(&self, summary: &mut LaneSummary) {
        summary.lane = self.id;
        summary.issued = self.issued;
        summary.head = self.head;
        summary.floor = self.heads.floor();
        summary.called_total = self.called_total;
        if summary.gaps != self.gaps.all() {
            summary.gaps = self.gaps.all().to_vec();
        }
    }

    /// What a node would know of it.
    pub(super) fn known(&self) -> KnownLane {
        KnownLane {
            lane: self.id,
            issued: self.issued,
            head: self.head,
            floor: self.heads.floor(),
            gaps: self.gaps.all().to_vec(),
        }
    }

    /// Hands out the next number.
    pub(super) fn issue(&mut self, now_ms: u64) -> u64 {
        self.issues.note(self.issued, now_ms);
        self.issued += 1;
        self.issued
    }

    /// Marks a number as present. Bits of numbers that are called, or at or below the floor, mean nothing and
    /// are masked where they are read, so they need not be told apart here.
    pub(super) fn see(&mut self, number: u64, asked_ms: u64, now_ms: u64, hold_ms: u32) {
        if let Some(offset) = self.offset(number) {
            self.presence.mark(offset, asked_ms, now_ms, hold_ms);
        }
    }

    /// Its visitor has said good-bye.
    pub(super) fn unsee(&mut self, number: u64) {
        if let Some(offset) = self.offset(number) {
            self.presence.forget(offset);
        }
    }

    /// Numbers that are called are at or below the head.
    pub(super) fn set_called(&mut self, number: u64) {
        self.head = self.head.max(number);
        if let Some(offset) = self.offset(number) {
            self.called.set(offset);
        }
    }

    /// As [`Self::set_called`], of a number that will not be called again.
    pub(super) fn set_spent(&mut self, number: u64) {
        self.set_called(number);
        if let Some(offset) = self.offset(number) {
            self.lapsed.clear(offset);
        }
    }

    /// Whether a number has been called, or was passed over too long ago to be; below the base every number was.
    pub(super) fn is_gone(&self, number: u64) -> bool {
        number <= self.heads.floor() || self.offset(number).is_none_or(|offset| self.called.get(offset))
    }

    /// Whether a number was called, heard of it and did not enter, and may still be called again.
    pub(super) fn has_lapsed(&self, number: u64) -> bool {
        number > self.heads.floor() && self.offset(number).is_some_and(|offset| self.lapsed.get(offset))
    }

    /// A called visitor who did not come has given the seat back. Who could not hear of the call, or walked in and has
    /// not been back, stands first in line when seen. Who heard of it is called once more when the page is loaded, and
    /// no more after that: tickets that only ask would else be first for ever, and keep all others out.
    pub(super) fn lapse(&mut self, number: u64, claim: Claim) {
        let Some(offset) = self.offset(number) else { return };
        match claim {
            Claim::Open | Claim::Provisional => self.called.clear(offset),
            Claim::Notified if self.lapsed.get(offset) => self.lapsed.clear(offset),
            Claim::Notified => self.lapsed.set(offset),
        }
    }

    /// The page of a number that has lapsed, and is not called again yet, was loaded: it may be called.
    pub(super) fn reclaim(&mut self, number: u64) {
        if let Some(offset) = self.offset(number).filter(|&offset| self.lapsed.get(offset)) {
            self.called.clear(offset);
        }
    }

    /// Whether a number was handed out, and not skipped.
    pub(super) fn was_issued(&self, number: u64) -> bool {
        let skipped = self.gaps.all().iter().any(|&(first, last)| (first..=last).contains(&number));
        (self.origin + 1..=self.issued).contains(&number) && !skipped
    }

    /// Whether a number counts as waiting.
    pub(super) fn is_counted(&self, number: u64) -> bool {
        self.offset(number).is_some_and(|offset| self.presence.is_counted(offset))
    }

    /// How many present, uncalled numbers near the head have been seen since the hush began, and how many have not.
    pub(super) fn near(&self) -> (u64, u64) {
        let words = self.word_above_floor()..self.presence.len_words();
        words.fold((0, 0), |(heard, unheard), index| {
            let near = self.presence.near_word(index) & !self.called.word(index) & self.above_floor(index);
            let seen = self.presence.heard_word(index);
            (heard + u64::from((near & seen).count_ones()), unheard + u64::from((near & !seen).count_ones()))
        })
    }

    /// Whether a number has not been seen since the hush began that there is.
    pub(super) fn is_unheard(&self, number: u64) -> bool {
        self.offset(number).is_some_and(|offset| self.presence.is_unheard(offset))
    }

    /// Until when a number counts as present.
    pub(super) fn present_until_ms(&self, number: u64) -> u64 {
        self.offset(number).map_or(0, |offset| self.presence.until_ms(offset))
    }

    /// Numbers were handed out of which the state does not know.
    pub(super) fn skip(&mut self) {
        self.gaps.skip(self.issued + 1, lives::SKIP);
        self.issued += lives::SKIP;
    }

    /// The base follows before any number is marked: a line that is healed begins at its floor, however high the
    /// numbers are by now.
    pub(super) fn follow(&mut self) {
        if self.issued.saturating_sub(self.base) > lives::REACH_MAX {
            self.heads.raise_floor(self.issued - lives::REACH_KEPT);
            self.head = self.head.max(self.heads.floor());
        }
        self.rebase();
    }

    /// A node knows this much of it.
    pub(super) fn merge(&mut self, known: &KnownLane) {
        self.heads.raise_floor(known.floor);
        self.head = self.head.max(known.head).max(self.heads.floor());
        self.gaps.merge(&known.gaps);
        // Whatever was called or passed over was issued, even if this node has not heard so.
        self.issued = self.issued.max(known.issued).max(self.head);
        self.gaps.issued(known.issued);
    }

    /// Takes a sample of the head; `may_call`: the line could have called in this step.
    pub(super) fn note_head(&mut self, return_within_ms: u64, may_call: bool) {
        self.heads.note(self.head, self.head > self.origin, return_within_ms, may_call);
    }

    /// Present, uncalled numbers above the floor in one word.
    pub(super) fn candidates(&self, index: usize) -> u64 {
        self.presence.door_word(index) & !self.called.word(index) & self.above_floor(index)
    }

    /// Uncalled numbers above the floor that count as waiting, in one word.
    pub(super) fn waiting(&self, index: usize) -> u64 {
        self.presence.waiting_word(index) & !self.called.word(index) & self.above_floor(index)
    }

    /// Where a number's bit is; `None` below the base, where every number is spent.
    pub(super) fn offset(&self, number: u64) -> Option<u64> {
        number.checked_sub(self.base)
    }

    pub(super) fn word_above_floor(&self) -> usize {
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
    pub(super) fn rebase(&mut self) {
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

/// The first present, uncalled numbers of a lane, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Front {
    index: usize,
    words: usize,
    /// Those of the word at `index` that are still to come.
    candidates: u64,
}

impl Front {
    pub(super) fn of(lane: &Lane) -> Self {
        let (index, words) = (lane.word_above_floor(), lane.presence.len_words());
        let candidates = if index < words { lane.candidates(index) } else { 0 };
        Self { index, words, candidates }
    }

    /// The next one, which stays the next one.
    pub(super) fn peek(&mut self, lane: &Lane) -> Option<u64> {
        while self.candidates == 0 {
            self.index += 1;
            if self.index >= self.words {
                return None;
            }
            self.candidates = lane.candidates(self.index);
        }
        Some(lane.base + self.index as u64 * 64 + u64::from(self.candidates.trailing_zeros()))
    }

    /// The next one is called.
    pub(super) fn take(&mut self) {
        self.candidates &= self.candidates.wrapping_sub(1);
    }
}
