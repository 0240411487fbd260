//! `sluice restore`: a node's config and state, as they were backed up.
//!
//! Nothing is lost by it: a config file that is there is kept, and state that is there is moved aside, if at all. What has been
//! revoked since stays so. A restored line is an older copy of the line that was. It says so at the first step, by the rules for
//! a store that went back in time: it skips numbers, so none is given twice, calls no visitor for 2 s, and takes the number of
//! everyone who returns with a ticket for a place.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use sluice_admission::store::RESTORED;

use super::{
    archive::{self, List},
    backup::{ASIDE, line_of, lines_in},
    dir::Dir,
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
    let path = config.store.state_dir();
    let named = |error: io::Error| {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let remedy = if denied { "; run this as root, or as the owner of the state directory" } else { "" };
        Failed::Because(format!("{}: {error}{remedy}", path.display()))
    };
    let there = match Dir::of_node(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        opened => Some(opened.map_err(named)?),
    };
    let all = options.only.is_empty();
    let plan = Plan::new(&list, &lines, all, there.as_ref()).map_err(named)?;
    if !plan.stale.is_empty() && !options.replace {
        let names = plan.stale.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let text = format!(
            "{}: {names} would be replaced, which may be newer than the backup; --replace moves it aside",
            path.display()
        );
        return Err(Failed::Because(text));
    }
    let completes = has_config && all;
    if options.dry_run {
        if completes {
            configure(options, &list)?;
        }
        plan.files.iter().for_each(|name| say(format_args!("would write {}", path.join(name).display())));
        return Ok(());
    }
    let dir = match there {
        Some(dir) => dir,
        None => fs::create_dir_all(path).and_then(|()| Dir::of_node(path)).map_err(named)?,
    };
    // For as long as it is held, no node can be started on it.
    let _held = dir.lock().map_err(named)?;
    if let Some(aside) = plan.move_aside(&dir).map_err(named)? {
        say(format_args!("What was there is in {}", path.join(aside).display()));
    }
    plan.write(&dir, &options.from).map_err(named)?;
    if completes {
        configure(options, &list)?;
    }
    say(format_args!(
        "{}: restored. Start the node: visitors who return keep their places, and the lines go on 2 s after.",
        path.display()
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
                fs::create_dir_all(&options.config)?;
                Dir::of_administrator(&options.config)?.put(name, content, 0o644)
            }
            Err(error) => Err(error),
        }
    });
    each.map_err(named)
}

/// What is done in the state directory.
struct Plan<'a> {
    /// Files of the archive that are wanted.
    files: BTreeSet<&'a str>,
    /// Files that must go from the directory: those whose names come, and others of the lines that come, as a line's journals
    /// are numbered.
    stale: BTreeSet<String>,
}

impl<'a> Plan<'a> {
    /// Compares the archive with the directory, if that is there.
    ///
    /// # Errors
    /// If one of these names belongs to a link, or to something else that is no file.
    fn new(list: &'a List, lines: &BTreeSet<&str>, all: bool, dir: Option<&Dir>) -> io::Result<Self> {
        let of_lines = |name: &str| line_of(name).map(|line| lines.contains(line));
        // One that is there knows more of what has been revoked.
        let knows_better = dir.map_or(Ok(false), |dir| dir.is_file(void::FILE))?;
        let wants = |name: &&str| of_lines(name).unwrap_or(all && !(knows_better && *name == void::FILE));
        let files = list.files.keys().filter_map(|name| name.strip_prefix("state/")).filter(wants);
        let files: BTreeSet<&str> = files.collect();
        let mut stale = BTreeSet::new();
        if let Some(dir) = dir {
            // A log that has been rolled since does not follow the one that comes.
            let rolls = files.contains(audit::FILE);
            let belongs = |name: &String| of_lines(name).unwrap_or(rolls && audit::is_log(name));
            let there = dir.names()?.into_iter().filter(belongs);
            for name in there.chain(files.iter().map(|name| (*name).to_owned())) {
                if dir.is_file(&name)? {
                    stale.insert(name);
                }
            }
            // Replaced in any case.
            dir.is_file(RESTORED)?;
        }
        Ok(Self { files, stale })
    }

    /// Returns where to.
    fn move_aside(&self, dir: &Dir) -> io::Result<Option<String>> {
        if self.stale.is_empty() {
            return Ok(None);
        }
        let aside = format!("{ASIDE}{}", now_ms());
        for name in &self.stale {
            dir.rename(name, &format!("{aside}/{name}"))?;
        }
        Ok(Some(aside))
    }

    fn write(&self, dir: &Dir, from: &Path) -> io::Result<()> {
        // First: a line that is there without it would be taken for the newest.
        dir.put(RESTORED, &mut now_ms().to_string().as_bytes(), 0o600)?;
        archive::each(from, |name, content| match name.strip_prefix("state/") {
            Some(name) if self.files.contains(name) => dir.put(name, content, 0o600),
            _ => Ok(()),
        })?;
        dir.sync()
    }
}
