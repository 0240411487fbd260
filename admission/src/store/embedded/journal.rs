//! One line's state file: a snapshot, then every step since.
//!
//! A step is a pure function of what goes into it, so the journal holds inputs, and [reading it back](super::replay) is
//! making the steps again.
//!
//! When the steps outweigh the snapshot a new file is begun, while the line goes on: a copy of the line is written beside
//! the old file and forced to disk; the steps made meanwhile are kept, written behind it, and the new file gets its name;
//! once all of it is on the disk the old one is removed. Files are named `LINE.GENERATION.journal`.
//!
//! Nothing here makes a step wait for the disk but its own write. These functions may block, and run on blocking threads;
//! [`Journal::record`] alone does not.

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    time::Instant,
};

use super::{
    disk::{Disk, Opened},
    frame,
};
use crate::line::{Batch, Line, Reading, Rules};

/// Version of everything below. Rises when any serialized type changes, and also when [`Line::sync`] does anything
/// differently: a journal is read back by making its steps again.
pub const LAYOUT: u32 = 21;
/// A journal so many times longer than its snapshot is rewritten.
const REWRITE_FACTOR: u64 = 4;
/// After a rewrite that failed the next one waits for so long.
const REWRITE_RETRY: Duration = Duration::from_secs(30);
/// How often a file is forced to disk, in the background.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How large things may grow; tests make do with less.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// A journal shorter than this is never rewritten.
    pub(super) rewrite_bytes_min: u64,
    /// Steps kept in memory while a snapshot is being written. With more the rewrite is given up and begun again later.
    pub(super) meanwhile_bytes_max: usize,
    /// A journal that could not be rewritten grows to this. Then the line stands until a rewrite succeeds.
    pub(super) journal_bytes_max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { rewrite_bytes_min: 8 << 20, meanwhile_bytes_max: 64 << 20, journal_bytes_max: 1 << 30 }
    }
}

#[derive(Serialize)]
enum RecordRef<'a> {
    Snapshot { rules: Option<&'a Rules>, line: &'a Line },
    Step { rules: Option<&'a Rules>, reading: Reading, batch: &'a Batch },
}

/// What a record says.
#[derive(Deserialize)]
pub(super) enum Record {
    /// The line, and the rules of its last step.
    Snapshot { rules: Option<Rules>, line: Box<Line> },
    /// A step, with its rules if they are others than those of the step before.
    Step { rules: Option<Rules>, reading: Reading, batch: Box<Batch> },
}

/// The state file of one line.
pub(super) struct Journal {
    disk: Arc<Disk>,
    name: String,
    generation: u64,
    /// `None`: a new file must be begun, since there is none that holds the line's state.
    file: Option<Opened>,
    /// Of the last record.
    sequence: u64,
    /// Of the last step.
    rules: Option<Rules>,
    /// Records of steps that were made and are not in the file yet.
    unwritten: Vec<u8>,
    snapshot_bytes: u64,
    synced_at: Instant,
    /// Older files may be removed once this one is on the disk.
    outdated: bool,
    behind: Arc<Behind>,
    rewriting: Option<Rewriting>,
    rewrite_not_before: Instant,
}

/// What the background has to say.
#[derive(Default)]
struct Behind {
    busy: AtomicBool,
    /// A file did not reach the disk: what is in it is not sure, whatever later attempts say.
    failed: AtomicBool,
}

/// A task in the background; however it ends, another one may begin.
struct Busy(Arc<Behind>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

/// A new file that is being written in the background.
struct Rewriting {
    draft: oneshot::Receiver<io::Result<Opened>>,
    /// Records of the steps made since the snapshot.
    meanwhile: Vec<u8>,
}

impl Journal {
    /// A journal without a file, which [`Self::begin`] or [`Self::resume`] gives it. No file has a higher generation.
    pub(super) fn new(disk: Arc<Disk>, name: String, generation: u64, sequence: u64, rules: Option<Rules>) -> Self {
        let now = Instant::now();
        Self {
            disk,
            name,
            generation,
            file: None,
            sequence,
            rules,
            unwritten: Vec::new(),
            snapshot_bytes: 0,
            synced_at: now,
            outdated: false,
            behind: Arc::default(),
            rewriting: None,
            rewrite_not_before: now,
        }
    }

    /// Goes on with a file that holds the line's state.
    pub(super) fn resume(&mut self, file: Opened, snapshot_bytes: u64) {
        (self.file, self.snapshot_bytes) = (Some(file), snapshot_bytes);
    }

    /// Whether [`Self::catch_up`] has something to do before the next step.
    pub(super) fn is_behind(&self) -> bool {
        !self.unwritten.is_empty()
            || self.file.as_ref().is_none_or(|file| file.bytes > self.disk.bounds.journal_bytes_max)
    }

    /// Sees to it that the file holds the line's state, after an error.
    pub(super) fn catch_up(&mut self, line: &Line) -> io::Result<()> {
        if self.file.is_some() && !self.unwritten.is_empty() {
            match self.append() {
                Err(e) if is_full(&e) => return Err(e),
                // Elsewhere the disk may be sound.
                Err(_) => self.file = None,
                Ok(()) => {}
            }
        }
        if self.is_behind() {
            self.begin(line)?;
            self.outdated = true;
        }
        Ok(())
    }

    /// Notes a step that was just made; [`Self::write`] writes it.
    pub(super) fn record(&mut self, rules: &Rules, reading: Reading, batch: &Batch) -> io::Result<()> {
        let changed = self.rules.as_ref() != Some(rules);
        let record = RecordRef::Step { rules: changed.then_some(rules), reading, batch };
        if let Err(e) = frame::append(&mut self.unwritten, self.sequence + 1, &record) {
            self.file = None;
            return Err(e);
        }
        self.sequence += 1;
        if changed {
            self.rules = Some(rules.clone());
        }
        Ok(())
    }

    /// Writes what was noted; the line is as after it. After an error it is kept, and [`Self::catch_up`] tries again.
    pub(super) fn write(&mut self, line: &Line) -> io::Result<()> {
        self.append()?;
        self.rewrite_behind(line);
        self.sync_behind();
        Ok(())
    }

    /// Begins a new file with the line as it is, and waits until it is on the disk.
    pub(super) fn begin(&mut self, line: &Line) -> io::Result<()> {
        self.rewriting = None;
        let record = RecordRef::Snapshot { rules: self.rules.as_ref(), line };
        let file = draft(&self.disk, &self.name, self.sequence, &record)?;
        self.adopt(file)?;
        self.disk.sync_names()?;
        self.unwritten.clear();
        self.behind.failed.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Removes the files of earlier generations.
    pub(super) fn remove_outdated(&self) -> io::Result<()> {
        remove_below(&self.disk, &self.name, self.generation)
    }

    fn append(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(io::Error::other("no journal is open")) };
        self.disk.append(file, &self.unwritten)?;
        if let Some(rewriting) = &mut self.rewriting {
            rewriting.meanwhile.extend_from_slice(&self.unwritten);
        }
        self.unwritten.clear();
        Ok(())
    }

    /// Lets a draft be the journal from here on.
    fn adopt(&mut self, mut file: Opened) -> io::Result<()> {
        let path = self.path(self.generation + 1);
        if let Err(e) = self.disk.rename(&file.path, &path) {
            let _ = fs::remove_file(&file.path);
            return Err(e);
        }
        file.path = path;
        self.generation += 1;
        self.snapshot_bytes = file.bytes;
        self.file = Some(file);
        Ok(())
    }

    fn path(&self, generation: u64) -> PathBuf {
        self.disk.dir().join(format!("{}.{generation}.journal", self.name))
    }

    /// Begins to rewrite a long journal in the background, or takes over what was written there.
    fn rewrite_behind(&mut self, line: &Line) {
        let Some(mut rewriting) = self.rewriting.take() else { return self.begin_behind(line) };
        let finished = match rewriting.draft.try_recv() {
            Err(TryRecvError::Empty) if rewriting.meanwhile.len() <= self.disk.bounds.meanwhile_bytes_max => {
                self.rewriting = Some(rewriting);
                return;
            }
            Err(TryRecvError::Empty) => Err(io::Error::other("the disk is slower than the line")),
            Err(TryRecvError::Closed) => Err(io::Error::other("it was broken off")),
            Ok(draft) => draft,
        };
        let adopted = finished.and_then(|mut draft| {
            let snapshot_bytes = draft.bytes;
            if let Err(e) = self.disk.append(&mut draft, &rewriting.meanwhile) {
                let _ = fs::remove_file(&draft.path);
                return Err(e);
            }
            self.adopt(draft)?;
            self.snapshot_bytes = snapshot_bytes;
            self.outdated = true;
            Ok(())
        });
        match adopted {
            Ok(()) => self.behind.failed.store(false, Ordering::Relaxed),
            Err(error) => {
                self.rewrite_not_before = Instant::now() + REWRITE_RETRY;
                tracing::error!(line = %self.name, %error, "state file not compacted; it grows until the next attempt");
            }
        }
    }

    fn begin_behind(&mut self, line: &Line) {
        let Some(file) = &self.file else { return };
        let long = file.bytes > self.disk.bounds.rewrite_bytes_min.max(self.snapshot_bytes * REWRITE_FACTOR);
        let wanted = long || self.behind.failed.load(Ordering::Relaxed);
        if !wanted || self.outdated || Instant::now() < self.rewrite_not_before {
            return;
        }
        let Some(permit) = self.disk.may_rewrite() else { return };
        let (done, draft_of) = oneshot::channel();
        let (disk, name, sequence, rules) = (self.disk.clone(), self.name.clone(), self.sequence, self.rules.clone());
        let line = line.clone();
        tokio::task::spawn_blocking(move || {
            let record = RecordRef::Snapshot { rules: rules.as_ref(), line: &line };
            let drafted = draft(&disk, &name, sequence, &record);
            if let Err(Ok(unwanted)) = done.send(drafted) {
                let _ = fs::remove_file(unwanted.path);
            }
            drop(permit);
        });
        self.rewriting = Some(Rewriting { draft: draft_of, meanwhile: Vec::new() });
    }

    /// Forces the file to disk now and then, and then removes those before it, without making anybody wait.
    fn sync_behind(&mut self) {
        let Some(file) = &self.file else { return };
        let due = self.outdated || self.synced_at.elapsed() >= SYNC_EVERY;
        if !due || self.behind.busy.swap(true, Ordering::Acquire) {
            return;
        }
        let busy = Busy(self.behind.clone());
        let Some(permit) = self.disk.may_sync() else { return };
        self.synced_at = Instant::now();
        let remove_below_generation = std::mem::take(&mut self.outdated).then_some(self.generation);
        let (disk, name) = (self.disk.clone(), self.name.clone());
        let (file, path) = (file.file.clone(), file.path.clone());
        tokio::task::spawn_blocking(move || {
            let synced = disk.sync(&file, &path).and_then(|()| match remove_below_generation {
                Some(generation) => disk.sync_names().and_then(|()| remove_below(&disk, &name, generation)),
                None => Ok(()),
            });
            if let Err(error) = synced {
                busy.0.failed.store(true, Ordering::Relaxed);
                tracing::error!(line = %name, %error, "state file not written");
            }
            drop((busy, permit));
        });
    }
}

/// Writes a file with a snapshot, and forces it to disk.
fn draft(disk: &Disk, name: &str, sequence: u64, snapshot: &RecordRef<'_>) -> io::Result<Opened> {
    let mut bytes = Vec::new();
    frame::append(&mut bytes, sequence, snapshot)?;
    let mut file = disk.draft(name)?;
    let written = disk.append(&mut file, &bytes).and_then(|()| disk.sync(&file.file, &file.path));
    if let Err(e) = written {
        let _ = fs::remove_file(&file.path);
        return Err(e);
    }
    Ok(file)
}

/// Generations of a line's files that end so, the newest first.
pub(super) fn generations(disk: &Disk, name: &str, end: &str) -> io::Result<Vec<u64>> {
    let names = disk.names(&format!("{name}."), end)?;
    let mut generations: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
    generations.sort_unstable_by(|a, b| b.cmp(a));
    Ok(generations)
}

fn remove_below(disk: &Disk, name: &str, generation: u64) -> io::Result<()> {
    for old in generations(disk, name, ".journal")?.into_iter().filter(|&old| old < generation) {
        fs::remove_file(disk.dir().join(format!("{name}.{old}.journal")))?;
    }
    Ok(())
}

/// Whether there is no room, which may change, and in the same place.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
