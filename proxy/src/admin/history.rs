//! What happened in each line, kept for longer than the line itself does: its counts by the minute, what was seen in
//! between, each standstill with its reason, each loss.
//!
//! A line keeps two hours of minutes. Each node that serves the API reads them every minute and writes them to its state
//! directory, so all of a fleet have the same counts, however often one was down for less than two hours. What was seen
//! (peaks, standstills, losses) is each node's own.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | a queue's file | [`FILE_BYTES_MAX`] | it becomes the older one of two, and the one before is dropped |
//! | a standstill that is written | from [`STILL_MS_MIN`] | shorter ones are left out |

mod file;
mod watch;

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use sluice_admission::{
    line::Minute,
    store::{LineId, Store as _},
    usher::now,
};
use tokio::time::sleep;

use self::watch::Watching;
use crate::{
    gate::Gate,
    node::{Ends, Node},
};

/// Longest file of a queue, in bytes: some 20,000 busy minutes. Two are kept.
pub(crate) const FILE_BYTES_MAX: u64 = 8 << 20;
/// A standstill as short as this is the pace of the line.
pub(crate) const STILL_MS_MIN: u64 = 2_000;
pub(crate) const MINUTE_MS: u64 = 60_000;
/// How often lines are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A minute is read when it has been over for this long: what was counted in it is final then.
const READ_AFTER_MS: u64 = 3_000;
/// Minutes that a line keeps.
const MINUTES_KEPT: u64 = 120;

/// One line of a file: one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What the line has counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) minute: Option<Minute>,
    /// What this node has seen in the same minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<Seen>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) still: Option<Still>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) loss: Option<Loss>,
}

/// A minute as a node saw it, twice a second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) minute: u64,
    /// The lowest and the highest release rate in force.
    pub(crate) rate: (u32, u32),
    /// Most visitors called in any 60 s, as the line counts them.
    pub(crate) called_60s_max: u64,
    /// The bound of seats, the highest that was in force; `None`: there was none at some time.
    pub(crate) seats: Option<u32>,
    /// Most visitors called or inside.
    pub(crate) taken_max: u64,
    pub(crate) waiting_max: u64,
    /// For how long visitors waited whom only the rate kept: none held the line, and seats were free.
    pub(crate) limited_by_rate_ms: u64,
}

/// A time in which visitors waited and none was called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Still {
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    /// As the line gives it; `pace`: the next call was not due yet.
    pub(crate) reason: String,
    /// How many waited at its end.
    pub(crate) waiting: u64,
}

/// Something was lost, or could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Loss {
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    /// `store_away`: the store did not answer this node; `state_lost`: the line had to be healed from what nodes remember.
    pub(crate) what: String,
}

/// The history of a node's lines.
#[derive(Clone, Debug)]
pub(crate) struct History {
    dir: PathBuf,
}

impl History {
    pub(crate) fn new(state_dir: &std::path::Path) -> Self {
        Self { dir: state_dir.join("history") }
    }

    /// Everything of a line between two times, as it was written.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(crate) async fn read(&self, line: &LineId, from_ms: u64, to_ms: u64) -> std::io::Result<Vec<Record>> {
        let (dir, name) = (self.dir.clone(), line.to_string());
        let read = tokio::task::spawn_blocking(move || file::read(&dir, &name, from_ms, to_ms));
        read.await.map_err(std::io::Error::other)?
    }

    async fn append(&self, line: &LineId, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        let (dir, name) = (self.dir.clone(), line.to_string());
        let written = tokio::task::spawn_blocking(move || file::append(&dir, &name, &records));
        match written.await.map_err(std::io::Error::other).and_then(|written| written) {
            Ok(()) => {}
            // Visitors and changes go on: a report says that minutes are missing.
            Err(error) => tracing::error!(%line, %error, "history not written"),
        }
    }
}

/// Writes history until that ends.
pub(crate) async fn keep(node: Arc<Node>, history: History, mut ends: Ends) {
    let mut lines: HashMap<LineId, Watching> = HashMap::new();
    loop {
        let gates: Vec<_> = node.routes().sites().iter().flat_map(|site| site.gates().to_vec()).collect();
        for gate in gates.iter().filter(|gate| gate.usher.has_heard()) {
            let line = gate.usher.line().clone();
            if !lines.contains_key(&line) {
                let (dir, name) = (history.dir.clone(), line.to_string());
                let last = tokio::task::spawn_blocking(move || file::last_minute(&dir, &name)).await;
                lines.insert(line.clone(), Watching::after(last.unwrap_or_default()));
            }
            let Some(watching) = lines.get_mut(&line) else { continue };
            let mut records = watching.look(&facts(gate));
            if let Some(since) = watching.minute_due() {
                match node.store().counts(&line, since).await {
                    Ok(minutes) => records.extend(watching.counted(minutes)),
                    Err(error) => tracing::debug!(%line, %error, "minutes not read"),
                }
            }
            history.append(&line, records).await;
        }
        lines.retain(|line, _| gates.iter().any(|gate| gate.usher.line() == line));
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = ends.wait() => return,
        }
    }
}

fn facts(gate: &Gate) -> watch::Facts {
    let view = gate.usher.view();
    watch::Facts {
        now_ms: view.line_ms(now()),
        summary: view.summary.clone(),
        rules: gate.usher.governed().rules,
        store_answers: view.store_answers,
    }
}
