//! Verbs: a line begun anew, a visit ended.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_admission::line::{LaneId, Rules, Summary, number_of};
use sluice_waiting_room::code;
use utoipa::ToSchema;

use super::gate;
use crate::{
    admin::{
        access::{Permission, Visitor},
        api::{
            Api,
            answer::{Answer, Problem},
            body::{Object, Whole},
        },
        audit::{Entry, Outcome, WHY_BYTES_MAX},
    },
    gate::Gate,
};

/// A line is to begin anew.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reset {
    /// `TENANT/QUEUE`, typed once more.
    confirm: String,
    /// The epoch that is to end: a request that is sent twice resets once.
    #[schema(value_type = u64)]
    epoch: Whole,
    /// Why, for the audit log, at most 500 bytes.
    #[serde(default)]
    #[schema(max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    reason: Option<String>,
}

/// A line has begun anew.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResetDone {
    /// The epoch that has begun.
    epoch: u64,
}

/// A visit is to end.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    /// The epoch in which the number was handed out. Without it: the line's.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    epoch: Option<Whole>,
    /// The lane of the number. Without it: the queue's first.
    #[serde(default)]
    lane: Option<String>,
    /// Why, for the audit log, at most 500 bytes.
    #[serde(default)]
    #[schema(max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    reason: Option<String>,
}

/// A visit has ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EndDone {
    /// The number that the page shows.
    number: u64,
    epoch: u64,
}

/// Begin a line anew
///
/// Every number, ticket and pass of it is void; visitors join again when they come back. There is no way back.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/queues/{queue}/reset", tag = "verbs",
    params(("tenant" = String, Path), ("queue" = String, Path)), request_body = Reset,
    extensions(("x-permission" = json!("queue:reset"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<ResetDone>)),
        (status = 409, description = "Another epoch has begun")))]
pub(crate) async fn reset(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, queue)): Path<(String, String)>,
    body: Result<Json<Object<Reset>>, JsonRejection>,
) -> Result<Answer<ResetDone>, Problem> {
    let gate = gate(&api, &visitor.principal, Permission::QueueReset, (&tenant, &queue))?;
    let Json(Object(body)) = body?;
    let (target, Whole(ending)) = (format!("{tenant}/{queue}"), body.epoch);
    if body.confirm != target {
        return Err(Problem::invalid("/confirm", format!("to reset this line write \"{target}\" here")));
    }
    let why = checked_why(body.reason)?;
    let answer = Answer::of(());
    let entry = Entry::of(&visitor.principal, "queue.reset", target, &answer.request_id);
    let begun = api.audit.begin(Entry { why, detail: json!({ "epoch": ending }), ..entry }).await?;
    let (line, rules) = (gate.usher.line(), Rules::of(&gate.queue));
    let before = api.node.store().status(line, &rules).await;
    let epoch = match before.as_ref().map(|summary| summary.as_ref().map_or(0, |summary| summary.epoch)) {
        Ok(epoch) if epoch != ending => {
            begun.end(Outcome::Refused, json!({ "epoch": epoch })).await;
            let message = format!("the line's epoch is {epoch}, not {ending}");
            return Err(Problem::new(StatusCode::CONFLICT, "other_epoch", message).at("/epoch"));
        }
        Ok(_) => api.node.store().reset(line, &rules).await,
        Err(_) => {
            begun.end(Outcome::Failed, json!("the store cannot be asked")).await;
            return Err(Problem::unavailable());
        }
    };
    match epoch {
        Ok(epoch) => {
            begun.end(Outcome::Done, json!({ "epoch": epoch })).await;
            Ok(Answer { data: ResetDone { epoch }, request_id: answer.request_id, etag: None, next: None })
        }
        Err(error) => {
            begun.end(Outcome::Failed, json!(error.to_string())).await;
            Err(Problem::unavailable())
        }
    }
}

/// End a visit
///
/// The visitor's pass is void on every node within a second, and the seat is free. The number is that of the page, or its
/// code.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/queues/{queue}/sessions/{number}/end", tag = "verbs",
    params(("tenant" = String, Path), ("queue" = String, Path), ("number" = String, Path)), request_body = End,
    extensions(("x-permission" = json!("session:write"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<EndDone>))))]
pub(crate) async fn end(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, queue, written)): Path<(String, String, String)>,
    body: Result<Json<Object<End>>, JsonRejection>,
) -> Result<Answer<EndDone>, Problem> {
    let gate = gate(&api, &visitor.principal, Permission::SessionWrite, (&tenant, &queue))?;
    let Json(Object(body)) = body?;
    let summary = gate.usher.view().summary.clone();
    let slot = slot_of_lane(&gate, &summary, body.lane.as_deref()).map_err(|()| no_lane("/lane"))?;
    let number = shown_number(&written)?;
    let raw = raw_number(&summary, slot, number);
    if body.epoch.is_some_and(|Whole(epoch)| epoch != summary.epoch) || number == 0 || !summary.has_passed(raw) {
        return Err(Problem::not_found("visit").hint("only a number that was called can be inside"));
    }
    let why = checked_why(body.reason)?;
    let answer = Answer::of(EndDone { number, epoch: summary.epoch });
    let entry = Entry::of(&visitor.principal, "session.end", format!("{tenant}/{queue}/{number}"), &answer.request_id);
    let begun = api.audit.begin(Entry { why, detail: json!({ "epoch": summary.epoch }), ..entry }).await?;
    gate.end(raw);
    begun.end(Outcome::Done, json!({ "epoch": summary.epoch })).await;
    Ok(answer)
}

fn checked_why(reason: Option<String>) -> Result<Option<String>, Problem> {
    match reason {
        Some(why) if why.len() > WHY_BYTES_MAX || why.chars().any(char::is_control) => {
            Err(Problem::invalid("/reason", format!("write at most {WHY_BYTES_MAX} bytes of plain text, on one line")))
        }
        why => Ok(why.filter(|why| !why.trim().is_empty())),
    }
}

/// The number that a page shows, written as such or as its code.
pub(super) fn shown_number(written: &str) -> Result<u64, Problem> {
    let number = match written.bytes().all(|b| b.is_ascii_digit()) {
        true => written.parse().ok(),
        false => code::number(written),
    };
    number.ok_or_else(|| {
        Problem::not_found("visitor").hint(
            "write the number, or the code as the page shows it: `4K7-S`; a character was misheard, or is missing",
        )
    })
}

/// The slot of a lane by its name; without one that of the first. The error: the queue has no such lane.
pub(super) fn slot_of_lane(gate: &Gate, summary: &Summary, name: Option<&str>) -> Result<usize, ()> {
    let Some(name) = name else { return Ok(0) };
    LaneId::of(&gate.queue, name.as_bytes()).map(|lane| summary.slot_for(lane)).ok_or(())
}

/// The answer to who names a lane that the queue does not have.
pub(super) fn no_lane(pointer: &str) -> Problem {
    Problem::invalid(pointer, "the queue has no lane of this name".to_owned())
}

/// The line's own number for one that a page shows: of its lane, and with those that were skipped below it.
pub(super) fn raw_number(summary: &Summary, slot: usize, shown: u64) -> u64 {
    let skipped = |number: u64, &(first, last): &(u64, u64)| match number >= first {
        true => number.saturating_add(last - first + 1),
        false => number,
    };
    summary.lanes[slot].gaps.iter().fold(number_of(slot, shown), skipped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_admission::line::LaneSummary;

    #[test]
    fn a_shown_number_leads_to_the_lines_own() {
        let mut summary = Summary::default();
        for slot in 0..2 {
            let gaps = [(11, 20), (31, 40)].map(|(first, last)| (number_of(slot, first), number_of(slot, last)));
            summary.lanes.put(slot, LaneSummary { gaps: gaps.to_vec(), ..LaneSummary::default() });
            for place in (1..=10).chain(21..=30).chain(41..=60) {
                let raw = number_of(slot, place);
                assert_eq!(raw_number(&summary, slot, summary.shown_number(raw)), raw);
            }
        }
    }
}
