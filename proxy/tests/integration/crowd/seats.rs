//! Were there ever more inside than there are seats?

use tokio::time::Instant;

use super::{judge::Judge, plan::Visit};

impl Judge {
    pub(super) fn the_seats_were_kept(&self) {
        let (inside, taken, seats) = (self.most_inside(), self.most_seats(), u64::from(self.limits.seats));
        assert!(inside as u64 <= seats, "{inside} were inside at once");
        assert!(taken <= seats, "{taken} seats were taken at once");
        // Or the test would show nothing.
        assert!(taken + u64::from(self.limits.burst) >= seats, "only {taken} seats were ever taken");
    }

    pub(super) fn tell_of_seats(&self) {
        let (seats, taken, inside) = (self.limits.seats, self.most_seats(), self.most_inside());
        eprintln!("{seats} seats: {taken} taken at most, {inside} visitors inside at most");
    }

    fn most_seats(&self) -> u64 {
        self.samples.iter().map(|sample| sample.seats).max().unwrap_or(0)
    }

    /// By the origin's log and the visitors: from the moment a visitor knew of its call until its visit had ended, or
    /// it had been idle for as long as a visit may be.
    pub(crate) fn most_inside(&self) -> usize {
        let mut changes: Vec<(Instant, isize)> = Vec::new();
        for story in &self.stories {
            let Some(hits) = self.visits.get(&story.plan.visitor) else { continue };
            let (first, last) = (hits[0].at, hits[hits.len() - 1].at);
            let until = if story.plan.visit == Visit::Ends { last } else { last + self.limits.session_idle };
            changes.push((story.called_by.map_or(first, |by| by.min(first)), 1));
            changes.push((until, -1));
        }
        changes.sort_unstable();
        let inside = changes.iter().scan(0, |inside, change| {
            *inside += change.1;
            Some(*inside)
        });
        usize::try_from(inside.max().unwrap_or(0)).unwrap()
    }
}
