//! What is counted while the crowd is at the door: for the live view, and for the report.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::clock::Us;

/// Latencies are kept to three digits, up to this.
const LATENCY_US_MAX: u64 = 600_000_000;

/// What a request was for, as far as its latency is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The first page.
    Arrive,
    /// Polls and reloads in line.
    Poll,
    /// The page that lets a called visitor in.
    Enter,
    /// Requests inside.
    Inside,
}

impl Purpose {
    pub(crate) const ALL: [(Self, &'static str); 4] = [
        (Self::Arrive, "first page"),
        (Self::Poll, "polls in line"),
        (Self::Enter, "entering"),
        (Self::Inside, "requests inside"),
    ];
}

/// Something that went otherwise than it should.
#[derive(Clone, Debug)]
pub(crate) struct Mishap {
    pub(crate) at_us: Us,
    pub(crate) kind: String,
}

/// Counters of a crowd under way.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) arrived: AtomicU64,
    pub(crate) waiting: AtomicU64,
    pub(crate) entered: AtomicU64,
    pub(crate) left: AtomicU64,
    pub(crate) requests: AtomicU64,
    present: AtomicU64,
    most_present: AtomicU64,
    most_waiting: AtomicU64,
    latencies: [Mutex<Histogram<u64>>; 4],
    mishaps: Mutex<Vec<Mishap>>,
    spare: Mutex<Spare>,
}

/// Tokens that visitors have no more use for, and what they are good for in the hands of others.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    /// Passes and when they were used last, oldest first.
    pub(crate) passes: Vec<(Us, String)>,
    pub(crate) tickets: Vec<String>,
}

/// Most tokens of a kind that are kept.
const SPARE_MAX: usize = 10_000;

impl Ledger {
    pub(crate) fn new() -> Result<Self, hdrhistogram::CreationError> {
        let histogram = || Histogram::new_with_max(LATENCY_US_MAX, 3).map(Mutex::new);
        Ok(Self {
            arrived: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            entered: AtomicU64::new(0),
            left: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            present: AtomicU64::new(0),
            most_present: AtomicU64::new(0),
            most_waiting: AtomicU64::new(0),
            latencies: [histogram()?, histogram()?, histogram()?, histogram()?],
            mishaps: Mutex::default(),
            spare: Mutex::default(),
        })
    }

    pub(crate) fn arrives(&self) {
        self.arrived.fetch_add(1, Relaxed);
        self.most_present.fetch_max(self.present.fetch_add(1, Relaxed) + 1, Relaxed);
    }

    /// Stands in line.
    pub(crate) fn stands(&self) {
        self.most_waiting.fetch_max(self.waiting.fetch_add(1, Relaxed) + 1, Relaxed);
    }

    /// Stands in line no more.
    pub(crate) fn stands_no_more(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }

    /// Is at the door or inside no more.
    pub(crate) fn goes(&self) {
        self.left.fetch_add(1, Relaxed);
        self.present.fetch_sub(1, Relaxed);
    }

    /// Most that were at the door or inside at once, and most that were told to wait.
    pub(crate) fn most(&self) -> (u64, u64) {
        (self.most_present.load(Relaxed), self.most_waiting.load(Relaxed))
    }

    /// A request was answered so long after it was due.
    pub(crate) fn answered(&self, purpose: Purpose, latency_us: Us) {
        self.requests.fetch_add(1, Relaxed);
        let latency = latency_us.clamp(1, LATENCY_US_MAX);
        // Within its bounds it takes everything.
        let _ = lock(&self.latencies[purpose as usize]).record(latency);
    }

    pub(crate) fn mishap(&self, at_us: Us, kind: String) {
        lock(&self.mishaps).push(Mishap { at_us, kind });
    }

    pub(crate) fn mishaps(&self) -> Vec<Mishap> {
        lock(&self.mishaps).clone()
    }

    pub(crate) fn mishap_count(&self) -> usize {
        lock(&self.mishaps).len()
    }

    pub(crate) fn spare(&self) -> MutexGuard<'_, Spare> {
        lock(&self.spare)
    }

    /// The longest that anything has taken so far.
    pub(crate) fn slowest_us(&self) -> Us {
        self.latencies.iter().map(|latencies| lock(latencies).max()).max().unwrap_or(0)
    }

    pub(crate) fn latencies(&self) -> Vec<Latency> {
        Purpose::ALL.map(|(purpose, name)| Latency::of(name, &lock(&self.latencies[purpose as usize]))).into()
    }
}

impl Spare {
    pub(crate) fn pass(&mut self, used_us: Us, pass: &str) {
        if self.passes.len() < SPARE_MAX {
            self.passes.push((used_us, pass.to_owned()));
        }
    }

    pub(crate) fn ticket(&mut self, ticket: &str) {
        if self.tickets.len() < SPARE_MAX {
            self.tickets.push(ticket.to_owned());
        }
    }
}

/// How long answers took, from when the request was due, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) of: &'static str,
    pub(crate) count: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) most_ms: f64,
}

impl Latency {
    fn of(of: &'static str, histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Self {
            of,
            count: histogram.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            most_ms: histogram.max() as f64 / 1e3,
        }
    }
}

/// How many mishaps there were of each kind.
pub(crate) fn by_kind<'a>(mishaps: impl IntoIterator<Item = &'a Mishap>) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    for mishap in mishaps {
        *kinds.entry(mishap.kind.clone()).or_default() += 1;
    }
    kinds
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
