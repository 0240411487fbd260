//! `sluice init`: a tenant's file for a site that is there, written from what can be seen of it.

mod file;
mod look;
mod platform;

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead as _, Write as _},
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
};

use comfy_table::{Table, presets::NOTHING};
use http::Uri;
use sluice_config::{Config, Mode, Name, Tenant};
use tokio::runtime::Builder;

use self::{file::Answers, look::Seen};
use super::probe::Probe;
use crate::{
    commands::{
        Failed,
        console::{complain, say},
    },
    request::path::NormalPath,
    routing::Site,
};

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Options {
    /// The site's address, as visitors type it.
    url: Uri,
    /// The directory of the config: `tenants/NAME.toml` is written into it, and `sluice.toml` if there is none.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
    /// The tenant's name.
    #[arg(long)]
    name: Option<String>,
    /// A host of the site, as often as needed.
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Where Sluice reaches the site, ADDRESS:PORT, as often as needed. Not the name that visitors type: it leads to Sluice
    /// one day.
    #[arg(long = "origin", value_name = "ADDRESS")]
    origins: Vec<String>,
    /// How many visitors a minute the site can take.
    #[arg(long, value_name = "NUMBER")]
    rate: Option<NonZeroU32>,
    /// A path below which visitors wait, as often as needed.
    #[arg(long = "wait", value_name = "PATH")]
    waits: Vec<String>,
    /// Ask nothing: what no option says is taken from the site, or is the usual.
    #[arg(long)]
    yes: bool,
    /// A file of authorities to trust beside this machine's (PEM).
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Visitors a minute, until the owner knows better.
const RATE: NonZeroU32 = NonZeroU32::new(600).unwrap();

pub(in crate::commands) fn run(options: &Options) -> Result<(), Failed> {
    let probe = Probe::new(options.ca.as_deref())?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let seen = runtime.block_on(look::at(&probe, &options.url));
    // A look-up of a name cannot be called off, and is not waited for.
    runtime.shutdown_background();
    let seen = seen.map_err(Failed::Because)?;
    seen.sentences().iter().for_each(|sentence| say(format_args!("  {sentence}")));
    let answers = answers(options, &seen)?;
    let path = options.config.join("tenants").join(format!("{}.toml", answers.name));
    fs::create_dir_all(options.config.join("tenants"))?;
    let node_file = options.config.join("sluice.toml");
    if write_new(&node_file, file::NODE)? {
        say(format_args!("\nwritten  {}", node_file.display()));
    }
    if !write_new(&path, &file::tenant(&answers, &seen))? {
        return Err(Failed::Because(format!(
            "{} is there already, and stays as it is: name another with --name",
            path.display()
        )));
    }
    say(format_args!("written  {}", path.display()));
    let config = crate::commands::load(&options.config)?;
    say(format_args!("checked  {} tenant(s), no mistakes\n", config.tenants.len()));
    explain(&config, &answers.name, &seen)?;
    if config.keys.is_none() {
        complain("next: put `sluice keygen`'s output into the environment as SLUICE_KEY, and name it in sluice.toml");
    }
    say(format_args!("\nlook     sluice preview --config {}", options.config.display()));
    say(format_args!(
        "before the switch: sluice cutover check {} --config {}",
        answers.hosts[0],
        options.config.display()
    ));
    Ok(())
}

/// Writes a file unless there is one. False: there is.
fn write_new(path: &Path, text: &str) -> Result<bool, Failed> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes())?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Failed::Because(format!("{}: {error}", path.display()))),
    }
}

/// The five that only the owner knows. Each has a guess.
fn answers(options: &Options, seen: &Seen) -> Result<Answers, Failed> {
    let mut asked = Questions { asks: !options.yes, lines: io::stdin().lock() };
    let words =
        |text: &str| text.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let list = |given: &[String], guess: &[String], question: &str, asked: &mut Questions<'_>| match given {
        [] => asked.ask(question, &guess.join(", ")).map(|answer| words(&answer)),
        given => Ok(given.to_vec()),
    };
    let name = match &options.name {
        Some(name) => name.clone(),
        None => asked.ask("The tenant's name, which stays for ever", &seen.name())?,
    };
    let hosts = list(&options.hosts, &seen.hosts, "Hosts that visitors type", &mut asked)?;
    let servers = list(&options.origins, &seen.servers, "Where Sluice reaches the site, by address", &mut asked)?;
    let rate = match options.rate {
        Some(rate) => rate,
        None => {
            let answer = asked.ask("Visitors a minute that the site can take", &RATE.to_string())?;
            answer.parse().map_err(|_| Failed::Because(format!("{answer} is no number of visitors")))?
        }
    };
    let waits = list(&options.waits, &["/".to_owned()], "Paths below which visitors wait", &mut asked)?;
    if Name::new(&name).is_none() {
        return Err(Failed::Because(format!("{name} is no name: lower-case letters, digits, `-` and `_`")));
    }
    if hosts.is_empty() || servers.is_empty() || waits.is_empty() {
        return Err(Failed::Because("a host, an address and a path are needed at least".into()));
    }
    Ok(Answers { name, hosts, servers, rate, waits })
}

struct Questions<'a> {
    asks: bool,
    lines: io::StdinLock<'a>,
}

impl Questions<'_> {
    /// The answer, or the guess for an empty one.
    fn ask(&mut self, question: &str, guess: &str) -> Result<String, Failed> {
        if !self.asks {
            return Ok(guess.to_owned());
        }
        say(format_args!("{question} [{guess}]:"));
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Err(Failed::Because("no answer: nothing was written; --yes takes what stands in brackets".into()));
        }
        let line = line.trim();
        Ok(if line.is_empty() { guess.to_owned() } else { line.to_owned() })
    }
}

/// What becomes of ten paths of the site.
fn explain(config: &Config, name: &str, seen: &Seen) -> Result<(), Failed> {
    let Some(tenant) = config.tenants.iter().find(|tenant| tenant.name.as_str() == name) else { return Ok(()) };
    let site = Site::new(Arc::<Tenant>::clone(tenant), tenant.queues.clone(), Vec::new())
        .map_err(|bad| Failed::Because(format!("tenant {name}: {bad:?}")))?;
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(["path", "queue", "once its mode is \"auto\""]);
    for path in &seen.paths {
        let Ok(normal) = NormalPath::parse(path.as_bytes()) else { continue };
        let row = match site.gate(&normal) {
            Ok(Some((_, queue))) if queue.mode == Mode::Open && queue.name.as_str() == file::PROGRAMS => {
                [path.clone(), queue.name.to_string(), "stays open: never waits".to_owned()]
            }
            Ok(Some((_, queue))) => [path.clone(), queue.name.to_string(), "waits while a line stands".to_owned()],
            Ok(None) => [path.clone(), "–".to_owned(), "never waits".to_owned()],
            Err(_) => [path.clone(), "–".to_owned(), "is refused: it has several readings".to_owned()],
        };
        table.add_row(row);
    }
    say(table);
    Ok(())
}
