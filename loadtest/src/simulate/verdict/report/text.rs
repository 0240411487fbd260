//! A report for a terminal.

use std::fmt::Write;

use super::Report;
use crate::simulate::verdict::judge::percent;

pub(super) fn of(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |what: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{what}");
    };
    line(format_args!("{}", report.title));
    if !report.about.is_empty() {
        line(format_args!("{}", report.about));
    }
    line(format_args!(""));
    for promise in &report.promises {
        let verdict = if promise.held { "held  " } else { "BROKEN" };
        line(format_args!("  {verdict}  {:<48}  {}", promise.name, promise.found));
    }
    line(format_args!(""));
    for (name, value) in rows(report) {
        line(format_args!("  {name:<22}  {value}"));
    }
    text
}

/// The figures in words, in the order in which one asks for them.
pub(super) fn rows(report: &Report) -> Vec<(&'static str, String)> {
    let f = &report.figures;
    let of_polls = f.polls_that_asked_the_line as f64 / (f.polls as f64).max(1.0);
    let mut rows = vec![
        (
            "visitors",
            format!(
                "{} came, {} entered, {} went away, {} still wait",
                f.came, f.entered, f.went_away, f.still_waiting
            ),
        ),
        ("virtual time", clock(report.lasted_s as f64)),
        (
            "wait",
            format!(
                "{} median, {} p90, {} p99, {} worst",
                clock(f.wait_s.median),
                clock(f.wait_s.p90),
                clock(f.wait_s.p99),
                clock(f.wait_s.worst)
            ),
        ),
        (
            "calls in vain",
            format!(
                "{} ({} had left before, {} were asleep, the others left while they were called)",
                f.calls_in_vain, f.calls_in_vain_gone, f.calls_in_vain_asleep
            ),
        ),
        (
            "order",
            format!(
                "{} inversions among those who always asked as told (Kendall's tau {:.6}); tau of all {:.6}",
                f.inversions_steady, f.tau_steady, f.tau_all
            ),
        ),
        ("polls", format!("{}; {} of them asked the line", f.polls, percent(of_polls))),
        (
            "store",
            format!(
                "{} steps as {} commands with {} marks, {:.3} commands per visitor, {} failed attempts",
                f.steps, f.store_commands, f.marks, f.store_commands_per_visitor, f.attempts_failed
            ),
        ),
    ];
    if f.cookieless_requests > 0 {
        rows.push((
            "without cookies",
            format!("{} requests, {} sent away without a number", f.cookieless_requests, f.cookieless_sent_away),
        ));
    }
    if f.came_back_too_late > 0 {
        rows.push(("came back too late", f.came_back_too_late.to_string()));
    }
    rows
}

/// A length of time in minutes and seconds.
pub(crate) fn clock(seconds: f64) -> String {
    let tenths = crate::simulate::dice::whole(seconds * 10.0);
    match tenths / 600 {
        0 => format!("{}.{} s", tenths / 10, tenths % 10),
        minutes @ 1..60 => format!("{minutes} min {:02} s", tenths / 10 % 60),
        minutes => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}
