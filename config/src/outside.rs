//! What a config depends on beside its own text: files, the environment, name resolution, the time of day.

pub mod dns;

use std::{
    cell::RefCell,
    fs::{File, Metadata},
    io::{self, Read as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

type Resolve = dyn Fn(&[SocketAddr], &str, u16) -> io::Result<Vec<SocketAddr>>;

/// The world around a config directory, as an argument so that tests bring their own.
pub(crate) struct Outside<'a> {
    /// The config directory; relative paths in its files start here.
    pub(crate) dir: &'a Path,
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    /// The addresses of a host, as [`dns::addresses`] gives them.
    pub(crate) resolve: &'a Resolve,
    /// The moment at which certificates have to be valid.
    pub(crate) now: SystemTime,
    /// Files that were asked for, there or not: a reload has to look at them too.
    pub(crate) files: RefCell<Vec<PathBuf>>,
}

impl<'a> Outside<'a> {
    pub(crate) fn new(dir: &'a Path, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { dir, env, resolve: &dns::addresses, now: SystemTime::now(), files: RefCell::default() }
    }

    /// The time in seconds since 1970.
    pub(crate) fn now_s(&self) -> u64 {
        self.now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    /// Opens a file that a setting names.
    pub(crate) fn open(&self, written: &str) -> Opened {
        let path = self.dir.join(written);
        self.files.borrow_mut().push(path.clone());
        let content = open_regular(&path);
        Opened { path, content }
    }
}

/// A file that a setting names, if it could be opened.
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    pub(crate) content: io::Result<(File, Metadata)>,
}

/// Opens a file, but nothing else that has a path: a pipe would block, a device never ends.
pub(crate) fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    // Asked before opening, since opening a pipe waits for its other end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

/// Everything in the file, or an error if that is more than `bytes_max`.
pub(crate) fn read_bounded(file: File, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(io::Error::other(format!("larger than {} KiB", bytes_max >> 10)));
    }
    Ok(bytes)
}
