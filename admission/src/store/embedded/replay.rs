//! Reading a journal back, whatever has become of it.
//!
//! | found | then |
//! |---|---|
//! | a beginning of a record at the end | it was being written when the process died, and no visitor was answered: dropped |
//! | anything else that is no next record | damage. What stands before it is read; of the records behind it only what their nodes knew is used: they cannot be made again, as the line would have become another one |
//!
//! A damaged journal is set aside as `LINE.GENERATION.damaged`, never removed. Its line goes on as one that was **lost**,
//! by the rules for a store that went back in time: the journal itself is taken for a node that remembers more steps than
//! the state has made. So the line begins a new life, skips numbers, listens for 2 s, and is told by its node (by the
//! keepsake, after a restart) of seats and counters. Calls that were lost may be fewer in a keepsake than there were, so
//! the minute before counts as used up: no number is called for 60 s.
//!
//! If neither the files nor a keepsake know anything of the line, it is not begun anew in silence: steps fail with an
//! error that says what to do.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    disk::{Disk, with_remedy},
    frame::{self, Frame},
    journal::{Journal, LAYOUT, Record, generations},
};
use crate::{
    line::{Batch, Known, KnownLane, Line, Reading, Rules, SLOT_MS},
    store::StoreError,
};

/// What the files of a line hold.
pub(super) struct Found {
    /// The line as far as it could be read.
    pub(super) line: Option<Line>,
    /// Files that are not what was written.
    pub(super) damaged: Vec<Damaged>,
    /// Whether steps are missing.
    lost: bool,
    rules: Option<Rules>,
    sequence: u64,
    /// Where the line was read from.
    from: Option<ReadFrom>,
    /// The highest generation that has been used.
    generation: u64,
}

/// A place in a file up to which it holds a line.
#[derive(Clone, Debug)]
struct ReadFrom {
    path: PathBuf,
    generation: u64,
    /// Bytes that were read; a torn record may follow.
    bytes: u64,
    /// Bytes of them that are the snapshot.
    snapshot_bytes: u64,
}

/// A file that is not what was written.
#[derive(Debug)]
pub(super) struct Damaged {
    pub(super) path: PathBuf,
    /// Where the first record is that cannot be made.
    pub(super) offset: usize,
    /// Whole records behind it.
    behind: usize,
    /// What nodes knew in these.
    known: Known,
}

/// One file.
#[derive(Default)]
struct Replay {
    line: Option<Box<Line>>,
    rules: Option<Rules>,
    sequence: u64,
    bytes: usize,
    snapshot_bytes: usize,
    damage: Option<(usize, usize, Known)>,
}

impl Found {
    /// Reads the files of a line.
    pub(super) fn read(disk: &Disk, name: &str) -> Result<Self, StoreError> {
        let failed = |source| StoreError::State { line: name.to_owned(), source };
        let journals = generations(disk, name, ".journal").map_err(failed)?;
        let aside = generations(disk, name, ".damaged").map_err(failed)?;
        let generation = journals.first().max(aside.first()).copied().unwrap_or(0);
        let mut found =
            Self { line: None, damaged: Vec::new(), lost: false, rules: None, sequence: 0, from: None, generation };
        for generation in journals {
            let path = disk.dir().join(format!("{name}.{generation}.journal"));
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(failed(with_remedy(e, &path))),
            };
            let unknown = |found| StoreError::Layout { line: name.to_owned(), found, known: LAYOUT };
            let mut replay = replay(&bytes).map_err(unknown)?;
            // Of a damaged file that is older than a sound one nothing is needed, unless it holds more.
            let newest = found.line.is_none();
            let damage = replay.damage.take();
            let superseded = found.supersede(replay, &path, generation);
            if let Some((offset, behind, known)) = damage {
                found.lost |= newest || superseded;
                found.damaged.push(Damaged { path, offset, behind, known });
            }
        }
        Ok(found)
    }

    /// Takes the line if it has made more steps: a newer file may have reached the disk less far than an older one.
    fn supersede(&mut self, replay: Replay, path: &Path, generation: u64) -> bool {
        let Some(line) = replay.line else { return false };
        let steps = |line: &Line| line.summary().steps;
        let newer = self.line.as_ref().is_none_or(|found| steps(&line) > steps(found));
        if newer {
            let (bytes, snapshot_bytes) = (replay.bytes as u64, replay.snapshot_bytes as u64);
            self.from = Some(ReadFrom { path: path.to_owned(), generation, bytes, snapshot_bytes });
            (self.line, self.rules, self.sequence) = (Some(*line), replay.rules, replay.sequence);
        }
        newer
    }

    /// The line with a journal of its own that holds its state; damaged files are set aside. `told`: what the node
    /// knows that asks first.
    pub(super) fn open(
        self,
        disk: Arc<Disk>,
        name: &str,
        rules: &Rules,
        reading: Reading,
        told: &Known,
    ) -> Result<(Line, Journal), StoreError> {
        let failed = |source| StoreError::State { line: name.to_owned(), source };
        let line = match self.line {
            line if self.lost => heal(line, &self.damaged, rules, reading, told),
            None => Some(Line::new(rules, reading, told)),
            line => line,
        };
        let Some(line) = line else {
            let refused = self.damaged.first().map(Damaged::refused);
            return Err(failed(refused.unwrap_or_else(|| io::ErrorKind::InvalidData.into())));
        };
        let mut journal = Journal::new(disk.clone(), name.to_owned(), self.generation, self.sequence, self.rules);
        // A sound file is gone on with: a start needs no room on the disk, and a thousand lines no thousand files.
        match self.from.filter(|from| !self.lost && from.generation == self.generation) {
            Some(from) => {
                let file = disk.reopen(from.path, from.bytes).map_err(failed)?;
                journal.resume(file, from.snapshot_bytes);
            }
            None => journal.begin(&line).map_err(failed)?,
        }
        for damaged in &self.damaged {
            damaged.set_aside(&disk, name, self.lost).map_err(failed)?;
        }
        journal.remove_outdated().map_err(failed)?;
        for draft in disk.names(&format!("{name}."), ".draft").map_err(failed)? {
            // Of an earlier process, or of a rewrite that is not waited for any more.
            let _ = fs::remove_file(disk.dir().join(format!("{name}.{draft}.draft")));
        }
        Ok((line, journal))
    }
}

impl Damaged {
    fn set_aside(&self, disk: &Disk, name: &str, lost: bool) -> io::Result<()> {
        let aside = self.path.with_extension("damaged");
        disk.rename(&self.path, &aside)?;
        let (aside, offset, records_behind) = (aside.display(), self.offset, self.behind);
        if lost {
            tracing::error!(
                line = name, file = %aside, offset, records_behind,
                "a state file is damaged and was set aside; the line goes on as one that was lost: \
                 steps from the offset on are known only as far as the node remembers them, \
                 numbers are skipped so that none is given twice, and nobody is called for a minute"
            );
        } else {
            tracing::warn!(
                line = name, file = %aside, offset, records_behind,
                "a state file that was not needed any more is damaged and was set aside; nothing is lost"
            );
        }
        Ok(())
    }

    fn refused(&self) -> io::Error {
        let text = format!(
            "{} is damaged at byte {} and nothing of the line can be read, nor does this node remember it; put a copy of \
             the file back, or move it away to begin the line anew: then numbers that are out may be given twice",
            self.path.display(),
            self.offset
        );
        io::Error::new(io::ErrorKind::InvalidData, text)
    }

    /// For those who only look.
    pub(super) fn told(&self) -> io::Error {
        let text = format!(
            "{} is damaged at byte {}; `sluice run` sets it aside and goes on with what can be read",
            self.path.display(),
            self.offset
        );
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}

/// Makes the steps of a journal again, as far as they can be made. The error is a layout that is not known.
fn replay(bytes: &[u8]) -> Result<Replay, u32> {
    let mut replay = Replay::default();
    let mut place = 0;
    loop {
        match frame::at(bytes, place) {
            Frame::Layout(layout) => return Err(layout),
            Frame::End | Frame::Torn if replay.line.is_some() => return Ok(replay),
            Frame::Whole { sequence, payload, next } if replay.make(sequence, payload) => {
                if place == 0 {
                    replay.snapshot_bytes = next;
                }
                (place, replay.bytes) = (next, next);
            }
            _ => break,
        }
    }
    let (mut behind, mut known) = (0, Known::default());
    for payload in frame::behind(bytes, place + 1) {
        behind += 1;
        if let Ok(Record::Step { batch, .. }) = postcard::from_bytes(payload) {
            merge(&mut known, &batch.known);
        }
    }
    replay.damage = Some((place, behind, known));
    Ok(replay)
}

impl Replay {
    /// Takes in the next record. False: it is not the next one.
    fn make(&mut self, sequence: u64, payload: &[u8]) -> bool {
        match (postcard::from_bytes(payload), &mut self.line) {
            (Ok(Record::Snapshot { rules, line }), None) => (self.line, self.rules) = (Some(line), rules),
            (Ok(Record::Step { rules, reading, batch }), Some(line)) if sequence == self.sequence + 1 => {
                let Some(rules) = rules.or(self.rules.take()) else { return false };
                line.sync(&rules, reading, &batch);
                self.rules = Some(rules);
            }
            _ => return false,
        }
        self.sequence = sequence;
        true
    }
}

/// Takes over counters that are higher. Those of an old epoch say nothing of the present one.
fn merge(known: &mut Known, other: &Known) {
    if other.revision > known.revision && other.control.is_some() {
        (known.revision, known.control) = (other.revision, other.control.clone());
    }
    if other.epoch > known.epoch {
        let (revision, control) = (known.revision, known.control.take());
        *known = Known { epoch: other.epoch, revision, control, ..Known::default() };
    }
    if other.epoch == known.epoch {
        for (slot, lane) in other.lanes.iter().enumerate() {
            if slot == known.lanes.len() {
                known.lanes.push(KnownLane { lane: lane.lane, ..KnownLane::default() });
            }
            known.lanes[slot].merge(lane);
        }
        known.steps = known.steps.max(other.steps);
        known.life = known.life.max(other.life);
    }
}

/// The line after a loss of steps: told of it as if by a node that remembers more of them. `None`: of nothing is known
/// how far the line had come.
fn heal(line: Option<Line>, damaged: &[Damaged], rules: &Rules, reading: Reading, told: &Known) -> Option<Line> {
    let mut known = Known::default();
    for other in damaged.iter().map(|damaged| &damaged.known).chain([told]) {
        merge(&mut known, other);
    }
    let mut line = match line {
        Some(line) => line,
        None if known.epoch > 0 => Line::new(rules, reading, &known),
        None => return None,
    };
    let summary = line.summary();
    let mut own = Known { epoch: summary.epoch, ..Known::default() };
    (own.steps, own.life) = (summary.steps, summary.life);
    merge(&mut own, &known);
    own.steps += 1;
    let step = |line: &mut Line, known| line.sync(rules, reading, &Batch { known, ..Batch::default() }).summary;
    let healing = step(&mut line, own);
    // Nothing is known of the calls that were lost but when they were made: before now.
    let calls = vec![(healing.now_ms / SLOT_MS, rules.release_per_minute)];
    let (epoch, steps, life) = (healing.epoch, healing.steps, healing.life);
    step(&mut line, Known { epoch, steps, life, calls, ..Known::default() });
    Some(line)
}

/// What is read of any bytes ends within them, and is read alike without what is behind it.
#[cfg(test)]
pub(super) fn fuzzed(bytes: &[u8]) {
    let Ok(read) = replay(bytes) else { return };
    assert!(read.snapshot_bytes <= read.bytes && read.bytes <= bytes.len());
    assert!(read.damage.as_ref().is_none_or(|(offset, ..)| (read.bytes..=bytes.len()).contains(offset)));
    if read.line.is_none() {
        assert!(read.bytes == 0 && read.damage.is_some());
        return;
    }
    let again = replay(&bytes[..read.bytes]).unwrap_or_default();
    assert!(again.damage.is_none() && again.bytes == read.bytes && again.sequence == read.sequence);
    let summary = |replay: &Replay| replay.line.as_ref().map(|line| line.summary().clone());
    assert_eq!(summary(&again), summary(&read));
}
