//! What a node knows of a line between two steps.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{pace::Anchor, trickle::Trickle};
use crate::{
    estimate::{GRACE_MS_PRIOR, Speed},
    line::{Control, PerLane, Rules, Summary},
    usher::memory::ended::Ended,
};

/// What is known of a line at this node.
#[derive(Clone, Debug)]
pub struct View {
    /// The line after the last step.
    pub summary: Summary,
    /// How fast each lane moves, by slot: as many as the summary has lanes.
    pub speeds: PerLane<Speed>,
    /// How much later than told visitors may ask and still count as present, in ms.
    pub grace_ms: u32,
    /// Whose visits have ended.
    pub ended: Ended,
    /// What an operator has set.
    pub control: Arc<Control>,
    /// Whether the last attempt reached the store.
    pub store_answers: bool,
    /// Since when the line has answered without a break.
    pub(super) answers_since: Option<Instant>,
    /// What the store's silence began with.
    pub(super) away: Option<Away>,
    pub(super) anchor: Anchor,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Away {
    /// Since when, by this node's clock and by the line's.
    pub(super) since: Instant,
    pub(super) since_ms: u64,
    pub(super) trickle: Option<Trickle>,
}

impl View {
    /// Nothing is known yet; `wall_ms` (unix milliseconds) stands in for the line's clock.
    pub fn new(wall_ms: u64, now: Instant) -> Self {
        Self {
            summary: Summary { now_ms: wall_ms, ..Summary::default() },
            speeds: PerLane::default(),
            grace_ms: GRACE_MS_PRIOR,
            ended: Ended::default(),
            control: Arc::default(),
            store_answers: false,
            answers_since: None,
            away: None,
            anchor: Anchor::new(wall_ms, now),
        }
    }

    /// The line's clock at this moment, in ms, as this node reckons it.
    pub fn line_ms(&self, now: Instant) -> u64 {
        self.anchor.reckon(now)
    }

    /// For how long the store has been away; zero while it answers.
    pub fn away_for(&self, now: Instant) -> Duration {
        self.away.map_or(Duration::ZERO, |away| now.saturating_duration_since(away.since))
    }

    /// The rules in force in a queue with these in its file.
    pub fn rules(&self, file: &Rules, now: Instant) -> Rules {
        self.control.set.apply(file, self.line_ms(now))
    }

    /// The message that an operator has set in place of that of the file, if it has not ended.
    pub fn message(&self, now: Instant) -> Option<&str> {
        let set = &self.control.set;
        set.message.as_deref().filter(|_| set.is_in_force(self.line_ms(now)))
    }

    /// For how long the line has answered without a break; zero while it does not.
    pub fn answers_for(&self, now: Instant) -> Duration {
        self.answers_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Which numbers are called by time while the store is unavailable, if the line calls at all.
    pub(crate) fn trickle(&self) -> Option<Trickle> {
        self.away.and_then(|away| away.trickle)
    }
}
