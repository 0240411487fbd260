//! What happened in a line, minute by minute.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use sluice_admission::{
    line::{Histogram, Minute},
    store::Store as _,
};
use utoipa::{IntoParams, ToSchema};

use super::gate;
use crate::{
    admin::{
        access::{Permission, Visitor},
        api::{
            Api,
            answer::{Answer, Problem},
        },
    },
    sinks::time,
};

/// Minutes that a line keeps.
const MINUTES_MAX: u64 = 120;
const MINUTE_MS: u64 = 60_000;

/// Which minutes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Last {
    /// The last so many, the one that is being counted among them: 1 to 120; without it, 60.
    #[param(minimum = 1, maximum = 120)]
    minutes: Option<u64>,
}

/// What happened in a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Counted {
    /// Visitors who came.
    pub(crate) arrived: u64,
    /// Numbers handed out.
    pub(crate) numbered: u64,
    pub(crate) called: u64,
    /// Visits that began.
    pub(crate) entered: u64,
    /// Calls that were not used in time.
    pub(crate) lapsed: u64,
    /// Numbers whose visitors have left without a call.
    pub(crate) left: u64,
    /// Visits that ended.
    pub(crate) ended: u64,
    /// How long those waited who were called.
    pub(crate) wait: Option<Quantiles>,
    /// How long the visits were that ended.
    pub(crate) visit: Option<Quantiles>,
}

/// Of durations, in seconds. Exact to a bucket of the line's histogram: a quarter of the value at most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
}

/// One minute.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct MinuteDoc {
    /// Its beginning, RFC 3339.
    pub(crate) at: String,
    #[serde(flatten)]
    pub(crate) counted: Counted,
}

/// A time, and its minutes.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Analytics {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Over all of it. Quantiles are of all durations together, never averages of averages.
    pub(crate) totals: Counted,
    /// Of the numbers handed out, the share whose visitors left without a call or did not use it; a visitor who still
    /// waits is not in it.
    pub(crate) abandonment: Option<f64>,
    /// Minutes in which something happened, the oldest first.
    pub(crate) series: Vec<MinuteDoc>,
}

impl Counted {
    fn of(minute: &Minute) -> Self {
        Self {
            arrived: minute.arrived.into(),
            numbered: minute.numbered.into(),
            called: minute.called.into(),
            entered: minute.entered.into(),
            lapsed: minute.lapsed.into(),
            left: minute.left.into(),
            ended: minute.ended.into(),
            wait: Quantiles::of(&minute.waits),
            visit: Quantiles::of(&minute.visits),
        }
    }
}

impl Quantiles {
    /// `None`: there are no durations.
    pub(crate) fn of(durations: &Histogram) -> Option<Self> {
        (durations.total() > 0).then(|| {
            let at = |share| quantile(durations, share);
            Self { p50: at(0.5), p90: at(0.9), p99: at(0.99) }
        })
    }
}

/// The bucket of the duration of rank `ceil(share * total)`, and linear inside it.
fn quantile(durations: &Histogram, share: f64) -> f64 {
    let rank = (share * durations.total() as f64).ceil().max(1.0);
    let mut before = 0.0;
    for (bucket, count) in durations.counts() {
        let count = f64::from(count);
        if before + count >= rank {
            let (low, high) = (Histogram::begins_at_s(bucket) as f64, Histogram::begins_at_s(bucket + 1) as f64);
            return ((low + (high - low) * (rank - before) / count) * 10.0).round() / 10.0;
        }
        before += count;
    }
    0.0
}

impl Counted {
    /// Of several minutes together. Quantiles are of all durations, never averages of averages.
    pub(crate) fn sum(minutes: &[Minute]) -> Self {
        let mut all = Minute::default();
        let mut totals = Self::default();
        for minute in minutes {
            all.waits.merge(&minute.waits);
            all.visits.merge(&minute.visits);
            totals.arrived += u64::from(minute.arrived);
            totals.numbered += u64::from(minute.numbered);
            totals.called += u64::from(minute.called);
            totals.entered += u64::from(minute.entered);
            totals.lapsed += u64::from(minute.lapsed);
            totals.left += u64::from(minute.left);
            totals.ended += u64::from(minute.ended);
        }
        (totals.wait, totals.visit) = (Quantiles::of(&all.waits), Quantiles::of(&all.visits));
        totals
    }
}

/// Minutes put together.
fn analytics(minutes: &[Minute], from_minute: u64, to_minute: u64) -> Analytics {
    let totals = Counted::sum(minutes);
    let settled = totals.entered + totals.lapsed + totals.left;
    let abandonment = (settled > 0).then(|| (totals.lapsed + totals.left) as f64 / settled as f64);
    let at = |minute: u64| time::rfc3339(minute * MINUTE_MS);
    let series = minutes.iter().map(|minute| MinuteDoc { at: at(minute.minute), counted: Counted::of(minute) });
    Analytics { from: at(from_minute), to: at(to_minute + 1), totals, abandonment, series: series.collect() }
}

/// The minutes as CSV, with the names of the JSON.
fn csv(analytics: &Analytics) -> String {
    let mut text = "at,arrived,numbered,called,entered,lapsed,left,ended,wait_p50,wait_p90,wait_p99\r\n".to_owned();
    for MinuteDoc { at, counted: c } in &analytics.series {
        let wait = c.wait.map_or_else(|| ",,".to_owned(), |wait| format!("{},{},{}", wait.p50, wait.p90, wait.p99));
        text += &format!(
            "{at},{},{},{},{},{},{},{},{wait}\r\n",
            c.arrived, c.numbered, c.called, c.entered, c.lapsed, c.left, c.ended
        );
    }
    text
}

/// What happened in a line
///
/// By the minute, of the last two hours, counted in the line itself. With `Accept: text/csv` as a table.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/queues/{queue}/analytics", tag = "queues",
    params(("tenant" = String, Path), ("queue" = String, Path), Last),
    extensions(("x-permission" = json!("queue:read"))),
    responses((status = 200, content((inline(crate::admin::api::answer::Envelope<Analytics>) = "application/json"),
        (String = "text/csv")))))]
pub(crate) async fn read(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, queue)): Path<(String, String)>,
    Query(last): Query<Last>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let gate = gate(&api, &visitor.principal, Permission::QueueRead, (&tenant, &queue))?;
    let minutes = last.minutes.unwrap_or(60);
    if !(1..=MINUTES_MAX).contains(&minutes) {
        return Err(Problem::invalid("/minutes", format!("`minutes` is a number from 1 to {MINUTES_MAX}")));
    }
    let to = gate.usher.view().line_ms(sluice_admission::usher::now()) / MINUTE_MS;
    let from = (to + 1).saturating_sub(minutes);
    let counted = api.node.store().counts(gate.usher.line(), from).await.map_err(|_| Problem::unavailable())?;
    let analytics = analytics(&counted, from, to);
    let wants_csv = headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/csv"));
    Ok(match wants_csv {
        true => ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], csv(&analytics)).into_response(),
        false => Answer::of(analytics).into_response(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn minute(minute: u64, called: u32, waits_s: &[u64]) -> Minute {
        let mut of = Minute { minute, called, entered: called, ..Minute::default() };
        for &wait_s in waits_s {
            let mut one = Histogram::default();
            // The public way to a histogram of one duration is through its stored form.
            let stored = serde_json::json!({ Histogram::bucket_of(wait_s).to_string(): 1 });
            one.merge(&serde_json::from_value(stored).unwrap());
            of.waits.merge(&one);
        }
        of
    }

    #[test]
    fn quantiles_are_of_all_durations_together() {
        // A minute of many short waits, and one of a single long one.
        let short = minute(10, 99, &[2; 99]);
        let long = minute(11, 1, &[1_000]);
        let both = analytics(&[short, long], 0, 11);
        let wait = both.totals.wait.unwrap();
        assert!((2.0..=3.0).contains(&wait.p50) && (2.0..=3.0).contains(&wait.p99), "{wait:?}");
        assert_eq!(both.totals.called, 100);
        assert_eq!(both.abandonment, Some(0.0));
        let long = both.series[1].counted.wait.unwrap();
        assert!((896.0..=1_024.0).contains(&long.p50), "{long:?}");
    }

    #[test]
    fn a_table_has_a_row_for_each_minute() {
        let table = csv(&analytics(&[minute(1, 3, &[4])], 0, 1));
        let rows: Vec<_> = table.lines().collect();
        assert_eq!(rows[1], "1970-01-01T00:01:00.000Z,0,0,3,3,0,0,0,5,5,5");
        assert_eq!(rows[0].split(',').count(), rows[1].split(',').count());
    }
}
