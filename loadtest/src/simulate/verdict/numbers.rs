//! Numbers of visitors in 32 bits: lane and place, as the line's own numbers have them, with less room for each. Who has
//! which, and which are there.

mod present;

use sluice_admission::line::{number_of, place_of, slot_of};
use sluice_config::limits::LANES_MAX;

pub(in crate::simulate) use self::present::Present;

/// Bits for the place in a lane: half a billion numbers.
const PLACE_BITS: u32 = 29;
const PLACE_MASK: u32 = (1 << PLACE_BITS) - 1;
const _: () = assert!(LANES_MAX <= 1 << (u32::BITS - PLACE_BITS));

/// No visitor has this number.
const NOBODY: u32 = u32::MAX;

/// One of the line's numbers, short. 0 stays 0: no number.
pub(in crate::simulate) fn short(number: u64) -> u32 {
    let place = u32::try_from(place_of(number)).unwrap_or(PLACE_MASK).min(PLACE_MASK);
    (u32::try_from(slot_of(number)).unwrap_or(0) << PLACE_BITS) | place
}

/// The line's own number.
pub(in crate::simulate) fn long(short: u32) -> u64 {
    number_of(slot(short), u64::from(short & PLACE_MASK))
}

/// The slot of a number's lane.
pub(in crate::simulate) fn slot(short: u32) -> usize {
    (short >> PLACE_BITS) as usize
}

fn place(short: u32) -> usize {
    (short & PLACE_MASK) as usize
}

/// Who has which number, by place in the list of visitors.
#[derive(Debug, Default)]
pub(in crate::simulate) struct Holders([Vec<u32>; LANES_MAX]);

impl Holders {
    /// Makes it somebody's. Gives whose it was before.
    pub(in crate::simulate) fn give(&mut self, number: u32, who: u32) -> Option<u32> {
        let (lane, place) = (&mut self.0[slot(number)], place(number));
        if place >= lane.len() {
            lane.resize(place + 1, NOBODY);
        }
        let before = std::mem::replace(&mut lane[place], who);
        (before != NOBODY).then_some(before)
    }

    pub(in crate::simulate) fn of(&self, number: u32) -> Option<u32> {
        self.0[slot(number)].get(place(number)).copied().filter(|&who| who != NOBODY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_number_is_the_lines_own_again() {
        for slot_of_lane in 0..LANES_MAX {
            for place in [1, 77, 400_000_000] {
                let number = number_of(slot_of_lane, place);
                assert_eq!((long(short(number)), slot(short(number))), (number, slot_of_lane));
            }
        }
        assert_eq!((short(4_711), short(0)), (4_711, 0), "a queue of one lane counts from 1");
    }

    #[test]
    fn each_lane_has_its_own_holders_and_its_own_lowest_number() {
        let (mut holders, mut present) = (Holders::default(), Present::default());
        let [first, second] = [number_of(0, 9), number_of(1, 4)].map(short);
        assert_eq!((holders.give(first, 1), holders.give(second, 2), holders.give(second, 3)), (None, None, Some(2)));
        assert_eq!((holders.of(first), holders.of(second), holders.of(short(5))), (Some(1), Some(3), None));
        [first, second].into_iter().for_each(|number| present.insert(number));
        assert_eq!((present.first_in(0), present.first_in(1), present.first_in(2)), (Some(first), Some(second), None));
        present.remove(first);
        assert_eq!((present.len(), present.stands_in(0), present.stands_in(1)), (1, false, true));
    }
}
