//! Lines in this process, with a state file each: for one node.
//!
//! A step is made where it is asked for, and its record written to the line's journal on another thread before it is
//! answered. So a disk that is slow delays the steps of the line that it is slow for, and no other's; see `disk` for
//! the bounds.

mod disk;
mod frame;
mod journal;
mod replay;
mod shared;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, OwnedSemaphorePermit};

pub use self::journal::LAYOUT;
use self::{
    disk::{Before, Disk, Lock},
    journal::{Bounds, Journal},
    replay::Found,
    shared::Shared,
};
use super::{Checkup, LineId, Severity, Store, StoreError};
use crate::line::{Batch, Known, Line, Lookup, Minute, Outcome, Reading, Rules, Summary};

/// The file that says which copy a state directory is: a number that no other copy has. A restore writes it
/// first, and each line of it then goes on as one that went back in time.
pub const RESTORED: &str = "restored";

/// The file by whose lock a state directory is one program's, or in a fleet one node's.
pub const LOCK: &str = "lock";

/// Lines in this process. A step is written to the line's journal before it is answered, so a killed process
/// loses nothing; the journal reaches the disk within a second. Used on a tokio runtime.
pub struct Embedded {
    disk: Arc<Disk>,
    lock: Arc<Lock>,
    wall: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Which boot of the machine this is, and which copy of the directory: a power cut loses what had not reached the disk,
    /// a copy what was done after it was made.
    run: u64,
    lines: Mutex<HashMap<LineId, Slot>>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").field("dir", &self.disk.dir()).finish_non_exhaustive()
    }
}

/// A line's place; empty until its journal has been read back. That may take a while, and only those who want this
/// line wait for it. The writer holds it until the write is over, even if the step is not waited for any more.
type Slot = Arc<AsyncMutex<Option<Entry>>>;

struct Entry {
    line: Line,
    journal: Journal,
}

impl Embedded {
    /// Opens the state directory, making it if need be.
    ///
    /// # Errors
    /// If the directory cannot be made or is in use by another process.
    pub fn open(dir: &Path) -> io::Result<Self> {
        Self::with_clock(dir, || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_millis()).unwrap_or(0)
        })
    }

    /// As [`Self::open`], with the wall clock handed in (unix milliseconds).
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn with_clock(dir: &Path, wall: impl Fn() -> u64 + Send + Sync + 'static) -> io::Result<Self> {
        Self::on(dir, wall, Bounds::default(), None)
    }

    fn on(
        dir: &Path,
        wall: impl Fn() -> u64 + Send + Sync + 'static,
        bounds: Bounds,
        before: Option<Box<Before>>,
    ) -> io::Result<Self> {
        let (disk, lock) = Disk::open(dir, bounds, before)?;
        let shared = Arc::new(Shared::at(disk.dir().join("shared.log")));
        let (disk, lock) = (Arc::new(disk), Arc::new(lock));
        let run = boot() ^ copy(disk.dir())?;
        Ok(Self { disk, lock, wall: Box::new(wall), run, lines: Mutex::default(), shared })
    }

    /// The state directory.
    pub fn dir(&self) -> &Path {
        self.disk.dir()
    }

    /// The line as of its last step; `None`: no visitor has stood in it. Changes nothing.
    ///
    /// # Errors
    /// If its state cannot be read, or not all of it.
    pub async fn status(&self, line: &LineId) -> Result<Option<Summary>, StoreError> {
        self.look(line, |line| line.summary().clone()).await
    }

    /// Lets another process open the state directory: waits until all that is being written is written, forgets the
    /// lines, and gives up the lock. No step may be asked for meanwhile. The first one after it takes the lock back and
    /// reads its line anew, or fails if another process has it.
    ///
    /// # Errors
    /// If the lock cannot be given up.
    pub async fn let_go(&self) -> io::Result<()> {
        // Each write holds one of these to its end, whether its step is still waited for or not.
        let _idle = self.disk.all_written().await;
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.shared.forget();
        self.lock.let_go()
    }

    /// Looks at a line as of its last step; `None`: no visitor has stood in it.
    async fn look<T: Send + 'static>(
        &self,
        line: &LineId,
        at: impl FnOnce(&Line) -> T + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let slot = self.slot(line).lock_owned().await;
        if let Some(entry) = &*slot {
            return Ok(Some(at(&entry.line)));
        }
        let (disk, lock, name) = (self.disk.clone(), self.lock.clone(), line.to_string());
        off_the_runtime(line, self.place().await, move || {
            lock.hold().map_err(|source| StoreError::State { line: name.clone(), source })?;
            let found = Found::read(&disk, &name)?;
            drop(slot);
            match found.damaged.first() {
                Some(damaged) => Err(StoreError::State { line: name, source: damaged.told() }),
                None => Ok(found.line.map(|line| at(&line))),
            }
        })
        .await
    }

    /// Begins a new epoch: every number, ticket and pass of the old one is void. The rate's window stays.
    /// Returns the new epoch.
    ///
    /// # Errors
    /// If the state cannot be read or written.
    pub async fn reset(&self, id: &LineId, rules: &Rules) -> Result<u64, StoreError> {
        let mut slot = self.open_line(id, rules, &Known::default()).await?;
        let (name, rules) = (id.to_string(), rules.clone());
        off_the_runtime(id, self.place().await, move || {
            // Read back if it fails: then the line has not been reset.
            let Some(Entry { mut line, mut journal }) = slot.take() else { return Err(gone(&name)) };
            line.reset(&rules);
            let begun = journal.begin(&line).and_then(|()| journal.remove_outdated());
            begun.map_err(|source| StoreError::State { line: name, source })?;
            let epoch = line.known().epoch;
            *slot = Some(Entry { line, journal });
            Ok(epoch)
        })
        .await
    }

    /// The value under a name; if there is none yet, it is this one. It is kept for so long, over a restart too.
    ///
    /// # Errors
    /// If it cannot be read or written, or if there are too many.
    pub async fn share(&self, name: &str, value: &[u8], keep: Duration) -> Result<Vec<u8>, StoreError> {
        let (name, value, now_ms) = (name.to_owned(), value.to_owned(), (self.wall)());
        let until_ms = now_ms.saturating_add(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
        self.with_shared(move |shared| shared.get_or_put(&name, &value, until_ms, now_ms)).await
    }

    /// The value under a name, if there is one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn shared(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (name, now_ms) = (name.to_owned(), (self.wall)());
        self.with_shared(move |shared| shared.get(&name, now_ms)).await
    }

    async fn with_shared<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Shared) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (shared, lock, place) = (self.shared.clone(), self.lock.clone(), self.place().await);
        let work = tokio::task::spawn_blocking(move || {
            let _place = place;
            lock.hold().and_then(|()| what(&shared)).map_err(|error| StoreError::Away(error.to_string()))
        });
        work.await.map_err(|_| StoreError::Away("its work was broken off".to_owned()))?
    }

    /// Looks at what each line takes on disk. The directory was good enough to be opened.
    pub fn doctor(&self, lines: &[LineId]) -> Checkup {
        let mut checkup = Checkup::default();
        for line in lines {
            match self.files(line, ".journal") {
                Ok(files) => checkup.memory.push((line.clone(), Some(files.iter().map(|file| file.1).sum()))),
                Err(error) => {
                    checkup.say(Severity::Fault, format!("The state of {line} cannot be read: {error}."));
                    checkup.memory.push((line.clone(), None));
                }
            }
            for (file, bytes) in self.files(line, ".damaged").unwrap_or_default() {
                let text = format!(
                    "{} ({bytes} bytes) was damaged and set aside; the line goes on without it. Look for the cause \
                     in the system's log, and remove the file when it is not needed any more.",
                    file.display()
                );
                checkup.say(Severity::Warning, text);
            }
        }
        checkup.findings.sort_by_key(|finding| finding.severity);
        checkup
    }

    /// Files of a line that end so, with their length.
    fn files(&self, line: &LineId, end: &str) -> io::Result<Vec<(PathBuf, u64)>> {
        let begin = format!("{line}.");
        let mut files = Vec::new();
        for generation in self.disk.names(&begin, end)? {
            let path = self.dir().join(format!("{begin}{generation}{end}"));
            let bytes = fs::metadata(&path)?.len();
            files.push((path, bytes));
        }
        Ok(files)
    }

    fn slot(&self, id: &LineId) -> Slot {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.entry(id.clone()).or_default().clone()
    }

    /// The line, whose journal is read back, or begun, if need be, and holds all its steps.
    async fn open_line(
        &self,
        id: &LineId,
        rules: &Rules,
        told: &Known,
    ) -> Result<OwnedMutexGuard<Option<Entry>>, StoreError> {
        let mut slot = self.slot(id).lock_owned().await;
        if slot.as_ref().is_some_and(|entry| !entry.journal.is_behind()) {
            return Ok(slot);
        }
        let (disk, lock, name) = (self.disk.clone(), self.lock.clone(), id.to_string());
        let (rules, told, reading) = (rules.clone(), told.clone(), self.read_clock());
        off_the_runtime(id, self.place().await, move || {
            if let Some(entry) = &mut *slot {
                let caught_up = entry.journal.catch_up(&entry.line);
                caught_up.map_err(|source| StoreError::State { line: name, source })?;
            } else {
                lock.hold().map_err(|source| StoreError::State { line: name.clone(), source })?;
                let (line, journal) = Found::read(&disk, &name)?.open(disk, &name, &rules, reading, &told)?;
                *slot = Some(Entry { line, journal });
            }
            Ok(slot)
        })
        .await
    }

    /// A place among the lines that wait for the disk, and the directory's lock for as long as it is held.
    async fn place(&self) -> Place {
        (self.disk.may_write().await, self.lock.clone())
    }

    fn read_clock(&self) -> Reading {
        Reading { wall_ms: (self.wall)(), slack_ms: 0, run: self.run }
    }
}

/// What is held while something waits for the disk.
type Place = (Option<OwnedSemaphorePermit>, Arc<Lock>);

/// Does something that may wait for the disk. It goes on if it is not waited for any more.
async fn off_the_runtime<T: Send + 'static>(
    id: &LineId,
    place: Place,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let work = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    work.await.map_err(|_| gone(&id.to_string()))?
}

/// A thread ended before its work was done: the process stops, or there was a panic.
fn gone(line: &str) -> StoreError {
    StoreError::State { line: line.to_owned(), source: io::Error::other("its work was broken off") }
}

/// A number for this boot of the machine; 0 if the system does not tell.
fn boot() -> u64 {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u64::from_str_radix(id.split('-').next().unwrap_or_default(), 16).unwrap_or(0)
}

/// A number for this copy of a state directory; 0: it is no copy.
///
/// # Errors
/// If it is one, and does not say which: its lines would be taken for the newest.
fn copy(dir: &Path) -> io::Result<u64> {
    let path = dir.join(RESTORED);
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| {
            let text = format!("{} is damaged: write any number into it that it has not held before", path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(disk::with_remedy(error, &path)),
    }
}

impl Store for Embedded {
    async fn sync(&self, id: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        let mut slot = self.open_line(id, rules, &batch.known).await?;
        // From here on nothing is waited for until the record is on its way: a caller that gives up leaves the line as it is.
        let place = self.place().await;
        // Put back when the step is made. If it panics, the line is read back as it was before.
        let Some(Entry { mut line, mut journal }) = slot.take() else { return Err(gone(&id.to_string())) };
        let reading = self.read_clock();
        let outcome = line.sync(rules, reading, batch);
        let recorded = journal.record(rules, reading, batch);
        let name = id.to_string();
        off_the_runtime(id, place, move || {
            let written = recorded.and_then(|()| journal.write(&line));
            *slot = Some(Entry { line, journal });
            written.map_err(|source| StoreError::State { line: name, source })
        })
        .await?;
        Ok(outcome)
    }

    async fn counts(&self, id: &LineId, since_minute: u64) -> Result<Vec<Minute>, StoreError> {
        Ok(self.look(id, move |line| line.counts(since_minute)).await?.unwrap_or_default())
    }

    async fn find(&self, id: &LineId, number: u64) -> Result<Option<Lookup>, StoreError> {
        self.look(id, move |line| line.find(number)).await
    }
}
