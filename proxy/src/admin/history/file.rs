//! The two files of a queue: the present one and the one before, a record a line.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{FILE_BYTES_MAX, MINUTE_MS, Record};

/// Longest line that is read.
const LINE_BYTES_MAX: usize = 64 << 10;

fn paths(dir: &Path, name: &str) -> [PathBuf; 2] {
    [dir.join(format!("{name}.old.jsonl")), dir.join(format!("{name}.jsonl"))]
}

pub(super) fn append(dir: &Path, name: &str, records: &[Record]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let [old, present] = paths(dir, name);
    if fs::metadata(&present).is_ok_and(|metadata| metadata.len() > FILE_BYTES_MAX) {
        fs::rename(&present, &old)?;
    }
    let mut text = Vec::new();
    for record in records {
        serde_json::to_writer(&mut text, record)?;
        text.push(b'\n');
    }
    let mut file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&present)?;
    let whole = file.metadata()?.len();
    // A part of it must not stand before the next one.
    file.write_all(&text).inspect_err(|_| drop(file.set_len(whole)))
}

/// Records of both files that touch this time. A line that is damaged is left out.
pub(super) fn read(dir: &Path, name: &str, from_ms: u64, to_ms: u64) -> io::Result<Vec<Record>> {
    let mut found = Vec::new();
    each(dir, name, |record| {
        let touches = |from: u64, to: u64| from < to_ms && to > from_ms;
        let of_minute = |minute: u64| touches(minute * MINUTE_MS, (minute + 1) * MINUTE_MS);
        let is_wanted = record.minute.as_ref().is_some_and(|minute| of_minute(minute.minute))
            || record.seen.as_ref().is_some_and(|seen| of_minute(seen.minute))
            || record.still.as_ref().is_some_and(|still| touches(still.from_ms, still.to_ms))
            || record.loss.as_ref().is_some_and(|loss| touches(loss.from_ms, loss.to_ms.max(loss.from_ms + 1)));
        if is_wanted {
            found.push(record);
        }
    })?;
    Ok(found)
}

/// The last minute that was counted; 0: none.
pub(super) fn last_minute(dir: &Path, name: &str) -> u64 {
    let mut last = 0;
    let read = each(dir, name, |record| last = last.max(record.minute.map_or(0, |minute| minute.minute)));
    if let Err(error) = read {
        tracing::warn!(name, %error, "history not read; minutes may be counted twice, of which one is taken");
    }
    last
}

fn each(dir: &Path, name: &str, mut take: impl FnMut(Record)) -> io::Result<()> {
    for path in paths(dir, name) {
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut file = BufReader::new(file);
        let mut line = Vec::new();
        while file.read_until(b'\n', &mut line)? > 0 {
            if line.len() <= LINE_BYTES_MAX
                && let Ok(record) = serde_json::from_slice(&line)
            {
                take(record);
            }
            line.clear();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sluice_admission::line::Minute;

    use super::*;

    fn minute(minute: u64) -> Record {
        Record { minute: Some(Minute { minute, called: 3, ..Minute::default() }), ..Record::default() }
    }

    #[test]
    fn what_was_written_is_read_by_its_time_and_damage_costs_one_record() {
        let dir = tempfile::tempdir().unwrap();
        let write = |records: &[Record]| append(&dir.path().join("history"), "a", records).unwrap();
        write(&[minute(10), minute(11)]);
        let path = dir.path().join("history/a.jsonl");
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"minute\":{\"min\n").unwrap();
        write(&[minute(12)]);
        let read = |from: u64, to: u64| {
            let found = read(&dir.path().join("history"), "a", from * MINUTE_MS, to * MINUTE_MS).unwrap();
            found.iter().map(|record| record.minute.as_ref().unwrap().minute).collect::<Vec<_>>()
        };
        assert_eq!((read(0, 100), read(11, 12), read(13, 20)), (vec![10, 11, 12], vec![11], vec![]));
        assert_eq!(last_minute(&dir.path().join("history"), "a"), 12);
        assert_eq!(last_minute(dir.path(), "b"), 0);
    }

    #[test]
    fn a_full_file_becomes_the_older_of_two() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), "a", &[minute(1)]).unwrap();
        let path = dir.path().join("a.jsonl");
        fs::write(&path, " ".repeat(usize::try_from(FILE_BYTES_MAX).unwrap()) + "\n").unwrap();
        append(dir.path(), "a", &[minute(2)]).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < 1_000);
        assert_eq!(fs::metadata(dir.path().join("a.old.jsonl")).unwrap().len(), FILE_BYTES_MAX + 1);
        assert_eq!(last_minute(dir.path(), "a"), 2);
    }
}
