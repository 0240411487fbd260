//! A run as a row of points: by time, and by time of arrival.

use serde::Serialize;

use crate::simulate::{
    verdict::facts::{Facts, Sample},
    visitor::{NEVER, Visitor, flag},
};

/// Most points of a series: as many as a plot can show.
const POINTS_MAX: usize = 480;
/// Most bins of arrivals.
const BINS_MAX: u64 = 120;

/// One stretch of the run.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct OverTime {
    /// Its end, since the opening.
    pub(crate) at_s: f64,
    /// At its end: those in line by the line's own count; those of them who do as told; seats taken.
    pub(crate) waiting: u64,
    pub(crate) present: u64,
    pub(crate) seats: u64,
    /// Visitors whose visit has not ended.
    pub(crate) inside: u64,
    /// A second, on the whole.
    pub(crate) came_per_s: f64,
    pub(crate) called_per_s: f64,
    pub(crate) entered_per_s: f64,
    pub(crate) in_vain_per_s: f64,
    pub(crate) polls_per_s: f64,
    pub(crate) steps_per_s: f64,
    pub(crate) commands_per_s: f64,
}

/// Visitors who came in one stretch of time and got in.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct ByArrival {
    pub(crate) from_s: f64,
    pub(crate) entered: u64,
    pub(crate) wait_median_s: f64,
    pub(crate) wait_p90_s: f64,
    /// Medians of the first range that each was shown; null if nobody had to wait.
    pub(crate) shown_low_s: Option<f64>,
    pub(crate) shown_high_s: Option<f64>,
}

pub(super) fn over_time(facts: &Facts) -> Vec<OverTime> {
    let size = facts.samples.len().div_ceil(POINTS_MAX).max(1);
    let mut from_ms = 0;
    let mut points = Vec::new();
    for chunk in facts.samples.chunks(size) {
        let Some(last) = chunk.last() else { continue };
        let seconds = (last.at_ms.saturating_sub(from_ms) as f64 / 1e3).max(1.0);
        let per_s = |of: fn(&Sample) -> u64| round(chunk.iter().map(of).sum::<u64>() as f64 / seconds);
        points.push(OverTime {
            at_s: last.at_ms as f64 / 1e3,
            waiting: last.waiting,
            present: last.present,
            seats: last.seats,
            inside: last.inside,
            came_per_s: per_s(|s| s.came),
            called_per_s: per_s(|s| s.called),
            entered_per_s: per_s(|s| s.entered),
            in_vain_per_s: per_s(|s| s.lapsed),
            polls_per_s: per_s(|s| s.polls),
            steps_per_s: per_s(|s| s.steps),
            commands_per_s: per_s(|s| s.commands),
        });
        from_ms = last.at_ms;
    }
    points
}

pub(super) fn by_arrival(facts: &Facts) -> Vec<ByArrival> {
    let entered = || facts.visitors.iter().filter(|v| v.entered_ms != NEVER && !v.is(flag::COOKIELESS));
    let Some(first_ms) = entered().map(|v| v.arrived_ms).min() else { return Vec::new() };
    let last_ms = entered().map(|v| v.arrived_ms).max().unwrap_or(first_ms);
    let width_ms = u64::from(last_ms - first_ms).div_ceil(BINS_MAX).max(1_000);
    let mut bins: Vec<Vec<&Visitor>> = Vec::new();
    for visitor in entered() {
        let bin = usize::try_from(u64::from(visitor.arrived_ms - first_ms) / width_ms).unwrap_or(0);
        if bin >= bins.len() {
            bins.resize_with(bin + 1, Vec::new);
        }
        bins[bin].push(visitor);
    }
    let points = bins.iter().enumerate().filter(|(_, bin)| !bin.is_empty()).map(|(i, bin)| {
        let waits = || bin.iter().map(|v| f64::from(v.entered_ms.saturating_sub(v.arrived_ms)) / 1e3);
        let shown = || bin.iter().filter(|v| v.shown_ms != NEVER);
        ByArrival {
            from_s: (i as u64 * width_ms) as f64 / 1e3,
            entered: bin.len() as u64,
            wait_median_s: quantile(waits(), 0.5).unwrap_or(0.0),
            wait_p90_s: quantile(waits(), 0.9).unwrap_or(0.0),
            shown_low_s: quantile(shown().map(|v| f64::from(v.shown_s.0)), 0.5),
            shown_high_s: quantile(shown().map(|v| f64::from(v.shown_s.1)), 0.5),
        }
    });
    points.collect()
}

/// The value below which a share of all lies.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index below the length")]
fn quantile(values: impl Iterator<Item = f64>, share: f64) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(((values.len().saturating_sub(1)) as f64 * share).round() as usize).copied()
}

/// Three places after the point are enough for a plot.
fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
