//! Where accounts, certificates and proofs are kept: sealed, on this node's disk and in the store that a fleet shares.
//!
//! The disk has what this node uses, so that it starts without the store, and so that a store which was wiped is filled again
//! without an order. The store has it for the other nodes; a node writes there under a lease, so that one which was held up
//! takes nothing back that others have done meanwhile. A node without a shared store has the disk alone.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use sluice_admission::store::{Note, StoreError};
use sluice_config::limits::ACME_HOSTS_MAX;
use tokio::task::spawn_blocking;

use super::{record::Version, schedule::Tries};
use crate::lines::{Lines, wrapping::Wrapping};

/// What the keys are derived for.
const PURPOSE: &str = "acme";
/// A lease, longer than a try may take.
const LEASE: Duration = Duration::from_secs(180);
/// How long something is kept in the store. What nodes still use is put there again.
const KEEP: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;
const BOARD: &str = "acme";
/// Hosts that are wanted, and as many that were.
const NOTES_MAX: usize = 2 * ACME_HOSTS_MAX;
const TRIES: &str = "tries.json";

/// What the nodes tell each other of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Notice {
    /// The certificate that lies in the store.
    pub(super) certificate: Option<Version>,
    pub(super) tries: Tries,
}

#[derive(Debug)]
pub(super) struct Vault {
    lines: Arc<Lines>,
    dir: PathBuf,
    pub(super) wrapping: Wrapping,
    /// Which node holds a lease.
    owner: String,
}

/// The name of a host's certificate.
pub(super) fn certificate(host: &str) -> String {
    format!("acme.certificate.{host}")
}

/// The name of the account at an authority.
pub(super) fn account(directory: &str) -> String {
    let digest = digest(&SHA256, directory.as_bytes());
    let hex: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("acme.account.{hex}")
}

/// The name of a proof.
pub(super) fn challenge(token: &str) -> String {
    format!("acme.challenge.{token}")
}

impl Vault {
    /// `owner` tells this node from all others.
    pub(super) fn new(lines: Arc<Lines>, owner: String) -> Self {
        let dir = lines.state_dir().join("acme");
        Self { lines, dir, wrapping: Wrapping::new(PURPOSE), owner }
    }

    /// Whether other nodes are to be heard.
    pub(super) fn is_shared(&self) -> bool {
        matches!(*self.lines, Lines::Redis(..))
    }

    /// What lies under a name on the disk, and whether the current master secret has sealed it. What cannot be read or opened
    /// is said, and is as if it were not there.
    pub(super) async fn recall(&self, name: &str) -> Option<(Vec<u8>, bool)> {
        let path = self.dir.join(name);
        let sealed = match spawn_blocking(move || read(&path)).await.ok()? {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(name, %error, "ACME: what this node has kept cannot be read");
                return None;
            }
        };
        let opened = self.wrapping.unwrap(name, &sealed);
        if opened.is_none() {
            tracing::warn!(name, "ACME: what this node has kept is damaged, or sealed with another master secret");
        }
        opened.map(|opened| (opened.plain, opened.is_current))
    }

    /// Keeps something on the disk.
    pub(super) async fn keep(&self, name: &str, plain: &[u8]) {
        if let Some(sealed) = self.wrapping.wrap(name, plain) {
            self.write(name, sealed).await;
        }
    }

    /// What had been tried when this node ended.
    pub(super) async fn recall_tries(&self) -> Vec<(String, Tries)> {
        let path = self.dir.join(TRIES);
        let text = spawn_blocking(move || read(&path)).await.ok().and_then(Result::ok);
        let tries: Option<std::collections::BTreeMap<String, Tries>> =
            text.and_then(|text| serde_json::from_slice(&text).ok());
        tries.unwrap_or_default().into_iter().collect()
    }

    pub(super) async fn keep_tries(&self, tries: &std::collections::BTreeMap<String, Tries>) {
        if let Ok(text) = serde_json::to_vec(tries) {
            self.write(TRIES, text).await;
        }
    }

    async fn write(&self, name: &str, bytes: Vec<u8>) {
        let dir = self.dir.clone();
        let file = name.to_owned();
        let written = spawn_blocking(move || write(&dir, &file, &bytes)).await;
        if let Err(error) = written.unwrap_or_else(|_| Err(io::Error::other("the process ends"))) {
            tracing::error!(name, %error, "ACME: the state directory does not take it; a restart may ask for it again");
        }
    }

    /// What lies under a name in the store, opened; `None` in the inner place: it is there and cannot be opened.
    ///
    /// # Errors
    /// If the store did not answer.
    pub(super) async fn shared(&self, name: &str) -> Result<Option<Option<Vec<u8>>>, StoreError> {
        let Lines::Redis(store, _) = &*self.lines else { return Ok(None) };
        let sealed = store.get(name).await?;
        Ok(sealed.map(|sealed| self.wrapping.unwrap(name, &sealed).map(|opened| opened.plain)))
    }

    /// Takes the lease on a name. False: another node has it.
    ///
    /// # Errors
    /// If the store did not answer.
    pub(super) async fn hold(&self, name: &str) -> Result<bool, StoreError> {
        match &*self.lines {
            Lines::Redis(store, _) => store.hold(name, &self.owner, LEASE).await,
            Lines::Embedded(_) => Ok(true),
        }
    }

    /// Puts something into the store whose lease this node holds. False: it does not any more.
    ///
    /// # Errors
    /// If the store did not answer.
    pub(super) async fn publish(&self, name: &str, plain: &[u8]) -> Result<bool, StoreError> {
        let Lines::Redis(store, _) = &*self.lines else { return Ok(true) };
        match self.wrapping.wrap(name, plain) {
            Some(sealed) => store.put_held(name, &self.owner, &sealed, KEEP).await,
            None => Ok(false),
        }
    }

    /// Gives a lease back. If the store does not answer it ends by itself.
    pub(super) async fn free(&self, name: &str) {
        if let Lines::Redis(store, _) = &*self.lines
            && let Err(error) = store.free(name, &self.owner).await
        {
            tracing::debug!(name, %error, "ACME: lease not given back");
        }
    }

    /// Puts a proof where every node finds it, and makes sure that it is there.
    ///
    /// # Errors
    /// If the store did not answer.
    pub(super) async fn put_challenge(&self, token: &str, proof: &str, keep: Duration) -> Result<(), StoreError> {
        let Lines::Redis(store, _) = &*self.lines else { return Ok(()) };
        let name = challenge(token);
        let sealed = self.wrapping.wrap(&name, proof.as_bytes());
        let sealed = sealed.ok_or_else(|| StoreError::Away("there is no key to seal with".to_owned()))?;
        store.put(&name, &sealed, keep).await?;
        match self.shared(&name).await? {
            Some(Some(_)) => Ok(()),
            _ => Err(StoreError::Away(format!("{name} is gone again"))),
        }
    }

    /// Tells the other nodes, and hears them.
    ///
    /// # Errors
    /// If the store did not answer.
    pub(super) async fn tell(&self, notices: &[(String, Notice)]) -> Result<Vec<(String, Notice)>, StoreError> {
        let Lines::Redis(store, _) = &*self.lines else { return Ok(Vec::new()) };
        let note = |(host, notice): &(String, Notice)| {
            Some(Note { name: host.clone(), text: serde_json::to_string(notice).ok()?, keep: KEEP })
        };
        let notes: Vec<_> = notices.iter().filter_map(note).collect();
        let board = store.board(BOARD, &notes, NOTES_MAX).await?;
        let read = |note: Note| Some((note.name, serde_json::from_str(&note.text).ok()?));
        Ok(board.notes.into_iter().filter_map(read).collect())
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    fs::read(path)
}

/// Whole or not at all, for this user alone.
fn write(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let (path, fresh) = (dir.join(name), dir.join(format!("{name}.new")));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, &path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::lines::wrapping::tests::keyring;

    fn vault(dir: &tempfile::TempDir, current: &str, secrets: &[(&str, u8)]) -> Vault {
        let lines = Lines::open(&sluice_config::Store::Embedded { state_dir: dir.path().to_owned() }).unwrap();
        let vault = Vault::new(Arc::new(lines), "me".into());
        vault.wrapping.take(&keyring(current, secrets));
        vault
    }

    #[tokio::test]
    async fn what_is_kept_is_sealed_for_this_user_alone_and_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        vault(&dir, "a", &[("a", 1)]).keep("acme.account.1", b"secret").await;
        let path = dir.path().join("acme/acme.account.1");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(!fs::read(&path).unwrap().windows(6).any(|bytes| bytes == b"secret"));
        let kept = async |current, secrets: &[_]| vault(&dir, current, secrets).recall("acme.account.1").await;
        assert_eq!(kept("a", &[("a", 1)]).await, Some((b"secret".to_vec(), true)));
        assert_eq!(kept("b", &[("a", 1), ("b", 2)]).await, Some((b"secret".to_vec(), false)), "to be sealed anew");
        assert_eq!(kept("b", &[("b", 2)]).await, None);
    }

    #[tokio::test]
    async fn a_file_under_another_name_is_not_taken_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let vault = vault(&dir, "a", &[("a", 1)]);
        vault.keep(&certificate("a.example.com"), b"secret").await;
        let path = |host: &str| dir.path().join("acme").join(certificate(host));
        fs::copy(path("a.example.com"), path("b.example.com")).unwrap();
        assert_eq!(vault.recall(&certificate("b.example.com")).await, None);
        assert_eq!(vault.recall(&certificate("c.example.com")).await, None, "there is none");
    }
}
