//! The fairness report of a queue, signed.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use sluice_admission::store::Store as _;
use utoipa::{IntoParams, ToSchema};

use super::gate;
use crate::{
    admin::{
        access::{Permission, Visitor},
        api::{
            Api,
            answer::{Answer, Problem},
        },
        history::{MINUTE_MS, Record},
        report::{AuditHead, Report, Sources},
        seal::Purpose,
    },
    sinks::time::now_ms,
};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Longest time of a report.
const SPAN_MS_MAX: u64 = 35 * DAY_MS;

/// Which time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Span {
    /// Its begin, RFC 3339 in UTC; without it, 24 hours before its end. Minutes count as a whole.
    #[param(pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$")]
    from: Option<String>,
    /// Its end, RFC 3339 in UTC; without it, now.
    #[param(pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$")]
    to: Option<String>,
}

/// A report, and the same as a text that is signed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Signed {
    report: Report,
    /// The document with its signature, for a file: `sluice report verify` checks it.
    signed: String,
    /// What verifies it.
    public_key: String,
}

impl Span {
    fn minutes(&self, now_ms: u64) -> Result<(u64, u64), Problem> {
        let to_ms = moment("/to", self.to.as_deref())?.unwrap_or(now_ms).min(now_ms);
        let from_ms = moment("/from", self.from.as_deref())?.unwrap_or(to_ms.saturating_sub(DAY_MS));
        if from_ms >= to_ms || to_ms - from_ms > SPAN_MS_MAX {
            return Err(Problem::invalid("/from", "a report is about some time before now, at most 35 days"));
        }
        Ok((from_ms / MINUTE_MS, to_ms.div_ceil(MINUTE_MS)))
    }
}

fn moment(pointer: &str, written: Option<&str>) -> Result<Option<u64>, Problem> {
    let Some(written) = written else { return Ok(None) };
    let moment = humantime::parse_rfc3339_weak(written)
        .map_err(|_| Problem::invalid(pointer, "write a time as 2026-11-29T10:00:00Z, in UTC"))?;
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Ok(Some(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

/// What was promised and kept in a queue
///
/// Waits, the rate and how it was used, the worst minute, seats, every standstill with its reason, losses, and what people
/// changed. Signed by the fleet's key. Counts are the line's; peaks and standstills are as this node saw them, and the
/// changes those that were made through it.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/queues/{queue}/report", tag = "queues",
    params(("tenant" = String, Path), ("queue" = String, Path), Span),
    extensions(("x-permission" = json!("queue:read"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<Signed>))))]
pub(crate) async fn report(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, queue)): Path<(String, String)>,
    Query(span): Query<Span>,
) -> Result<Answer<Signed>, Problem> {
    let gate = gate(&api, &visitor.principal, Permission::QueueRead, (&tenant, &queue))?;
    let made_ms = now_ms();
    let minutes = span.minutes(made_ms)?;
    let (from_ms, to_ms) = (minutes.0 * MINUTE_MS, minutes.1 * MINUTE_MS);
    let unreadable = |error: std::io::Error| {
        tracing::error!(%error, "history unreadable");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "history_unreadable", "what was kept cannot be read")
    };
    let mut history = api.history.read(gate.usher.line(), from_ms, to_ms).await.map_err(unreadable)?;
    // What is not written yet. While the store is away the report ends a minute or two earlier.
    if let Ok(latest) = api.node.store().counts(gate.usher.line(), minutes.0).await {
        let fresh = latest.into_iter().map(|minute| Record { minute: Some(minute), ..Record::default() });
        history.extend(fresh);
    }
    let target = format!("{tenant}/{queue}");
    let times = UNIX_EPOCH + Duration::from_millis(from_ms)..UNIX_EPOCH + Duration::from_millis(to_ms);
    let is_about = move |record: &crate::admin::audit::Record| {
        let of_queue =
            record.target == target || record.target.strip_prefix(&*target).is_some_and(|rest| rest.starts_with('/'));
        of_queue && humantime::parse_rfc3339_weak(&record.at).is_ok_and(|at: SystemTime| times.contains(&at))
    };
    let changes = api.audit.matching(is_about).await.map_err(unreadable)?;
    let (seq, hash) = api.audit.head().await;
    let audit = AuditHead { seq, hash };
    let report = Report::of(Sources { tenant, queue, minutes, made_ms, history, changes, audit });
    let (signed, public_key) = api.access.sign(Purpose::Report, &report.text());
    Ok(Answer::of(Signed { report, signed, public_key }))
}
