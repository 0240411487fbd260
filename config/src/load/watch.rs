//! Has anything changed?

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs::Metadata,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    diagnostics::Errors,
    load::{self, files},
    outside::Outside,
    settings::Config,
};

/// Tells when a config directory has changed, so that it is worth loading again.
///
/// It is meant to be asked every second or so: a look at some files' metadata, without threads, handles or system
/// specific watchers, which miss changes on network file systems and in containers' mounted config.
///
/// ```no_run
/// # fn apply(_: sluice_config::Config) {}
/// let (mut watch, config) = sluice_config::Watch::load("/etc/sluice");
/// apply(config?);
/// loop {
///     std::thread::sleep(std::time::Duration::from_secs(1));
///     if watch.changed() {
///         match watch.reload() {
///             Ok(config) => apply(config),
///             Err(errors) => eprintln!("{errors}"), // the running config stays
///         }
///     }
/// }
/// # Ok::<(), sluice_config::Errors>(())
/// ```
#[derive(Debug)]
pub struct Watch {
    dir: PathBuf,
    /// Files beside the TOML ones that the last load asked for: secrets and certificates.
    named: Vec<PathBuf>,
    /// What the last load read.
    loaded: Fingerprint,
    /// What the last look saw.
    seen: Fingerprint,
}

impl Watch {
    /// Loads a directory and remembers the state of its files.
    pub fn load(dir: impl Into<PathBuf>) -> (Self, Result<Config, Errors>) {
        let mut watch =
            Self { dir: dir.into(), named: Vec::new(), loaded: Fingerprint::default(), seen: Fingerprint::default() };
        let config = watch.reload();
        (watch, config)
    }

    /// Whether any file of the config, or any file it names, has changed since the last load and come to rest since
    /// the last call: a file that is just being written is not worth a look.
    pub fn changed(&mut self) -> bool {
        let now = Fingerprint::of(&self.dir, &self.named);
        let is_at_rest = now == self.seen;
        self.seen = now;
        is_at_rest && self.seen != self.loaded
    }

    /// Loads the directory again, also if nothing has changed: the environment may have, or a name's address.
    ///
    /// # Errors
    ///
    /// As [`load`](crate::load). The same files are not reported as changed again.
    pub fn reload(&mut self) -> Result<Config, Errors> {
        // Taken first: what changes while the files are read is a change after it.
        let before = Fingerprint::of(&self.dir, &self.named);
        let env = |name: &str| std::env::var(name).ok();
        let outside = Outside::new(&self.dir, &env);
        let result = load::read(&outside);
        self.named = outside.files.into_inner();
        let now = Fingerprint::of(&self.dir, &self.named);
        let named = now.named.into_iter().map(|(path, stamp)| {
            let first = before.named.get(&path).copied().unwrap_or(stamp);
            (path, first)
        });
        self.loaded = Fingerprint { toml: before.toml, named: named.collect() };
        self.seen.clone_from(&self.loaded);
        result
    }
}

/// The state of a set of files, cheap to take and to compare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fingerprint {
    toml: BTreeMap<PathBuf, Option<Stamp>>,
    named: BTreeMap<PathBuf, Option<Stamp>>,
}

impl Fingerprint {
    fn of(dir: &Path, named: &[PathBuf]) -> Self {
        let tenants = files::tenant_files(dir).unwrap_or_default();
        let toml = std::iter::once(files::node_file(dir)).chain(tenants);
        let stamped = |path: PathBuf| {
            let stamp = Stamp::of(&path);
            (path, stamp)
        };
        Self { toml: toml.map(stamped).collect(), named: named.iter().cloned().map(stamped).collect() }
    }
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
    inode: Option<Inode>,
}

/// Changes with a new file under the old name and time, as `mv` and `cp -p` leave it, and with its permissions: these
/// by themselves too, since many systems count time in steps of some milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Inode {
    number: u64,
    mode: u32,
    changed: (i64, i64),
}

impl Stamp {
    /// `None` if there is no such file.
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { len: metadata.len(), modified: metadata.modified().ok(), inode: inode(&metadata) })
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> Option<Inode> {
    use std::os::unix::fs::MetadataExt as _;
    let changed = (metadata.ctime(), metadata.ctime_nsec());
    Some(Inode { number: metadata.ino(), mode: metadata.mode(), changed })
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> Option<Inode> {
    None
}
