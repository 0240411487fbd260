//! Lines in this process, with a state file each: for one node.

mod journal;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use self::journal::Journal;
use super::{Checkup, LineId, Severity, Store, StoreError};
use crate::line::{Batch, Line, Outcome, Reading, Rules, Summary};

/// Lines in this process. A step is written to the line's journal before it is answered, so a killed process
/// loses nothing; the journal reaches the disk within a second.
pub struct Embedded {
    dir: PathBuf,
    wall: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Which boot of the machine this is: only what a power cut took can be lost.
    boot: u64,
    lines: Mutex<HashMap<LineId, Slot>>,
    /// Held for the life of the store: two processes writing one state would ruin it.
    _lock: std::fs::File,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// A line's place; empty until its journal has been read back. That may take a while, and only those who want this
/// line wait for it.
type Slot = Arc<Mutex<Option<Entry>>>;

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
        std::fs::create_dir_all(dir)?;
        let lock = std::fs::File::create(dir.join("lock"))?;
        lock.try_lock().map_err(|e| match e {
            std::fs::TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::ResourceBusy, "another sluice is running on this state directory")
            }
            std::fs::TryLockError::Error(e) => e,
        })?;
        Ok(Self { dir: dir.to_owned(), wall: Box::new(wall), boot: boot(), lines: Mutex::default(), _lock: lock })
    }

    /// The line as of its last step; `None`: nobody has stood in it.
    ///
    /// # Errors
    /// If its state cannot be read.
    pub fn status(&self, line: &LineId) -> Result<Option<Summary>, StoreError> {
        let slot = self.slot(line);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            let (journal, found) = Journal::open(&self.dir, line)?;
            *slot = found.map(|line| Entry { line, journal });
        }
        Ok(slot.as_ref().map(|entry| entry.line.summary().clone()))
    }

    /// Begins a new epoch: every number, ticket and pass of the old one is void. The rate's window stays.
    /// Returns the new epoch.
    ///
    /// # Errors
    /// If the state cannot be read or written.
    pub fn reset(&self, id: &LineId, rules: &Rules) -> Result<u64, StoreError> {
        self.with(id, rules, &Batch::default(), |Entry { line, journal }| {
            line.reset(rules);
            journal.begin_anew(line)?;
            Ok(line.known().epoch)
        })
    }

    /// Looks at what each line takes on disk. The directory was good enough to be opened.
    pub fn doctor(&self, lines: &[LineId]) -> Checkup {
        let mut checkup = Checkup::default();
        for line in lines {
            match Journal::bytes(&self.dir, line) {
                Ok(bytes) => checkup.memory.push((line.clone(), Some(bytes))),
                Err(error) => {
                    checkup.say(Severity::Fault, format!("The state of {line} cannot be read: {error}."));
                    checkup.memory.push((line.clone(), None));
                }
            }
        }
        checkup
    }

    fn slot(&self, id: &LineId) -> Slot {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.entry(id.clone()).or_default().clone()
    }

    /// Does something to a line, which is read back, or begun, if need be.
    fn with<T>(
        &self,
        id: &LineId,
        rules: &Rules,
        batch: &Batch,
        act: impl FnOnce(&mut Entry) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let slot = self.slot(id);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = match &mut *slot {
            Some(entry) => entry,
            empty => {
                let (journal, found) = Journal::open(&self.dir, id)?;
                let line = found.unwrap_or_else(|| Line::new(rules, self.read_clock(), &batch.known));
                empty.insert(Entry { line, journal })
            }
        };
        act(entry)
    }

    fn read_clock(&self) -> Reading {
        Reading { wall_ms: (self.wall)(), slack_ms: 0, run: self.boot }
    }

    fn step(&self, id: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        self.with(id, rules, batch, |Entry { line, journal }| {
            journal.begin(line)?;
            let reading = self.read_clock();
            let outcome = line.sync(rules, reading, batch);
            journal.record(rules, reading, batch)?;
            Ok(outcome)
        })
    }
}

/// A number for this boot of the machine; 0 if the system does not tell.
fn boot() -> u64 {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u64::from_str_radix(id.split('-').next().unwrap_or_default(), 16).unwrap_or(0)
}

impl Store for Embedded {
    async fn sync(&self, line: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        // Well under a millisecond, disk included (a write to the page cache), so no thread hop.
        self.step(line, rules, batch)
    }
}
