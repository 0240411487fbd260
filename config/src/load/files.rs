//! The files of a config directory.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{limits::FILE_BYTES_MAX, outside};

/// The node's own file.
pub(crate) const NODE_FILE: &str = "sluice.toml";
/// The folder of the tenants' files.
pub(crate) const TENANTS_DIR: &str = "tenants";

pub(crate) fn node_file(dir: &Path) -> PathBuf {
    dir.join(NODE_FILE)
}

/// The tenants' files, sorted by name: `*.toml`, without hidden ones, which are editors' and file systems' own.
pub(crate) fn tenant_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir.join(TENANTS_DIR))? {
        let name = entry?.file_name();
        let path = Path::new(&name);
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if path.extension().is_some_and(|extension| extension == "toml") && !is_hidden {
            files.push(dir.join(TENANTS_DIR).join(path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The content of a TOML file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let (file, _) = outside::open_regular(path)?;
    outside::read_bounded(file, FILE_BYTES_MAX)
}
