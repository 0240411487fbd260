//! A crowd before the real line, in virtual time, and a judge of what Sluice promises.

mod agenda;
mod arrivals;
mod core;
mod dice;
mod node;
mod scenario;
mod store;
#[cfg(test)]
mod tests;
pub(crate) mod verdict;
mod visitor;
mod world;

use std::{path::PathBuf, time::Instant};

use indicatif::{ProgressBar, ProgressStyle};
use sluice_admission::line::Line;

use self::{core::Core, world::World};
pub(crate) use self::{
    dice::{Dice, whole},
    scenario::Scenario,
};
pub(crate) use crate::simulate::verdict::judge::{Promise, Quantiles, percent, tau};
pub(crate) use crate::simulate::verdict::report::{OverTime, Report, clock};
use crate::{Failed, kit::console::say};

/// Steps of the progress bar.
const PROGRESS_STEPS: u64 = 1_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Scenario files.
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    /// Writes a page and a JSON document for each scenario into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Writes the line and its calls over time as one picture (SVG); of one scenario.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Takes the place of the seeds in the files.
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs every scenario; an error if one of them finds a promise broken.
pub(crate) fn run(options: &Options) -> Result<(), Failed> {
    if options.plot.is_some() && options.scenarios.len() != 1 {
        return Err("--plot is for one scenario".into());
    }
    let mut broken = Vec::new();
    for path in &options.scenarios {
        let (mut scenario, traces) = Scenario::load(path)?;
        scenario.seed = options.seed.unwrap_or(scenario.seed);
        let name = path.file_stem().map_or("report".into(), |n| n.to_string_lossy());
        let start = Instant::now();
        let report = simulate(&scenario, &traces);
        say(report.to_text());
        if let Some(dir) = &options.out {
            report.write(dir, &name)?;
        }
        if let Some(file) = &options.plot {
            std::fs::write(file, report.to_picture()?).map_err(|e| format!("{}: {e}", file.display()))?;
        }
        say(format_args!("  (took {:.1} s)\n", start.elapsed().as_secs_f64()));
        if !report.held {
            broken.push(name.into_owned());
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(format!("promises were broken in: {}", broken.join(", ")).into()) }
}

/// Runs one scenario on the real line, with a progress bar where there is a terminal.
pub(crate) fn simulate(scenario: &Scenario, traces: &[Vec<u64>]) -> Report {
    let bar = ProgressBar::new(PROGRESS_STEPS);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3} %  {elapsed_precise}") {
        bar.set_style(style);
    }
    bar.set_prefix(scenario.title.clone());
    let report = report_of::<Line>(scenario, traces, |done| bar.set_position(whole(done * PROGRESS_STEPS as f64)));
    bar.finish_and_clear();
    report
}

/// Runs one scenario on any line.
fn report_of<C: Core>(scenario: &Scenario, traces: &[Vec<u64>], tell: impl FnMut(f64)) -> Report {
    let rules = world::rules(scenario);
    let facts = World::<C>::new(scenario, traces).run(tell);
    Report::new(scenario, &rules, &facts)
}
