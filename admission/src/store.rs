//! Where lines live. One contract, [`Store`], and one conformance suite over every implementation.

mod checkup;
pub mod embedded;
pub mod lent;
pub mod redis;

use std::{fmt, future::Future};

use sluice_config::Name;

pub use self::{
    checkup::{Checkup, Finding, Severity},
    embedded::{Embedded, LOCK, RESTORED},
    lent::Lent,
    redis::{Board, Condition, Note, Redis},
};
use crate::line::{Batch, Lookup, Minute, Outcome, Rules};

/// Which line: that of a queue of a tenant, with all its lanes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineId {
    /// Whose.
    pub tenant: Name,
    /// Which queue.
    pub queue: Name,
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.tenant, self.queue)
    }
}

/// Why a step could not be made. The same batch may always be sent again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store did not answer, or not in time.
    #[error("store unavailable: {0}")]
    Away(String),
    /// The state could not be read or written.
    #[error("state of line {line}: {source}")]
    State {
        /// Which line.
        line: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The state was written by a version of Sluice that this one does not know.
    #[error("state of line {line} has layout {found}, this build knows {known}; run the version that wrote it")]
    Layout {
        /// Which line.
        line: String,
        /// The layout found.
        found: u32,
        /// The layout of this build.
        known: u32,
    },
}

/// Keeps lines and makes one atomic step of a line at a time.
///
/// A step is idempotent by the content of its batch: after an error the caller sends the same batch again,
/// whether or not the first one took effect.
pub trait Store: Send + Sync + 'static {
    /// Whether other processes have the same lines: what they do is heard of by asking often enough.
    fn is_shared(&self) -> bool {
        false
    }

    /// Makes one step under these rules of the queue's file. The answer is given only once the step would survive the death of this process.
    fn sync(
        &self,
        line: &LineId,
        rules: &Rules,
        batch: &Batch,
    ) -> impl Future<Output = Result<Outcome, StoreError>> + Send;

    /// What happened in each minute from this one on, see [`Line::counts`](crate::line::Line::counts). Changes nothing;
    /// nothing of a line in which no visitor has stood.
    fn counts(&self, line: &LineId, since_minute: u64) -> impl Future<Output = Result<Vec<Minute>, StoreError>> + Send;

    /// What is known of a number, see [`Line::find`](crate::line::Line::find). Changes nothing. `None`: no visitor has
    /// stood in the line.
    fn find(&self, line: &LineId, number: u64) -> impl Future<Output = Result<Option<Lookup>, StoreError>> + Send;
}
