//! What a sale needs: "so many are expected within so long, the site takes so many a minute and so many at once".
//!
//! The waits come from the simulator, twice: if everybody stays, and if some walk away. What nodes, store and network
//! need is worked out from the requests that the simulated visitors made in the busiest moments.

mod needs;

use std::{fmt::Write, time::Duration};

use self::needs::{Costs, Needs};
use crate::{
    Failed,
    kit::console::say,
    simulate::{Report, Scenario, clock, simulate},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many are expected.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    visitors: u32,
    /// Within how long they come, most of them at once; such as "5m".
    #[arg(long, value_parser = humantime::parse_duration)]
    within: Duration,
    /// How many the site takes a minute.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// How many it takes at once; without it as many as the rate brings.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    seats: Option<u32>,
    /// How long a visit takes, on the whole.
    #[arg(long, default_value = "5m", value_parser = humantime::parse_duration)]
    visit: Duration,
    /// How far apart a visitor's requests inside are, each with everything that it loads through Sluice.
    #[arg(long, default_value = "15s", value_parser = humantime::parse_duration)]
    request_every: Duration,
    /// Requests that go through Sluice for each of these, images and scripts included.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    requests_each: u32,
    /// `session_idle` of the queue.
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    session_idle: Duration,
    /// The share that walks away in the second run, three minutes after they came on the whole.
    #[arg(long, default_value_t = 0.4)]
    walk_away: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    costs: Costs,
}

pub(crate) fn run(options: &Options) -> Result<(), Failed> {
    let stays = simulate(&scenario(options, 0.0)?, &[Vec::new()]);
    let leaves = simulate(&scenario(options, options.walk_away)?, &[Vec::new()]);
    say(text(options, &stays, &leaves));
    Ok(())
}

/// The crowd as a scenario, through the same door as one from a file, so that its bounds are checked.
fn scenario(options: &Options, walk_away: f64) -> Result<Scenario, Failed> {
    let seconds = |d: Duration| format!("\"{}ms\"", d.as_millis());
    // As long as it takes at the slower of rate and seats, twice over, and time to come and to visit.
    let visit_s = options.visit.as_secs_f64() + options.session_idle.as_secs_f64() * 1.2;
    let rate_s = f64::from(options.rate) / 60.0;
    let seats_s = options.seats.map_or(f64::INFINITY, |seats| f64::from(seats) / visit_s);
    let lasts_s = options.within.as_secs_f64() + 2.0 * f64::from(options.visitors) / rate_s.min(seats_s) + 3_600.0;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "title = \"{} visitors{}\"\nseed = {}\nlasts_at_most = \"{:.0}s\"\n[queue]\nrelease_per_minute = {}\n\
         max_waiting = 10_000_000\nsession_idle = {}\n{}\n[[crowd]]\nname = \"everybody\"\nvisitors = {}\n\
         arrive = \"flash\"\nover = {}\nno_shows = {walk_away}\nhidden = 0.1\ninside = {}\nrequest_every = {}\n",
        options.visitors,
        if walk_away > 0.0 { ", some of whom walk away" } else { ", all of whom stay" },
        options.seed,
        lasts_s.min(7.0 * 86_400.0),
        options.rate,
        seconds(options.session_idle),
        options.seats.map_or(String::new(), |seats| format!("max_active = {seats}")),
        options.visitors,
        seconds(options.within),
        seconds(options.visit),
        seconds(options.request_every),
    );
    Scenario::parse(&text)
}

fn text(options: &Options, stays: &Report, leaves: &Report) -> String {
    let mut text = String::new();
    let mut line = |what: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{what}");
    };
    line(format_args!("{:<34} {:>15} {:>15}", "wait", "all stay", format!("{:.0} % leave", options.walk_away * 100.0)));
    let (a, b) = (&stays.figures.wait_s, &leaves.figures.wait_s);
    for (name, a, b) in
        [("median", a.median, b.median), ("9 of 10 wait less", a.p90, b.p90), ("worst", a.worst, b.worst)]
    {
        line(format_args!("  {name:<32} {:>15} {:>15}", clock(a), clock(b)));
    }
    line(format_args!("  {:<32} {:>15} {:>15}", "get in", stays.figures.entered, leaves.figures.entered));
    for (name, report) in [("all stay", stays), ("some leave", leaves)] {
        if report.figures.still_waiting > 0 {
            let still = report.figures.still_waiting;
            line(format_args!("  {still} still wait at the end of the simulated time ({name})"));
        }
    }
    for (name, report) in [("all stay", stays), ("some leave", leaves)] {
        for promise in report.promises.iter().filter(|p| !p.held) {
            line(format_args!("  note: not held in this crowd ({name}): {}: {}", promise.name, promise.found));
        }
    }
    let requests_per_s = f64::from(options.requests_each) / options.request_every.as_secs_f64().max(0.1);
    let needs = Needs::of(stays, requests_per_s, &options.costs);
    line(format_args!("\nin the busiest moments, if all stay"));
    for (name, value) in needs.rows(&options.costs) {
        line(format_args!("  {name:<32} {value}"));
    }
    text
}

#[cfg(test)]
mod tests;
