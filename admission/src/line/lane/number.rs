//! Which lane a number belongs to: the number says it.
//!
//! A lane has a place of its own among all numbers, its *slot*: the numbers of slot `s` are those above `s · 2^50`. So
//! seats, marks, ended visits and tokens need no more than the number; whatever is done within one lane (order, bits as
//! offsets from a base, counts per block) is the same for each of them; and a queue of one lane has the numbers 1, 2, 3 …
//! All numbers are below 2^53, where doubles are exact.

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};
use sluice_config::{Name, Queue, limits::LANES_MAX};

/// How many numbers one lane has, as a power of two.
const PLACES_LOG2: u32 = 50;
/// How many numbers one lane has.
pub(crate) const PLACES: u64 = 1 << PLACES_LOG2;
// Doubles are exact.
const _: () = assert!(LANES_MAX as u64 * PLACES <= 1 << 53);

/// The slot of a number's lane.
pub fn slot_of(number: u64) -> usize {
    usize::try_from(number >> PLACES_LOG2).unwrap_or(usize::MAX).min(LANES_MAX - 1)
}

/// A number's place in its lane, counted from 1.
pub fn place_of(number: u64) -> u64 {
    number % PLACES
}

/// The number with this place in the lane of this slot.
pub fn number_of(slot: usize, place: u64) -> u64 {
    origin(slot) + place % PLACES
}

/// The numbers of a slot are above this.
pub(in crate::line) fn origin(slot: usize) -> u64 {
    slot.min(LANES_MAX - 1) as u64 * PLACES
}

/// Which lane of a queue, by a hash of its name: so nodes whose files name lanes in another order, or name other lanes,
/// mean the same one. The first lane of a queue is the same whatever its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LaneId(u32);

impl LaneId {
    /// The first lane, which every queue has.
    pub const FIRST: Self = Self(0);
    /// A lane of which nothing is known but numbers: the line was lost, and a visitor has come back.
    pub(in crate::line) const UNKNOWN: Self = Self(u32::MAX);

    /// The lane with this name, which is not the first of its queue: FNV-1a.
    pub fn named(name: &Name) -> Self {
        let hash = name
            .as_str()
            .bytes()
            .fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Self(hash.clamp(Self::FIRST.0 + 1, Self::UNKNOWN.0 - 1))
    }

    /// The lane of a queue's file at this place.
    pub(in crate::line) fn at(place: usize, name: &Name) -> Self {
        if place == 0 { Self::FIRST } else { Self::named(name) }
    }

    /// The lane of a queue with this name; `None`: it has no such lane.
    pub fn of(queue: &Queue, name: &[u8]) -> Option<Self> {
        let place = queue.lanes.iter().position(|lane| lane.name.as_str().as_bytes() == name)?;
        Some(Self::at(place, &queue.lanes[place].name))
    }

    /// The name of a lane in a queue's file. That of the first lane is the queue's, if the file names no lanes; `None`: the
    /// file does not name it any more.
    pub fn name_in(self, queue: &Queue) -> Option<&Name> {
        let named = queue.lanes.iter().enumerate().find(|(place, lane)| Self::at(*place, &lane.name) == self);
        let unnamed = || (self == Self::FIRST && queue.lanes.is_empty()).then_some(&queue.name);
        named.map(|(_, lane)| &lane.name).or_else(unnamed)
    }

    pub(crate) const fn code(self) -> u32 {
        self.0
    }

    pub(crate) const fn from_code(code: u32) -> Self {
        Self(code)
    }
}

/// Something for each lane of a queue by its slot; the first lane is always there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerLane<T> {
    first: T,
    more: Vec<T>,
}

impl<T> PerLane<T> {
    /// Of a queue with one lane.
    pub const fn one(first: T) -> Self {
        Self { first, more: Vec::new() }
    }

    /// How many lanes there are: at least one.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        1 + self.more.len()
    }

    /// What is there for a slot, if the queue has a lane in it.
    pub fn get(&self, slot: usize) -> Option<&T> {
        slot.checked_sub(1).map_or(Some(&self.first), |more| self.more.get(more))
    }

    /// As [`Self::get`].
    pub fn get_mut(&mut self, slot: usize) -> Option<&mut T> {
        slot.checked_sub(1).map_or(Some(&mut self.first), |more| self.more.get_mut(more))
    }

    /// What is there for the lane of a number, if the queue has it.
    pub fn of(&self, number: u64) -> Option<&T> {
        self.get(slot_of(number))
    }

    /// All of them by slot.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + Clone {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// All of them by slot.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        std::iter::once(&mut self.first).chain(&mut self.more)
    }

    /// Adds one for the next slot.
    pub fn push(&mut self, of: T) {
        self.more.push(of);
    }

    /// Replaces what is there for a slot, or adds it for the next one.
    pub fn put(&mut self, slot: usize, of: T) {
        match self.get_mut(slot) {
            Some(there) => *there = of,
            None => self.push(of),
        }
    }

    /// Something made of each of them.
    pub fn map<U>(&self, of: impl Fn(&T) -> U) -> PerLane<U> {
        PerLane { first: of(&self.first), more: self.more.iter().map(of).collect() }
    }
}

impl<T> Index<usize> for PerLane<T> {
    type Output = T;

    fn index(&self, slot: usize) -> &T {
        slot.checked_sub(1).map_or(&self.first, |more| &self.more[more])
    }
}

impl<T> IndexMut<usize> for PerLane<T> {
    fn index_mut(&mut self, slot: usize) -> &mut T {
        match slot.checked_sub(1) {
            None => &mut self.first,
            Some(more) => &mut self.more[more],
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_number_says_its_lane_and_is_exact_as_a_double() {
        for slot in 0..LANES_MAX {
            for place in [1, 77, PLACES - 1] {
                let number = number_of(slot, place);
                assert_eq!((slot_of(number), place_of(number)), (slot, place));
                assert!(number < 1 << 53);
            }
        }
        assert_eq!(number_of(0, 4_711), 4_711, "a queue of one lane counts from 1");
        assert_eq!(slot_of(u64::MAX), LANES_MAX - 1);
    }

    #[test]
    fn a_lane_is_known_by_its_name() {
        let lane = |name: &str| LaneId::named(&Name::new(name).unwrap());
        assert_eq!(lane("members"), lane("members"));
        assert_ne!(lane("members"), lane("press"));
        assert!(lane("a") != LaneId::FIRST && lane("a") != LaneId::UNKNOWN);
        // Part of what nodes tell each other through the line.
        assert_eq!(lane("members").code(), 0x37E2_4810);
    }

    #[test]
    fn the_first_lane_is_always_there() {
        let mut lanes = PerLane::one('a');
        lanes.push('b');
        lanes[1] = 'c';
        assert_eq!((lanes.len(), lanes[0], lanes.get(1), lanes.get(2)), (2, 'a', Some(&'c'), None));
        assert_eq!(lanes.of(number_of(1, 5)), Some(&'c'));
        assert_eq!(lanes.iter().collect::<String>(), "ac");
    }
}
