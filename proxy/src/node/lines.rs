//! Where this node's lines live, as configured.

use std::{
    io,
    path::{Path, PathBuf},
};

use sluice_admission::{
    line::{Batch, Outcome, Rules},
    store::{Embedded, LineId, Redis, Store, StoreError},
    usher::Keepsake,
};

/// The store of a node.
#[derive(Debug)]
pub(crate) enum Lines {
    /// In this process and its state directory.
    Embedded(Embedded),
    /// Shared by a fleet; what this node knows of each line is kept in the directory, if it can be.
    Redis(Redis, Option<PathBuf>),
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
            sluice_config::Store::Redis { settings, state_dir, .. } => {
                Self::Redis(Redis::new(settings), usable(state_dir))
            }
        })
    }

    /// Where the usher of a line keeps what it knows; `None` where the store itself is in this process.
    pub(crate) fn keepsake(&self, line: &LineId) -> Option<Keepsake> {
        match self {
            Self::Redis(_, Some(state_dir)) => Some(Keepsake::of(state_dir, line)),
            Self::Redis(_, None) | Self::Embedded(_) => None,
        }
    }
}

/// A node serves without a directory of its own as well; it only remembers less when the store and all nodes are lost.
fn usable(state_dir: &Path) -> Option<PathBuf> {
    let probe = state_dir.join(".writable");
    let tried = std::fs::create_dir_all(state_dir)
        .and_then(|()| std::fs::write(&probe, []))
        .and_then(|()| std::fs::remove_file(&probe));
    match tried {
        Ok(()) => Some(state_dir.to_owned()),
        Err(error) => {
            tracing::warn!(
                state_dir = %state_dir.display(), %error,
                "cannot be written: if the store and every node are lost at once, numbers begin anew"
            );
            None
        }
    }
}

impl Store for Lines {
    async fn sync(&self, line: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        match self {
            Self::Embedded(store) => store.sync(line, rules, batch).await,
            Self::Redis(store, _) => store.sync(line, rules, batch).await,
        }
    }
}
