//! One line's state file: a snapshot, then every step since.
//!
//! A step is a pure function of what goes into it, so the journal holds inputs, and reading it back is making
//! the steps again. Records are framed by length and checksum; a torn one at the end is what the process was
//! writing when it died, so nobody was answered for it, and it is dropped.
//!
//! When the steps outweigh the snapshot a new file is begun: written beside the old one, synced, renamed,
//! and only then is the old one removed. Files are named `LINE.GENERATION.journal`; the highest whole one counts.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    line::{Batch, Line, Reading, Rules},
    store::{LineId, StoreError},
};

/// Version of everything below. Rises when any serialized type changes, and also when [`Line::sync`] does anything
/// differently: a journal is read back by making its steps again.
const LAYOUT: u32 = 9;
/// A journal shorter than this is never rewritten.
const REWRITE_BYTES_MIN: u64 = 8 << 20;
/// A journal so many times longer than its snapshot is rewritten.
const REWRITE_FACTOR: u64 = 4;
/// A record longer than this is damage, not data: the largest batch is a few megabytes.
const RECORD_BYTES_MAX: u32 = 1 << 30;
/// How often the file is forced to disk, in the background.
const DISK_EVERY: Duration = Duration::from_secs(1);

#[derive(Serialize)]
enum RecordRef<'a> {
    Snapshot { layout: u32, line: &'a Line },
    Rules(&'a Rules),
    Step { reading: Reading, batch: &'a Batch },
}

#[derive(Deserialize)]
enum Record {
    Snapshot { _layout: u32, line: Box<Line> },
    Rules(Rules),
    Step { reading: Reading, batch: Box<Batch> },
}

pub(super) struct Journal {
    dir: PathBuf,
    name: String,
    generation: u64,
    /// `None`: the next step must begin a new file, since this one does not hold the line's state.
    file: Option<Arc<File>>,
    rules: Option<Rules>,
    bytes: u64,
    snapshot_bytes: u64,
    disk_at: Instant,
    disk_busy: Arc<AtomicBool>,
    buffer: Vec<u8>,
}

impl Journal {
    /// Reads back the newest whole state of a line, if there is one.
    pub(super) fn open(dir: &Path, id: &LineId) -> Result<(Self, Option<Line>), StoreError> {
        let mut journal = Self::closed(dir, id);
        let mut generations = journal.generations().map_err(|e| journal.failed(e))?;
        generations.sort_unstable();
        journal.generation = generations.last().copied().unwrap_or(0);
        for generation in generations.into_iter().rev() {
            let bytes = fs::read(journal.path(generation)).map_err(|e| journal.failed(e))?;
            if let Some(line) = journal.replay(&bytes)? {
                return Ok((journal, Some(line)));
            }
        }
        Ok((journal, None))
    }

    fn closed(dir: &Path, id: &LineId) -> Self {
        Self {
            dir: dir.to_owned(),
            name: id.to_string(),
            generation: 0,
            file: None,
            rules: None,
            bytes: 0,
            snapshot_bytes: 0,
            disk_at: Instant::now(),
            disk_busy: Arc::default(),
            buffer: Vec::new(),
        }
    }

    /// Makes sure that the file holds the line's present state, and begins a new one when it has grown long.
    pub(super) fn begin(&mut self, line: &Line) -> Result<(), StoreError> {
        let long = self.bytes > REWRITE_BYTES_MIN.max(self.snapshot_bytes * REWRITE_FACTOR);
        if self.file.is_none() || long {
            self.rewrite(line).map_err(|e| self.failed(e))?;
        }
        Ok(())
    }

    /// Begins a new file with a state that did not come from a step.
    pub(super) fn begin_anew(&mut self, line: &Line) -> Result<(), StoreError> {
        self.rewrite(line).map_err(|e| self.failed(e))
    }

    /// Bytes on disk of a line's state.
    pub(super) fn bytes(dir: &Path, id: &LineId) -> io::Result<u64> {
        let journal = Self::closed(dir, id);
        let files = journal.generations()?.into_iter().map(|generation| fs::metadata(journal.path(generation)));
        files.map(|file| file.map(|file| file.len())).sum()
    }

    /// Appends a step that was just made. After an error the file is given up: the next step begins a new one.
    pub(super) fn record(&mut self, rules: &Rules, reading: Reading, batch: &Batch) -> Result<(), StoreError> {
        self.buffer.clear();
        if self.rules.as_ref() != Some(rules) {
            frame(&mut self.buffer, &RecordRef::Rules(rules)).map_err(|e| self.failed(e))?;
            self.rules = Some(rules.clone());
        }
        frame(&mut self.buffer, &RecordRef::Step { reading, batch }).map_err(|e| self.failed(e))?;
        let Some(file) = self.file.clone() else {
            return Err(self.failed(io::Error::other("no journal is open")));
        };
        if let Err(e) = (&*file).write_all(&self.buffer) {
            self.file = None;
            return Err(self.failed(e));
        }
        self.bytes += self.buffer.len() as u64;
        self.sync_behind(file);
        Ok(())
    }

    fn replay(&mut self, bytes: &[u8]) -> Result<Option<Line>, StoreError> {
        let mut line: Option<Box<Line>> = None;
        let mut rules: Option<Rules> = None;
        let mut rest = bytes;
        while let Some((payload, tail)) = unframe(rest) {
            rest = tail;
            // The layout stands first in a snapshot, so it can be read whatever follows.
            if let Some(found) = layout_of(payload).filter(|&layout| layout != LAYOUT) {
                return Err(StoreError::Layout { line: self.name.clone(), found, known: LAYOUT });
            }
            match (postcard::from_bytes::<Record>(payload), &mut line, &rules) {
                (Ok(Record::Snapshot { line: found, .. }), line, _) => *line = Some(found),
                (Ok(Record::Rules(found)), _, _) => rules = Some(found),
                (Ok(Record::Step { reading, batch }), Some(line), Some(rules)) => {
                    line.sync(rules, reading, &batch);
                }
                _ => break,
            }
        }
        Ok(line.map(|l| *l))
    }

    fn rewrite(&mut self, line: &Line) -> io::Result<()> {
        let generation = self.generation + 1;
        let path = self.path(generation);
        let draft = path.with_extension("draft");
        self.buffer.clear();
        frame(&mut self.buffer, &RecordRef::Snapshot { layout: LAYOUT, line })?;
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&draft)?;
        file.write_all(&self.buffer)?;
        file.sync_data()?;
        fs::rename(&draft, &path)?;
        File::open(&self.dir)?.sync_all()?;
        for old in self.generations()?.into_iter().filter(|&g| g < generation) {
            fs::remove_file(self.path(old))?;
        }
        self.generation = generation;
        self.file = Some(Arc::new(file));
        self.rules = None;
        self.snapshot_bytes = self.buffer.len() as u64;
        self.bytes = self.snapshot_bytes;
        self.buffer = Vec::new();
        Ok(())
    }

    /// Forces the file to disk now and then, without making anybody wait.
    fn sync_behind(&mut self, file: Arc<File>) {
        if self.disk_at.elapsed() < DISK_EVERY || self.disk_busy.swap(true, Ordering::Relaxed) {
            return;
        }
        self.disk_at = Instant::now();
        let busy = self.disk_busy.clone();
        std::thread::spawn(move || {
            if let Err(error) = file.sync_data() {
                tracing::error!(%error, "a state file does not reach the disk");
            }
            busy.store(false, Ordering::Relaxed);
        });
    }

    fn generations(&self) -> io::Result<Vec<u64>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let file = entry?.file_name();
            let generation: Option<u64> = file
                .to_str()
                .and_then(|f| f.strip_prefix(&self.name)?.strip_prefix('.')?.strip_suffix(".journal")?.parse().ok());
            found.extend(generation);
        }
        Ok(found)
    }

    fn path(&self, generation: u64) -> PathBuf {
        self.dir.join(format!("{}.{generation}.journal", self.name))
    }

    fn failed(&self, source: io::Error) -> StoreError {
        StoreError::State { line: self.name.clone(), source }
    }
}

/// The layout that a snapshot names; `None` of any other record.
fn layout_of(payload: &[u8]) -> Option<u32> {
    let (variant, rest) = postcard::take_from_bytes::<u32>(payload).ok()?;
    (variant == 0).then(|| postcard::take_from_bytes(rest).ok().map(|(layout, _)| layout))?
}

/// Appends `length, checksum, record`.
fn frame(buffer: &mut Vec<u8>, record: &RecordRef<'_>) -> io::Result<()> {
    let at = buffer.len();
    buffer.extend_from_slice(&[0; 8]);
    let taken = std::mem::take(buffer);
    *buffer = postcard::to_extend(record, taken).map_err(io::Error::other)?;
    let payload = &buffer[at + 8..];
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    let sum = crc32fast::hash(payload);
    buffer[at..at + 4].copy_from_slice(&length.to_le_bytes());
    buffer[at + 4..at + 8].copy_from_slice(&sum.to_le_bytes());
    Ok(())
}

/// The first record and what follows it; `None` at the end and at a torn record.
fn unframe(mut bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut head = [0; 8];
    bytes.read_exact(&mut head).ok()?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let sum = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    if length > RECORD_BYTES_MAX {
        return None;
    }
    let (payload, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    (crc32fast::hash(payload) == sum).then_some((payload, rest))
}
