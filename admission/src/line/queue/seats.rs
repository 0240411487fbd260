//! Who holds a seat: the called who have not entered yet, and those inside.
//!
//! Exact to the millisecond and proportional to the visitors inside, however long the line has run.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::line::Rules;

/// How long a walk-in's seat is kept until its pass has come back: a client that keeps no cookies must not hold one for
/// as long as a visit. A browser's next request follows within seconds.
pub(in crate::line) const PROVISIONAL_MS: u64 = 30_000;

/// As [`PROVISIONAL_MS`], and half as long as any other seat at most: a pass that comes back with so little left is minted
/// anew at once, so the line hears that its visitor is inside.
pub(in crate::line) fn provisional_ms(rules: &Rules) -> u64 {
    PROVISIONAL_MS.min(rules.seat_ms / 2)
}

/// What is known of the visitor whose seat is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) enum Claim {
    /// Has not heard of the call.
    Open,
    /// Was answered that it is called.
    Notified,
    /// Has walked in, and its pass has not come back yet.
    Provisional,
}

/// Numbers with the time at which each seat was taken and lapses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Seats<T> {
    held: HashMap<u64, Seat<T>>,
    by_time: BTreeSet<(u64, u64)>,
}

/// One seat, on the line's clock, and what else there is to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Seat<T> {
    pub(in crate::line) since_ms: u64,
    pub(in crate::line) until_ms: u64,
    pub(in crate::line) of: T,
}

impl<T> Default for Seats<T> {
    fn default() -> Self {
        Self { held: HashMap::new(), by_time: BTreeSet::new() }
    }
}

impl<T: Copy> Seats<T> {
    pub(in crate::line) fn len(&self) -> usize {
        self.held.len()
    }

    pub(in crate::line) fn get(&self, number: u64) -> Option<Seat<T>> {
        self.held.get(&number).copied()
    }

    /// Numbers and until when their seats are held, the next to lapse first.
    pub(in crate::line) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.by_time.iter().map(|&(until_ms, number)| (number, until_ms))
    }

    /// Takes or extends a seat; never shortens one. Whose it is stays as it was.
    pub(in crate::line) fn hold(&mut self, number: u64, since_ms: u64, until_ms: u64, of: T) -> Seat<T> {
        let seat = self.held.entry(number).or_insert(Seat { since_ms, until_ms: 0, of });
        if seat.until_ms < until_ms {
            self.by_time.remove(&(seat.until_ms, number));
            seat.until_ms = until_ms;
            self.by_time.insert((until_ms, number));
        }
        *seat
    }

    pub(in crate::line) fn free(&mut self, number: u64) -> Option<Seat<T>> {
        let seat = self.held.remove(&number)?;
        self.by_time.remove(&(seat.until_ms, number));
        Some(seat)
    }

    /// No seat is kept for longer than this, as after the rules have changed.
    pub(in crate::line) fn cut(&mut self, until_ms: u64) {
        while let Some(&(later_ms, number)) = self.by_time.last().filter(|seat| seat.0 > until_ms) {
            self.by_time.remove(&(later_ms, number));
            self.by_time.insert((until_ms, number));
            if let Some(seat) = self.held.get_mut(&number) {
                seat.until_ms = until_ms;
            }
        }
    }

    /// Frees one seat that has lapsed at `now_ms`.
    pub(in crate::line) fn pop_lapsed(&mut self, now_ms: u64) -> Option<(u64, Seat<T>)> {
        let &(until_ms, number) = self.by_time.first()?;
        if until_ms > now_ms {
            return None;
        }
        self.free(number).map(|seat| (number, seat))
    }
}

impl Seats<Claim> {
    /// No visitor could come, or hear of the call, for so long.
    pub(in crate::line) fn postpone(&mut self, ms: u64) {
        for seat in self.held.values_mut() {
            seat.until_ms += ms;
        }
        self.by_time = self.held.iter().map(|(&number, seat)| (seat.until_ms, number)).collect();
    }

    /// The visitor has been answered that it is called.
    pub(in crate::line) fn notify(&mut self, number: u64) {
        if let Some(seat) = self.held.get_mut(&number).filter(|seat| seat.of == Claim::Open) {
            seat.of = Claim::Notified;
        }
    }
}

#[cfg(test)]
mod provisional {
    use std::time::Duration;

    use super::provisional_ms;
    use crate::{line::Rules, session::seat_life};

    /// A pass is minted anew once no more than `session_idle` is left of it, and that is what tells the line of its visitor.
    #[test]
    fn a_walk_ins_pass_that_comes_back_is_minted_anew_however_short_visits_are() {
        for idle_s in 5..=700 {
            let idle = Duration::from_secs(idle_s);
            let seat_ms = u64::try_from(seat_life(idle).as_millis()).unwrap_or(u64::MAX);
            let rules = Rules { seat_ms, ..crate::line::tests::rules() };
            assert!(provisional_ms(&rules) <= idle_s * 1_000, "{idle_s} s");
        }
    }
}
