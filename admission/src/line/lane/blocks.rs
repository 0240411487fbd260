//! How many wait where: counts by blocks of numbers, small near the head.

use serde::{Deserialize, Serialize};

/// Numbers in each of the blocks right behind the head.
pub(in crate::line) const BLOCK: u64 = 256;
/// So many blocks cover the way from any distance behind the head to twice that distance, so that none is longer than
/// a sixteenth of the way to it.
pub(in crate::line) const BLOCKS_PER_DOUBLING: u64 = 16;

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
    pub(in crate::line) fn add(&mut self, number: u64, count: u32) {
        let block = usize::try_from(Self::index_of(self.start, number)).unwrap_or(usize::MAX);
        if block >= self.counts.len() {
            self.counts.resize(block + 1, 0);
        }
        self.counts[block] += count;
    }

    /// How many of those counted stand before `number`, when all of them are in `first` to `last`.
    pub(in crate::line) fn before(&self, number: u64, first: u64, last: u64) -> u64 {
        let index = Self::index_of(self.start, number);
        let count = |i: u64| usize::try_from(i).ok().and_then(|i| self.counts.get(i)).copied().unwrap_or(0);
        let before: u64 = (0..index.min(self.counts.len() as u64)).map(|i| u64::from(count(i))).sum();
        let (block, len) = Self::span(self.start, index);
        let first = block.max(first);
        let last = (block + len - 1).min(last).max(number);
        before + u64::from(count(index)) * number.saturating_sub(first) / (last + 1).saturating_sub(first).max(1)
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
