//! Marks as the script takes them: numbers that stand close together as pieces of a bitmap.
//!
//! To set one bit costs the server about a microsecond; a byte of a piece costs about a nanosecond, and another
//! eight bits on the wire.

use std::collections::BTreeMap;

use crate::line::{HOLD_MS_MAX, slot_of};

/// Marks so many bytes apart go into one piece.
const GAP_BYTES_MAX: u64 = 64;
/// A piece with fewer marks is sent as numbers.
const PIECE_MARKS_MIN: usize = 4;
/// Longest piece.
const PIECE_BYTES_MAX: u64 = 16 << 10;

/// Marks of one lane that count for equally long.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) hold_ms: u32,
    /// The slot of their lane.
    pub(super) slot: usize,
    /// Numbers that rise.
    pub(super) alone: Vec<u64>,
    /// Pieces that do not touch.
    pub(super) pieces: Vec<Piece>,
}

/// A piece of the bitmap over all numbers, bits counted from the most significant of each byte as Redis does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The byte it begins at: that of number `8 * byte`.
    pub(super) byte: u64,
    pub(super) bits: Vec<u8>,
}

/// Sorts marks, each a number and for how long it counts, into groups.
pub(super) fn groups(marks: impl Iterator<Item = (u64, u32)>) -> Vec<Group> {
    let mut by_kind: BTreeMap<(u32, usize), Vec<u64>> = BTreeMap::new();
    for (number, hold_ms) in marks {
        by_kind.entry((hold_ms.min(HOLD_MS_MAX), slot_of(number))).or_default().push(number);
    }
    let group = |((hold_ms, slot), mut numbers): ((u32, usize), Vec<u64>)| {
        numbers.sort_unstable();
        numbers.dedup();
        let mut group = Group { hold_ms, slot, ..Group::default() };
        for run in close_runs(&numbers) {
            if run.len() < PIECE_MARKS_MIN {
                group.alone.extend(run);
            } else {
                group.pieces.push(piece(run));
            }
        }
        group
    };
    by_kind.into_iter().map(group).collect()
}

/// Cuts rising numbers where a piece would end; never inside a byte.
fn close_runs(mut numbers: &[u64]) -> impl Iterator<Item = &[u64]> {
    std::iter::from_fn(move || {
        let start = numbers.first()? / 8;
        let mut previous = start;
        let ends = |&number: &u64| {
            let byte = number / 8;
            let end = byte > previous && (byte > previous + GAP_BYTES_MAX || byte >= start + PIECE_BYTES_MAX);
            previous = byte;
            end
        };
        let (run, rest) = numbers.split_at(numbers.iter().position(ends).unwrap_or(numbers.len()));
        numbers = rest;
        Some(run)
    })
}

fn piece(run: &[u64]) -> Piece {
    let (first, last) = (run[0] / 8, run[run.len() - 1] / 8);
    // At most PIECE_BYTES_MAX long, see close_runs.
    let mut bits = vec![0; usize::try_from(last - first + 1).unwrap_or(0)];
    for number in run {
        bits[usize::try_from(number / 8 - first).unwrap_or(0)] |= 0x80 >> (number % 8);
    }
    Piece { byte: first, bits }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(group: &Group) -> Vec<u64> {
        let bits = |p: &Piece| {
            let first = p.byte * 8;
            let set = |i: &u64| p.bits[(i / 8) as usize] & (0x80 >> (i % 8)) != 0;
            (0..p.bits.len() as u64 * 8).filter(set).map(|i| first + i).collect::<Vec<_>>()
        };
        let mut all: Vec<u64> = group.alone.iter().copied().chain(group.pieces.iter().flat_map(bits)).collect();
        all.sort_unstable();
        all
    }

    proptest! {
        #[test]
        fn every_mark_is_sent_once(
            near in prop::collection::btree_set(0..3_000u64, 0..300),
            far in prop::collection::btree_set(0..10_000_000u64, 0..300),
        ) {
            let all: std::collections::BTreeSet<u64> = near.union(&far).copied().collect();
            let groups = groups(all.iter().map(|&n| (n, 4_000)));
            prop_assert_eq!(groups.iter().flat_map(numbers).collect::<Vec<_>>(), all.iter().copied().collect::<Vec<_>>());
            for pair in groups.iter().flat_map(|g| g.pieces.windows(2)) {
                prop_assert!(pair[0].byte + (pair[0].bits.len() as u64) < pair[1].byte + 1);
            }
        }
    }

    #[test]
    fn a_long_run_is_cut_between_bytes() {
        let groups = groups((0..2_000_000).map(|n| (n, 1)));
        assert!(groups[0].pieces.iter().all(|p| p.bits.len() as u64 <= PIECE_BYTES_MAX));
        assert_eq!(numbers(&groups[0]).len(), 2_000_000);
    }

    #[test]
    fn holds_beyond_the_ring_are_one_group() {
        assert_eq!(groups([(1, HOLD_MS_MAX), (2, u32::MAX)].into_iter()).len(), 1);
    }
}
