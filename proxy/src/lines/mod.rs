//! Where this node's lines live, as configured.

mod local;
pub(crate) mod wrapping;

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use sluice_admission::{
    line::{Batch, Lookup, Minute, Outcome, Rules, Summary},
    store::{
        Checkup, Condition, Embedded, LOCK, LineId, Redis, Store, StoreError,
        lent::{Answer, Question, line_of},
    },
    usher::Keepsake,
};

pub(crate) use self::local::{Handing, Local};

/// The store of a node.
#[derive(Debug)]
pub(crate) enum Lines {
    /// In a process of this node, and its state directory.
    Embedded(Local),
    /// Shared by a fleet; what this node knows of each line is kept in the directory.
    Redis(Redis, Kept),
}

/// The state directory of a node whose lines are elsewhere.
#[derive(Debug)]
pub(crate) struct Kept {
    dir: PathBuf,
    /// Held for as long as it is used, together with other processes of the node: a restore must not change it meanwhile.
    _lock: Option<File>,
}

impl Kept {
    fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join(LOCK);
        let opened = fs::create_dir_all(dir).and_then(|()| OpenOptions::new().create(true).append(true).open(path));
        let lock = match opened {
            Ok(lock) => Some(lock),
            // It is of use when all is lost; until then a node serves without.
            Err(error) => {
                tracing::error!(dir = %dir.display(), %error, "state directory cannot be used");
                None
            }
        };
        match lock.as_ref().map(File::try_lock_shared) {
            Some(Err(TryLockError::WouldBlock)) => {
                let text = "another program has it to itself: a restore, or a node that keeps its lines there";
                Err(io::Error::new(io::ErrorKind::ResourceBusy, text))
            }
            refused => {
                // Not every file system has locks.
                if let Some(Err(TryLockError::Error(error))) = refused {
                    tracing::warn!(dir = %dir.display(), %error, "state directory cannot be locked");
                }
                Ok(Self { dir: dir.to_owned(), _lock: lock })
            }
        }
    }
}

impl Lines {
    /// Opens the configured store. A shared one is not connected yet, and may be away.
    ///
    /// # Errors
    /// If the state directory cannot be used.
    pub(crate) fn open(store: &sluice_config::Store) -> Result<Self, (&Path, io::Error)> {
        Ok(match store {
            sluice_config::Store::Embedded { state_dir } => {
                Embedded::open(state_dir).map_err(|error| (state_dir.as_path(), error))?.into()
            }
            sluice_config::Store::Redis { settings, state_dir, .. } => {
                let kept = Kept::open(state_dir).map_err(|error| (state_dir.as_path(), error))?;
                Self::Redis(Redis::new(settings), kept)
            }
        })
    }

    /// Where this node keeps what must outlive it.
    pub(crate) fn state_dir(&self) -> &Path {
        match self {
            Self::Redis(_, kept) => &kept.dir,
            Self::Embedded(store) => store.dir(),
        }
    }

    /// Where the usher of a line keeps what it knows.
    pub(crate) fn keepsake(&self, line: &LineId) -> Option<Keepsake> {
        Some(Keepsake::of(self.state_dir(), line))
    }

    /// What is known of the connections to a shared store.
    pub(crate) fn condition(&self) -> Option<Condition> {
        match self {
            Self::Embedded(_) => None,
            Self::Redis(store, _) => Some(store.condition()),
        }
    }

    /// The line as of its last step; `None`: nobody has stood in it.
    ///
    /// # Errors
    /// As [`Store::sync`].
    pub(crate) async fn status(&self, line: &LineId, rules: &Rules) -> Result<Option<Summary>, StoreError> {
        match self {
            Self::Embedded(store) => store.status(line).await,
            Self::Redis(store, _) => store.status(line, rules).await,
        }
    }

    /// Begins a new epoch: every number, ticket and pass of the old one is void. Returns the new one.
    ///
    /// # Errors
    /// As [`Store::sync`].
    pub(crate) async fn reset(&self, line: &LineId, rules: &Rules) -> Result<u64, StoreError> {
        match self {
            Self::Embedded(store) => store.reset(line, rules).await,
            Self::Redis(store, _) => store.reset(line, rules).await,
        }
    }

    /// The value under a name at all nodes; if there is none yet, it is this one. It is kept for so long.
    ///
    /// # Errors
    /// If the store did not answer.
    pub(crate) async fn share(&self, name: &str, value: &[u8], keep: Duration) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Embedded(store) => store.share(name, value, keep).await,
            Self::Redis(store, _) => store.share(name, value, keep).await,
        }
    }

    /// The value under a name at all nodes, if there is one.
    ///
    /// # Errors
    /// If the store did not answer.
    pub(crate) async fn shared(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Embedded(store) => store.shared(name).await,
            Self::Redis(store, _) => store.shared(name).await,
        }
    }

    /// Looks for whatever would keep lines from working well.
    pub(crate) async fn doctor(&self, lines: &[LineId]) -> Checkup {
        match self {
            Self::Embedded(store) => store.doctor(lines).await,
            Self::Redis(store, _) => store.doctor(lines).await,
        }
    }
}

impl Lines {
    /// Answers another process of this node, which serves its last connections and has no lines of its own any more.
    ///
    /// # Errors
    /// As the function of the question's name.
    pub(crate) async fn answer(&self, question: Question) -> Result<Answer, StoreError> {
        Ok(match question {
            Question::Sync { line, rules, batch } => {
                Answer::Sync(Box::new(self.sync(&line_of(&line)?, &rules, &batch).await?))
            }
            Question::Counts { line, since_minute } => {
                Answer::Counts(self.counts(&line_of(&line)?, since_minute).await?)
            }
            Question::Find { line, number } => Answer::Find(self.find(&line_of(&line)?, number).await?),
            Question::Share { name, value, keep } => Answer::Share(self.share(&name, &value, keep).await?),
            Question::Shared { name } => Answer::Shared(self.shared(&name).await?),
        })
    }
}

impl From<Embedded> for Lines {
    fn from(store: Embedded) -> Self {
        Self::Embedded(store.into())
    }
}

impl Store for Lines {
    fn is_shared(&self) -> bool {
        match self {
            Self::Embedded(_) => false,
            Self::Redis(store, _) => store.is_shared(),
        }
    }

    async fn sync(&self, line: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        match self {
            Self::Embedded(store) => store.sync(line, rules, batch).await,
            Self::Redis(store, _) => store.sync(line, rules, batch).await,
        }
    }

    async fn counts(&self, line: &LineId, since_minute: u64) -> Result<Vec<Minute>, StoreError> {
        match self {
            Self::Embedded(store) => store.counts(line, since_minute).await,
            Self::Redis(store, _) => store.counts(line, since_minute).await,
        }
    }

    async fn find(&self, line: &LineId, number: u64) -> Result<Option<Lookup>, StoreError> {
        match self {
            Self::Embedded(store) => store.find(line, number).await,
            Self::Redis(store, _) => store.find(line, number).await,
        }
    }
}
