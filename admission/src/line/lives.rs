//! Has this state been lost and found? How a line notices that its store went back in time.
//!
//! Steps are counted. A node that remembers more steps than the state has made proves that the state was lost
//! (there is none: it has made no steps) or replaced by an older copy. The line then begins a new *life*: for a
//! moment it calls nobody, and since every node learns of the new life with its next step, each sends along all
//! it knows: calls of the last minute and seats. What one node alone remembers is thus not overlooked.

use serde::{Deserialize, Serialize};

use super::Known;

/// How long a line that was lost waits for what the nodes know: several ticks of each.
pub(super) const HEAL_MS: u64 = 2_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lives {
    steps: u64,
    life: u64,
    healed_ms: u64,
}

impl Lives {
    pub(super) fn step(&mut self) {
        self.steps += 1;
    }

    /// Compares with what a node remembers; called after [`Self::step`].
    pub(super) fn compare(&mut self, known: &Known, now_ms: u64) {
        if known.steps >= self.steps {
            self.steps = known.steps + 1;
            self.life = self.life.max(known.life) + 1;
            self.healed_ms = now_ms + HEAL_MS;
        }
    }

    pub(super) fn is_healing(&self, now_ms: u64) -> bool {
        now_ms < self.healed_ms
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    pub(super) fn life(&self) -> u64 {
        self.life
    }
}
