//! What a soak found: for people on a terminal, and for programs as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::{
    slope::Slope,
    watch::{Descriptors, Minute},
};
use crate::{
    attack::{
        judge::Figures,
        ledger::Latency,
        limits::Limits,
        report::{mishaps, table, verdict},
    },
    simulate::Promise,
};

#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) title: String,
    pub(super) seed: u64,
    pub(super) limits: Limits,
    /// Whether every promise was held.
    pub(super) held: bool,
    pub(super) promises: Vec<Promise>,
    pub(super) minutes: Vec<Minute>,
    pub(super) requests: u64,
    pub(super) requests_at_origin: usize,
    pub(super) connections_opened: u64,
    pub(super) most_connections: usize,
    pub(super) latencies: Vec<Latency>,
    /// Of each node's memory over the second half, in kB.
    pub(super) memory: Vec<Slope>,
    pub(super) descriptors: Vec<Descriptors>,
    pub(super) figures: Figures,
}

impl Report {
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |what: std::fmt::Arguments<'_>| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{what}");
        };
        line(format_args!("{}\n", self.title));
        line(format_args!(
            "  {:>6} {:>10} {:>8} {:>8} {:>7} {:>6}  {:<22} {:<20} {:>8}",
            "minute",
            "requests/s",
            "in line",
            "entered",
            "errors",
            "cores",
            "memory of nodes, MB",
            "descriptors",
            "store MB"
        ));
        for m in &self.minutes {
            let memory: Vec<_> = m.memory_kb.iter().map(|&kb| format!("{:.1}", kb as f64 / 1e3)).collect();
            let descriptors: Vec<_> = m.descriptors.iter().map(ToString::to_string).collect();
            let store = m.store_kb.map_or("-".to_owned(), |kb| format!("{:.1}", kb as f64 / 1e3));
            line(format_args!(
                "  {:>6} {:>10.0} {:>8} {:>8} {:>7} {:>6.2}  {:<22} {:<20} {:>8}  {}",
                m.minute,
                m.requests_per_second,
                m.in_line,
                m.entered,
                m.errors,
                m.cores,
                memory.join(" "),
                descriptors.join(" "),
                store,
                m.events.join("; ")
            ));
        }
        line(format_args!(""));
        for promise in &self.promises {
            line(format_args!("  {}", verdict(promise)));
        }
        let f = &self.figures;
        line(format_args!(
            "\n  {} visitors came, {} entered, {} walked away; {} requests over {} connections, {} at the origin; at most {} connections at once\n",
            f.came,
            f.entered,
            f.walked_away,
            self.requests,
            self.connections_opened,
            self.requests_at_origin,
            self.most_connections
        ));
        text + &table(&self.latencies) + &mishaps(f)
    }
}
