//! The audit log: what operators did, in a chain of hashes.
//!
//! A change is recorded before it is made, and what became of it afterwards: a change that cannot be recorded is not
//! made, and one that a crash has cut off shows as requested without an end. Visitors never wait for a record.
//!
//! One line of `audit.jsonl` in the state directory is one record: its hash, a space, and its JSON. The hash is
//! `SHA-256("sluice-audit-v1\n" || previous hash || JSON bytes)`, in hexadecimal, and 64 zeros stand before the first one. So a
//! record that is changed, dropped or moved breaks the chain there ([`chain`]). That the newest records are all there, a
//! chain cannot show by itself: keep a hash elsewhere, as the log of the node does with each record.

pub(crate) mod chain;
mod file;

use std::{path::Path, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use self::file::File;
use super::access::Principal;
use crate::sinks::time;

/// Name of the file in the state directory.
pub(crate) const FILE: &str = "audit.jsonl";

/// Whether this is the name of the log, or of a full file of it.
pub(crate) fn is_log(name: &str) -> bool {
    name == FILE || file::rolled_last(name.as_ref()).is_some()
}
/// Longest reason that is kept, in bytes; the API refuses longer ones.
pub(crate) const WHY_BYTES_MAX: usize = 500;

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Record {
    /// Rises by one with each record of this node.
    pub(crate) seq: u64,
    /// When, RFC 3339.
    pub(crate) at: String,
    /// Who: `person:NAME` or `key:ID`.
    pub(crate) actor: String,
    pub(crate) role: String,
    /// What: `override.set`, `queue.reset`, `session.end` …
    pub(crate) action: String,
    /// Of what: `TENANT/QUEUE`, with `/NUMBER` for a visit; empty for the node.
    pub(crate) target: String,
    /// The request's id, as in its answer.
    pub(crate) request: String,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    pub(crate) outcome: Outcome,
    /// What was asked for, or what came of it.
    pub(crate) detail: Value,
}

/// How far a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// It is about to be made.
    Requested,
    /// It is made.
    Done,
    /// Another change came first, or the line refused it.
    Refused,
    /// It could not be made, or it is not known whether it was.
    Failed,
}

/// Where the log ended at some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checkpoint {
    /// The last record; 0: there was none.
    pub(crate) seq: u64,
    /// Of it and all before it.
    pub(crate) hash: String,
    pub(crate) at: String,
}

/// Something that is to be recorded.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) actor: String,
    pub(crate) role: &'static str,
    pub(crate) action: &'static str,
    pub(crate) target: String,
    pub(crate) request: String,
    pub(crate) why: Option<String>,
    pub(crate) detail: Value,
}

impl Entry {
    pub(crate) fn of(principal: &Principal, action: &'static str, target: String, request: &str) -> Self {
        let (actor, role) = (principal.id.clone(), principal.role.as_str());
        Self { actor, role, action, target, request: request.to_owned(), why: None, detail: Value::Null }
    }
}

/// The log could not be written, so nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("the audit log cannot be written: {0}")]
pub(crate) struct Unrecorded(#[from] std::io::Error);

/// The audit log of a node.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    file: Arc<Mutex<File>>,
}

impl Audit {
    /// Opens the log in a state directory. A file whose chain is broken is set aside, which is logged.
    ///
    /// # Errors
    /// If the file cannot be read or made.
    pub(crate) fn open(state_dir: &Path) -> std::io::Result<Self> {
        Ok(Self { file: Arc::new(Mutex::new(File::open(state_dir)?)) })
    }

    /// Records what is about to be done. It is on the disk then.
    ///
    /// # Errors
    /// If that fails: it must not be done.
    pub(crate) async fn begin(&self, entry: Entry) -> Result<Begun, Unrecorded> {
        self.append(&entry, Outcome::Requested, entry.detail.clone()).await?;
        Ok(Begun { audit: self.clone(), entry })
    }

    /// Records something that is done already and changes no queue, such as a login.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) async fn note(&self, entry: Entry) -> Result<(), Unrecorded> {
        self.append(&entry, Outcome::Done, entry.detail.clone()).await
    }

    /// Records something that was asked for and is not done.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) async fn refuse(&self, entry: Entry) -> Result<(), Unrecorded> {
        self.append(&entry, Outcome::Refused, entry.detail.clone()).await
    }

    /// The records after this one, the oldest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) async fn after(&self, seq: u64, most: usize) -> std::io::Result<Vec<(Record, String)>> {
        let path = self.file.lock().await.path().to_owned();
        blocking(move || file::after(&path, seq, most)).await
    }

    /// All records that are wanted, the oldest first.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(crate) async fn matching(
        &self,
        wanted: impl Fn(&Record) -> bool + Send + 'static,
    ) -> std::io::Result<Vec<Record>> {
        let path = self.file.lock().await.path().to_owned();
        blocking(move || file::matching(&path, &wanted)).await
    }

    /// The end of the log as a text that can be signed.
    pub(crate) async fn checkpoint(&self) -> String {
        let (seq, hash) = self.head().await;
        let at = time::rfc3339(time::now_ms());
        serde_json::to_string(&Checkpoint { seq, hash, at }).unwrap_or_default()
    }

    /// The last record's number and hash.
    pub(crate) async fn head(&self) -> (u64, String) {
        let file = self.file.lock().await;
        (file.seq(), file.hash().to_string())
    }

    async fn append(&self, entry: &Entry, outcome: Outcome, detail: Value) -> Result<(), Unrecorded> {
        let mut file = self.file.clone().lock_owned().await;
        let record = Record {
            seq: file.seq() + 1,
            at: time::rfc3339(time::now_ms()),
            actor: entry.actor.clone(),
            role: entry.role.to_owned(),
            action: entry.action.to_owned(),
            target: entry.target.clone(),
            request: entry.request.clone(),
            why: entry.why.clone(),
            outcome,
            detail,
        };
        let hash = blocking(move || file.append(&record).map(|()| file.hash())).await?;
        let Entry { actor, action, target, .. } = entry;
        tracing::info!(target: "audit", actor, action, target, ?outcome, %hash, "operator action");
        Ok(())
    }
}

/// An action that was recorded and is under way.
#[must_use = "what became of it is to be recorded"]
pub(crate) struct Begun {
    audit: Audit,
    entry: Entry,
}

impl Begun {
    /// Records what became of it. The action is done, so a log that fails now is only reported.
    pub(crate) async fn end(self, outcome: Outcome, detail: Value) {
        if let Err(error) = self.audit.append(&self.entry, outcome, detail).await {
            tracing::error!(%error, action = self.entry.action, target = self.entry.target, ?outcome, "audit record lost");
        }
    }
}

/// Work with the disk, off the threads that run lines.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(std::io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests;
