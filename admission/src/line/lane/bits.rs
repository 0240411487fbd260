//! A bitmap over numbers, offset by a base that the owner moves up.

use serde::{Deserialize, Serialize};

/// Bits for the numbers above `base`; every bit beyond the end is 0.
///
/// The base is kept by the line, one for all its bitmaps, and handed in: bitmaps that are read together stay
/// aligned word by word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    pub(in crate::line) fn set(&mut self, offset: u64) {
        let (word, bit) = split(offset);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= bit;
    }

    pub(in crate::line) fn clear(&mut self, offset: u64) {
        let (word, bit) = split(offset);
        if let Some(w) = self.words.get_mut(word) {
            *w &= !bit;
        }
    }

    pub(in crate::line) fn get(&self, offset: u64) -> bool {
        let (word, bit) = split(offset);
        self.words.get(word).is_some_and(|w| w & bit != 0)
    }

    /// How many bits are set from one offset to another.
    pub(in crate::line) fn count(&self, first: u64, last: u64) -> u64 {
        let index = |offset: u64| usize::try_from(offset / 64).unwrap_or(usize::MAX);
        let words = self.words.iter().enumerate().take(index(last).saturating_add(1)).skip(index(first));
        let inside = |(at, &word): (usize, &u64)| {
            let above = if at == index(first) { u64::MAX << (first % 64) } else { u64::MAX };
            let below = if at == index(last) { u64::MAX >> (63 - last % 64) } else { u64::MAX };
            u64::from((word & above & below).count_ones())
        };
        words.map(inside).sum()
    }

    /// The word that holds the bits `64 * index ..`.
    pub(in crate::line) fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(0)
    }

    pub(in crate::line) fn len_words(&self) -> usize {
        self.words.len()
    }

    pub(in crate::line) fn wipe(&mut self) {
        self.words.clear();
    }

    /// Sets all bits that are set in another bitmap of the same base.
    pub(in crate::line) fn merge(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    /// Clears all bits that are not set in another bitmap of the same base.
    pub(in crate::line) fn mask(&mut self, other: &Self) {
        self.words.truncate(other.words.len());
        for (word, kept) in self.words.iter_mut().zip(&other.words) {
            *word &= kept;
        }
    }

    /// Forgets the lowest `count` words.
    pub(in crate::line) fn drop_front(&mut self, count: usize) {
        let count = count.min(self.words.len());
        self.words.drain(..count);
        // After a rush is over its memory goes back.
        if self.words.len() * 4 < self.words.capacity() {
            self.words.shrink_to_fit();
        }
    }
}

fn split(offset: u64) -> (usize, u64) {
    // A line holds at most a few ten million numbers (`max_waiting`), so offsets fit.
    (usize::try_from(offset / 64).unwrap_or(usize::MAX), 1 << (offset % 64))
}
