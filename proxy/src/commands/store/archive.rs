//! A backup as a file: a gzipped tar of `config/` and `state/`, with the sum of each file in a list at the end.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | files | 100,000 | the archive is not written, or not read |
//! | bytes of all files | 64 GiB | the same |

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// Changed when an older version could not read it.
const FORMAT: u32 = 1;
/// The list of files, behind all of them.
const LIST: &str = "manifest.json";
const FILES_MAX: usize = 100_000;
const BYTES_MAX: u64 = 64 << 30;
/// Longest list that is read.
const LIST_BYTES_MAX: u64 = 32 << 20;

/// What is in an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct List {
    format: u32,
    /// Of the program that made it.
    version: String,
    /// When it was made, unix milliseconds.
    pub(super) made_ms: u64,
    /// By name: `config/…` and `state/…`.
    pub(super) files: BTreeMap<String, About>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) bytes: u64,
    /// Of its content, in hex.
    sha256: String,
}

/// A file that goes unless it gets another name.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl List {
    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.values().map(|about| about.bytes).sum()
    }
}

/// An archive that is being written. It has its name only when it is whole; else nothing of it stays.
pub(super) struct Writer {
    tar: tar::Builder<GzEncoder<BufWriter<File>>>,
    draft: Draft,
    to: PathBuf,
    list: List,
}

impl Writer {
    /// Begins an archive that the owner alone can read.
    pub(super) fn begin(to: &Path, made_ms: u64) -> io::Result<Self> {
        if to.exists() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there already; name another file"));
        }
        let mut draft = to.to_owned().into_os_string();
        draft.push(format!(".{}.draft", std::process::id()));
        let draft = Draft(draft.into());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft.0)?;
        let tar = tar::Builder::new(GzEncoder::new(BufWriter::new(file), Compression::default()));
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(Self {
            tar,
            draft,
            to: to.to_owned(),
            list: List { format: FORMAT, version, made_ms, files: BTreeMap::new() },
        })
    }

    /// Adds a file as it is now: what is appended meanwhile is left out.
    pub(super) fn add(&mut self, name: &str, mut file: File) -> io::Result<()> {
        let bytes = file.metadata()?.len();
        if self.list.files.len() >= FILES_MAX || self.list.bytes().saturating_add(bytes) > BYTES_MAX {
            return Err(io::Error::other("there is more to be backed up than an archive may hold"));
        }
        let mut sum = Summed { from: (&mut file).take(bytes), sum: Context::new(&SHA256), bytes: 0 };
        let mut head = self.head(bytes);
        self.tar.append_data(&mut head, name, &mut sum)?;
        if sum.bytes != bytes {
            return Err(io::Error::other(format!("{name} became shorter while it was copied; try again")));
        }
        self.list.files.insert(name.to_owned(), About { bytes, sha256: hex(sum.sum) });
        Ok(())
    }

    /// Ends it, and gives it its name once it is on the disk.
    pub(super) fn end(mut self) -> io::Result<List> {
        let list = serde_json::to_vec_pretty(&self.list)?;
        let mut head = self.head(list.len() as u64);
        self.tar.append_data(&mut head, LIST, &*list)?;
        let file = self.tar.into_inner()?.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&self.draft.0, &self.to)?;
        Ok(self.list)
    }

    fn head(&self, bytes: u64) -> tar::Header {
        let mut head = tar::Header::new_gnu();
        head.set_size(bytes);
        head.set_mode(0o600);
        head.set_mtime(self.list.made_ms / 1_000);
        head
    }
}

/// Reads an archive once, from the first byte to the last, and compares every file with the list.
///
/// # Errors
/// If it is no archive of ours, or not what was written.
pub(super) fn verify(from: &Path) -> io::Result<List> {
    let (mut found, mut list) = (BTreeMap::new(), None);
    each(from, |name, content| {
        if name == LIST {
            list = Some(serde_json::from_reader::<_, List>(content.take(LIST_BYTES_MAX))?);
            return Ok(());
        }
        let mut sum = Summed { from: content, sum: Context::new(&SHA256), bytes: 0 };
        let bytes = io::copy(&mut sum, &mut io::sink())?;
        found.insert(name.to_owned(), About { bytes, sha256: hex(sum.sum) });
        Ok(())
    })?;
    let list = list.ok_or_else(|| damaged("it ends before its list of files"))?;
    if list.format != FORMAT {
        return Err(damaged(&format!("format {} is not known to this version, which reads {FORMAT}", list.format)));
    }
    let differs = |name: &&String| found.get(*name) != list.files.get(*name);
    match list.files.keys().chain(found.keys()).find(differs) {
        Some(name) => Err(damaged(&format!("{name} is not what was written"))),
        None => Ok(list),
    }
}

/// Hands over each file, the list among them.
pub(super) fn each(from: &Path, mut what: impl FnMut(&str, &mut dyn Read) -> io::Result<()>) -> io::Result<()> {
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(File::open(from)?)));
    let mut bytes = 0_u64;
    let unread = |error: io::Error| damaged(&format!("it cannot be read: {error}"));
    for (nth, entry) in archive.entries().map_err(unread)?.enumerate() {
        let mut entry = entry.map_err(unread)?;
        bytes = bytes.saturating_add(entry.size());
        if nth > FILES_MAX || bytes > BYTES_MAX {
            return Err(damaged("it holds more than an archive may"));
        }
        let name = entry.path()?.to_str().map(str::to_owned).ok_or_else(|| damaged("a name is no text"))?;
        if !entry.header().entry_type().is_file() || !is_plain(&name) {
            return Err(damaged(&format!("{name:?} is no file of a backup")));
        }
        what(&name, &mut entry)?;
    }
    // To its end, where the sum of all of it stands.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(unread)?;
    Ok(())
}

/// A name that leads nowhere else, whatever it is read as.
fn is_plain(name: &str) -> bool {
    let named = name == LIST || name.starts_with("config/") || name.starts_with("state/");
    named && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

/// Adds up what is read.
struct Summed<R> {
    from: R,
    sum: Context,
    bytes: u64,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let bytes = self.from.read(buf)?;
        self.sum.update(&buf[..bytes]);
        self.bytes += bytes as u64;
        Ok(bytes)
    }
}

fn hex(sum: Context) -> String {
    sum.finish().as_ref().iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn file(dir: &Path, content: &[u8]) -> File {
        let path = dir.join("content");
        fs::write(&path, content).unwrap();
        File::open(path).unwrap()
    }

    fn archive(dir: &Path) -> PathBuf {
        let to = dir.join("backup.tar.gz");
        let mut writer = Writer::begin(&to, 1_700_000_000_000).unwrap();
        writer.add("config/sluice.toml", file(dir, b"[server]\n")).unwrap();
        writer.add("state/shop.sale.1.journal", file(dir, &[7; 3_000])).unwrap();
        assert!(!to.exists(), "it is not whole yet");
        writer.end().unwrap();
        to
    }

    #[test]
    fn what_was_written_is_what_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let list = verify(&archive(dir.path())).unwrap();
        assert_eq!(list.made_ms, 1_700_000_000_000);
        assert_eq!(list.bytes(), 3_009);
        assert_eq!(list.files.keys().collect::<Vec<_>>(), ["config/sluice.toml", "state/shop.sale.1.journal"]);
    }

    #[test]
    fn a_backup_is_its_owners_alone_and_replaces_none() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let to = archive(dir.path());
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Writer::begin(&to, 1).err().map(|error| error.kind()), Some(io::ErrorKind::AlreadyExists));
    }

    #[test]
    fn every_byte_that_is_not_as_written_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let to = archive(dir.path());
        let bytes = fs::read(&to).unwrap();
        let spoiled = dir.path().join("spoiled");
        // Its first ten bytes are a head that says nothing of the content.
        for at in (10..bytes.len()).step_by(7) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            fs::write(&spoiled, &bytes).unwrap();
            assert!(verify(&spoiled).is_err(), "byte {at} of {}", bytes.len());
            fs::write(&spoiled, &bytes[..at]).unwrap();
            assert!(verify(&spoiled).is_err(), "cut at {at} of {}", bytes.len());
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let names = [
            "state/../../etc/passwd",
            "/state/x",
            "other/x",
            "state/./x/..",
            "state",
            "state//etc/x",
            "config//x",
            "state/x/",
        ];
        for name in names {
            let to = dir.path().join("evil");
            let mut tar = tar::Builder::new(GzEncoder::new(File::create(&to).unwrap(), Compression::fast()));
            let mut head = tar::Header::new_gnu();
            head.set_size(1);
            head.set_mode(0o600);
            // As bytes: the library would not write them.
            head.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            head.set_cksum();
            tar.append(&head, &b"x"[..]).unwrap();
            tar.into_inner().unwrap().finish().unwrap();
            assert!(verify(&to).unwrap_err().to_string().contains("is no file of a backup"), "{name}");
        }
    }
}
