//! What a run found: for people on a terminal and on a page, and for programs as JSON.
//!
//! Nothing in it depends on the machine or on the time of day: the same scenario gives the same bytes.

mod page;
mod picture;
mod plots;
mod series;
mod text;

use std::{fs, path::Path};

use serde::Serialize;
use sluice_admission::line::Rules;

pub(crate) use self::{
    series::{ByArrival, OverTime},
    text::clock,
};
use crate::{
    Failed,
    simulate::{
        scenario::{Fleet, Queue, Scenario},
        verdict::{
            facts::Facts,
            judge::{Figures, Promise},
        },
    },
};

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    title: String,
    about: String,
    seed: u64,
    queue: Queue,
    fleet: Fleet,
    /// How long the run took, in virtual time.
    pub(crate) lasted_s: u64,
    /// Whether every promise was held.
    pub(crate) held: bool,
    pub(crate) promises: Vec<Promise>,
    pub(crate) figures: Figures,
    pub(crate) over_time: Vec<OverTime>,
    pub(crate) by_arrival: Vec<ByArrival>,
}

impl Report {
    pub(in crate::simulate) fn new(scenario: &Scenario, rules: &Rules, facts: &Facts) -> Self {
        let figures = Figures::of(facts, rules);
        let promises = figures.judge(rules);
        Self {
            title: scenario.title.clone(),
            about: scenario.about.clone(),
            seed: scenario.seed,
            queue: scenario.queue.clone(),
            fleet: scenario.fleet.clone(),
            lasted_s: facts.samples.last().map_or(0, |s| s.at_ms / 1_000),
            held: promises.iter().all(|p| p.held),
            promises,
            figures,
            over_time: series::over_time(facts),
            by_arrival: series::by_arrival(facts),
        }
    }

    /// For a terminal.
    pub(crate) fn to_text(&self) -> String {
        text::of(self)
    }

    /// Writes `NAME.html` and `NAME.json` into a folder, which is made if it is missing.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(crate) fn write(&self, dir: &Path, name: &str) -> Result<(), Failed> {
        let write = |ending: &str, text: String| {
            let path = dir.join(format!("{name}.{ending}"));
            fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
        };
        fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        write("html", self.to_html()?)?;
        write("json", self.to_json()?)?;
        Ok(())
    }

    pub(crate) fn to_html(&self) -> Result<String, Failed> {
        page::of(self)
    }

    /// The line and its calls over time, as an SVG that stands by itself.
    pub(crate) fn to_picture(&self) -> Result<String, Failed> {
        picture::of(self)
    }

    pub(crate) fn to_json(&self) -> Result<String, Failed> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}
