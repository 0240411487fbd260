//! Where the head stood: the source of the floor.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How finely `return_within` is divided; the floor lags by at most one part, in the visitor's favour.
const PARTS: u64 = 16;

/// Samples of the head over the last `return_within`, and the floor they give.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Heads {
    samples: VecDeque<(u64, u64)>,
    floor: u64,
}

impl Heads {
    /// The highest number that can no longer be called: where the head stood `return_within` ago.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    pub(super) fn raise_floor(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
    }

    /// Takes a sample if the head has moved and the last sample is old enough.
    pub(super) fn note(&mut self, head: u64, now_ms: u64, return_within_ms: u64) {
        let due = self.samples.back().is_none_or(|&(at, last)| last < head && at + return_within_ms / PARTS <= now_ms);
        if due && head > 0 {
            self.samples.push_back((now_ms, head));
        }
    }

    pub(super) fn expire(&mut self, now_ms: u64, return_within_ms: u64) {
        while let Some(&(_, head)) = self.samples.front().filter(|s| s.0 + return_within_ms <= now_ms) {
            self.raise_floor(head);
            self.samples.pop_front();
        }
    }
}
