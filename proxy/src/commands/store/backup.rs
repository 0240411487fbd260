//! `sluice backup`: config and state of a node, while it runs.
//!
//! A journal is only ever appended to, so its beginning is the line as it was at one moment; a record that was half written
//! is dropped when it is read back. With a Redis store the state directory holds what this node knows of each line, from
//! which the lines are healed as after any loss of the store.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use sluice_admission::store::{LOCK, RESTORED};

use super::{
    archive::{List, Writer},
    dir::{Dir, at},
};
use crate::{
    commands::{Failed, console::say},
    sinks::time::now_ms,
};

/// Files that a node has for itself.
const LEFT_OUT: [&str; 2] = [LOCK, RESTORED];
/// How files end that are being written, and get their name when they are whole.
const UNFINISHED: [&str; 2] = ["draft", "new"];
/// What directories are called that hold what a backup has replaced.
pub(super) const ASIDE: &str = "replaced-";
/// How often a directory is read anew because a file went while it was copied: journals are replaced by shorter ones.
const READINGS_MAX: usize = 10;

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Options {
    /// The directory that holds sluice.toml and tenants/*.toml.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
    /// The archive to write; it must not be there yet.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub(in crate::commands) fn run(options: &Options) -> Result<(), Failed> {
    let config = crate::commands::load(&options.config)?;
    let named = |error: io::Error| Failed::Because(format!("no backup {}: {error}", options.to.display()));
    if !config.store.state_dir().is_dir() {
        return Err(Failed::Because(format!(
            "{}: there is no such directory; is `state_dir` right, and has the node been started?",
            config.store.state_dir().display()
        )));
    }
    let list = write(&options.config, config.store.state_dir(), &options.to).map_err(named)?;
    say(format_args!(
        "{}: {} files, {} bytes before compression, of {} lines. No key is in it in the clear: keep the master secret \
         and the files of certificates elsewhere.",
        options.to.display(),
        list.files.len(),
        list.bytes(),
        lines_in(&list).len()
    ));
    Ok(())
}

/// Writes an archive of a config directory and a state directory.
fn write(config: &Path, state: &Path, to: &Path) -> io::Result<List> {
    let in_config = |error: io::Error| at(config, &error);
    let in_state = |error: io::Error| at(state, &error);
    let configured = Dir::of_administrator(config).map_err(in_config)?;
    let kept = Dir::of_node(state).map_err(in_state)?;
    let mut archive = Writer::begin(to, now_ms())?;
    for name in configured.files().map_err(in_config)? {
        if name == "sluice.toml" || (name.starts_with("tenants/") && name.ends_with(".toml")) {
            archive.add(&format!("config/{name}"), configured.read(&name).map_err(in_config)?)?;
        }
    }
    let mut added = Vec::new();
    for reading in 1.. {
        let mut vanished = false;
        for name in kept.files().map_err(in_state)? {
            let end = Path::new(&name).extension().and_then(OsStr::to_str);
            let is_unfinished = end.is_some_and(|end| UNFINISHED.contains(&end));
            if is_unfinished || LEFT_OUT.contains(&&*name) || name.starts_with(ASIDE) || added.contains(&name) {
                continue;
            }
            match kept.read(&name) {
                Ok(file) => {
                    archive.add(&format!("state/{name}"), file)?;
                    added.push(name);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => vanished = true,
                Err(error) => return Err(in_state(error)),
            }
        }
        if !vanished {
            break;
        }
        if reading == READINGS_MAX {
            return Err(io::Error::other("files of the state directory go faster than they are copied; try again"));
        }
    }
    archive.end()
}

/// The lines of which something is in an archive.
pub(super) fn lines_in(list: &List) -> BTreeSet<&str> {
    list.files.keys().filter_map(|name| line_of(name.strip_prefix("state/")?)).collect()
}

/// The line that a file of the state directory belongs to, as its files are named.
pub(super) fn line_of(name: &str) -> Option<&str> {
    let journal = name.strip_suffix(".journal").or_else(|| name.strip_suffix(".damaged"));
    let line = journal.and_then(|rest| Some(rest.rsplit_once('.')?.0)).or_else(|| name.strip_suffix(".known"));
    line.filter(|line| !line.contains('/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;
    use crate::commands::store::archive::verify;

    #[test]
    fn keys_and_what_a_node_has_for_itself_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let (config, state) = (dir.path().join("config"), dir.path().join("state"));
        for (path, content) in [
            ("config/sluice.toml", "a"),
            ("config/master.key", "secret"),
            ("config/tenants/shop.toml", "b"),
            ("config/tenants/shop.pem", "secret"),
            ("state/lock", ""),
            ("state/shop.sale.3.journal", "j"),
            ("state/shop.sale.12-0.draft", "d"),
            ("state/shop.sale.known.12.new", "n"),
            ("state/shop.sale.known", "k"),
            ("state/replaced-7/shop.sale.known", "old"),
            ("state/history/shop.sale.json", "h"),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let to = dir.path().join("backup");
        let list = write(&config, &state, &to).unwrap();
        let expected = [
            "config/sluice.toml",
            "config/tenants/shop.toml",
            "state/history/shop.sale.json",
            "state/shop.sale.3.journal",
            "state/shop.sale.known",
        ];
        assert_eq!(list.files.keys().collect::<Vec<_>>(), expected);
        assert_eq!(verify(&to).unwrap(), list);
    }

    #[test]
    fn files_are_known_by_their_line() {
        assert_eq!(line_of("shop.sale.3.journal"), Some("shop.sale"));
        assert_eq!(line_of("shop.sale.3.damaged"), Some("shop.sale"));
        assert_eq!(line_of("shop.sale.known"), Some("shop.sale"));
        assert_eq!(line_of("audit.jsonl"), None);
    }
}
