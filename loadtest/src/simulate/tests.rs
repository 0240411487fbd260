//! The simulator itself: it finds what is there, and finds the same again.
#![allow(clippy::unwrap_used)]

mod counts;
mod faulty;
mod mutants;
mod scenarios;

use super::*;
use crate::simulate::verdict::judge::Promise;

/// A crowd that brings every promise into play within seconds: people who leave, sleep, hide and reload, more than
/// the seats can take, with a pause in which the line is empty.
pub(super) const CROWD: &str = r#"
title = "Everything at once"
seed = 11
lasts_at_most = "40m"

[queue]
release_per_minute = 900
burst = 150
max_active = 1600
session_idle = "40s"

[[crowd]]
name = "before"
visitors = 2_000
over = "2m"
no_shows = 0.3
no_show_after = "4m"
asleep = 0.1
asleep_after = "40s"
asleep_for = "1m"
hidden = 0.1
reloaders = 0.1
second_tab = 0.1
goodbye = 0.2
inside = "80s"
ends = 0.4

[[crowd]]
name = "after a pause"
visitors = 2_500
from = "9m"
over = "1m"
hidden = 0.1
inside = "80s"
ends = 0.4
"#;

pub(super) fn scenario(text: &str) -> Scenario {
    Scenario::parse(text).unwrap()
}

/// A run on the real line, or on a faulty one.
pub(super) fn run_on<C: Core>(scenario: &Scenario) -> Report {
    report_of::<C>(scenario, &vec![Vec::new(); scenario.crowds.len()], |_| ())
}

pub(super) fn broken_promises(report: &Report) -> Vec<&Promise> {
    report.promises.iter().filter(|p| !p.held).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_does_not() {
    let scenario = scenario(CROWD);
    let [one, two] = [run_on::<Line>(&scenario), run_on::<Line>(&scenario)];
    assert_eq!(one.to_json().unwrap(), two.to_json().unwrap());
    assert_eq!(one.to_html().unwrap(), two.to_html().unwrap());
    assert_eq!(one.to_text(), two.to_text());
    let other = run_on::<Line>(&Scenario { seed: 12, ..scenario });
    assert_ne!(one.to_json().unwrap(), other.to_json().unwrap());
}

#[test]
fn a_report_asks_for_nothing_from_outside_and_shows_every_plot() {
    let html = run_on::<Line>(&scenario(CROWD)).to_html().unwrap();
    assert_eq!(html.matches("<svg").count(), 6);
    let without_namespaces = html.replace("http://www.w3.org/2000/svg", "");
    for outside in ["http:", "https:", "src=", "href=", "@import", "url("] {
        assert!(!without_namespaces.contains(outside), "{outside}");
    }
}

#[test]
fn everybody_who_came_is_accounted_for() {
    let report = run_on::<Line>(&scenario(CROWD));
    let figures = &report.figures;
    assert_eq!(figures.came, 4_500);
    assert_eq!(figures.entered + figures.went_away + figures.still_waiting, figures.came);
    let sum = |of: fn(&super::verdict::report::OverTime) -> f64| {
        let mut from_s = 0.0;
        let each = report.over_time.iter().map(|p| of(p) * (p.at_s - std::mem::replace(&mut from_s, p.at_s)).max(1.0));
        each.sum::<f64>().round()
    };
    assert!((sum(|p| p.entered_per_s) - figures.entered as f64).abs() < 5.0);
    assert!((sum(|p| p.called_per_s) - figures.calls as f64).abs() < 5.0);
    let arrived: u64 = report.by_arrival.iter().map(|p| p.entered).sum();
    assert_eq!(arrived, figures.entered);
}

#[test]
fn a_trace_says_when_visitors_come() {
    let dir = tempfile::tempdir().unwrap();
    let times: String = (0..50).map(|n| format!("{}.5\n", 1_763_712_000 + n * 2)).collect();
    std::fs::write(dir.path().join("times.txt"), format!("# a comment\n{times}")).unwrap();
    let text = r#"
        title = "trace"
        lasts_at_most = "10m"
        [queue]
        release_per_minute = 60
        [[crowd]]
        name = "from a log"
        arrive = "trace"
        trace = "times.txt"
    "#;
    let file = dir.path().join("trace.toml");
    std::fs::write(&file, text).unwrap();
    let (scenario, traces) = Scenario::load(&file).unwrap();
    let report = report_of::<Line>(&scenario, &traces, |_| ());
    assert_eq!((report.figures.came, report.figures.entered), (50, 50));
    let last = report.by_arrival.last().unwrap();
    assert!((97.0..=99.0).contains(&last.from_s), "{last:?}");
    std::fs::write(dir.path().join("times.txt"), "1.0\nnoon\n").unwrap();
    let error = Scenario::load(&file).unwrap_err().to_string();
    assert!(error.contains("times.txt:2: `noon` is no time"), "{error}");
}

#[test]
fn every_mistake_in_a_scenario_is_told_with_what_to_write() {
    let text = CROWD.replace("burst = 150", "burst = 1500").replace("hidden = 0.1", "hidden = 1.1");
    let error = Scenario::parse(&text).unwrap_err().to_string();
    assert!(error.contains("queue.burst: 1500 is out of bounds; write 1 to 900"), "{error}");
    assert!(error.contains("crowd \"before\": hidden: 1.1 is out of bounds; write 0 to 1"), "{error}");
    let error = Scenario::parse(&CROWD.replace("seed", "sead")).unwrap_err().to_string();
    assert!(error.contains("sead"), "{error}");
}
