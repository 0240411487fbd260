//! The pure line and a line in Redis, side by side: every step is made by both, and every outcome compared.
#![allow(dead_code, unreachable_pub, reason = "every test file uses a part")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sluice_admission::{
    line::{Batch, Known, Line, Outcome, Reading, Rules},
    store::{LineId, Redis, Store},
};
use sluice_config::{Mode, Name};
use tokio::runtime::Runtime;

use super::servers::Server;

/// When the histories begin.
pub const START_MS: u64 = 1_700_000_000_000;

/// Counts are compared after every so many steps.
const COUNTS_EVERY: usize = 5;

/// Rules that let short histories reach every corner.
pub fn rules() -> Rules {
    Rules {
        release_per_minute: 60,
        burst: 5,
        max_active: None,
        max_waiting: 1_000,
        mode: Mode::Auto,
        claim_within_ms: 10_000,
        return_within_ms: 120_000,
        seat_ms: 30_000,
        lanes: Vec::new(),
    }
}

/// A server, a store on it, and a clock.
pub struct Bench {
    pub server: Server,
    pub store: Redis,
    wall_ms: Arc<AtomicU64>,
    run: Arc<AtomicU64>,
    runtime: Runtime,
}

impl Default for Bench {
    fn default() -> Self {
        let server = Server::start();
        let wall_ms = Arc::new(AtomicU64::new(START_MS));
        let clock = wall_ms.clone();
        let run = Arc::new(AtomicU64::new(0));
        let store = Redis::with_clock(&server.settings(), move || clock.load(Ordering::SeqCst));
        let told = run.clone();
        let store = store.in_run(move || told.load(Ordering::SeqCst));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { server, store, wall_ms, run, runtime }
    }
}

/// One line, twice.
pub struct Twins<'a> {
    bench: &'a Bench,
    id: LineId,
    /// `None`: nobody has stood in it, or it was lost.
    pub line: Option<Line>,
    pub rules: Rules,
    pub wall_ms: u64,
    pub run: u64,
    pub steps: usize,
}

impl<'a> Twins<'a> {
    pub fn new(bench: &'a Bench, name: &str, rules: Rules) -> Self {
        let id = LineId { tenant: Name::new("shop").unwrap(), queue: Name::new(name).unwrap() };
        Self { bench, id, line: None, rules, wall_ms: START_MS, run: 1, steps: 0 }
    }

    /// Makes one step of both, which must agree.
    pub fn step(&mut self, batch: &Batch) -> Outcome {
        self.steps += 1;
        let reading = self.reading();
        let line = self.line.get_or_insert_with(|| Line::new(&self.rules, reading, &batch.known));
        let expected = line.sync(&self.rules, reading, batch);
        let step = self.bench.store.sync(&self.id, &self.rules, batch);
        let outcome = self.bench.runtime.block_on(step).unwrap();
        assert_eq!(outcome, expected, "step {}", self.steps);
        if self.steps.is_multiple_of(COUNTS_EVERY) {
            self.compare_counts();
        }
        outcome
    }

    /// What both have counted since a minute ago, and in all.
    pub fn compare_counts(&self) {
        let Some(line) = &self.line else { return };
        let now = line.summary().now_ms / 60_000;
        for since in [now - 1, 0] {
            let counts = self.bench.runtime.block_on(self.bench.store.counts(&self.id, since)).unwrap();
            assert_eq!(counts, line.counts(since), "counts after step {}", self.steps);
        }
    }

    fn reading(&self) -> Reading {
        self.bench.wall_ms.store(self.wall_ms, Ordering::SeqCst);
        self.bench.run.store(self.run, Ordering::SeqCst);
        Reading { wall_ms: self.wall_ms, slack_ms: Redis::SLACK_MS, run: self.run }
    }

    /// A new epoch of both.
    pub fn reset(&mut self) {
        let reading = self.reading();
        let line = self.line.get_or_insert_with(|| Line::new(&self.rules, reading, &Known::default()));
        line.reset(&self.rules);
        let epoch = self.bench.runtime.block_on(self.bench.store.reset(&self.id, &self.rules)).unwrap();
        assert_eq!(epoch, line.known().epoch);
    }

    /// Both are lost.
    pub fn lose(&mut self) {
        self.line = None;
        self.bench.server.command::<()>(&["FLUSHALL"]);
    }

    /// What a node would know now.
    pub fn known(&self) -> Known {
        self.line.as_ref().map(Line::known).unwrap_or_default()
    }
}
