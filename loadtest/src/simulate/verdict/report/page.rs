//! A report as one page that asks for nothing from outside.

use askama::Template;

use super::{
    Report,
    plots::{self, Plot},
    text,
};
use crate::{Failed, simulate::verdict::judge::Promise};

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    title: &'a str,
    about: &'a str,
    seed: u64,
    held: bool,
    promises: &'a [Promise],
    rows: Vec<(&'static str, String)>,
    plots: Vec<Plot>,
}

pub(super) fn of(report: &Report) -> Result<String, Failed> {
    let page = Page {
        title: &report.title,
        about: &report.about,
        seed: report.seed,
        held: report.held,
        promises: &report.promises,
        rows: text::rows(report),
        plots: plots::of(report)?,
    };
    Ok(page.render()?)
}
