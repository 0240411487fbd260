//! What was measured: as Markdown for people, as JSON for programs.

use std::{
    fmt::{self, Write},
    process::Command,
    thread::available_parallelism,
};

use serde::Serialize;

use super::{
    Load,
    bars::{self, Bar, bar_table},
    cpu::{Cost, Costs},
    idle::Idle,
    latency::Latency,
    work::Work,
};
use crate::{bench::median, kit::template::program};

const A_MILLION: f64 = 1e6;
/// `connections_max` of a node that is not told otherwise.
const CONNECTIONS_MAX_DEFAULT: f64 = 15_000.0;

/// Where it was measured, and which peers were there.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    cores: usize,
    versions: Vec<(&'static str, String)>,
}

impl Machine {
    pub(super) fn here() -> Self {
        let servers = [("nginx", "nginx", "-v"), ("HAProxy", "haproxy", "-v"), ("Redis", "redis-server", "--version")];
        let versions = servers.iter().filter_map(|&(name, file, option)| Some((name, asked(file, option)?)));
        Self { cores: available_parallelism().map_or(0, usize::from), versions: versions.collect() }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<_> = self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        writeln!(f, "On a machine with {} cores, with {}.", self.cores, versions.join(", "))
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Report {
    machine: Machine,
    requests: usize,
    rounds: usize,
    connections: usize,
    pub(super) cpu: Vec<Costs>,
    pub(super) latency: Option<Latency>,
    pub(super) idle: Option<Idle>,
    /// Who could not be measured, and why.
    pub(super) left_out: Vec<String>,
    bars: Vec<Bar>,
}

impl Report {
    pub(super) fn new(load: Load) -> Self {
        Self {
            machine: Machine::here(),
            requests: load.requests,
            rounds: load.rounds,
            connections: load.connections,
            cpu: Vec::new(),
            latency: None,
            idle: None,
            left_out: Vec::new(),
            bars: Vec::new(),
        }
    }

    fn load(&self) -> Load {
        Load { requests: self.requests, rounds: self.rounds, connections: self.connections }
    }

    /// Holds what was measured against the bars.
    pub(super) fn judge(&mut self) {
        self.bars = bars::judge(&self.cpu, self.latency.as_ref(), self.idle.as_ref());
    }

    pub(super) fn to_markdown(&self) -> String {
        let mut text = self.machine.to_string();
        // Writing to a string cannot fail.
        if !self.cpu.is_empty() {
            let _ = write!(text, "\n{}", cpu_table(&self.cpu, self.load()));
        }
        if let Some(latency) = &self.latency {
            let _ = write!(text, "\n{}", latency_table(latency));
        }
        if let Some(idle) = &self.idle {
            let _ = write!(text, "\n{}", idle_table(idle));
        }
        for who in &self.left_out {
            let _ = writeln!(text, "\nLeft out: {who}.");
        }
        text + &bar_table(&self.bars)
    }
}

/// What every server costs for each kind of request.
pub(super) fn cpu_table(cpu: &[Costs], load: Load) -> String {
    let mut text = format!(
        "CPU per request in µs: medians of {} paired rounds of {} requests of {} visitors at a time. In brackets: to bare \
         pingora in the same round. After a plus: CPU of Redis.\n\n",
        load.rounds, load.requests, load.connections
    );
    let titles: Vec<_> = cpu.iter().map(|costs| costs.job.title()).collect();
    let _ = writeln!(text, "| CPU per request, µs | {} |", titles.join(" | "));
    let _ = writeln!(text, "|---|{}", "--:|".repeat(titles.len()));
    let names = cpu.first().map(|costs| costs.servers.iter().map(|cost| cost.name)).into_iter().flatten();
    for (at, name) in names.enumerate() {
        let cells: Vec<_> = cpu.iter().filter_map(|costs| Some(cell(costs.servers.get(at)?))).collect();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text
}

fn cell(cost: &Cost) -> String {
    let redis = cost.redis_us.map_or(String::new(), |us| format!(" + {us:.1}"));
    format!("{:.1} ({:.2}){redis}", cost.us, cost.to_bare)
}

fn latency_table(latency: &Latency) -> String {
    let half = if latency.half_load { ", at which Sluice, generator and origin take half of the CPU" } else { "" };
    let mut text = format!(
        "Latency of an {} in ms at {:.0} requests a second{half}: medians of {} paired rounds of a second. {}.\n\n\
         | latency, ms | p50 | p99 | p99 over bare pingora | set aside |\n|---|--:|--:|--:|--:|\n",
        Work::Admitted.title(),
        latency.rate,
        latency.rounds,
        match &latency.stalls_unknown {
            None => "Set aside is who may have felt that the machine itself stood still".to_owned(),
            Some(why) => format!("Stalls of the machine itself could not be told apart: {why}"),
        }
    );
    for server in &latency.servers {
        let [p50, p99, added] = [server.p50_us, server.p99_us, server.added_p99_us].map(|us| us / 1e3);
        let _ = writeln!(
            text,
            "| {} | {p50:.2} | {p99:.2} | {added:+.2} | {:.1} % |",
            server.name,
            server.set_aside * 100.0
        );
    }
    text
}

/// Memory of every server.
pub(super) fn idle_rows(idle: &Idle) -> String {
    let mut text = format!(
        "Memory of {} visitors who wait, each on a connection ({}) that idles after one poll.\n\n| memory | per connection \
         | all connections | server without them |\n|---|--:|--:|--:|\n",
        idle.visitors,
        idle.protocol.title()
    );
    for server in &idle.servers {
        let _ = writeln!(
            text,
            "| {} | {:.1} kB | {:.0} MB | {:.0} MB |",
            server.name,
            server.per_connection / 1e3,
            server.after.saturating_sub(server.before) as f64 / 1e6,
            server.before as f64 / 1e6
        );
    }
    text
}

fn idle_table(idle: &Idle) -> String {
    let mut text = idle_rows(idle);
    let kernel = median(idle.servers.iter().map(|server| server.in_kernel).collect());
    let _ = writeln!(text, "\nThe kernel keeps {:.1} kB more for each, whichever the server.", kernel / 1e3);
    if let Some(sluice) = idle.servers.first() {
        let gb = (sluice.per_connection + kernel) * A_MILLION / 1e9;
        let nodes = A_MILLION / CONNECTIONS_MAX_DEFAULT;
        let mb = gb * 1e3 / nodes;
        let _ = writeln!(
            text,
            "A million at Sluice take {gb:.1} GB, the kernel's part included: at {CONNECTIONS_MAX_DEFAULT} connections a node \
             {:.0} nodes with {mb:.0} MB each.",
            nodes.ceil()
        );
    }
    text
}

/// The version that a program says it is.
fn asked(file: &str, option: &str) -> Option<String> {
    let said = Command::new(program(file)?).arg(option).output().ok()?;
    version(&format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr)))
}

/// The first number with points in a text.
fn version(text: &str) -> Option<String> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .find(|word| word.contains('.') && word.len() > 2)
        .map(Into::into)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::compare::{latency::Quantiles, work::Job};

    #[test]
    fn versions_are_found_however_they_are_told() {
        assert_eq!(version("nginx version: nginx/1.22.1\n").unwrap(), "1.22.1");
        assert_eq!(version("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/").unwrap(), "2.6.12");
        assert_eq!(version("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1").unwrap(), "7.0.15");
        assert_eq!(version("no. 5"), None);
    }

    #[test]
    fn tables_are_markdown() {
        let mut report = Report::new(Load { requests: 1_000, rounds: 3, connections: 8 });
        let cost = |name, us, redis_us| Cost { name, us, redis_us, to_bare: us / 10.0, rounds_us: vec![us] };
        let servers =
            || vec![cost("Sluice", 11.0, None), cost("bare pingora", 10.0, None), cost("room", 30.0, Some(4.25))];
        report.cpu =
            [Work::Admitted, Work::Poll].map(|work| Costs { job: Job::plain(work), servers: servers() }).into();
        let quantiles = Quantiles {
            name: "Sluice",
            p50_us: 120.0,
            p99_us: 900.0,
            added_p99_us: -20.0,
            sent_late_p99_us: 9.0,
            set_aside: 0.125,
            rounds_disturbed: vec![],
            rounds_p99_us: vec![],
        };
        report.latency =
            Some(Latency { rate: 9_000.0, half_load: true, rounds: 9, stalls_unknown: None, servers: vec![quantiles] });
        report.left_out.push("nginx: it is not installed".to_owned());
        report.judge();
        let text = report.to_markdown();
        for line in [
            "| CPU per request, µs | admitted GET | status poll |\n|---|--:|--:|\n| Sluice | 11.0 (1.10) | 11.0 (1.10) |\n",
            "| room | 30.0 (3.00) + 4.2 | 30.0 (3.00) + 4.2 |\n",
            "| Sluice | 0.12 | 0.90 | -0.02 | 12.5 % |\n",
            "Left out: nginx: it is not installed.\n",
            "| **does not hold** |\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
    }
}
