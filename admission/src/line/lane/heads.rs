//! Where the head stood: the source of the floor.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How finely `return_within` is divided; the floor lags by at most one part, in the visitor's favour.
pub(in crate::line) const PARTS: u64 = 16;

/// Samples of the head over the last `return_within`, and the floor they give.
///
/// They are taken on a clock of their own, which runs only while visitors can be called: in a line that is held, or
/// cannot be asked, no number loses its right to be called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Heads {
    /// When by that clock, and where the head stood. At most [`PARTS`] and two.
    samples: VecDeque<(u64, u64)>,
    floor: u64,
    running_ms: u64,
    /// Whether the last step could have called.
    is_running: bool,
}

impl Heads {
    /// Of a lane in which no number has been called, and those up to this one are not its own.
    pub(in crate::line) fn at(floor: u64) -> Self {
        Self { floor, ..Self::default() }
    }

    /// The highest number that can no longer be called.
    pub(in crate::line) fn floor(&self) -> u64 {
        self.floor
    }

    pub(in crate::line) fn raise_floor(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
    }

    /// Time has gone by since the last step.
    pub(in crate::line) fn run(&mut self, ms: u64) {
        if self.is_running {
            self.running_ms += ms;
        }
    }

    /// Takes a sample if the head has moved and the last sample is old enough; none before any number `was_called`.
    /// `is_running`: this step could have called.
    pub(in crate::line) fn note(&mut self, head: u64, was_called: bool, return_within_ms: u64, is_running: bool) {
        self.is_running = is_running;
        let now_ms = self.running_ms;
        let due = self.samples.back().is_none_or(|&(at, last)| last < head && at + return_within_ms / PARTS <= now_ms);
        if due && was_called {
            self.samples.push_back((now_ms, head));
        }
    }

    /// Where the head stood `return_within` ago, if the floor is not there yet.
    pub(in crate::line) fn passed(&mut self, return_within_ms: u64) -> Option<u64> {
        let is_old = |sample: &(u64, u64)| sample.0 + return_within_ms <= self.running_ms;
        while self.samples.get(1).is_some_and(is_old) {
            self.samples.pop_front();
        }
        self.samples.front().filter(|sample| is_old(sample)).map(|sample| sample.1)
    }

    /// Raises the floor to where the head has [passed](Self::passed), but not beyond `upto`.
    pub(in crate::line) fn settle(&mut self, passed: u64, upto: u64) {
        self.raise_floor(passed.min(upto));
        if passed <= upto {
            self.samples.pop_front();
        }
    }
}
