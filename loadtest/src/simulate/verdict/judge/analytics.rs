//! Holds what the line has counted, minute by minute, against what there was to count.

use serde::Serialize;
use sluice_admission::line::{Histogram, Minute};

use super::Promise;
use crate::simulate::{verdict::facts::Tally, world::OPENS_MS};

/// The furthest that a percentile may be from the true one, as a part of it, beside the width of its bucket.
const OFF_MAX: f64 = 0.1;
/// A short wait is counted too long by at most so many seconds, as the line keeps no time for each number.
const WAIT_LONGER_S: f64 = 1.0;
/// The last bucket of a histogram, which has no end.
const BUCKET_LAST: u8 = 63;
/// Shares of all durations, in thousandths.
const SHARES: [(&str, u64); 3] = [("p50", 500), ("p90", 900), ("p99", 990)];

/// What the line has counted in a run, and what there was to count.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Analytics {
    /// Up to when, in seconds since the opening, if the store lost the counts then; null: they are of the whole run.
    pub(crate) lost_at_s: Option<f64>,
    pub(crate) counts: Vec<Count>,
    pub(crate) waits: Durations,
    pub(crate) visits: Durations,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Count {
    pub(crate) name: &'static str,
    pub(crate) counted: u64,
    /// Null: cannot be known yet.
    pub(crate) truth: Option<u64>,
}

/// How many there are, and some percentiles.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Durations {
    pub(crate) counted: u64,
    pub(crate) truth: u64,
    pub(crate) percentiles: Vec<Percentile>,
}

/// The bucket that holds a percentile, and the true one, in seconds; null: without an end.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Percentile {
    pub(crate) name: &'static str,
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
    pub(crate) truth_s: f64,
}

impl Analytics {
    pub(super) fn of(minutes: &[Minute], truth: &Tally, lost_ms: Option<u64>) -> Self {
        let count = |name, of: fn(&Minute) -> u32, truth| {
            let counted = minutes.iter().map(|minute| u64::from(of(minute))).sum();
            Count { name, counted, truth }
        };
        let counts = vec![
            count("arrived", |m| m.arrived, truth.arrived),
            count("numbered", |m| m.numbered, Some(truth.numbered)),
            count("called", |m| m.called, Some(truth.called)),
            count("entered", |m| m.entered, Some(truth.entered)),
            count("lapsed", |m| m.lapsed, Some(truth.lapsed)),
            count("left", |m| m.left, Some(truth.left)),
            count("ended", |m| m.ended, Some(truth.ended)),
        ];
        let (mut waits, mut visits) = (Histogram::default(), Histogram::default());
        for minute in minutes {
            waits.merge(&minute.waits);
            visits.merge(&minute.visits);
        }
        Self {
            lost_at_s: lost_ms.map(|at_ms| at_ms.saturating_sub(OPENS_MS) as f64 / 1e3),
            counts,
            waits: Durations::of(&waits, truth.waits_ms.clone()),
            visits: Durations::of(&visits, truth.visits_ms.clone()),
        }
    }

    pub(super) fn judge(&self) -> [Promise; 2] {
        let lost = |at_s: f64| format!("; the store lost them after {at_s:.0} s");
        let lost = self.lost_at_s.map_or_else(String::new, lost);
        let is_true = self.counts.iter().all(Count::is_true);
        let shown = self.counts.iter().filter(|count| is_true || !count.is_true());
        let found: Vec<String> = shown.map(|count| count.text()).collect();
        let is_near = self.waits.is_near(WAIT_LONGER_S) && self.visits.is_near(0.0);
        [
            Promise {
                name: "analytics: every count is what happened",
                held: is_true,
                found: format!("{}{lost}", found.join(", ")),
            },
            Promise {
                name: "analytics: waits and visits are within 10 %",
                held: is_near,
                found: format!("waits {}; visits {}", self.waits.to_text(), self.visits.to_text()),
            },
        ]
    }
}

impl Count {
    fn is_true(&self) -> bool {
        self.truth.is_none_or(|truth| truth == self.counted)
    }

    fn text(self) -> String {
        match self.truth {
            Some(truth) if truth != self.counted => format!("{} {}, truly {truth}", self.counted, self.name),
            Some(_) => format!("{} {}", self.counted, self.name),
            None => format!("{} {} so far", self.counted, self.name),
        }
    }
}

impl Durations {
    fn of(counted: &Histogram, mut truth_ms: Vec<u64>) -> Self {
        truth_ms.sort_unstable();
        let percentiles = SHARES.iter().filter_map(|&(name, share)| {
            let truth_ms = truth_ms.get(usize::try_from(rank(truth_ms.len() as u64, share) - 1).ok()?)?;
            let (from_s, to_s) = bucket_of_rank(counted, rank(counted.total(), share))?;
            Some(Percentile { name, from_s, to_s, truth_s: *truth_ms as f64 / 1e3 })
        });
        let percentiles = percentiles.collect();
        Self { counted: counted.total(), truth: truth_ms.len() as u64, percentiles }
    }

    /// All are counted, and the percentiles hold; each duration may be counted too long by so much.
    fn is_near(&self, longer_s: f64) -> bool {
        self.counted == self.truth && self.percentiles.iter().all(|percentile| percentile.is_near(longer_s))
    }

    fn to_text(&self) -> String {
        let mut text = format!("{} of {}", self.counted, self.truth);
        for Percentile { name, from_s, to_s, truth_s } in &self.percentiles {
            text += &format!(", {name} {from_s:.0} to {to_s:.0} s, truly {truth_s:.1}");
        }
        text
    }
}

impl Percentile {
    fn is_near(&self, longer_s: f64) -> bool {
        let (least_s, most_s) = (self.truth_s * (1.0 - OFF_MAX), self.truth_s * (1.0 + OFF_MAX) + longer_s);
        self.to_s >= least_s && self.from_s <= most_s
    }
}

/// Which one, counted from 1, a share of so many comes to.
fn rank(total: u64, share: u64) -> u64 {
    (total * share).div_ceil(1_000).max(1)
}

/// The bucket of the duration of this rank, in seconds.
fn bucket_of_rank(durations: &Histogram, rank: u64) -> Option<(f64, f64)> {
    let mut upto = 0;
    let bucket = durations.counts().find_map(|(bucket, count)| {
        upto += u64::from(count);
        (upto >= rank).then_some(bucket)
    })?;
    let to_s = if bucket < BUCKET_LAST { Histogram::begins_at_s(bucket + 1) as f64 } else { f64::INFINITY };
    Some((Histogram::begins_at_s(bucket) as f64, to_s))
}

/// Runs made by hand, with one thing wrong each.
#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn histogram(seconds: &[u64]) -> Histogram {
        let mut all = Histogram::default();
        for &s in seconds {
            // The public way to a histogram of one duration is through its stored form.
            let stored = serde_json::json!({ Histogram::bucket_of(s).to_string(): 1 });
            all.merge(&serde_json::from_value(stored).unwrap());
        }
        all
    }

    /// Two minutes, and what happened in them.
    fn run() -> (Vec<Minute>, Tally) {
        let minute = |minute, waits: &[u64], visits: &[u64]| Minute {
            minute,
            arrived: 3,
            numbered: 3,
            called: 2,
            entered: 2,
            lapsed: 1,
            left: 1,
            ended: 2,
            waits: histogram(waits),
            visits: histogram(visits),
        };
        let truth = Tally {
            arrived: Some(6),
            numbered: 6,
            called: 4,
            entered: 4,
            lapsed: 2,
            left: 2,
            ended: 4,
            waits_ms: vec![60_100, 3_200, 49_500, 69_900],
            visits_ms: vec![90_000, 200_400, 100_000, 400_900],
        };
        (vec![minute(1, &[4, 50], &[90, 200]), minute(2, &[60, 70], &[100, 400])], truth)
    }

    fn broken((minutes, truth): (Vec<Minute>, Tally)) -> Vec<String> {
        let promises = Analytics::of(&minutes, &truth, None).judge();
        promises.into_iter().filter(|promise| !promise.held).map(|promise| promise.found).collect()
    }

    #[test]
    fn a_true_account_is_found_true() {
        assert_eq!(broken(run()), [""; 0]);
    }

    #[test]
    fn one_more_or_less_of_anything_is_found() {
        type Of = fn(&mut Minute) -> &mut u32;
        let counts: [(&str, Of); 7] = [
            ("arrived", |m| &mut m.arrived),
            ("numbered", |m| &mut m.numbered),
            ("called", |m| &mut m.called),
            ("entered", |m| &mut m.entered),
            ("lapsed", |m| &mut m.lapsed),
            ("left", |m| &mut m.left),
            ("ended", |m| &mut m.ended),
        ];
        for (name, of) in counts {
            let alters: [fn(&mut u32); 2] = [|count| *count += 1, |count| *count -= 1];
            for alter in alters {
                let (mut minutes, truth) = run();
                alter(of(&mut minutes[1]));
                let found = broken((minutes, truth));
                assert!(matches!(&found[..], [one] if one.contains(&format!("{name}, truly"))), "{name}: {found:?}");
            }
        }
    }

    #[test]
    fn a_minute_that_is_left_out_or_told_twice_is_found() {
        let (mut minutes, truth) = run();
        minutes.push(minutes[0].clone());
        assert_eq!(broken((minutes, truth)).len(), 2);
        let (mut minutes, truth) = run();
        minutes.pop();
        assert_eq!(broken((minutes, truth)).len(), 2);
    }

    #[test]
    fn waits_or_visits_that_are_too_long_or_too_short_are_found() {
        let wrong: [(&[u64], &[u64]); 4] = [
            // The true waits are 3, 49, 60 and 69 s, the true visits 90, 100, 200 and 400 s.
            (&[4, 50, 60, 96], &[90, 100, 200, 400]),
            (&[3, 39, 60, 70], &[90, 100, 200, 400]),
            (&[4, 50, 60, 70], &[90, 128, 200, 400]),
            (&[4, 50, 60, 70], &[90, 100, 200, 300]),
        ];
        for (waits, visits) in wrong {
            let (mut minutes, truth) = run();
            (minutes[0].waits, minutes[1].waits) = (histogram(waits), Histogram::default());
            (minutes[0].visits, minutes[1].visits) = (histogram(visits), Histogram::default());
            let found = broken((minutes, truth));
            assert!(matches!(&found[..], [one] if one.starts_with("waits 4 of 4")), "{waits:?} {visits:?}: {found:?}");
        }
    }

    #[test]
    fn who_is_to_be_numbered_later_has_arrived_already() {
        let (mut minutes, mut truth) = run();
        truth.arrived = None;
        minutes[1].arrived += 5;
        assert_eq!(broken((minutes, truth)), [""; 0]);
    }
}
