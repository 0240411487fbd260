//! Were there ever more inside than there are seats?
//!
//! Seats may become fewer meanwhile, and nobody is thrown out for that. But a call is made only while fewer are inside than
//! there are seats: so the last call decides how many may be inside until the next one, and of all numbers of seats that
//! can have been in force when it was made the largest counts.

use serde::Serialize;

use super::Case;
use crate::attack::{clock::Us, origin::Page};

/// A visitor's seat, as far as it is certain.
pub(super) struct Seat {
    /// It was called after this.
    after_us: Us,
    pub(super) from_us: Us,
    pub(super) until_us: Us,
}

/// When it came nearest to what is allowed, or was farthest beyond it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Crowded {
    pub(crate) inside: u64,
    pub(crate) allowed: u64,
}

impl Case<'_> {
    /// From when to when each visitor certainly had a seat, by the origin's log: from the moment it knew of its call
    /// until the origin was asked for the page that ends a visit, or until it had been idle for as long as a visit may be.
    pub(super) fn seats(&self) -> Vec<Seat> {
        let seat = |story: &&super::Story| {
            let hits = self.visits.get(&story.who)?;
            let (first, last) = (hits.first()?, hits.last()?);
            let idle_us = if last.page == Page::End { 0 } else { self.limits.session_idle_us() };
            let from_us = story.called_by_us.map_or(first.at_us, |by_us| by_us.min(first.at_us));
            let after_us = self.called_after_us(story).min(from_us);
            Some(Seat { after_us, from_us, until_us: last.at_us + idle_us })
        };
        self.stories.iter().filter_map(seat).collect()
    }

    pub(super) fn most_crowded(&self) -> Crowded {
        let mut changes: Vec<(Us, i64, Us)> = Vec::new();
        for Seat { after_us, from_us, until_us } in self.seats() {
            changes.extend([(from_us, 1, after_us), (until_us, -1, 0)]);
        }
        // Who goes at the same moment goes first.
        changes.sort_unstable();
        let (mut inside, mut called_after_us) = (0, 0);
        let mut most: Option<(i64, i64, u32)> = None;
        for (at_us, change, after_us) in changes {
            inside += change;
            // It is enough to look when one more is inside: whoever goes leaves those who were allowed before.
            if change > 0 {
                called_after_us = after_us.max(called_after_us);
                let seats = self.in_force.within(called_after_us, at_us).most.seats;
                most = most.max(Some((inside - i64::from(seats), inside, seats)));
            }
        }
        most.map_or_else(Crowded::default, |(_, inside, seats)| Crowded {
            inside: u64::try_from(inside).unwrap_or(0),
            allowed: seats.into(),
        })
    }

    /// Visitors whom the origin saw before any answer of a node can have let them in.
    pub(super) fn entered_untold(&self) -> Vec<u32> {
        let untold = |story: &super::Story| self.entry_us(story).is_some() && story.entered_us.is_none();
        // Whoever was sent home while the page was on its way was let in.
        self.who(|story| untold(story) && !story.cut_short)
    }
}
