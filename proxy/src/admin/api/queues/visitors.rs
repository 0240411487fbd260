//! One visitor, for support: the number or code that the page shows, and what the line knows of it.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use sluice_admission::{
    line::{Lookup, Whereabouts},
    store::Store as _,
};
use sluice_waiting_room::code;
use utoipa::{IntoParams, ToSchema};

use super::{
    Range, gate,
    visits::{no_lane, raw_number, shown_number, slot_of_lane},
};
use crate::{
    admin::{
        access::{Permission, Visitor},
        api::{
            Api,
            answer::{Answer, Problem},
        },
    },
    gate::Gate,
    sinks::time::rfc3339,
};

/// Of which lane.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfLane {
    /// The lane of the number. Without it: the queue's first.
    lane: Option<String>,
}

/// A visitor as the line knows it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VisitorDoc {
    /// The number that the page shows.
    number: u64,
    /// The same as a code.
    code: String,
    /// The epoch of the line. A number of an epoch that is over is not known.
    epoch: u64,
    /// `waiting`; `called`: may enter; `inside`; `lapsed`: was called and did not enter, is called again after a page load;
    /// `ended`: the visit was ended, a pass is void; `spent`: of no use any more.
    state: &'static str,
    /// How many wait before it, while it waits.
    ahead: Option<u64>,
    /// How long it will wait, while it waits and the line moves.
    wait_seconds: Option<Range>,
    /// Whether it would be called if it were its turn: the page has asked as it was told to.
    present: bool,
    /// Whether the page has asked within the last 90 s, while it waits.
    seen_lately: bool,
    /// When the number was handed out, RFC 3339, as far as it is known.
    numbered: Option<String>,
    /// Since when the visitor is inside.
    inside_since: Option<String>,
    /// Until when the seat is kept for a visitor who was called, or is inside and is not seen again.
    seat_until: Option<String>,
    /// Whether a visitor who was called has heard of it.
    heard: Option<bool>,
}

impl VisitorDoc {
    fn of(gate: &Gate, (shown, raw): (u64, u64), found: &Lookup) -> Option<Self> {
        let view = gate.usher.view();
        let summary = &view.summary;
        let waits = found.place == Whereabouts::Waiting;
        let ahead = waits.then(|| summary.ahead_of(raw));
        let moves = summary.reason.is_none() && view.store_answers;
        let wait = ahead.filter(|_| moves).and_then(|ahead| view.speeds.of(raw)?.wait(ahead));
        let mut doc = Self {
            number: shown,
            code: code::of(shown).to_string(),
            epoch: summary.epoch,
            state: "waiting",
            ahead,
            wait_seconds: wait.map(|wait| Range { low: wait.low_s, high: wait.high_s }),
            present: found.present && waits,
            seen_lately: found.counted && waits,
            numbered: found.numbered_ms.map(rfc3339),
            inside_since: None,
            seat_until: None,
            heard: None,
        };
        doc.state = match found.place {
            Whereabouts::Unknown => return None,
            Whereabouts::Waiting => "waiting",
            Whereabouts::Called { until_ms, heard } => {
                (doc.seat_until, doc.heard) = (Some(rfc3339(until_ms)), Some(heard));
                "called"
            }
            Whereabouts::Inside { since_ms, until_ms } => {
                (doc.inside_since, doc.seat_until) = (Some(rfc3339(since_ms)), Some(rfc3339(until_ms)));
                "inside"
            }
            Whereabouts::Lapsed => "lapsed",
            Whereabouts::Ended => "ended",
            Whereabouts::Spent => "spent",
        };
        Some(doc)
    }
}

/// Find a visitor
///
/// By the number that the page shows, or by its code. Nothing is changed, and presence is not marked.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/queues/{queue}/visitors/{number}", tag = "queues",
    params(("tenant" = String, Path), ("queue" = String, Path), ("number" = String, Path), OfLane),
    extensions(("x-permission" = json!("session:read"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<VisitorDoc>))))]
pub(crate) async fn find(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, queue, written)): Path<(String, String, String)>,
    Query(lane): Query<OfLane>,
) -> Result<Answer<VisitorDoc>, Problem> {
    let gate = gate(&api, &visitor.principal, Permission::SessionRead, (&tenant, &queue))?;
    let shown = shown_number(&written)?;
    let raw = {
        let view = gate.usher.view();
        let slot = slot_of_lane(&gate, &view.summary, lane.lane.as_deref()).map_err(|()| no_lane("/lane"))?;
        raw_number(&view.summary, slot, shown)
    };
    let found = api.node.store().find(gate.usher.line(), raw).await.map_err(|_| Problem::unavailable())?;
    let doc = found.and_then(|found| VisitorDoc::of(&gate, (shown, raw), &found));
    let unknown = || Problem::not_found("visitor").hint("this number was not handed out in the line's epoch");
    doc.map(Answer::of).ok_or_else(unknown)
}
