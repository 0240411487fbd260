//! The files of a node under test.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::super::Tenant;

/// A config folder, with the node's state and what it says in it.
#[derive(Debug)]
pub(crate) struct ConfigFolder {
    dir: TempDir,
}

impl ConfigFolder {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("tenants")).unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where a node keeps its state.
    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.dir.path().join(file), text).unwrap();
    }

    pub(crate) fn write_tenant(&self, tenant: &Tenant) {
        self.write(&format!("tenants/{}.toml", tenant.name), &tenant.text());
    }

    /// Writes a certificate for these hosts and its key, and gives them as `[tls]` writes them.
    pub(crate) fn write_certificate(&self, hosts: &[&str]) -> String {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(hosts).unwrap();
        self.write("shop.pem", &made.cert.pem());
        self.write("shop.key", &made.signing_key.serialize_pem());
        fs::set_permissions(self.dir.path().join("shop.key"), fs::Permissions::from_mode(0o600)).unwrap();
        "{ chain = \"shop.pem\", key = { file = \"shop.key\" } }".to_owned()
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir.path().join(file)).unwrap()
    }

    pub(crate) fn remove(&self, file: &str) {
        fs::remove_file(self.dir.path().join(file)).unwrap();
    }

    /// Where a process is to write what it says on a stream.
    pub(crate) fn log(&self, stream: &str) -> File {
        OpenOptions::new().create(true).append(true).open(self.log_path(stream)).unwrap()
    }

    /// What has been said on a stream so far.
    pub(crate) fn read_log(&self, stream: &str) -> String {
        fs::read(self.log_path(stream)).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into())
    }

    fn log_path(&self, stream: &str) -> PathBuf {
        self.dir.path().join(format!("{stream}.log"))
    }
}
