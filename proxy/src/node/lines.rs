//! Where this node's lines live, as configured.

use std::{io, path::Path};

use sluice_admission::{
    line::{Batch, Outcome, Rules},
    store::{Embedded, LineId, Redis, Store, StoreError},
};

/// The store of a node.
#[derive(Debug)]
pub(crate) enum Lines {
    /// In this process and its state directory.
    Embedded(Embedded),
    /// Shared by a fleet.
    Redis(Redis),
}

impl Lines {
    /// Opens the configured store. A shared one is not connected yet, and may be away.
    ///
    /// # Errors
    /// If the state directory cannot be used.
    pub(crate) fn open(store: &sluice_config::Store) -> Result<Self, (&Path, io::Error)> {
        Ok(match store {
            sluice_config::Store::Embedded { state_dir } => {
                Self::Embedded(Embedded::open(state_dir).map_err(|error| (state_dir.as_path(), error))?)
            }
            sluice_config::Store::Redis { settings, .. } => Self::Redis(Redis::new(settings)),
        })
    }
}

impl Store for Lines {
    async fn sync(&self, line: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        match self {
            Self::Embedded(store) => store.sync(line, rules, batch).await,
            Self::Redis(store) => store.sync(line, rules, batch).await,
        }
    }
}
