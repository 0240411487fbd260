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
use super::{LineId, Store, StoreError};
use crate::line::{Batch, Line, Outcome, Reading, Rules};

/// Lines in this process. A step is written to the line's journal before it is answered, so a killed process
/// loses nothing; the journal reaches the disk within a second.
pub struct Embedded {
    dir: PathBuf,
    wall: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Which boot of the machine this is: only what a power cut took can be lost.
    boot: u64,
    lines: Mutex<HashMap<LineId, Arc<Mutex<Entry>>>>,
    /// Held for the life of the store: two processes writing one state would ruin it.
    _lock: std::fs::File,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").field("dir", &self.dir).finish_non_exhaustive()
    }
}

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

    fn entry(&self, id: &LineId, rules: &Rules, batch: &Batch) -> Result<Arc<Mutex<Entry>>, StoreError> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = lines.get(id) {
            return Ok(entry.clone());
        }
        let (journal, found) = Journal::open(&self.dir, id)?;
        let line = found.unwrap_or_else(|| Line::new(rules, self.read_clock(), &batch.known));
        let entry = Arc::new(Mutex::new(Entry { line, journal }));
        lines.insert(id.clone(), entry.clone());
        Ok(entry)
    }

    fn read_clock(&self) -> Reading {
        Reading { wall_ms: (self.wall)(), slack_ms: 0, run: self.boot }
    }

    fn step(&self, id: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        let entry = self.entry(id, rules, batch)?;
        let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
        let Entry { line, journal } = &mut *entry;
        journal.begin(line)?;
        let reading = self.read_clock();
        let outcome = line.sync(rules, reading, batch);
        journal.record(rules, reading, batch)?;
        Ok(outcome)
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
