//! The program that this process was started from, as the path by which a newer one is found.

use std::{
    env,
    ffi::OsString,
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::FOLLOWS;
use crate::server::supervisor;

/// The program and its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    path: PathBuf,
    args: Vec<OsString>,
}

impl Program {
    /// That of this process. Asked for at its start: later the file may be another one, which is the reason to ask.
    ///
    /// # Errors
    /// If the system does not tell.
    pub(crate) fn of_this_process() -> io::Result<Self> {
        let file = env::current_exe()?;
        let mut args = env::args_os();
        let called = args.next().map(PathBuf::from).unwrap_or_default();
        Ok(Self { path: path(&called, &file, env::var_os("PATH")), args: args.collect() })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Starts it to follow this process, to which the descriptor leads.
    pub(super) fn start(&self, link: OwnedFd) -> io::Result<Child> {
        let mut command = Command::new(&self.path);
        command.args(&self.args).env(FOLLOWS, std::process::id().to_string()).stdin(Stdio::from(link));
        for name in supervisor::OF_ONE_PROCESS {
            command.env_remove(name);
        }
        command.spawn()
    }
}

/// The path by which a process was called, if it leads to its file: through it a link is followed anew each time, so that a
/// new version may stand beside the old one. Else the file itself.
fn path(called: &Path, file: &Path, search: Option<OsString>) -> PathBuf {
    let leads_there = |path: &PathBuf| fs::canonicalize(path).is_ok_and(|found| found == *file);
    let candidates: Vec<_> = match called.components().count() {
        1 => search.iter().flat_map(env::split_paths).map(|dir| dir.join(called)).collect(),
        _ => vec![called.to_owned()],
    };
    // Relative to where the process was started; it stays there.
    candidates.into_iter().find(leads_there).unwrap_or_else(|| file.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_path_by_which_it_was_called_is_followed_if_it_leads_to_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let dir = fs::canonicalize(dir.path()).unwrap();
        let (file, link, other) = (dir.join("sluice-1"), dir.join("sluice"), dir.join("other"));
        fs::write(&file, "").unwrap();
        fs::write(&other, "").unwrap();
        symlink(&file, &link).unwrap();
        let search = || Some(OsString::from(format!("/nowhere:{}", dir.display())));
        assert_eq!(path(&link, &file, None), link);
        assert_eq!(path(Path::new("sluice"), &file, search()), link);
        for (called, search) in [("sluice", None), ("other", search()), ("", search()), ("/nowhere/sluice", search())] {
            assert_eq!(path(Path::new(called), &file, search), file, "{called}");
        }
        assert_eq!(path(&other, &file, None), file, "another program");
    }
}
