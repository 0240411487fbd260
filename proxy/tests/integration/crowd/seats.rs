//! Were there ever more inside than there are seats?

use tokio::time::Instant;

use super::{BURST, SEATS, SESSION_IDLE, judge::Judge, plan::Visit};

impl Judge {
    pub(super) fn the_seats_were_kept(&self) {
        let (inside, taken) = (self.most_inside(), self.most_seats());
        assert!(inside <= SEATS as usize, "{inside} were inside at once");
        assert!(taken <= u64::from(SEATS), "{taken} seats were taken at once");
        // Or the test would show nothing.
        assert!(taken + u64::from(BURST) >= u64::from(SEATS), "only {taken} seats were ever taken");
    }

    pub(super) fn tell_of_seats(&self) {
        eprintln!("{SEATS} seats: {} taken at most, {} visitors inside at most", self.most_seats(), self.most_inside());
    }

    fn most_seats(&self) -> u64 {
        self.samples.iter().map(|sample| sample.seats).max().unwrap_or(0)
    }

    /// By the origin's log and the visitors: from the moment a visitor knew of its call until its visit had ended, or
    /// it had been idle for as long as a visit may be.
    fn most_inside(&self) -> usize {
        let mut changes: Vec<(Instant, isize)> = Vec::new();
        for story in &self.stories {
            let Some(hits) = self.visits.get(&story.plan.visitor) else { continue };
            let (first, last) = (hits[0].at, hits[hits.len() - 1].at);
            let until = if story.plan.visit == Visit::Ends { last } else { last + SESSION_IDLE };
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
