//! The command line.

mod admin;
mod check;
pub(crate) mod console;
mod demo;
mod explain;
mod health;
mod keygen;
mod operators;
mod run;
mod setup;
mod store;

use std::{fmt, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use sluice_config::{Config, Errors};

/// Edge admission-control proxy: a virtual waiting room in front of a website.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the sites of a config directory.
    Run(ConfigDir),
    /// Have a new process of the program take the place of the node that runs, without a client noticing. Exits with 1 if
    /// it cannot: the one that runs goes on then.
    Upgrade(operators::upgrade::Options),
    /// Read a config directory and report every mistake with its place. Exits with 1 if there is one.
    Check(ConfigDir),
    /// Show it: a small shop behind Sluice, with a crowd in front of it.
    Demo(demo::Options),
    /// Show every page that a tenant's visitors may come to see, while its files are being written.
    Preview(setup::preview::Options),
    /// Write a tenant's file for a site that is there, from what can be seen of it and five answers.
    Init(Box<setup::init::Options>),
    /// What helps on the day on which visitors are led to Sluice.
    Cutover(setup::cutover::Options),
    /// Say which tenant, queue and rule a request meets, and what it gets if it may not enter.
    Explain(explain::Options),
    /// Ask a node for its health, for images without a shell. Exits with 1 unless it is alive, or ready.
    Health(health::Options),
    /// Look at the lines where they are kept, begin one anew, or look for what is wrong with the store.
    Store(store::Options),
    /// Write what a node has, its config and its lines, into a file, while it runs. No key is in it.
    Backup(store::backup::Options),
    /// Put back what `sluice backup` has written.
    Restore(store::restore::Options),
    /// Make a token or a key for the operators' API, or print its description.
    Admin(admin::Options),
    /// Check the audit log.
    Audit(operators::audit::Options),
    /// Get a signed report of a queue, or check one.
    Report(operators::report::Options),
    /// Show all queues live, by the API of a node.
    Top(operators::top::Options),
    /// Print a new master secret.
    Keygen,
    /// Print the number that a visitor's code stands for.
    Number {
        /// As the visitor reads it out, such as `4K7-S`.
        code: String,
    },
    /// Print the JSON Schema of a config file, for editors.
    Schema {
        /// Which file.
        file: SchemaFile,
    },
    /// Write manual pages, for those who make packages.
    #[command(hide = true)]
    Man(setup::manual::Manual),
    /// Print a script that completes commands and options in a shell.
    Completions(setup::manual::Completions),
}

#[derive(Debug, clap::Args)]
struct ConfigDir {
    /// The directory that holds sluice.toml and tenants/*.toml.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum SchemaFile {
    /// sluice.toml
    Server,
    /// tenants/NAME.toml
    Tenant,
}

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(dir) => run::run(&dir.config),
        Command::Upgrade(options) => operators::upgrade::run(&options),
        Command::Check(dir) => check::run(&dir.config),
        Command::Demo(options) => demo::run(&options),
        Command::Init(options) => setup::init::run(&options),
        Command::Cutover(options) => setup::cutover::run(&options),
        Command::Preview(options) => setup::preview::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Health(options) => health::run(&options),
        Command::Store(options) => store::run(&options),
        Command::Backup(options) => store::backup::run(&options),
        Command::Restore(options) => store::restore::run(&options),
        Command::Admin(options) => admin::run(&options),
        Command::Audit(options) => operators::audit::run(&options),
        Command::Report(options) => operators::report::run(&options),
        Command::Top(options) => operators::top::run(&options),
        Command::Keygen => keygen::run(),
        Command::Number { code } => number(&code),
        Command::Schema { file } => schema(file),
        Command::Man(to) => setup::manual::manual(&to),
        Command::Completions(shell) => setup::manual::completions(&shell),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Config(errors)) => {
            console::complain(errors.pretty(console::colour()));
            console::complain(&errors);
            ExitCode::FAILURE
        }
        Err(Failed::Said(code)) => code,
        Err(Failed::Because(why)) => {
            console::complain(format_args!("sluice: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
enum Failed {
    Config(Errors),
    Because(String),
    /// It has been said already, and this is how the process ends.
    Said(ExitCode),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(errors) => errors.fmt(f),
            Self::Because(why) => f.write_str(why),
            Self::Said(_) => f.write_str("it has been said"),
        }
    }
}

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self::Because(text)
    }
}

fn load(dir: &std::path::Path) -> Result<Config, Failed> {
    sluice_config::load(dir).map_err(Failed::Config)
}

fn number(code: &str) -> Result<(), Failed> {
    let wrong = || Failed::Because(format!("{code} is no code: a character was misheard, or is missing"));
    console::say(sluice_waiting_room::code::number(code).ok_or_else(wrong)?);
    Ok(())
}

fn schema(file: SchemaFile) -> Result<(), Failed> {
    let schema = match file {
        SchemaFile::Server => sluice_config::schema::server_file(),
        SchemaFile::Tenant => sluice_config::schema::tenant_file(),
    };
    console::say(serde_json::to_string_pretty(&schema)?);
    Ok(())
}
