//! `sluice restore`: a node's config and state, as they were backed up.
//!
//! Nothing is lost by it: a config file that is there is kept, and state that is there is moved aside, if at all. What has been
//! revoked since stays so. A restored line is an older copy of the line that was. It says so at the first step, by the rules for
//! a store that went back in time: it skips numbers, so none is given twice, calls no visitor for 2 s, and takes the number of
//! everyone who returns with a ticket for a place.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown, lchown},
    path::{Path, PathBuf},
    time::Duration,
};

use sluice_admission::store::{Embedded, RESTORED};

use super::{
    archive::{self, List},
    backup::{ASIDE, line_of, lines_in},
};
use crate::{
    admin::{access::void, audit},
    commands::{Failed, console::say},
    sinks::time::now_ms,
};

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Options {
    /// The archive that `sluice backup` wrote.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The directory that holds sluice.toml and tenants/*.toml, or is to hold them.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
    /// Only this queue's line. May be given again.
    #[arg(long, value_name = "TENANT/QUEUE")]
    only: Vec<String>,
    /// Move state aside that is there already.
    #[arg(long)]
    replace: bool,
    /// Check the archive and say what would be done.
    #[arg(long)]
    dry_run: bool,
}

pub(in crate::commands) fn run(options: &Options) -> Result<(), Failed> {
    let list = archive::verify(&options.from)
        .map_err(|error| Failed::Because(format!("{}: {error}", options.from.display())))?;
    let lines = chosen(&list, &options.only)?;
    let age = Duration::from_millis(now_ms().saturating_sub(list.made_ms) / 1_000 * 1_000);
    say(format_args!(
        "{}: sound, {} files, {} lines, made {} ago",
        options.from.display(),
        list.files.len(),
        lines.len(),
        humantime::format_duration(age)
    ));
    // Where the state goes stands in the config, so what no node could be started by is completed first. Else that comes last,
    // when nothing stands in the way of the state: a node may be running by it.
    let (config, has_config) = match crate::commands::load(&options.config) {
        Ok(config) => (config, true),
        Err(mistakes) => {
            configure(options, &list)?;
            if options.dry_run {
                if options.config.join("sluice.toml").exists() {
                    return Err(mistakes);
                }
                say("Where the state goes is known once the config is there.");
                return Ok(());
            }
            (crate::commands::load(&options.config)?, false)
        }
    };
    let state = State { dir: config.store.state_dir(), all: options.only.is_empty(), lines: &lines };
    let named = |error: io::Error| Failed::Because(format!("{}: {error}", state.dir.display()));
    let stale = state.stale(&list).map_err(named)?;
    if !stale.is_empty() && !options.replace {
        let names = stale.iter().filter_map(|path| path.strip_prefix(state.dir).ok()?.to_str());
        let names = names.collect::<Vec<_>>().join(", ");
        let text = format!(
            "{}: {names} would be replaced, which may be newer than the backup; --replace moves it aside",
            state.dir.display()
        );
        return Err(Failed::Because(text));
    }
    let completes = has_config && options.only.is_empty();
    if options.dry_run {
        if completes {
            configure(options, &list)?;
        }
        state.names(&list).for_each(|name| say(format_args!("would write {}", state.dir.join(name).display())));
        return Ok(());
    }
    // For as long as it is held, no node can be started on it.
    let _held = Embedded::open(state.dir).map_err(named)?;
    if let Some(aside) = state.move_aside(&stale).map_err(named)? {
        say(format_args!("What was there is in {}", aside.display()));
    }
    state.write(&options.from, &list).map_err(named)?;
    if completes {
        configure(options, &list)?;
    }
    say(format_args!(
        "{}: restored. Start the node: visitors who return keep their places, and the lines go on 2 s after.",
        state.dir.display()
    ));
    Ok(())
}

/// The lines to restore, as their files are named.
fn chosen<'a>(list: &'a List, only: &[String]) -> Result<BTreeSet<&'a str>, Failed> {
    let all = lines_in(list);
    if only.is_empty() {
        return Ok(all);
    }
    let one = |name: &String| {
        let found = all.iter().copied().find(|line| *line == name.replacen('/', ".", 1));
        let known: Vec<_> = all.iter().map(|line| line.replacen('.', "/", 1)).collect();
        found.ok_or_else(|| Failed::Because(format!("no line {name} in the backup; there are: {}", known.join(", "))))
    };
    only.iter().map(one).collect()
}

/// Writes config files that are not there; says which of those that are there differ.
fn configure(options: &Options, list: &List) -> Result<(), Failed> {
    let named = |error: io::Error| Failed::Because(format!("{}: {error}", options.config.display()));
    if !list.files.keys().any(|name| name.starts_with("config/")) {
        return Ok(());
    }
    let each = archive::each(&options.from, |name, content| {
        let Some(name) = name.strip_prefix("config/") else { return Ok(()) };
        let path = options.config.join(name);
        match fs::read(&path) {
            Ok(there) => {
                let as_long =
                    list.files.get(&format!("config/{name}")).is_some_and(|about| about.bytes == there.len() as u64);
                let mut backed_up = Vec::new();
                if as_long {
                    content.read_to_end(&mut backed_up)?;
                }
                if there != backed_up {
                    say(format_args!("{}: kept as it is; the backup has another", path.display()));
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                say(format_args!("{} {}", if options.dry_run { "would write" } else { "wrote" }, path.display()));
                if options.dry_run {
                    return Ok(());
                }
                fs::create_dir_all(path.parent().unwrap_or(&options.config))?;
                put(&path, content, 0o644, None)
            }
            Err(error) => Err(error),
        }
    });
    each.map_err(named)
}

/// Where the state goes, and what of it is wanted.
struct State<'a> {
    dir: &'a Path,
    /// What is no line's as well.
    all: bool,
    lines: &'a BTreeSet<&'a str>,
}

impl State<'_> {
    fn wants(&self, name: &str) -> bool {
        // One that is there knows more of what has been revoked.
        let is_known_better = name == void::FILE && self.dir.join(name).exists();
        line_of(name).map_or(self.all && !is_known_better, |line| self.lines.contains(line))
    }

    /// Files of the archive that are wanted.
    fn names<'l>(&self, list: &'l List) -> impl Iterator<Item = &'l str> {
        list.files.keys().filter_map(|name| name.strip_prefix("state/")).filter(|name| self.wants(name))
    }

    /// What must go from the directory: files of the names that come, and others of the lines that come, as a line's
    /// journals are numbered.
    fn stale(&self, list: &List) -> io::Result<Vec<PathBuf>> {
        let files = super::backup::files(self.dir, 0, false)?;
        let belongs = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // A log that has been rolled since does not follow the one that comes.
            let is_log = self.all && list.files.contains_key(&format!("state/{}", audit::FILE)) && audit::is_log(name);
            is_log || line_of(name).is_some_and(|line| self.lines.contains(line))
        };
        let mut stale: Vec<_> = files.into_iter().filter(belongs).collect();
        stale.extend(self.names(list).map(|name| self.dir.join(name)).filter(|path| path.exists()));
        stale.sort();
        stale.dedup();
        Ok(stale)
    }

    fn move_aside(&self, stale: &[PathBuf]) -> io::Result<Option<PathBuf>> {
        if stale.is_empty() {
            return Ok(None);
        }
        let aside = format!("{ASIDE}{}", now_ms());
        let owner = self.owner()?;
        for path in stale {
            let name = Path::new(&aside).join(path.strip_prefix(self.dir).unwrap_or(path));
            self.folders_of(&name, owner)?;
            fs::rename(path, self.dir.join(name))?;
        }
        Ok(Some(self.dir.join(aside)))
    }

    fn write(&self, from: &Path, list: &List) -> io::Result<()> {
        let owner = self.owner()?;
        // First: a line that is there without it would be taken for the newest.
        put(&self.dir.join(RESTORED), &mut now_ms().to_string().as_bytes(), 0o600, Some(owner))?;
        // Asked before it is there.
        let wanted: BTreeSet<String> = self.names(list).map(str::to_owned).collect();
        archive::each(from, |name, content| match name.strip_prefix("state/") {
            Some(name) if wanted.contains(name) => {
                self.folders_of(Path::new(name), owner)?;
                put(&self.dir.join(name), content, 0o600, Some(owner))
            }
            _ => Ok(()),
        })?;
        File::open(self.dir)?.sync_all()
    }

    /// To whom the directory belongs: a backup is put back by the administrator, and the node runs as another user.
    fn owner(&self) -> io::Result<(u32, u32)> {
        let owner = fs::metadata(self.dir)?;
        Ok((owner.uid(), owner.gid()))
    }

    /// Makes the folders in the directory that this file is in. One that is there and leads elsewhere is an error: the directory
    /// belongs to a user who may do less than the administrator.
    fn folders_of(&self, name: &Path, (uid, gid): (u32, u32)) -> io::Result<()> {
        let mut folder = self.dir.to_owned();
        for part in name.parent().into_iter().flat_map(Path::components) {
            folder.push(part);
            match fs::symlink_metadata(&folder) {
                Ok(about) if about.is_dir() => {}
                Ok(_) => return Err(io::Error::other(format!("{}: is no folder", folder.display()))),
                Err(_) => {
                    fs::create_dir(&folder)?;
                    lchown(&folder, Some(uid), Some(gid))?;
                }
            }
        }
        Ok(())
    }
}

/// Writes a file that has its name, and its owner, once it is whole and on the disk. Its folder is there.
fn put(path: &Path, content: &mut dyn Read, mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let mut draft = path.to_owned().into_os_string();
    draft.push(".draft");
    // Made anew: one that is there may be a link.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
    io::copy(content, &mut file)?;
    if let Some((uid, gid)) = owner {
        fchown(&file, Some(uid), Some(gid))?;
    }
    file.sync_all()?;
    fs::rename(draft, path)
}
