//! Values under names: the first to be said counts, for as long as it is kept.
//!
//! They stand in one file, a line each, appended before they are answered, so that a process that is killed loses none.
//! A line that was cut off is as if it had not been written. The file is written anew when most of it has run out.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use super::disk::with_remedy;

/// Most values at once; the next one is an error.
pub(super) const VALUES_MAX: usize = 100_000;
/// Longest name and longest value.
const BYTES_MAX: usize = 256;
/// Lines that have run out are left in the file up to this many, or as many as there are others.
const OLD_LINES_MAX: usize = 1_000;

/// The values of one state directory.
#[derive(Debug)]
pub(super) struct Shared {
    path: PathBuf,
    /// Read when it is first needed.
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    /// Values, and until when they are kept, on the wall clock in ms.
    values: HashMap<String, (Vec<u8>, u64)>,
    file: File,
    lines: usize,
    /// Once there are so many lines, those that have run out are worth taking out.
    look_at_lines: usize,
}

impl Shared {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, held: Mutex::default() }
    }

    /// The file may be another process's from now on: it is read anew when it is needed.
    pub(super) fn forget(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The value under a name, if there is one.
    pub(super) fn get(&self, name: &str, now_ms: u64) -> io::Result<Option<Vec<u8>>> {
        self.with(now_ms, |held| {
            let kept = held.values.get(name).filter(|(_, until_ms)| *until_ms > now_ms);
            Ok(kept.map(|(value, _)| value.clone()))
        })
    }

    /// The value under a name; if there is none, it is this one from now on.
    pub(super) fn get_or_put(&self, name: &str, value: &[u8], until_ms: u64, now_ms: u64) -> io::Result<Vec<u8>> {
        if name.is_empty()
            || name.len() > BYTES_MAX
            || value.len() > BYTES_MAX
            || name.bytes().any(|b| !b.is_ascii_graphic())
        {
            return Err(io::Error::other("a name or a value that cannot be kept"));
        }
        self.with(now_ms, |held| {
            if let Some((first, _)) = held.values.get(name).filter(|(_, until_ms)| *until_ms > now_ms) {
                return Ok(first.clone());
            }
            if held.lines >= held.look_at_lines || held.values.len() >= VALUES_MAX {
                self.write_anew(held, now_ms)?;
            }
            if held.values.len() >= VALUES_MAX {
                return Err(io::Error::other(format!("{VALUES_MAX} values are kept already")));
            }
            held.file.write_all(line(name, value, until_ms).as_bytes()).map_err(|e| with_remedy(e, &self.path))?;
            held.lines += 1;
            held.values.insert(name.to_owned(), (value.to_owned(), until_ms));
            Ok(value.to_owned())
        })
    }

    fn with<T>(&self, now_ms: u64, what: impl FnOnce(&mut Held) -> io::Result<T>) -> io::Result<T> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            *held = Some(self.read(now_ms)?);
        }
        let Some(open) = &mut *held else { unreachable!("it has been read") };
        let done = what(open);
        if done.is_err() {
            // What has been written of a line is not known: it is read back.
            *held = None;
        }
        done
    }

    fn read(&self, now_ms: u64) -> io::Result<Held> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(with_remedy(error, &self.path)),
        };
        let mut values = HashMap::new();
        // The first line of a name counts, unless it has run out; a piece of one at the end is none.
        for (name, value, until_ms) in text.split_inclusive(|b| *b == b'\n').filter_map(parse) {
            if until_ms > now_ms {
                values.entry(name).or_insert((value, until_ms));
            }
        }
        let mut held = Held { values, file: self.open()?, lines: 0, look_at_lines: 0 };
        self.write_anew(&mut held, now_ms)?;
        Ok(held)
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(&self.path).map_err(|e| with_remedy(e, &self.path))
    }

    /// Only what is still kept.
    fn write_anew(&self, held: &mut Held, now_ms: u64) -> io::Result<()> {
        held.values.retain(|_, (_, until_ms)| *until_ms > now_ms);
        let lines = held.values.iter().map(|(name, (value, until_ms))| line(name, value, *until_ms));
        let draft = self.path.with_extension("draft");
        fs::write(&draft, lines.collect::<String>()).map_err(|e| with_remedy(e, &draft))?;
        fs::rename(&draft, &self.path).map_err(|e| with_remedy(e, &draft))?;
        (held.file, held.lines) = (self.open()?, held.values.len());
        held.look_at_lines = held.lines + OLD_LINES_MAX.max(held.lines);
        Ok(())
    }
}

fn line(name: &str, value: &[u8], until_ms: u64) -> String {
    let mut line = format!("{until_ms} {name} ");
    for byte in value {
        // Writing to a string does not fail.
        let _ = write!(line, "{byte:02x}");
    }
    line + "\n"
}

fn parse(line: &[u8]) -> Option<(String, Vec<u8>, u64)> {
    let mut parts = str::from_utf8(line).ok()?.strip_suffix('\n')?.split(' ');
    let (until_ms, name, hex) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let value = (0..hex.len()).step_by(2).map(byte).collect::<Option<_>>()?;
    parts.next().is_none().then(|| (name.to_owned(), value, until_ms))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn at(dir: &tempfile::TempDir) -> Shared {
        Shared::at(dir.path().join("shared.log"))
    }

    #[test]
    fn the_first_value_counts_until_it_has_run_out_and_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let shared = at(&dir);
        assert_eq!(shared.get("a", 0).unwrap(), None);
        assert_eq!(shared.get_or_put("a", b"one", 100, 0).unwrap(), b"one");
        assert_eq!(shared.get_or_put("a", b"two", 200, 99).unwrap(), b"one");
        let again = at(&dir);
        assert_eq!(again.get("a", 99).unwrap(), Some(b"one".to_vec()));
        assert_eq!(again.get("a", 100).unwrap(), None);
        assert_eq!(again.get_or_put("a", b"two", 200, 100).unwrap(), b"two");
        assert_eq!(at(&dir).get("a", 150).unwrap(), Some(b"two".to_vec()));
    }

    #[test]
    fn a_line_that_was_cut_off_was_not_written() {
        let dir = tempfile::tempdir().unwrap();
        at(&dir).get_or_put("a", b"one", 100, 0).unwrap();
        let path = dir.path().join("shared.log");
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(at(&dir).get("a", 0).unwrap(), None, "{cut} bytes");
        }
        fs::write(&path, [&whole[..], b"no line\n99 x\n", &whole[..5]].concat()).unwrap();
        assert_eq!(at(&dir).get("a", 0).unwrap(), Some(b"one".to_vec()));
    }

    #[test]
    fn the_file_does_not_grow_with_what_has_run_out() {
        let dir = tempfile::tempdir().unwrap();
        let shared = at(&dir);
        for nth in 0..5_000_u64 {
            shared.get_or_put(&nth.to_string(), b"value", nth + 10, nth).unwrap();
        }
        let lines = fs::read_to_string(dir.path().join("shared.log")).unwrap().lines().count();
        assert!(lines <= OLD_LINES_MAX + 20, "{lines} lines for 10 values");
    }

    #[test]
    fn there_is_an_end_to_them_and_what_is_no_name_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let shared = at(&dir);
        for name in ["", "a b", "a\nb", &"a".repeat(BYTES_MAX + 1)] {
            assert!(shared.get_or_put(name, b"", 1, 0).is_err(), "{name}");
        }
        for nth in 0..VALUES_MAX {
            shared.get_or_put(&nth.to_string(), b"", 100, 0).unwrap();
        }
        assert!(shared.get_or_put("one-more", b"", 100, 0).is_err());
        assert!(shared.get_or_put("one-more", b"", 200, 100).is_ok(), "when the others have run out");
    }
}
