//! The chain of hashes, and how a file of records is checked against it.

use std::{
    fmt,
    io::{BufRead, Read as _},
};

use ring::digest::{Context, SHA256};

use super::Record;

/// Longest line that can be a record, in bytes.
pub(crate) const LINE_BYTES_MAX: usize = 256 << 10;
const HASH_CHARS: usize = 64;

/// The hash of a record and of all before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hash([u8; 32]);

impl Hash {
    /// What stands before the first record.
    pub(crate) const START: Self = Self([0; 32]);

    /// The hash of the next record, whose JSON is exactly these bytes.
    pub(crate) fn next(self, json: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(b"sluice-audit-v1\n");
        context.update(&self.0);
        context.update(json);
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a chain is broken, and why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("line {line}: not a record: {why}")]
    Malformed { line: u64, why: String },
    #[error("line {line}: record {found} follows record {before}")]
    Order { line: u64, before: u64, found: u64 },
    #[error("line {line}: record {seq} is not what was written, or one before it was")]
    Changed { line: u64, seq: u64 },
    #[error("line {line}: the last record was not written to its end")]
    Torn { line: u64, sound_bytes: u64 },
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
}

/// A sound chain, as far as it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The last record, and the first; 0: there is none.
    pub(crate) seq: u64,
    pub(crate) first: u64,
    /// The last record's hash.
    pub(crate) hash: Hash,
    /// How many bytes of the file were read.
    pub(crate) bytes: u64,
}

impl Chain {
    pub(crate) const EMPTY: Self = Self { seq: 0, first: 0, hash: Hash::START, bytes: 0 };

    /// Follows a file to its end. A file may go on where another one ended: the chain of that one comes first.
    ///
    /// # Errors
    /// The first record that does not follow from those before it.
    pub(crate) fn follow(mut self, mut file: impl BufRead, each: &mut dyn FnMut(Record, Hash)) -> Result<Self, Broken> {
        self.bytes = 0;
        let (mut line, mut number) = (Vec::new(), 0);
        loop {
            number += 1;
            line.clear();
            let read = file.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(self);
            }
            let Some(text) = line.strip_suffix(b"\n") else {
                return match read > LINE_BYTES_MAX {
                    true => Err(Broken::Malformed { line: number, why: "it is too long".into() }),
                    false => Err(Broken::Torn { line: number, sound_bytes: self.bytes }),
                };
            };
            let (record, json, written) = parse(text).map_err(|why| Broken::Malformed { line: number, why })?;
            if record.seq != self.seq + 1 {
                return Err(Broken::Order { line: number, before: self.seq, found: record.seq });
            }
            let hash = self.hash.next(json);
            if hash.to_string().as_bytes() != written {
                return Err(Broken::Changed { line: number, seq: record.seq });
            }
            let first = if self.first == 0 { record.seq } else { self.first };
            self = Self { seq: record.seq, first, hash, bytes: self.bytes + read as u64 };
            each(record, hash);
        }
    }
}

/// A line's record, its JSON and its hash as written.
fn parse(line: &[u8]) -> Result<(Record, &[u8], &[u8]), String> {
    let (hash, json) = line.split_at_checked(HASH_CHARS).ok_or("it is too short")?;
    let json = json.strip_prefix(b" ").ok_or("there is no space behind the hash")?;
    let record = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    Ok((record, json, hash))
}

/// The record of a line, whatever its hash.
pub(super) fn record(line: &[u8]) -> Option<Record> {
    parse(line).ok().map(|(record, ..)| record)
}

/// The hash that a line says it has.
pub(super) fn written(line: &[u8]) -> Option<Hash> {
    let (_, _, written) = parse(line).ok()?;
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(written.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Hash(hash))
}

/// A record as a line, and its hash.
pub(super) fn line(before: Hash, record: &Record) -> Result<(Vec<u8>, Hash), serde_json::Error> {
    let json = serde_json::to_vec(record)?;
    let hash = before.next(&json);
    let mut line = hash.to_string().into_bytes();
    line.push(b' ');
    line.extend_from_slice(&json);
    line.push(b'\n');
    Ok((line, hash))
}
