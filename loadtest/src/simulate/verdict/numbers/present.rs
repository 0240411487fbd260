//! Which numbers stand in line and do as they were told, by the visitors' own account.

use sluice_config::limits::LANES_MAX;

use super::{PLACE_BITS, place, slot};

/// Those of all lanes.
#[derive(Debug, Default)]
pub(in crate::simulate) struct Present([Set; LANES_MAX]);

impl Present {
    pub(in crate::simulate) fn len(&self) -> u64 {
        self.0.iter().map(|lane| lane.len).sum()
    }

    pub(in crate::simulate) fn contains(&self, number: u32) -> bool {
        self.0[slot(number)].contains(place(number))
    }

    pub(in crate::simulate) fn insert(&mut self, number: u32) {
        self.0[slot(number)].insert(place(number));
    }

    pub(in crate::simulate) fn remove(&mut self, number: u32) {
        self.0[slot(number)].remove(place(number));
    }

    /// Whether anybody stands in the lane of a slot.
    pub(in crate::simulate) fn stands_in(&self, slot: usize) -> bool {
        self.0[slot].len > 0
    }

    /// The lowest number of the lane of a slot.
    pub(in crate::simulate) fn first_in(&self, slot: usize) -> Option<u32> {
        let place = u32::try_from(self.0[slot].first()?).ok()?;
        Some((u32::try_from(slot).ok()? << PLACE_BITS) | place)
    }
}

/// A set of places that finds its lowest member fast: three levels of words, each bit above standing for a word
/// below.
#[derive(Debug, Default)]
struct Set {
    levels: [Vec<u64>; 4],
    len: u64,
}

impl Set {
    fn contains(&self, place: usize) -> bool {
        self.levels[0].get(place / 64).is_some_and(|w| w & (1 << (place % 64)) != 0)
    }

    fn insert(&mut self, place: usize) {
        let mut index = place;
        for (depth, level) in self.levels.iter_mut().enumerate() {
            let (word, bit) = (index / 64, 1 << (index % 64));
            if word >= level.len() {
                level.resize(word + 1, 0);
            }
            if depth == 0 && level[word] & bit == 0 {
                self.len += 1;
            }
            level[word] |= bit;
            index = word;
        }
    }

    fn remove(&mut self, place: usize) {
        let mut index = place;
        for (depth, level) in self.levels.iter_mut().enumerate() {
            let (word, bit) = (index / 64, 1_u64 << (index % 64));
            let Some(w) = level.get_mut(word) else { return };
            if depth == 0 && *w & bit != 0 {
                self.len -= 1;
            }
            *w &= !bit;
            if *w != 0 {
                return;
            }
            index = word;
        }
    }

    /// The lowest place in the set.
    fn first(&self) -> Option<usize> {
        let top = self.levels[3].iter().position(|&w| w != 0)?;
        let mut index = top * 64 + self.levels[3][top].trailing_zeros() as usize;
        for level in self.levels[..3].iter().rev() {
            index = index * 64 + level[index].trailing_zeros() as usize;
        }
        Some(index)
    }
}
