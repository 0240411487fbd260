//! Which numbers stand in line and do as they were told, by the visitors' own account.

/// A set of numbers that finds its lowest member fast: three levels of words, each bit above standing for a word
/// below.
#[derive(Debug, Default)]
pub(super) struct Present {
    levels: [Vec<u64>; 4],
    len: u64,
}

impl Present {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.levels[0].get(number as usize / 64).is_some_and(|w| w & (1 << (number % 64)) != 0)
    }

    pub(super) fn insert(&mut self, number: u32) {
        let mut index = number as usize;
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

    pub(super) fn remove(&mut self, number: u32) {
        let mut index = number as usize;
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

    /// The lowest number in the set.
    pub(super) fn first(&self) -> Option<u32> {
        let top = self.levels[3].iter().position(|&w| w != 0)?;
        let mut index = top * 64 + self.levels[3][top].trailing_zeros() as usize;
        for level in self.levels[..3].iter().rev() {
            index = index * 64 + level[index].trailing_zeros() as usize;
        }
        u32::try_from(index).ok()
    }
}
