//! Were there ever more inside than there are seats?

use super::Case;
use crate::attack::{clock::Us, origin::Page};

impl Case<'_> {
    /// From when to when each visitor certainly had a seat, by the origin's log: from the moment it knew of its call
    /// until the origin was asked for the page that ends a visit, or until it had been idle for as long as a visit may be.
    pub(super) fn seats(&self) -> Vec<(Us, Us)> {
        let seat = |story: &&super::Story| {
            let hits = self.visits.get(&story.who)?;
            let (first, last) = (hits.first()?, hits.last()?);
            let idle_us = if last.page == Page::End { 0 } else { self.limits.session_idle_us() };
            Some((story.called_by_us.map_or(first.at_us, |by_us| by_us.min(first.at_us)), last.at_us + idle_us))
        };
        self.stories.iter().filter_map(seat).collect()
    }

    pub(super) fn most_inside(&self) -> u64 {
        let seats = self.seats();
        // Who goes at the same moment goes first.
        let mut changes: Vec<_> =
            seats.iter().flat_map(|&(from_us, until_us)| [(from_us, 1), (until_us, -1)]).collect();
        changes.sort_unstable();
        let inside = changes.iter().scan(0_i64, |inside, change| {
            *inside += change.1;
            Some(*inside)
        });
        u64::try_from(inside.max().unwrap_or(0)).unwrap_or(0)
    }

    /// Visitors whom the origin saw before any answer of a node can have let them in.
    pub(super) fn entered_untold(&self) -> Vec<u32> {
        let untold = |story: &super::Story| self.entry_us(story).is_some() && story.entered_us.is_none();
        // Whoever was sent home while the page was on its way was let in.
        self.who(|story| untold(story) && !story.cut_short)
    }
}
