//! The line's own clock.
//!
//! Everything about a line is measured on one clock that never goes back and never leaps: seats, presence,
//! rate, token times. The store's wall clock drives it, and the nodes keep it honest: each sends along where
//! the line's clock should be by its own monotonic clock. A step of the wall clock, in either direction, then
//! moves the line by no more than `slack_ms`. If the line's clock falls behind (a store that was frozen with
//! a request in its hands), it simply stays behind: only differences matter.

use serde::{Deserialize, Serialize};

/// One look at the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The store's wall clock, unix milliseconds; it may step.
    pub wall_ms: u64,
    /// How far a node's reckoning may be off: 0 inside one process, network delay else.
    pub slack_ms: u64,
    /// Which run of the store this is: another one may have lost its last steps. 0: not told.
    pub run: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Clock {
    pub(in crate::line) now_ms: u64,
    wall_ms: u64,
    /// By how much a step of the wall clock may have moved this clock.
    pub(in crate::line) slack_ms: u64,
}

impl Clock {
    /// A clock for a line that did not exist: it continues what a node remembers, if any does.
    pub(in crate::line) fn start(reading: Reading, reckoned_ms: Option<u64>) -> Self {
        let now_ms = within(reading.wall_ms, reckoned_ms, reading.slack_ms);
        Self { now_ms, wall_ms: reading.wall_ms, slack_ms: reading.slack_ms }
    }

    pub(in crate::line) fn advance(&mut self, reading: Reading, reckoned_ms: Option<u64>) {
        let gone_ms = reading.wall_ms.saturating_sub(self.wall_ms);
        (self.wall_ms, self.slack_ms) = (reading.wall_ms, reading.slack_ms);
        self.now_ms = self.now_ms.max(within(self.now_ms + gone_ms, reckoned_ms, reading.slack_ms));
    }
}

fn within(ms: u64, reckoned_ms: Option<u64>, slack_ms: u64) -> u64 {
    match reckoned_ms {
        Some(r) => ms.clamp(r.saturating_sub(slack_ms), r + slack_ms),
        None => ms,
    }
}
