//! The fairness report of a queue over a time: what was promised, what was kept, and what people changed. Pure.

use serde::Serialize;
use serde_json::Value;
use sluice_admission::line::Histogram;
use utoipa::ToSchema;

use super::{
    api::analytics::{Counted, Quantiles},
    audit::Record as Changed,
    history::{Loss, MINUTE_MS, Record, Seen, Still},
};
use crate::sinks::time::rfc3339;

/// Most standstills in a report, the longest.
pub(crate) const STANDSTILLS_MAX: usize = 500;
/// Most changes in a report, the newest.
pub(crate) const CHANGES_MAX: usize = 1_000;

/// What a report says.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Report {
    /// The form of this document.
    pub(crate) format: &'static str,
    pub(crate) tenant: String,
    pub(crate) queue: String,
    /// RFC 3339, whole minutes.
    pub(crate) from: String,
    pub(crate) to: String,
    /// When it was made.
    pub(crate) made: String,
    /// Minutes of this time of which this node has what was seen. Peaks and standstills are of these.
    pub(crate) minutes_seen: usize,
    /// What the line has counted.
    pub(crate) totals: Counted,
    pub(crate) waits: Option<Waits>,
    pub(crate) rate: Rate,
    pub(crate) seats: Seats,
    /// Times from 2 s on in which visitors waited and none was called, with the reason.
    pub(crate) standstills: Vec<Span>,
    /// Shorter ones than those above that were left out.
    pub(crate) standstills_left_out: usize,
    /// For how long visitors waited and none was called, in seconds by reason, those left out among it.
    pub(crate) still_seconds: Value,
    /// What was lost or could not be reached, and when.
    pub(crate) losses: Vec<Span>,
    /// What people changed, from the audit log of this node.
    pub(crate) changes: Vec<Change>,
    /// The last record of that log, and the hash of it and of all before it.
    pub(crate) audit: AuditHead,
}

/// How long visitors waited who were called, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Waits {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    /// Nobody waited longer.
    pub(crate) max: u64,
}

/// The release rate: never exceeded, and used.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Rate {
    /// Of the calls that were allowed in minutes in which visitors waited all the time and only the rate kept them, the
    /// share that was made. 0.9 and more is well. `null`: there was no such minute.
    pub(crate) used: Option<f64>,
    /// How many such minutes there were.
    pub(crate) used_minutes: usize,
    /// The minute in which the bound of 60 s was nearest, or was exceeded.
    pub(crate) worst: Option<Worst>,
    /// Minutes in which more visitors were called in 60 s than the highest rate of that minute and the one before it.
    pub(crate) exceeded_minutes: usize,
}

/// One minute.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Worst {
    pub(crate) at: String,
    /// Most visitors called in any 60 s that ended in it.
    pub(crate) called: u64,
    pub(crate) allowed: u32,
}

/// Seats: never more than there are.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Seats {
    /// Most visitors called or inside at once.
    pub(crate) most: u64,
    /// Minutes in which that was more than the bound of that minute and the one before it. A bound that is lowered puts
    /// nobody out, so such minutes may follow.
    pub(crate) beyond_bound_minutes: usize,
}

/// A time with what it was about.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Span {
    pub(crate) from: String,
    pub(crate) seconds: f64,
    pub(crate) reason: String,
    /// How many waited at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waiting: Option<u64>,
}

/// What a person or a program did.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Change {
    pub(crate) seq: u64,
    pub(crate) at: String,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    pub(crate) outcome: super::audit::Outcome,
    pub(crate) detail: Value,
}

/// The end of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct AuditHead {
    pub(crate) seq: u64,
    pub(crate) hash: String,
}

/// What a report is made from.
pub(crate) struct Sources {
    pub(crate) tenant: String,
    pub(crate) queue: String,
    /// Whole minutes, the first and the one after the last.
    pub(crate) minutes: (u64, u64),
    pub(crate) made_ms: u64,
    pub(crate) history: Vec<Record>,
    /// What was done to this queue or its visitors.
    pub(crate) changes: Vec<Changed>,
    pub(crate) audit: AuditHead,
}

impl Report {
    pub(crate) fn of(sources: Sources) -> Self {
        let Sources { tenant, queue, minutes: (from, to), made_ms, history, changes, audit } = sources;
        let is_within = |minute: u64| (from..to).contains(&minute);
        // A node that was started anew may have written a minute twice: they are the same.
        let mut counted: Vec<_> = history.iter().filter_map(|record| record.minute.clone()).collect();
        counted.retain(|minute| is_within(minute.minute));
        counted.sort_by_key(|minute| minute.minute);
        counted.dedup_by_key(|minute| minute.minute);
        let mut seen: Vec<_> = history.iter().filter_map(|record| record.seen.clone()).collect();
        seen.retain(|seen| is_within(seen.minute));
        seen.sort_by_key(|seen| seen.minute);
        let called = |minute: u64| counted.iter().find(|of| of.minute == minute).map_or(0, |of| u64::from(of.called));
        let rate = Rate::of(&seen, called);
        let seats = Seats::of(&seen);
        let (totals, waits) = (Counted::sum(&counted), Waits::of(&counted));
        let stills: Vec<_> = history.iter().filter_map(|record| record.still.clone()).collect();
        let still_seconds = seconds_by_reason(&stills);
        let (standstills, standstills_left_out) = longest(stills);
        let losses = history.iter().filter_map(|record| record.loss.as_ref()).map(Span::loss).collect();
        let surplus = changes.len().saturating_sub(CHANGES_MAX);
        Self {
            format: "sluice-report-1",
            tenant,
            queue,
            from: rfc3339(from * MINUTE_MS),
            to: rfc3339(to * MINUTE_MS),
            made: rfc3339(made_ms),
            minutes_seen: seen.len(),
            totals,
            waits,
            rate,
            seats,
            standstills,
            standstills_left_out,
            still_seconds,
            losses,
            changes: changes.into_iter().skip(surplus).map(Change::of).collect(),
            audit,
        }
    }

    /// The document that is signed: JSON for people to read as well.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

impl Waits {
    fn of(counted: &[sluice_admission::line::Minute]) -> Option<Self> {
        let mut all = Histogram::default();
        counted.iter().for_each(|minute| all.merge(&minute.waits));
        let Quantiles { p50, p90, p99 } = Quantiles::of(&all)?;
        let last = all.counts().last().map_or(0, |(bucket, _)| bucket);
        Some(Self { p50, p90, p99, max: Histogram::begins_at_s(last + 1) })
    }
}

impl Rate {
    fn of(seen: &[Seen], called: impl Fn(u64) -> u64) -> Self {
        let limited = |seen: &&Seen| seen.limited_by_rate_ms >= MINUTE_MS * 98 / 100 && seen.rate.0 == seen.rate.1;
        let all: Vec<_> = seen.iter().filter(limited).collect();
        let allowed: u64 = all.iter().map(|seen| u64::from(seen.rate.1)).sum();
        let made: u64 = all.iter().map(|seen| called(seen.minute)).sum();
        let used = (allowed > 0).then(|| round(made as f64 / allowed as f64));
        // Calls of the minute before count as well, so its rate does.
        let rates = with_minute_before(seen, |seen| u64::from(seen.rate.1));
        let nearest =
            seen.iter().zip(&rates).max_by_key(|(seen, rate)| seen.called_60s_max * 1_000_000 / (**rate).max(1));
        let worst = nearest.filter(|(seen, _)| seen.called_60s_max > 0).map(|(seen, &rate)| Worst {
            at: rfc3339(seen.minute * MINUTE_MS),
            called: seen.called_60s_max,
            allowed: u32::try_from(rate).unwrap_or(u32::MAX),
        });
        let exceeded_minutes = seen.iter().zip(&rates).filter(|(seen, rate)| seen.called_60s_max > **rate).count();
        Self { used, used_minutes: all.len(), worst, exceeded_minutes }
    }
}

impl Seats {
    fn of(seen: &[Seen]) -> Self {
        let bounds = with_minute_before(seen, |seen| seen.seats.map_or(u64::MAX, u64::from));
        Self {
            most: seen.iter().map(|seen| seen.taken_max).max().unwrap_or(0),
            beyond_bound_minutes: seen.iter().zip(&bounds).filter(|(seen, bound)| seen.taken_max > **bound).count(),
        }
    }
}

/// Of each minute the higher of its own value and that of the minute before.
fn with_minute_before(seen: &[Seen], value: impl Fn(&Seen) -> u64) -> Vec<u64> {
    let before = |at: usize| at.checked_sub(1).and_then(|at| seen.get(at));
    let each = seen.iter().enumerate().map(|(at, now)| match before(at).filter(|last| last.minute + 1 == now.minute) {
        Some(last) => value(now).max(value(last)),
        None => value(now),
    });
    each.collect()
}

impl Span {
    fn still(still: &Still) -> Self {
        let Still { from_ms, to_ms, reason, waiting } = still;
        let seconds = seconds(to_ms - from_ms);
        Self { from: rfc3339(*from_ms), seconds, reason: reason.clone(), waiting: Some(*waiting) }
    }

    fn loss(loss: &Loss) -> Self {
        let Loss { from_ms, to_ms, what } = loss;
        Self { from: rfc3339(*from_ms), seconds: seconds(to_ms - from_ms), reason: what.clone(), waiting: None }
    }
}

impl Change {
    fn of(record: Changed) -> Self {
        let Changed { seq, at, actor, action, target, why, outcome, detail, .. } = record;
        Self { seq, at, actor, action, target, why, outcome, detail }
    }
}

fn seconds(ms: u64) -> f64 {
    (ms / 100) as f64 / 10.0
}

fn round(share: f64) -> f64 {
    (share * 10_000.0).round() / 10_000.0
}

fn seconds_by_reason(stills: &[Still]) -> Value {
    let mut all = std::collections::BTreeMap::<&str, u64>::new();
    for still in stills {
        *all.entry(&still.reason).or_default() += still.to_ms - still.from_ms;
    }
    all.into_iter()
        .map(|(reason, ms)| (reason.to_owned(), Value::from(seconds(ms))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The longest of them in the order of time, and how many were left out.
fn longest(mut stills: Vec<Still>) -> (Vec<Span>, usize) {
    let left_out = stills.len().saturating_sub(STANDSTILLS_MAX);
    stills.sort_by_key(|still| std::cmp::Reverse(still.to_ms - still.from_ms));
    stills.truncate(STANDSTILLS_MAX);
    stills.sort_by_key(|still| still.from_ms);
    (stills.iter().map(Span::still).collect(), left_out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sluice_admission::line::Minute;

    use super::*;

    fn minute(minute: u64, called: u32, seen: Seen) -> Record {
        let counts = Minute { minute, called, entered: called, ..Minute::default() };
        Record { minute: Some(counts), seen: Some(Seen { minute, ..seen }), ..Record::default() }
    }

    fn busy(rate: u32, called_60s_max: u64) -> Seen {
        Seen { rate: (rate, rate), called_60s_max, limited_by_rate_ms: 60_000, ..Seen::default() }
    }

    fn report(history: Vec<Record>) -> Report {
        let audit = AuditHead { seq: 0, hash: String::new() };
        let (tenant, queue) = ("shop".to_owned(), "sale".to_owned());
        Report::of(Sources { tenant, queue, minutes: (10, 20), made_ms: 0, history, changes: vec![], audit })
    }

    #[test]
    fn the_rate_is_used_and_exceeded_as_it_was() {
        let kept =
            report(vec![minute(10, 100, busy(100, 100)), minute(11, 98, busy(100, 99)), minute(30, 5, busy(1, 99))]);
        assert_eq!((kept.rate.used, kept.rate.used_minutes, kept.rate.exceeded_minutes), (Some(0.99), 2, 0));
        assert_eq!(kept.rate.worst.unwrap().called, 100);
        assert_eq!(kept.totals.called, 198);
        let lowered =
            report(vec![minute(10, 100, busy(100, 100)), minute(11, 9, busy(50, 90)), minute(12, 40, busy(50, 51))]);
        assert_eq!(lowered.rate.exceeded_minutes, 1, "the window holds calls of the minute before, and of no other");
        let worst = lowered.rate.worst.unwrap();
        assert_eq!((worst.called, worst.allowed), (51, 50));
        assert_eq!(report(vec![]).rate.used, None);
        let twice = report(vec![minute(10, 7, busy(9, 9)), minute(10, 7, Seen::default())]);
        assert_eq!(twice.totals.called, 7, "a minute that was written twice counts once");
    }

    #[test]
    fn seats_beyond_their_bound_are_told() {
        let seats = |bound, taken_max| Seen { seats: Some(bound), taken_max, ..Seen::default() };
        let told = report(vec![minute(10, 0, seats(10, 10)), minute(11, 0, seats(5, 10)), minute(12, 0, seats(5, 9))]);
        assert_eq!((told.seats.most, told.seats.beyond_bound_minutes), (10, 1));
    }

    #[test]
    fn standstills_are_bounded_and_none_is_missing_from_the_sum() {
        let still = |n: u64, ms| {
            let (from_ms, reason) = (600_000 + n * 10_000, if n.is_multiple_of(2) { "paused" } else { "pace" });
            let still = Still { from_ms, to_ms: from_ms + ms, reason: reason.to_owned(), waiting: n };
            Record { still: Some(still), ..Record::default() }
        };
        let mut all: Vec<_> = (0..600).map(|n| still(n, 2_000)).collect();
        all.push(still(600, 9_300));
        let told = report(all);
        assert_eq!((told.standstills.len(), told.standstills_left_out), (STANDSTILLS_MAX, 101));
        assert_eq!(told.standstills.last().unwrap().seconds, 9.3);
        assert_eq!(told.still_seconds, serde_json::json!({ "paused": 609.3, "pace": 600.0 }));
        assert!(told.text().ends_with("}\n") && told.text().contains("\"format\": \"sluice-report-1\""));
    }
}
