//! What a node needs to answer visitors by itself until the next step.

use serde::{Deserialize, Serialize};
use sluice_config::Mode;

use super::{Revision, Rules};
use crate::standing::Reason;

/// Numbers in each of the blocks right behind the head.
pub(super) const BLOCK: u64 = 256;
/// So many blocks cover the way from any distance behind the head to twice that distance, so that none is longer than
/// a sixteenth of the way to it.
pub(super) const BLOCKS_PER_DOUBLING: u64 = 16;
/// A line that moves again sooner does not stand still for want of calls in this minute.
const RATE_USED_MS_MIN: u64 = 2_000;

/// The line after a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Rises when an operator resets the line.
    pub epoch: u64,
    /// The last number handed out.
    pub issued: u64,
    /// The highest number called.
    pub head: u64,
    /// The highest number that can no longer be called.
    pub floor: u64,
    /// Visitors in line: the late ones, and those above the head who were seen in the last 90 s.
    pub waiting: u64,
    /// Numbers that the head has passed and that are back at the door: they are next.
    pub late: u64,
    /// Called numbers that have not entered yet.
    pub due: u64,
    /// Numbers inside.
    pub inside: u64,
    /// Ended visits that the line had to forget before their passes expired, since it began.
    pub ended_dropped: u64,
    /// Somebody who is present had to be left waiting by the last step.
    pub standing: bool,
    /// Why nobody is called, when that is so.
    pub reason: Option<Reason>,
    /// What the queue did in this step.
    pub mode: Option<Mode>,
    /// The last change by an operator.
    pub revision: Revision,
    /// Calls in the last 60 s.
    pub called_last_minute: u64,
    /// Since when somebody has been standing without a pause, on the line's clock; 0: nobody is.
    pub standing_since_ms: u64,
    /// Calls since then.
    pub called_standing: u64,
    /// Calls since the line began.
    pub called_total: u64,
    /// Calls in the last tenth of a second in which there were any: which one, and how many.
    pub last_calls: (u64, u32),
    /// Steps that the line has made.
    pub steps: u64,
    /// Rises when the line notices that its state had been lost.
    pub life: u64,
    /// When that was, on the line's clock. A pass that was minted before is told to the line when it is used.
    pub life_began_ms: u64,
    /// Until when no number is called, on the line's clock, so that all nodes can say what they know.
    pub quiet_until_ms: u64,
    /// Newcomers are written down, and get their numbers when all who came while a node was cut off are back.
    pub settling: bool,
    /// The line's clock.
    pub now_ms: u64,
    /// Waiting numbers above the head by block.
    pub blocks: Blocks,
    /// Late numbers by block, from the lowest of them on.
    pub late_blocks: Blocks,
    /// When the minute has room again, on the line's clock, if its calls are used up; else 0.
    pub rate_used_until_ms: u64,
    /// Ranges of numbers that were skipped, first and last, the lowest first; at most 16.
    pub gaps: Vec<(u64, u64)>,
}

/// Counts of waiting numbers per block of the number line. Near the head blocks are small, so that a position is
/// close to exact where it matters; they are twice as long wherever the way from the head has doubled, as the buckets
/// of a log-linear histogram are. A million waiting take 143 of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    /// First number of the first block.
    pub start: u64,
    /// Counts, the block at the head first.
    pub counts: Vec<u32>,
}

impl Blocks {
    /// Where the blocks of a line with this head start.
    pub fn start_for(head: u64) -> u64 {
        head / BLOCK * BLOCK
    }

    /// The first number and the length of block `index`.
    pub fn span(start: u64, index: u64) -> (u64, u64) {
        let doublings = (index / BLOCKS_PER_DOUBLING).saturating_sub(1);
        let len = BLOCK << doublings;
        (start + (index - doublings * BLOCKS_PER_DOUBLING) * len, len)
    }

    /// The block that holds `number`.
    pub fn index_of(start: u64, number: u64) -> u64 {
        let steps = number.saturating_sub(start) / BLOCK;
        let doublings = (steps / BLOCKS_PER_DOUBLING).checked_ilog2().map_or(0, u64::from);
        doublings * BLOCKS_PER_DOUBLING + (steps >> doublings)
    }

    /// Counts numbers in the block of `number`.
    pub(super) fn add(&mut self, number: u64, count: u32) {
        let block = usize::try_from(Self::index_of(self.start, number)).unwrap_or(usize::MAX);
        if block >= self.counts.len() {
            self.counts.resize(block + 1, 0);
        }
        self.counts[block] += count;
    }

    /// How many of those counted stand before `number`, when all of them are in `first` to `last`.
    fn before(&self, number: u64, first: u64, last: u64) -> u64 {
        let index = Self::index_of(self.start, number);
        let count = |i: u64| usize::try_from(i).ok().and_then(|i| self.counts.get(i)).copied().unwrap_or(0);
        let before: u64 = (0..index.min(self.counts.len() as u64)).map(|i| u64::from(count(i))).sum();
        let (block, len) = Self::span(self.start, index);
        let first = block.max(first);
        let last = (block + len - 1).min(last).max(number);
        before + u64::from(count(index)) * number.saturating_sub(first) / (last + 1).saturating_sub(first).max(1)
    }
}

impl Summary {
    /// A number without those that were skipped below it: what a page shows.
    pub fn shown_number(&self, number: u64) -> u64 {
        let below =
            |&(first, last): &(u64, u64)| if number > last { last - first + 1 } else { number.saturating_sub(first) };
        number - self.gaps.iter().map(below).sum::<u64>().min(number.saturating_sub(1))
    }

    /// Counts a number that was handed out after the last tick, so that those who come in the same rush each
    /// see those before them.
    pub(super) fn count_newcomer(&mut self, number: u64) {
        self.blocks.add(number, 1);
        self.waiting += 1;
    }

    /// Why nobody is called under these rules, when that is so.
    pub(crate) fn reason(&self, rules: &Rules) -> Option<Reason> {
        let healing = self.now_ms < self.quiet_until_ms;
        let full = self.waiting >= u64::from(rules.max_waiting);
        let seats_taken = rules.max_active.is_some_and(|max| self.due + self.inside >= u64::from(max));
        // A slow line stands still between two calls, and that is no reason to give.
        let pace_ms = 2 * 60_000 / u64::from(rules.release_per_minute.max(1));
        let rate_used = self.standing && self.rate_used_until_ms > self.now_ms + pace_ms.max(RATE_USED_MS_MIN);
        match rules.mode {
            Mode::Closed => Some(Reason::Closed),
            Mode::Hold => Some(Reason::Paused),
            _ if healing => Some(Reason::Recovering),
            _ if seats_taken => Some(Reason::SeatsTaken),
            _ if rate_used => Some(Reason::RateUsed),
            _ if full => Some(Reason::LineFull),
            _ => None,
        }
    }

    /// How many waiting visitors will be called before `number`. Within a block the present ones are taken to
    /// be spread evenly, which is exact when nobody in it has left.
    pub fn ahead_of(&self, number: u64) -> u64 {
        if number <= self.head {
            self.late_blocks.before(number, 0, self.head)
        } else {
            self.late + self.blocks.before(number, self.head + 1, self.issued)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blocks_follow_each_other_without_a_gap_and_double_with_the_way() {
        let start = 5 * BLOCK;
        let mut next = start;
        for index in 0..300 {
            let (first, len) = Blocks::span(start, index);
            assert_eq!(first, next, "block {index}");
            assert!(len == BLOCK || len * BLOCKS_PER_DOUBLING <= first - start, "block {index} is {len} long");
            assert_eq!(Blocks::index_of(start, first), index);
            assert_eq!(Blocks::index_of(start, first + len - 1), index);
            next = first + len;
        }
        assert_eq!(Blocks::index_of(start, start + 1_000_000), 142, "a million take 143");
    }

    proptest! {
        #[test]
        fn every_number_is_in_its_block(head in 0..1_u64 << 40, way in 0..1_u64 << 40) {
            let start = Blocks::start_for(head);
            let (first, len) = Blocks::span(start, Blocks::index_of(start, head + way));
            prop_assert!((first..first + len).contains(&(head + way)));
        }
    }
}
