//! Who holds a seat: the called who have not entered yet, and those inside.
//!
//! Exact to the millisecond and proportional to the visitors inside, however long the line has run.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

/// How long after the end of a visit a node's mark of it may still be on its way: marks are taken along every second,
/// and a node that cannot reach the line for a moment tries again within two.
pub(super) const ENDED_MS: u64 = 10_000;

/// Numbers with the time at which each seat was taken and lapses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seats {
    held: HashMap<u64, Seat>,
    by_time: BTreeSet<(u64, u64)>,
}

/// One seat, on the line's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seat {
    pub(super) since_ms: u64,
    pub(super) until_ms: u64,
}

impl Seats {
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn get(&self, number: u64) -> Option<Seat> {
        self.held.get(&number).copied()
    }

    /// Numbers and until when their seats are held, the next to lapse first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.by_time.iter().map(|&(until_ms, number)| (number, until_ms))
    }

    /// Takes or extends a seat; never shortens one.
    pub(super) fn hold(&mut self, number: u64, now_ms: u64, for_ms: u64) -> Seat {
        let until_ms = now_ms + for_ms;
        let seat = self.held.entry(number).or_insert(Seat { since_ms: now_ms, until_ms: 0 });
        if seat.until_ms < until_ms {
            self.by_time.remove(&(seat.until_ms, number));
            seat.until_ms = until_ms;
            self.by_time.insert((until_ms, number));
        }
        *seat
    }

    pub(super) fn free(&mut self, number: u64) {
        if let Some(seat) = self.held.remove(&number) {
            self.by_time.remove(&(seat.until_ms, number));
        }
    }

    /// Frees one seat that has lapsed at `now_ms`.
    pub(super) fn pop_lapsed(&mut self, now_ms: u64) -> Option<u64> {
        let &(until_ms, number) = self.by_time.first()?;
        if until_ms > now_ms {
            return None;
        }
        self.free(number);
        Some(number)
    }
}
