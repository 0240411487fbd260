//! `sluice store`: the lines where they are kept, for operators.

mod archive;
pub(super) mod backup;
mod dir;
pub(super) mod restore;
mod show;

use std::{
    io::{IsTerminal, stdin},
    path::PathBuf,
};

use sluice_admission::{
    line::{Rules, Summary},
    store::LineId,
};
use sluice_config::Config;
use tokio::runtime::Builder;

use super::Failed;
use crate::{commands::console::say, gate::Gate, lines::Lines};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show each queue's line as it was after its last step.
    Status(Show),
    /// Begin a queue's line anew: every number, ticket and pass of it is void. Asks first.
    Reset(Reset),
    /// Look for whatever would keep lines from working well. Exits with 1 if they would not.
    Doctor(Show),
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The directory that holds sluice.toml and tenants/*.toml.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Reset {
    /// The directory that holds sluice.toml and tenants/*.toml.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
    /// The queue, as TENANT/QUEUE.
    queue: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// A line with the rules of its queue.
struct Known {
    line: LineId,
    rules: Rules,
}

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match &options.what {
            What::Status(show) => status(show).await,
            What::Reset(what) => reset(what).await,
            What::Doctor(show) => doctor(show).await,
        }
    })
}

fn open(config: &Config) -> Result<Lines, Failed> {
    Lines::open(&config.store).map_err(|(dir, error)| {
        let dir = dir.display();
        Failed::Because(format!(
            "state directory {dir}: {error}; a node's own lines are shown by its /metrics and changed when it is stopped"
        ))
    })
}

fn lines(config: &Config) -> Vec<Known> {
    let queues = config.tenants.iter().flat_map(|tenant| tenant.queues.iter().map(move |queue| (tenant, queue)));
    queues.map(|(tenant, queue)| Known { line: Gate::line_of(&tenant.name, queue), rules: Rules::of(queue) }).collect()
}

async fn status(show: &Show) -> Result<(), Failed> {
    let config = super::load(&show.config)?;
    let store = open(&config)?;
    let mut rows = Vec::new();
    for Known { line, rules } in lines(&config) {
        let summary = store.status(&line, &rules).await?;
        rows.push(show::Row::new(&line, &rules, summary.as_ref()));
    }
    say(if show.json { serde_json::to_string_pretty(&rows)? } else { show::table(&rows) });
    Ok(())
}

async fn reset(what: &Reset) -> Result<(), Failed> {
    let config = super::load(&what.config)?;
    let name = |line: &LineId| format!("{}/{}", line.tenant, line.queue);
    let mut all = lines(&config);
    let Some(at) = all.iter().position(|known| name(&known.line) == what.queue) else {
        let known: Vec<_> = all.iter().map(|known| name(&known.line)).collect();
        return Err(Failed::Because(format!("no queue {}; there are: {}", what.queue, known.join(", "))));
    };
    let Known { line, rules } = all.swap_remove(at);
    let store = open(&config)?;
    let summary = store.status(&line, &rules).await?.unwrap_or_default();
    if !what.yes && !confirmed(&what.queue, &summary)? {
        return Err(Failed::Because("nothing was changed".into()));
    }
    let epoch = store.reset(&line, &rules).await?;
    say(format_args!("{}: the line has begun anew, epoch {epoch}", what.queue));
    Ok(())
}

fn confirmed(queue: &str, summary: &Summary) -> Result<bool, Failed> {
    say(format_args!(
        "{queue}: {} wait and lose their places, {} are inside and lose their passes. They join anew when they come \
         back.",
        summary.waiting, summary.inside
    ));
    if !stdin().is_terminal() {
        return Err(Failed::Because("nobody to ask: nothing was changed; --yes does it without asking".into()));
    }
    say(format_args!("Type the queue's name to go on:"));
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(answer.trim() == queue)
}

async fn doctor(show: &Show) -> Result<(), Failed> {
    let config = super::load(&show.config)?;
    let store = open(&config)?;
    let lines: Vec<_> = lines(&config).into_iter().map(|known| known.line).collect();
    let checkup = store.doctor(&lines).await;
    say(if show.json { serde_json::to_string_pretty(&show::checkup_json(&checkup))? } else { show::checkup(&checkup) });
    if checkup.is_healthy() { Ok(()) } else { Err(Failed::Because("lines do not work well in this store".into())) }
}
