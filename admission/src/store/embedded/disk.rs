//! The state directory, and what touches it: how many threads wait for the disk at once, and what to do about errors.
//!
//! Whatever may wait for a disk runs on the blocking threads of the runtime, never where lines make their steps. A disk
//! that hangs therefore holds up the lines that have something to write, each by itself, up to these bounds:
//!
//! | | bound | at the bound |
//! |---|---|---|
//! | lines that write, or are read back | [`WRITES_MAX`] | the next one waits; its visitors come back after a second |
//! | records of one line on their way | one | the next step waits for it |
//! | files being forced to disk | [`SYNCS_MAX`] | the next one is forced with a later step |
//! | journals being rewritten | [`REWRITES_MAX`] | the next one grows on, and is rewritten after a later step |

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, fchown},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{LOCK, journal::Bounds};

/// Most lines that write, or are read back, at once.
pub(super) const WRITES_MAX: u32 = 64;
/// Most files that are forced to disk at once, in the background.
const SYNCS_MAX: usize = 4;
/// Most journals that are rewritten at once, in the background.
const REWRITES_MAX: usize = 2;

/// What is about to happen to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Records are appended.
    Append,
    /// A new file is begun with a snapshot.
    Snapshot,
    /// The file is forced to disk.
    Sync,
}

/// Comes before each [`Deed`]: a test holds it up, or fails it.
pub(super) type Before = dyn Fn(Deed, &Path) -> io::Result<()> + Send + Sync;

/// The state directory.
pub(super) struct Disk {
    dir: PathBuf,
    /// Of each journal in it.
    pub(super) bounds: Bounds,
    before: Option<Box<Before>>,
    writes: Arc<Semaphore>,
    syncs: Arc<Semaphore>,
    rewrites: Arc<Semaphore>,
}

impl Disk {
    /// Opens the directory, making it if need be, and takes its lock.
    pub(super) fn open(dir: &Path, bounds: Bounds, before: Option<Box<Before>>) -> io::Result<(Self, Lock)> {
        fs::create_dir_all(dir).map_err(|e| with_remedy(e, dir))?;
        let lock = Lock::take(dir.join(LOCK))?;
        let of = |threads| Arc::new(Semaphore::new(threads));
        let (writes, syncs, rewrites) = (of(WRITES_MAX as usize), of(SYNCS_MAX), of(REWRITES_MAX));
        Ok((Self { dir: dir.to_owned(), bounds, before, writes, syncs, rewrites }, lock))
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Waits for a place among the lines that write.
    pub(super) async fn may_write(&self) -> Option<OwnedSemaphorePermit> {
        self.writes.clone().acquire_owned().await.ok()
    }

    /// All places at once: no line writes any more.
    pub(super) async fn all_written(&self) -> Option<OwnedSemaphorePermit> {
        self.writes.clone().acquire_many_owned(WRITES_MAX).await.ok()
    }

    /// A place among the files that are forced to disk, if there is one.
    pub(super) fn may_sync(&self) -> Option<OwnedSemaphorePermit> {
        self.syncs.clone().try_acquire_owned().ok()
    }

    /// A place among the journals that are rewritten, if there is one.
    pub(super) fn may_rewrite(&self) -> Option<OwnedSemaphorePermit> {
        self.rewrites.clone().try_acquire_owned().ok()
    }

    /// Begins a file that is not counted until it is renamed. Its name is used once, in whatever process.
    pub(super) fn draft(&self, name: &str) -> io::Result<Opened> {
        static DRAFTS: AtomicU64 = AtomicU64::new(0);
        let nth = DRAFTS.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{name}.{}-{nth}.draft", std::process::id()));
        self.before(Deed::Snapshot, &path).map_err(|e| with_remedy(e, &path))?;
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(&path);
        Ok(Opened { file: Arc::new(file.map_err(|e| with_remedy(e, &path))?), path, bytes: 0 })
    }

    /// Opens a file of which `bytes` count; what follows is cut off.
    pub(super) fn reopen(&self, path: PathBuf, bytes: u64) -> io::Result<Opened> {
        let file = OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(bytes).map(|()| file));
        Ok(Opened { file: Arc::new(file.map_err(|e| with_remedy(e, &path))?), path, bytes })
    }

    /// Writes behind what is there. After an error the same may be written again, in the same place.
    pub(super) fn append(&self, to: &mut Opened, bytes: &[u8]) -> io::Result<()> {
        let written = self.before(Deed::Append, &to.path).and_then(|()| to.file.write_all_at(bytes, to.bytes));
        written.map_err(|e| with_remedy(e, &to.path))?;
        to.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Forces a file to disk.
    pub(super) fn sync(&self, file: &File, path: &Path) -> io::Result<()> {
        self.before(Deed::Sync, path).and_then(|()| file.sync_data()).map_err(|e| with_remedy(e, path))
    }

    /// Forces names of files to disk.
    pub(super) fn sync_names(&self) -> io::Result<()> {
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(|e| with_remedy(e, &self.dir))
    }

    /// Gives a file another name.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to).map_err(|e| with_remedy(e, from))
    }

    /// Names of files that begin and end so, without both.
    pub(super) fn names(&self, begin: &str, end: &str) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(|e| with_remedy(e, &self.dir))? {
            let file = entry.map_err(|e| with_remedy(e, &self.dir))?.file_name();
            let middle = file.to_str().and_then(|f| f.strip_prefix(begin)?.strip_suffix(end));
            found.extend(middle.map(str::to_owned));
        }
        Ok(found)
    }

    fn before(&self, deed: Deed, path: &Path) -> io::Result<()> {
        self.before.as_ref().map_or(Ok(()), |before| before(deed, path))
    }
}

/// The lock on a state directory: two processes writing one state would ruin it. It is held for as long as journals may be
/// written; what happens behind them harms no other process.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
    held: Mutex<bool>,
}

impl Lock {
    fn take(path: PathBuf) -> io::Result<Self> {
        let open = |new| OpenOptions::new().create_new(new).append(true).open(&path);
        let file = match open(true) {
            // An administrator's command may be the first here; the node runs as the directory's owner. What was there before
            // may be a link to something else, and keeps its owner.
            Ok(file) => {
                if let Some(owner) = path.parent().and_then(|dir| fs::metadata(dir).ok()) {
                    let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
                }
                Ok(file)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(false),
            Err(error) => Err(error),
        };
        let file = file.map_err(|e| with_remedy(e, &path))?;
        let lock = Self { file, path, held: Mutex::new(false) };
        lock.hold()?;
        Ok(lock)
    }

    /// Takes the lock, unless it is held already.
    pub(super) fn hold(&self) -> io::Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if *held {
            return Ok(());
        }
        self.file.try_lock().map_err(|e| match e {
            fs::TryLockError::WouldBlock => {
                let text =
                    "another sluice is running on this state directory; stop it, or give each a `state_dir` of its own";
                io::Error::new(io::ErrorKind::ResourceBusy, text)
            }
            fs::TryLockError::Error(e) => with_remedy(e, &self.path),
        })?;
        *held = true;
        Ok(())
    }

    /// Gives it up, so that another process may take it.
    pub(super) fn let_go(&self) -> io::Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.file.unlock().map_err(|e| with_remedy(e, &self.path))?;
        *held = false;
        Ok(())
    }
}

/// A file that is written.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: Arc<File>,
    pub(super) path: PathBuf,
    /// Bytes of it that count.
    pub(super) bytes: u64,
}

/// An error with its place and with what to do about it.
pub(super) fn with_remedy(error: io::Error, path: &Path) -> io::Error {
    use io::ErrorKind::{NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let remedy = match error.kind() {
        StorageFull | QuotaExceeded => "make room on its file system, and the line goes on by itself",
        PermissionDenied => "the user that runs sluice must own the state directory and all files in it",
        ReadOnlyFilesystem => "mount its file system for writing, or name another `state_dir`",
        NotADirectory => "a file is in the way; remove it, or name another `state_dir`",
        _ => "look for the disk's errors in the system's log",
    };
    io::Error::new(error.kind(), format!("{}: {error}; {remedy}", path.display()))
}
