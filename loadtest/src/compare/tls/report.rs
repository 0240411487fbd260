//! What was measured over TLS: as Markdown for people, as JSON for programs.

use std::fmt::Write;

use serde::Serialize;

use super::{
    super::{
        Load,
        bars::{Bar, bar_table},
        cpu::Costs,
        idle::Idle,
        report::{Machine, cpu_table, idle_rows},
    },
    bars, handshakes,
};

#[derive(Debug, Serialize)]
pub(in crate::compare) struct Report {
    machine: Machine,
    requests: usize,
    shaken: usize,
    rounds: usize,
    connections: usize,
    pub(super) handshakes: Vec<handshakes::Costs>,
    pub(super) cpu: Vec<Costs>,
    pub(super) idle: Vec<Idle>,
    /// Who could not be measured, and why.
    pub(super) left_out: Vec<String>,
    bars: Vec<Bar>,
}

impl Report {
    pub(super) fn new(load: Load, shaken: usize) -> Self {
        Self {
            machine: Machine::here(),
            requests: load.requests,
            shaken,
            rounds: load.rounds,
            connections: load.connections,
            handshakes: Vec::new(),
            cpu: Vec::new(),
            idle: Vec::new(),
            left_out: Vec::new(),
            bars: Vec::new(),
        }
    }

    /// Holds what was measured against the bars.
    pub(super) fn judge(&mut self) {
        self.bars = bars::judge(&self.handshakes, &self.cpu, &self.idle);
    }

    pub(in crate::compare) fn to_markdown(&self) -> String {
        let mut text = self.machine.to_string();
        // Writing to a string cannot fail.
        text += "TLS 1.3, X25519, one P-256 certificate, session tickets.\n";
        if !self.handshakes.is_empty() {
            let _ = write!(text, "\n{}", self.handshake_table());
        }
        if !self.cpu.is_empty() {
            let load = Load { requests: self.requests, rounds: self.rounds, connections: self.connections };
            let _ = write!(text, "\n{}", cpu_table(&self.cpu, load));
        }
        for idle in &self.idle {
            let _ = write!(text, "\n{}", idle_rows(idle));
        }
        for who in &self.left_out {
            let _ = writeln!(text, "\nLeft out: {who}.");
        }
        text + &bar_table(&self.bars)
    }

    fn handshake_table(&self) -> String {
        let mut text = format!(
            "Handshakes a second and core, by the CPU that the server takes for one, ticket included: medians of {} paired \
             rounds of {} handshakes. In brackets: µs of CPU.\n\n",
            self.rounds, self.shaken
        );
        let titles: Vec<_> = self.handshakes.iter().map(|costs| costs.kind.title()).collect();
        let _ = writeln!(text, "| a second and core | {} |", titles.join(" | "));
        let _ = writeln!(text, "|---|{}", "--:|".repeat(titles.len()));
        let names = self.handshakes.first().map(|costs| costs.servers.iter().map(|cost| cost.name));
        for name in names.into_iter().flatten() {
            let cell = |costs: &handshakes::Costs| {
                let cost = costs.servers.iter().find(|cost| cost.name == name);
                cost.map_or("–".to_owned(), |cost| format!("{:.0} ({:.0})", cost.per_second(), cost.us))
            };
            let cells: Vec<_> = self.handshakes.iter().map(cell).collect();
            let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
        }
        text
    }
}
