//! The line behind the nodes, and everything that can go wrong with it.

use std::collections::BTreeMap;

use sluice_admission::{
    line::{Batch, Minute, Outcome, Reading, Rules},
    store::Redis,
};

use super::{
    core::Core,
    scenario::{Fault, StoreKind},
};

/// The store's wall clock at the start of a run, unix milliseconds.
pub(super) const START_MS: u64 = 1_763_712_000_000;

#[derive(Debug)]
pub(super) struct Store<C> {
    line: Option<C>,
    /// Copies put aside, by the fault that will bring them back.
    copies: BTreeMap<u32, Option<C>>,
    away_until_ms: u64,
    slack_ms: u64,
    /// Rises when another server, or the same one anew, takes over.
    run: u64,
    wall_offset_ms: i64,
}

impl<C: Core> Store<C> {
    pub(super) fn new(kind: StoreKind) -> Self {
        let slack_ms = if kind == StoreKind::Embedded { 0 } else { Redis::SLACK_MS };
        Self { line: None, copies: BTreeMap::new(), away_until_ms: 0, slack_ms, run: 1, wall_offset_ms: 0 }
    }

    /// Whether it can be reached.
    pub(super) fn answers(&self, now_ms: u64) -> bool {
        now_ms >= self.away_until_ms
    }

    /// Whether it could be reached all the time since then.
    pub(super) fn answered_since(&self, from_ms: u64) -> bool {
        from_ms >= self.away_until_ms
    }

    pub(super) fn step(&mut self, rules: &Rules, now_ms: u64, batch: &Batch) -> Outcome {
        let wall_ms = (START_MS + now_ms).saturating_add_signed(self.wall_offset_ms);
        let reading = Reading { wall_ms, slack_ms: self.slack_ms, run: self.run };
        let line = self.line.get_or_insert_with(|| C::begin(rules, reading, &batch.known));
        line.sync(rules, reading, batch)
    }

    /// What the line has counted in each minute from this one on.
    pub(super) fn counts(&self, since_minute: u64) -> Vec<Minute> {
        self.line.as_ref().map(|line| line.counts(since_minute)).unwrap_or_default()
    }

    /// Puts a copy aside for a fault to come.
    pub(super) fn copy(&mut self, fault: u32) {
        self.copies.insert(fault, self.line.clone());
    }

    pub(super) fn suffer(&mut self, which: u32, fault: &Fault, now_ms: u64) {
        match fault {
            Fault::Away { lasts_ms, .. } => self.away_until_ms = self.away_until_ms.max(now_ms + lasts_ms),
            Fault::Wiped { .. } => self.line = None,
            Fault::Restored { .. } => {
                self.line = self.copies.remove(&which).flatten();
                self.run += 1;
            }
            Fault::ClockStep { seconds, .. } => self.wall_offset_ms += seconds * 1_000,
            // The line in the process is read anew from its file.
            Fault::Restart { lasts_ms, .. } => {
                self.away_until_ms = self.away_until_ms.max(now_ms + lasts_ms);
                self.run += 1;
            }
            Fault::Held { .. }
            | Fault::Rate { .. }
            | Fault::Lanes { .. }
            | Fault::SlowNetwork { .. }
            | Fault::MassSleep { .. } => {}
        }
    }
}
