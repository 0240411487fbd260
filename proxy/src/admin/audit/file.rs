//! The file of the audit log.

use std::{
    fs,
    io::{self, BufReader, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    FILE, Record,
    chain::{self, Broken, Chain, Hash, LINE_BYTES_MAX},
};

/// A file that would grow beyond this is kept under another name, and a new one goes on with its chain.
const BYTES_MAX: u64 = 64 << 20;

#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    file: fs::File,
    chain: Chain,
    bytes_max: u64,
}

impl File {
    pub(super) fn open(state_dir: &Path) -> io::Result<Self> {
        Self::open_with(state_dir, BYTES_MAX)
    }

    pub(super) fn open_with(state_dir: &Path, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(state_dir)?;
        let path = state_dir.join(FILE);
        let file = append(&path)?;
        let chain = match start(state_dir)?.follow(BufReader::new(fs::File::open(&path)?), &mut |_, _| {}) {
            Ok(chain) => chain,
            // A crash came between: what it was about was not begun.
            Err(Broken::Torn { sound_bytes, .. }) => {
                file.set_len(sound_bytes)?;
                tracing::warn!(file = %path.display(), "audit log: the last record was not written to its end; removed");
                start(state_dir)?
                    .follow(BufReader::new(fs::File::open(&path)?), &mut |_, _| {})
                    .map_err(io::Error::other)?
            }
            Err(Broken::Unreadable(error)) => return Err(error),
            Err(broken) => {
                let aside = free_name(state_dir, "damaged")?;
                tracing::error!(%broken, file = %aside.display(), "audit log damaged; set aside, a new chain begins");
                fs::rename(&path, &aside)?;
                return Ok(Self { file: append(&path)?, path, chain: start(state_dir)?, bytes_max });
            }
        };
        Ok(Self { path, file, chain, bytes_max })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn seq(&self) -> u64 {
        self.chain.seq
    }

    pub(super) fn hash(&self) -> Hash {
        self.chain.hash
    }

    /// Writes a record. It is on the disk then, or it is not in the file.
    pub(super) fn append(&mut self, record: &Record) -> io::Result<()> {
        let (line, hash) = chain::line(self.chain.hash, record)?;
        if line.len() > LINE_BYTES_MAX {
            return Err(io::Error::other("the record is too long"));
        }
        if self.chain.bytes > 0 && self.chain.bytes + line.len() as u64 > self.bytes_max {
            self.roll()?;
        }
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // A part of it may be there, and the next record must not stand behind it.
            self.file.set_len(self.chain.bytes)?;
            return Err(error);
        }
        let first = if self.chain.first == 0 { record.seq } else { self.chain.first };
        self.chain = Chain { seq: record.seq, first, hash, bytes: self.chain.bytes + line.len() as u64 };
        Ok(())
    }

    /// Goes on in a new file.
    fn roll(&mut self) -> io::Result<()> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        fs::rename(&self.path, dir.join(rolled_name(self.chain.seq)))?;
        self.file = append(&self.path)?;
        self.chain.bytes = 0;
        Ok(())
    }
}

/// The name of a full file, by its last record.
fn rolled_name(last: u64) -> String {
    format!("audit-{last:012}.jsonl")
}

/// The chain that the current file goes on with: that of the last full one.
fn start(dir: &Path) -> io::Result<Chain> {
    let mut last = None;
    for entry in fs::read_dir(dir)? {
        let of = rolled_last(&entry?.file_name());
        last = last.max(of);
    }
    let Some(last) = last else { return Ok(Chain::EMPTY) };
    // Its hash is on its last line; the whole is checked by `sluice audit verify`.
    let mut file = fs::File::open(dir.join(rolled_name(last)))?;
    let bytes = file.metadata()?.len();
    file.seek(io::SeekFrom::Start(bytes.saturating_sub(LINE_BYTES_MAX as u64)))?;
    let mut tail = Vec::new();
    io::Read::read_to_end(&mut file, &mut tail)?;
    let line = tail.split(|&b| b == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
    let Some(hash) = chain::written(line) else {
        // Visitors must not suffer for it: the node starts, and `sluice audit verify` names the place.
        tracing::error!(
            file = rolled_name(last),
            "audit log damaged: a full file has no record at its end; a new chain begins"
        );
        return Ok(Chain::EMPTY);
    };
    Ok(Chain { seq: last, first: last + 1, hash, bytes: 0 })
}

fn append(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

fn free_name(dir: &Path, what: &str) -> io::Result<PathBuf> {
    let free = (1..1_000_u32).map(|n| dir.join(format!("{FILE}.{what}-{n}"))).find(|path| !path.exists());
    free.ok_or_else(|| io::Error::other("too many damaged audit files are kept here"))
}

/// Records after `seq`, the oldest first.
pub(super) fn after(path: &Path, seq: u64, most: usize) -> io::Result<Vec<(Record, String)>> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    let mut keep = |record: Record, hash: Hash| {
        if record.seq > seq && found.len() < most {
            found.push((record, hash.to_string()));
        }
    };
    match start(dir)?.follow(BufReader::new(fs::File::open(path)?), &mut keep) {
        // One is being written.
        Ok(_) | Err(Broken::Torn { .. }) => Ok(found),
        Err(Broken::Unreadable(error)) => Err(error),
        Err(broken) => Err(io::Error::other(broken.to_string())),
    }
}

/// Records that are wanted, of all files of the log that are there, the oldest first. What follows a damage in a file is
/// left out; `sluice audit verify` names the place.
pub(super) fn matching(path: &Path, wanted: &dyn Fn(&Record) -> bool) -> io::Result<Vec<Record>> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut full: Vec<u64> = fs::read_dir(dir)?.filter_map(|entry| rolled_last(&entry.ok()?.file_name())).collect();
    full.sort_unstable();
    let paths = full.iter().map(|&last| dir.join(rolled_name(last))).chain([path.to_owned()]);
    let mut found = Vec::new();
    for path in paths {
        for line in io::BufRead::split(BufReader::new(fs::File::open(path)?), b'\n') {
            if let Some(record) = chain::record(&line?).filter(|record| wanted(record)) {
                found.push(record);
            }
        }
    }
    Ok(found)
}

/// The last record of a full file, by its name.
pub(super) fn rolled_last(name: &std::ffi::OsStr) -> Option<u64> {
    name.to_str()?.strip_prefix("audit-")?.strip_suffix(".jsonl")?.parse().ok()
}
