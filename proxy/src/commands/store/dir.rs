//! A directory that is held by its descriptor, with the names in it.
//!
//! The state directory belongs to the user of the node, who may do less than the administrator. A node that was broken into
//! can put a link or a FIFO under any name in it, at any moment: between a check of a path and its use as well. So the
//! directory is opened once, every name is looked up in it by one part at a time, no link is followed, and what is judged
//! or given away is what was opened. The directories above it are the administrator's.

use std::{
    fs::{File, TryLockError},
    io::{self, Read},
    os::unix::fs::{MetadataExt, fchown},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, mkdirat, openat, renameat, statat, unlinkat},
    io::Errno,
    process::geteuid,
};
use sluice_admission::store::LOCK;

/// A directory. Names in it are parts between slashes, none of them empty, `.` or `..`.
pub(super) struct Dir {
    held: File,
    /// The user and the group of a node, to whom all is given that is made, and whose links are not followed. `None`: it is
    /// the administrator's.
    node: Option<(u32, u32)>,
}

impl Dir {
    /// Opens a state directory.
    ///
    /// # Errors
    /// If there is none, or if it is a link.
    pub(super) fn of_node(path: &Path) -> io::Result<Self> {
        // Without a slash at its end, behind which a link would be followed.
        let path: PathBuf = path.components().collect();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held: File = match openat(CWD, &path, flags, Mode::empty()) {
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Err(io::Error::other(
                    "it is a link, or no directory; name the directory itself in `state_dir`",
                ));
            }
            opened => opened?.into(),
        };
        let about = held.metadata()?;
        Ok(Self { held, node: Some((about.uid(), about.gid())) })
    }

    /// Opens a directory of the administrator's, such as the config: one that is mounted is made of links.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn of_administrator(path: &Path) -> io::Result<Self> {
        Ok(Self { held: File::open(path)?, node: None })
    }

    /// Takes the lock of a state directory, for as long as the file is held: no node can be started on it.
    ///
    /// # Errors
    /// If another has it, or if it cannot be one.
    pub(super) fn lock(&self) -> io::Result<File> {
        let lock = match self.opened(LOCK, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, 0o644) {
            Ok(made) => self.give(&made).map(|()| made),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.opened(LOCK, OFlags::WRONLY, 0).and_then(regular)
            }
            Err(error) => Err(error),
        };
        let lock = lock.map_err(|error| at(LOCK, &error))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                let text =
                    "another sluice is running on this state directory; stop it, or give each a `state_dir` of its own";
                io::Error::new(io::ErrorKind::ResourceBusy, text)
            }
            TryLockError::Error(error) => at(LOCK, &error),
        })?;
        Ok(lock)
    }

    /// The names in it.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.held)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                let text = format!("{:?}: its name is no text; remove it", entry.file_name());
                return Err(io::Error::other(text));
            };
            if !matches!(name, "." | "..") {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// The regular files in it and in its folders, in the order of their names.
    pub(super) fn files(&self) -> io::Result<Vec<String>> {
        let mut files = Vec::new();
        for name in self.names()? {
            match self.kind(&name) {
                Ok(FileType::RegularFile) => files.push(name),
                Ok(FileType::Directory) => {
                    let inside = self.folder(&name, false).and_then(|folder| {
                        let mut inside = folder.names()?;
                        inside.retain(|name| folder.kind(name) == Ok(FileType::RegularFile));
                        Ok(inside)
                    });
                    match inside {
                        Ok(inside) => files.extend(inside.iter().map(|file| format!("{name}/{file}"))),
                        // It went meanwhile.
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        Err(error) => return Err(at(&name, &error)),
                    }
                }
                _ => {}
            }
        }
        files.sort();
        Ok(files)
    }

    /// Whether a file has this name.
    ///
    /// # Errors
    /// If something else has it, or if it leads through a link.
    pub(super) fn is_file(&self, name: &str) -> io::Result<bool> {
        let (folder, last) = match self.folder_of(name, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            found => found?,
        };
        match folder.kind(last) {
            Ok(FileType::RegularFile) => Ok(true),
            Ok(_) => Err(at(name, &refused("regular file"))),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(at(name, &error.into())),
        }
    }

    /// Opens a regular file for reading.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        let (folder, last) = self.folder_of(name, false)?;
        folder.opened(last, OFlags::RDONLY, 0).and_then(regular).map_err(|error| at(name, &error))
    }

    /// Writes a file that has its name, and its owner, once it is whole and on the disk. Folders that it is in are made.
    pub(super) fn put(&self, name: &str, content: &mut dyn Read, mode: u32) -> io::Result<()> {
        let (folder, last) = self.folder_of(name, true)?;
        folder.write(last, content, mode).map_err(|error| at(name, &error))
    }

    /// Gives a file another name. Folders that it is in then are made.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let ((old, was), (new, becomes)) = (self.folder_of(from, false)?, self.folder_of(to, true)?);
        renameat(&old.held, was, &new.held, becomes).map_err(|error| at(from, &error.into()))
    }

    /// Forces the names in it to disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.held.sync_all()
    }

    /// The folder that a file is in, and the file's name there.
    fn folder_of<'n>(&self, name: &'n str, make: bool) -> io::Result<(Self, &'n str)> {
        let mut parts = name.split('/');
        let last = parts.next_back().unwrap_or_default();
        let mut folder = Self { held: self.held.try_clone()?, node: self.node };
        for part in parts {
            folder = folder.folder(part, make).map_err(|error| at(part, &error))?;
        }
        Ok((folder, last))
    }

    fn folder(&self, name: &str, make: bool) -> io::Result<Self> {
        let open = || self.opened(name, OFlags::RDONLY | OFlags::DIRECTORY, 0);
        let held = match open() {
            Err(error) if make && error.kind() == io::ErrorKind::NotFound => {
                mkdirat(&self.held, name, Mode::from_raw_mode(0o755))?;
                let made = open()?;
                // Another may be in its place by now. It is given away only if it is ours and nobody else could have moved it.
                let about = made.metadata()?;
                if about.uid() == geteuid().as_raw() && about.mode() & 0o022 == 0 {
                    self.give(&made)?;
                }
                made
            }
            opened => opened?,
        };
        Ok(Self { held, node: self.node })
    }

    fn write(&self, name: &str, content: &mut dyn Read, mode: u32) -> io::Result<()> {
        let draft = format!("{name}.draft");
        // Made anew: one that is there may be a link.
        match unlinkat(&self.held, &draft, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let mut file = self.opened(&draft, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, mode)?;
        io::copy(content, &mut file)?;
        self.give(&file)?;
        file.sync_all()?;
        Ok(renameat(&self.held, &draft, &self.held, name)?)
    }

    /// Opens what has a name in it, without waiting for whoever has the other end of it.
    fn opened(&self, name: &str, flags: OFlags, mode: u32) -> io::Result<File> {
        let links = if self.node.is_some() { OFlags::NOFOLLOW } else { OFlags::empty() };
        let flags = flags | links | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&self.held, name, flags, Mode::from_raw_mode(mode)) {
            Ok(opened) => Ok(opened.into()),
            Err(Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO) => {
                Err(refused(if flags.contains(OFlags::DIRECTORY) { "directory" } else { "regular file" }))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn kind(&self, name: &str) -> rustix::io::Result<FileType> {
        let links = if self.node.is_some() { AtFlags::SYMLINK_NOFOLLOW } else { AtFlags::empty() };
        Ok(FileType::from_raw_mode(statat(&self.held, name, links)?.st_mode))
    }

    /// Gives what was made in it to the node, which could not be started on files of the administrator's.
    fn give(&self, made: &File) -> io::Result<()> {
        self.node.map_or(Ok(()), |(uid, gid)| fchown(made, Some(uid), Some(gid)))
    }
}

/// A file, unless it is a FIFO or the like.
fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(refused("regular file")) }
}

fn refused(what: &str) -> io::Error {
    io::Error::other(format!(
        "it is a link, or no {what}; Sluice did not make it: look where it comes from, and remove it"
    ))
}

/// An error that says of which file.
pub(super) fn at(name: impl AsRef<Path>, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", name.as_ref().display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        fs::{self, OpenOptions},
        os::unix::fs::symlink,
    };

    use rustix::fs::mknodat;

    use super::*;

    /// A state directory, and beside it `outside` with a file, which nothing may touch.
    fn world() -> (tempfile::TempDir, PathBuf, Dir) {
        let world = tempfile::tempdir().unwrap();
        let state = world.path().join("state");
        fs::create_dir(&state).unwrap();
        fs::create_dir(world.path().join("outside")).unwrap();
        fs::write(world.path().join("outside/file"), "outside").unwrap();
        let dir = Dir::of_node(&state).unwrap();
        (world, state, dir)
    }

    #[track_caller]
    fn is_untouched(world: &tempfile::TempDir) {
        let outside = world.path().join("outside");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "outside");
    }

    #[track_caller]
    fn is_refused<T>(done: io::Result<T>) {
        let Err(error) = done else { panic!("it was not refused") };
        assert!(error.to_string().contains("it is a link, or no "), "{error}");
    }

    #[test]
    fn a_lock_is_one_regular_file_and_anything_else_is_refused_at_once() {
        let (world, state, dir) = world();
        let lock = state.join(LOCK);
        mknodat(CWD, &lock, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        is_refused(dir.lock());
        let reader = OpenOptions::new().read(true).write(true).open(&lock).unwrap();
        is_refused(dir.lock());
        drop(reader);
        fs::remove_file(&lock).unwrap();
        for to in ["../outside/file", "../outside/new"] {
            symlink(to, &lock).unwrap();
            is_refused(dir.lock());
            fs::remove_file(&lock).unwrap();
        }
        is_untouched(&world);

        let held = dir.lock().unwrap();
        assert_eq!(dir.lock().err().map(|error| error.kind()), Some(io::ErrorKind::ResourceBusy));
        drop(held);
        dir.lock().unwrap();
    }

    #[test]
    fn a_link_at_any_name_is_refused_and_nothing_outside_is_touched() {
        let (world, state, dir) = world();
        let links = [
            ("file", "../outside/file"),
            ("file.draft", "../outside/file"),
            ("nothing", "../outside/new"),
            ("folder", "../outside"),
        ];
        for (name, to) in links {
            symlink(to, state.join(name)).unwrap();
        }
        for name in ["file", "nothing", "folder", "folder/file", "folder/new"] {
            is_refused(dir.is_file(name));
            is_refused(dir.read(name));
        }
        is_refused(dir.put("folder/file", &mut &b"new"[..], 0o600));
        is_refused(dir.rename("file", "folder/new"));
        is_refused(dir.rename("folder/file", "new"));
        is_refused(Dir::of_node(&state.join("folder")));
        is_refused(Dir::of_node(&state.join("folder/")));
        assert!(dir.files().unwrap().is_empty(), "none is a file");

        // What is written takes the place of the links themselves.
        dir.put("file", &mut &b"new"[..], 0o600).unwrap();
        assert_eq!(dir.files().unwrap(), ["file"]);
        assert_eq!(fs::read_to_string(state.join("file")).unwrap(), "new");
        is_untouched(&world);
    }

    #[test]
    fn what_was_opened_is_written_to_whatever_takes_its_place() {
        let (world, state, dir) = world();
        let moved = world.path().join("moved");
        fs::rename(&state, &moved).unwrap();
        symlink("outside", &state).unwrap();
        drop(dir.lock().unwrap());
        dir.put("history/a", &mut &b"new"[..], 0o600).unwrap();
        dir.rename("history/a", "replaced-1/history/a").unwrap();
        assert!(moved.join(LOCK).exists());
        assert_eq!(fs::read_to_string(moved.join("replaced-1/history/a")).unwrap(), "new");
        is_untouched(&world);
    }

    #[test]
    fn a_config_that_is_mounted_is_read_through_its_links() {
        let world = tempfile::tempdir().unwrap();
        fs::create_dir(world.path().join("..2026")).unwrap();
        fs::write(world.path().join("..2026/sluice.toml"), "mounted").unwrap();
        symlink("..2026/sluice.toml", world.path().join("sluice.toml")).unwrap();
        symlink("..2026", world.path().join("tenants")).unwrap();
        symlink("nowhere", world.path().join("dangling")).unwrap();
        let dir = Dir::of_administrator(world.path()).unwrap();
        assert_eq!(dir.files().unwrap(), ["..2026/sluice.toml", "sluice.toml", "tenants/sluice.toml"]);
        assert_eq!(io::read_to_string(dir.read("sluice.toml").unwrap()).unwrap(), "mounted");
    }
}
