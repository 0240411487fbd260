//! Looks at the processes all the time: memory, descriptors, CPU.

use std::{fs, sync::atomic::Ordering::Relaxed, time::Duration};

use serde::Serialize;

use super::{events::Events, slope::Slope};
use crate::{
    Failed,
    attack::{
        clock::{Clock, SECOND_US, Us, us},
        fleet::Fleet,
        people::visitor::Door,
    },
    kit::process::cpu_of,
};

/// Descriptors that a node may have open at the end beyond those at the start: a connection to the store that is made
/// anew while the old one ends, a state file that is being written.
pub(super) const DESCRIPTORS_MORE: usize = 4;
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// One look.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    at_us: Us,
    nodes: Vec<Process>,
    store: Option<Process>,
    crowd: Process,
    requests: u64,
    in_line: u64,
    entered: u64,
    errors: usize,
}

#[derive(Clone, Copy, Debug)]
struct Process {
    memory_kb: u64,
    descriptors: usize,
    cpu: Duration,
}

impl Process {
    fn look(pid: u32) -> Result<Self, Failed> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory_kb = memory.and_then(|kb| kb.trim().strip_suffix(" kB")?.parse().ok()).ok_or("no VmRSS")?;
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        Ok(Self { memory_kb, descriptors, cpu: cpu_of(pid)? })
    }
}

impl Sample {
    pub(super) fn take(fleet: &Fleet, clock: Clock, door: Option<&Door>) -> Result<Self, Failed> {
        let nodes = fleet.nodes.iter().map(|node| Process::look(node.server.pid())).collect::<Result<_, _>>()?;
        let store = fleet.store.as_ref().and_then(|store| store.server());
        let count = |of: fn(&Door) -> u64| door.map_or(0, of);
        Ok(Self {
            at_us: clock.now_us(),
            nodes,
            store: store.map(|store| Process::look(store.pid())).transpose()?,
            crowd: Process::look(std::process::id())?,
            requests: count(|door| door.ledger.requests.load(Relaxed)),
            in_line: count(|door| door.ledger.waiting.load(Relaxed)),
            entered: count(|door| door.ledger.entered.load(Relaxed)),
            errors: door.map_or(0, |door| door.ledger.mishap_count()),
        })
    }

    fn since_s(&self, earlier: &Self) -> f64 {
        self.at_us.saturating_sub(earlier.at_us).max(1) as f64 / SECOND_US as f64
    }

    pub(super) fn requests_per_second_since(&self, earlier: &Self) -> f64 {
        (self.requests - earlier.requests) as f64 / self.since_s(earlier)
    }

    /// Cores that nodes, store and crowd took together.
    pub(super) fn cores_since(&self, earlier: &Self) -> f64 {
        // A store that was started again begins at nothing.
        let used: Duration = self.all().zip(earlier.all()).map(|(now, then)| now.cpu.saturating_sub(then.cpu)).sum();
        used.as_secs_f64() / self.since_s(earlier)
    }

    fn all(&self) -> impl Iterator<Item = &Process> {
        self.nodes.iter().chain([&self.crowd]).chain(&self.store)
    }
}

/// All looks so far.
#[derive(Debug)]
pub(super) struct Watch {
    from_us: Us,
    samples: Vec<Sample>,
}

/// A minute of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Minute {
    pub(super) minute: usize,
    pub(super) requests_per_second: f64,
    pub(super) in_line: u64,
    pub(super) entered: u64,
    pub(super) errors: usize,
    pub(super) cores: f64,
    /// At its end, node by node.
    pub(super) memory_kb: Vec<u64>,
    pub(super) descriptors: Vec<usize>,
    pub(super) store_kb: Option<u64>,
    /// What was done to the fleet.
    pub(super) events: Vec<String>,
}

/// Descriptors of a node.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Descriptors {
    pub(super) at_start: usize,
    pub(super) at_most: usize,
    pub(super) at_end: usize,
}

impl Watch {
    pub(super) fn new(from_us: Us) -> Self {
        Self { from_us, samples: Vec::new() }
    }

    /// When to look again: every second.
    pub(super) fn next_us(&self) -> Us {
        self.from_us + self.samples.len() as u64 * SECOND_US
    }

    pub(super) fn look(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    pub(super) fn minutes(&self, events: &Events) -> Vec<Minute> {
        let minute = |(number, samples): (usize, &[Sample])| {
            let (first, last) = (samples.first()?, samples.last()?);
            Some(Minute {
                minute: number + 1,
                requests_per_second: last.requests_per_second_since(first),
                in_line: last.in_line,
                entered: last.entered - first.entered,
                errors: last.errors - first.errors,
                cores: last.cores_since(first),
                memory_kb: last.nodes.iter().map(|node| node.memory_kb).collect(),
                descriptors: last.nodes.iter().map(|node| node.descriptors).collect(),
                store_kb: last.store.map(|store| store.memory_kb),
                events: events.between(first.at_us, last.at_us + SECOND_US),
            })
        };
        // One sample belongs to two minutes: the end of one is the start of the next.
        let starts = (0..self.samples.len().saturating_sub(1)).step_by(60);
        let chunks = starts.map(|from| &self.samples[from..self.samples.len().min(from + 61)]);
        chunks.enumerate().filter_map(minute).collect()
    }

    /// How memory grew over the second half, node by node, in kB.
    pub(super) fn slopes(&self) -> Vec<Slope> {
        let half = &self.samples[self.samples.len() / 2..];
        let nodes = half.first().map_or(0, |sample| sample.nodes.len());
        let point = |sample: &Sample, node: usize| {
            let s = sample.at_us.saturating_sub(self.from_us) as f64 / SECOND_US as f64;
            Some((s, sample.nodes.get(node)?.memory_kb as f64))
        };
        let points = |node| half.iter().filter_map(|sample| point(sample, node)).collect::<Vec<_>>();
        (0..nodes).map(|node| Slope::of(&points(node))).collect()
    }

    pub(super) fn descriptors(&self, at_start: &Sample, at_end: &Sample) -> Vec<Descriptors> {
        let of = |sample: &Sample, node: usize| sample.nodes.get(node).map_or(0, |node| node.descriptors);
        let node = |node| Descriptors {
            at_start: of(at_start, node),
            at_most: self.samples.iter().map(|sample| of(sample, node)).max().unwrap_or(0),
            at_end: of(at_end, node),
        };
        (0..at_start.nodes.len()).map(node).collect()
    }
}

/// Looks until every node has given its descriptors back, or had the time to.
pub(super) async fn gives_back(
    fleet: &Fleet,
    clock: Clock,
    at_start: &Sample,
    within: Duration,
) -> Result<Sample, Failed> {
    let until_us = clock.now_us() + us(within);
    loop {
        let sample = Sample::take(fleet, clock, None)?;
        let mut nodes = sample.nodes.iter().zip(&at_start.nodes);
        if nodes.all(|(now, then)| now.descriptors <= then.descriptors) || clock.now_us() >= until_us {
            return Ok(sample);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
