//! What an attack found: for people on a terminal, and for programs as JSON.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use serde::Serialize;

use super::{changes::overrides::Overridden, judge::Figures, ledger::Latency, limits::Limits};
use crate::{
    Failed,
    simulate::{Promise, clock},
};

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) seed: u64,
    pub(crate) visitors: u32,
    pub(crate) nodes: usize,
    pub(crate) limits: Limits,
    pub(crate) lasted_s: f64,
    /// Whether every promise was held.
    pub(crate) held: bool,
    pub(crate) promises: Vec<Promise>,
    pub(crate) load: Load,
    /// What has become of changes through the API, if there were.
    pub(crate) overridden: Option<Overridden>,
    pub(crate) latencies: Vec<Latency>,
    pub(crate) figures: Figures,
}

/// What it took.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) requests_at_origin: usize,
    pub(crate) most_present: u64,
    pub(crate) most_waiting: u64,
    pub(crate) most_connections: usize,
    /// Kept connections that were ended by the other side and replaced.
    pub(crate) connections_ended: u64,
    /// CPU time of everybody, in seconds: nodes, store, and the crowd with its origin.
    pub(crate) nodes_cpu_s: f64,
    pub(crate) store_cpu_s: f64,
    pub(crate) crowd_cpu_s: f64,
}

impl Report {
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |what: std::fmt::Arguments<'_>| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{what}");
        };
        line(format_args!("{}\n", self.title));
        for promise in &self.promises {
            line(format_args!("  {}", verdict(promise)));
        }
        line(format_args!(""));
        for (name, value) in self.rows() {
            line(format_args!("  {name:<20}  {value}"));
        }
        line(format_args!(""));
        text + &table(&self.latencies) + &mishaps(&self.figures)
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let (f, l, wait) = (&self.figures, &self.load, &self.figures.wait_s);
        let cores = |cpu_s: f64| cpu_s / self.lasted_s.max(1.0);
        vec![
            (
                "visitors",
                format!(
                    "{} came, {} waited, {} entered, {} walked away, {} sent home at the end",
                    f.came, f.waited, f.entered, f.walked_away, f.sent_home
                ),
            ),
            (
                "at once",
                format!(
                    "{} present, {} in line, {} connections; {} of those kept were ended by the other side",
                    l.most_present, l.most_waiting, l.most_connections, l.connections_ended
                ),
            ),
            (
                "requests",
                format!(
                    "{} in {} ({:.0} a second), {} at the origin",
                    l.requests,
                    clock(self.lasted_s),
                    l.requests as f64 / self.lasted_s.max(1.0),
                    l.requests_at_origin
                ),
            ),
            (
                "wait",
                format!(
                    "{} median, {} p90, {} p99, {} worst",
                    clock(wait.median),
                    clock(wait.p90),
                    clock(wait.p99),
                    clock(wait.worst)
                ),
            ),
            (
                "cores in use",
                format!(
                    "{:.2} by nodes, {:.2} by the store, {:.2} by crowd and origin",
                    cores(l.nodes_cpu_s),
                    cores(l.store_cpu_s),
                    cores(l.crowd_cpu_s)
                ),
            ),
        ]
    }

    pub(crate) fn write_json(&self, path: &Path) -> Result<(), Failed> {
        write_json(self, path)
    }
}

/// Writes a document for programs.
pub(crate) fn write_json(document: &impl Serialize, path: &Path) -> Result<(), Failed> {
    let text = serde_json::to_string_pretty(document)? + "\n";
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Latencies, a row for each purpose.
pub(crate) fn table(latencies: &[Latency]) -> String {
    let mut text = format!(
        "  {:<20} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
        "ms from when due", "requests", "p50", "p90", "p99", "p99.9", "most"
    );
    for l in latencies {
        let _ = writeln!(
            text,
            "  {:<20} {:>9} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1}",
            l.of, l.count, l.p50_ms, l.p90_ms, l.p99_ms, l.p999_ms, l.most_ms
        );
    }
    text
}

/// Errors, a row for each kind.
pub(crate) fn mishaps(figures: &Figures) -> String {
    let mut text = String::new();
    for (title, kinds) in [("explained", &figures.explained), ("NOT EXPLAINED", &figures.unexplained)] {
        for (kind, count) in kinds {
            let _ = writeln!(text, "  {title:<20}  {count} × {kind}");
        }
    }
    text
}

/// A promise and what became of it, in a line.
pub(crate) fn verdict(promise: &Promise) -> String {
    let verdict = if promise.held { "held  " } else { "BROKEN" };
    format!("{verdict}  {:<60}  {}", promise.name, promise.found)
}

/// The names of all promises that were broken.
pub(crate) fn broken(promises: &[Promise]) -> BTreeMap<&'static str, &str> {
    promises.iter().filter(|promise| !promise.held).map(|promise| (promise.name, promise.found.as_str())).collect()
}
