//! Which slip got which number, for one to two minutes: whoever lost the answer gets the same number again.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// How long at least a slip is remembered.
const REMEMBER_MS: u64 = 60_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slips {
    generation: u64,
    now: HashMap<u64, u64>,
    before: HashMap<u64, u64>,
}

impl Slips {
    pub(super) fn expire(&mut self, now_ms: u64) {
        let generation = now_ms / REMEMBER_MS;
        if generation > self.generation {
            self.before = std::mem::take(&mut self.now);
            if generation > self.generation + 1 {
                self.before.clear();
            }
            self.generation = generation;
        }
    }

    pub(super) fn number(&self, id: u64) -> Option<u64> {
        self.now.get(&id).or_else(|| self.before.get(&id)).copied()
    }

    pub(super) fn remember(&mut self, id: u64, number: u64) {
        self.now.insert(id, number);
    }
}
