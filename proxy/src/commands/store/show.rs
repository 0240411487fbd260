//! Lines and findings as tables, and as JSON.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets::NOTHING};
use serde::Serialize;
use sluice_admission::{
    line::{Rules, Summary},
    store::{Checkup, LineId, Severity},
};
use sluice_config::Mode;

/// A queue's line.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    tenant: String,
    queue: String,
    mode: &'static str,
    /// `None`: nobody has stood in it yet.
    line: Option<State>,
    release_per_minute: u32,
    max_active: Option<u32>,
}

#[derive(Debug, Serialize)]
struct State {
    waiting: u64,
    /// Called and not entered yet.
    due: u64,
    inside: u64,
    called_last_minute: u64,
    issued: u64,
    head: u64,
    epoch: u64,
    /// How often the line's state had been lost.
    life: u64,
    reason: Option<&'static str>,
    /// The line's clock at its last step, unix milliseconds.
    last_step_ms: u64,
}

impl Row {
    pub(super) fn new(line: &LineId, rules: &Rules, summary: Option<&Summary>) -> Self {
        let word = |mode| Mode::ALL.iter().find(|(_, m)| *m == mode).map_or("", |(word, _)| *word);
        Self {
            tenant: line.tenant.to_string(),
            queue: line.queue.to_string(),
            mode: word(rules.mode),
            line: summary.map(State::new),
            release_per_minute: rules.release_per_minute,
            max_active: rules.max_active,
        }
    }
}

impl State {
    fn new(summary: &Summary) -> Self {
        Self {
            waiting: summary.waiting,
            due: summary.due,
            inside: summary.inside,
            called_last_minute: summary.called_last_minute,
            issued: summary.places(|lane| lane.issued),
            head: summary.places(|lane| lane.head),
            epoch: summary.epoch,
            life: summary.life,
            reason: summary.reason.map(|reason| reason.as_str()),
            last_step_ms: summary.now_ms,
        }
    }
}

pub(super) fn table(rows: &[Row]) -> String {
    let head = ["queue", "mode", "waiting", "called/min", "due", "inside", "head", "issued", "epoch", "held by"];
    let mut table = plain(&head);
    for row in rows {
        let name = format!("{}/{}", row.tenant, row.queue);
        let Some(line) = &row.line else {
            table.add_row([name, row.mode.to_owned(), "-".to_owned()]);
            continue;
        };
        let inside = row.max_active.map_or(line.inside.to_string(), |max| format!("{}/{max}", line.inside));
        table.add_row([
            name,
            row.mode.to_owned(),
            line.waiting.to_string(),
            format!("{}/{}", line.called_last_minute, row.release_per_minute),
            line.due.to_string(),
            inside,
            line.head.to_string(),
            line.issued.to_string(),
            line.epoch.to_string(),
            line.reason.unwrap_or_default().to_owned(),
        ]);
    }
    text(&mut table, 2..9)
}

pub(super) fn checkup(checkup: &Checkup) -> String {
    let mut said: Vec<String> = checkup.servers.iter().map(|(name, version)| format!("{name}: {version}")).collect();
    if let Some((median, longest)) = checkup.round_trip {
        said.push(format!("round trip {}, longest {}", ms(median), ms(longest)));
    }
    if let Some(step) = checkup.step {
        said.push(format!("one step of an empty line, with the way there and back {}", ms(step)));
    }
    if !checkup.memory.is_empty() {
        let mut table = plain(&["queue", "bytes"]);
        for (line, bytes) in &checkup.memory {
            let bytes = bytes.map_or("?".to_owned(), |bytes| bytes.to_string());
            table.add_row([format!("{}/{}", line.tenant, line.queue), bytes]);
        }
        said.push(text(&mut table, 1..2));
    }
    for finding in &checkup.findings {
        said.push(format!("{}: {finding}", word(finding.severity)));
    }
    if checkup.findings.is_empty() {
        said.push("nothing is wrong".to_owned());
    }
    said.join("\n")
}

pub(super) fn checkup_json(checkup: &Checkup) -> serde_json::Value {
    let servers = checkup.servers.iter().map(|(name, version)| serde_json::json!({ "name": name, "version": version }));
    let memory = checkup.memory.iter().map(|(line, bytes)| {
        serde_json::json!({ "tenant": line.tenant.as_str(), "queue": line.queue.as_str(), "bytes": bytes })
    });
    let findings = checkup
        .findings
        .iter()
        .map(|finding| serde_json::json!({ "severity": word(finding.severity), "text": finding.to_string() }));
    let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    serde_json::json!({
        "healthy": checkup.is_healthy(),
        "servers": servers.collect::<Vec<_>>(),
        "round_trip_us_median": checkup.round_trip.map(|(median, _)| us(median)),
        "round_trip_us_max": checkup.round_trip.map(|(_, longest)| us(longest)),
        "step_us": checkup.step.map(us),
        "memory": memory.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
    })
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Fault => "fault",
        Severity::Warning => "warning",
    }
}

fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1_000.0)
}

fn plain(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(head);
    table
}

/// The table's text, with these columns set to the right, as numbers are.
fn text(table: &mut Table, numbers: std::ops::Range<usize>) -> String {
    for at in numbers {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}
