//! Lines in a process of this node: this one, or the one that has followed it.
//!
//! A node that is upgraded has two processes for a while, and one state directory. The first owns it until it hands it over,
//! and asks the second one from then on. Questions about a line in between wait.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sluice_admission::{
    line::{Batch, Lookup, Minute, Outcome, Rules, Summary},
    store::{Checkup, Embedded, Lent, LineId, Store as _, StoreError},
};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// The lines, wherever they are at the moment.
#[derive(Debug)]
pub(crate) struct Local {
    dir: PathBuf,
    /// Read for as long as something is asked of them.
    at: Arc<RwLock<At>>,
}

#[derive(Debug)]
enum At {
    /// In this process.
    Here(Embedded),
    /// In the process that has followed.
    There(Lent),
}

impl From<Embedded> for Local {
    fn from(store: Embedded) -> Self {
        Self { dir: store.dir().to_owned(), at: Arc::new(RwLock::new(At::Here(store))) }
    }
}

/// Does the same with the lines, wherever they are.
macro_rules! at {
    ($self:ident, $store:ident => $done:expr) => {
        match &*$self.at.read().await {
            At::Here($store) => $done,
            At::There($store) => $done,
        }
    };
}

impl Local {
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Lets go of the lines: no process has them until it is said which one goes on.
    ///
    /// # Errors
    /// If they are not this process's, or cannot be let go of. It goes on with them then.
    pub(crate) async fn let_go(&self) -> io::Result<Handing> {
        let at = self.at.clone().write_owned().await;
        let At::Here(store) = &*at else { return Err(io::Error::other("the lines are another process's already")) };
        store.let_go().await?;
        Ok(Handing(at))
    }

    pub(super) async fn sync(&self, line: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        at!(self, store => store.sync(line, rules, batch).await)
    }

    pub(super) async fn counts(&self, line: &LineId, since_minute: u64) -> Result<Vec<Minute>, StoreError> {
        at!(self, store => store.counts(line, since_minute).await)
    }

    pub(super) async fn find(&self, line: &LineId, number: u64) -> Result<Option<Lookup>, StoreError> {
        at!(self, store => store.find(line, number).await)
    }

    pub(super) async fn share(&self, name: &str, value: &[u8], keep: Duration) -> Result<Vec<u8>, StoreError> {
        at!(self, store => store.share(name, value, keep).await)
    }

    pub(super) async fn shared(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        at!(self, store => store.shared(name).await)
    }

    pub(super) async fn status(&self, line: &LineId) -> Result<Option<Summary>, StoreError> {
        match &*self.at.read().await {
            At::Here(store) => store.status(line).await,
            At::There(_) => Err(elsewhere()),
        }
    }

    pub(super) async fn reset(&self, line: &LineId, rules: &Rules) -> Result<u64, StoreError> {
        match &*self.at.read().await {
            At::Here(store) => store.reset(line, rules).await,
            At::There(_) => Err(elsewhere()),
        }
    }

    pub(super) async fn doctor(&self, lines: &[LineId]) -> Checkup {
        match &*self.at.read().await {
            At::Here(store) => store.doctor(lines),
            At::There(_) => Checkup::default(),
        }
    }
}

/// Operators are served by the process that has the lines.
fn elsewhere() -> StoreError {
    StoreError::Away("this process has been followed by another one, which answers operators".to_owned())
}

/// Lines that have been let go of. Dropped, this process goes on with them.
#[derive(Debug)]
pub(crate) struct Handing(OwnedRwLockWriteGuard<At>);

impl Handing {
    /// The process at the other end has them from now on.
    pub(crate) fn to(mut self, lent: Lent) {
        *self.0 = At::There(lent);
    }
}
