//! What an operator sets in place of a queue's settings: set, looked at beforehand, taken back.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use sluice_admission::{
    line::{Change, Override, Revision},
    usher::{Governed, Unchanged},
};
use sluice_config::{Mode, Role};
use utoipa::ToSchema;

use super::{
    QueueDoc,
    foresee::{Foreseen, foresee},
    gate, tag,
};
use crate::{
    admin::{
        access::{Permission, Principal, Visitor},
        api::{
            Api,
            answer::{Answer, Problem},
            body::{Object, Whole},
        },
        audit::{Entry, Outcome},
    },
    gate::Gate,
};

/// How long a change lasts that does not say it.
const LASTS_DEFAULT: Duration = Duration::from_secs(4 * 60 * 60);
/// The longest that can be asked for.
const LASTS_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const RATE_MAX: u32 = 1_000_000;
const VISITORS_MAX: u32 = 10_000_000;

/// A change. A member that is left out stays as it is, `null` goes back to the file.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeBody {
    /// Most visitors called in any 60 s, 1 to 1,000,000.
    #[serde(default, deserialize_with = "whole")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1000000)]
    pub(crate) release_per_minute: Option<Option<u32>>,
    /// Most visitors called at once; never more than the rate.
    #[serde(default, deserialize_with = "whole")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1000000)]
    pub(crate) burst: Option<Option<u32>>,
    /// Most visitors called or inside.
    #[serde(default, deserialize_with = "whole")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10000000)]
    pub(crate) max_active: Option<Option<u32>>,
    /// Most visitors in line.
    #[serde(default, deserialize_with = "whole")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10000000)]
    pub(crate) max_waiting: Option<Option<u32>>,
    /// `auto`, `hold`, `drain`, `closed`; `open` needs the role admin.
    #[serde(default, deserialize_with = "member")]
    #[schema(value_type = Option<String>, pattern = "^(auto|hold|drain|closed|open)$")]
    pub(crate) mode: Option<Option<String>>,
    /// Shown to those who wait, plain text, at most 500 bytes and not blank.
    #[serde(default, deserialize_with = "member")]
    #[schema(
        value_type = Option<String>,
        max_length = 500,
        pattern = r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x09\x0b-\x1f\x7f-\x9f]*$"
    )]
    pub(crate) message: Option<Option<String>>,
    /// How long all of it lasts, such as `30m`: 4 h if it is left out, at most 7 d; `forever` needs the role admin.
    #[serde(default, rename = "for")]
    #[schema(pattern = r"^(forever|[1-7]d|([1-9]|[1-9][0-9]|1[0-5][0-9])h( [1-9][0-9]?m)?|[1-9][0-9]{0,3}[ms])$")]
    pub(crate) lasts: Option<String>,
    /// Why, for the audit log, at most 500 bytes.
    #[serde(default)]
    #[schema(max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub(crate) reason: Option<String>,
}

/// What is set now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct OverrideDoc {
    pub(crate) release_per_minute: Option<u32>,
    pub(crate) burst: Option<u32>,
    pub(crate) max_active: Option<u32>,
    pub(crate) max_waiting: Option<u32>,
    pub(crate) mode: Option<&'static str>,
    pub(crate) message: Option<String>,
    /// When it ends, RFC 3339; `null`: not by itself.
    pub(crate) until: Option<String>,
    pub(crate) reason: String,
    /// Who set it.
    pub(crate) actor: String,
    /// When, RFC 3339.
    pub(crate) since: String,
}

impl OverrideDoc {
    /// `None`: nothing is set, or it has ended.
    pub(crate) fn of(governed: &Governed) -> Option<Self> {
        let control = &governed.control;
        let set = &control.set;
        if !governed.is_in_force || *set == (Override { until_ms: set.until_ms, ..Override::default() }) {
            return None;
        }
        let number = |number: Option<NonZeroU32>| number.map(NonZeroU32::get);
        let time = crate::sinks::time::rfc3339;
        Some(Self {
            release_per_minute: number(set.release_per_minute),
            burst: number(set.burst),
            max_active: number(set.max_active),
            max_waiting: number(set.max_waiting),
            mode: set.mode.map(Mode::as_str),
            message: set.message.clone(),
            until: set.until_ms.map(time),
            reason: control.reason.clone(),
            actor: control.actor.clone(),
            since: time(control.since_ms),
        })
    }
}

/// A member that is there, `null` or not.
fn member<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// The same for a number. One that is too large is refused by its name.
fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<u32>>, D::Error> {
    let number: Option<Whole> = Option::deserialize(from)?;
    Ok(Some(number.map(|Whole(number)| u32::try_from(number).unwrap_or(u32::MAX))))
}

impl ChangeBody {
    /// What is set after it, where `now` is set; `line_ms` is the line's clock.
    pub(crate) fn on(&self, now: &Override, line_ms: u64, principal: &Principal) -> Result<Override, Problem> {
        let mode = match &self.mode {
            None => now.mode,
            Some(None) => None,
            Some(Some(name)) => Some(mode(name, principal)?),
        };
        let message = match &self.message {
            None => now.message.clone(),
            Some(message) => message.clone(),
        };
        Ok(Override {
            release_per_minute: number(
                "release_per_minute",
                self.release_per_minute,
                now.release_per_minute,
                RATE_MAX,
            )?,
            burst: number("burst", self.burst, now.burst, RATE_MAX)?,
            max_active: number("max_active", self.max_active, now.max_active, VISITORS_MAX)?,
            max_waiting: number("max_waiting", self.max_waiting, now.max_waiting, VISITORS_MAX)?,
            mode,
            message,
            until_ms: until_ms(self.lasts.as_deref(), line_ms, principal)?,
        })
    }
}

fn number(
    name: &str,
    asked: Option<Option<u32>>,
    now: Option<NonZeroU32>,
    most: u32,
) -> Result<Option<NonZeroU32>, Problem> {
    match asked {
        None => Ok(now),
        Some(None) => Ok(None),
        Some(Some(asked)) => match NonZeroU32::new(asked).filter(|number| number.get() <= most) {
            Some(number) => Ok(Some(number)),
            None => Err(Problem::invalid(&format!("/{name}"), format!("`{name}` is a number from 1 to {most}"))),
        },
    }
}

fn mode(name: &str, principal: &Principal) -> Result<Mode, Problem> {
    match Mode::ALL.iter().find(|(word, _)| *word == name) {
        Some((_, Mode::Open)) if principal.role != Role::Admin => Err(Problem::forbidden("of the role admin")
            .at("/mode")
            .hint("`open` lets everybody in; `hold` holds the line")),
        Some((_, mode)) => Ok(*mode),
        None => Err(Problem::invalid("/mode", "`mode` is auto, hold, drain, closed or open")),
    }
}

fn until_ms(lasts: Option<&str>, line_ms: u64, principal: &Principal) -> Result<Option<u64>, Problem> {
    let invalid = || Problem::invalid("/for", "`for` is a duration from 1s to 7d, such as 30m");
    let lasts = match lasts {
        None => LASTS_DEFAULT,
        Some("forever") if principal.role == Role::Admin => return Ok(None),
        Some("forever") => {
            return Err(Problem::forbidden("of the role admin")
                .at("/for")
                .hint("write at most 7d, or change the file"));
        }
        Some(written) => humantime::parse_duration(written).map_err(|_| invalid())?,
    };
    if !(Duration::from_secs(1)..=LASTS_MAX).contains(&lasts) {
        return Err(invalid());
    }
    Ok(Some(line_ms + u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX)))
}

/// The last change that was made through this node, for the way back.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) revision: Revision,
    pub(crate) before: Override,
}

type QueuePath = Path<(String, String)>;

/// Set what takes the place of the file
///
/// All of it ends after `for`. Needs `If-Match` with the `ETag` of the queue: of two changes that race one is made.
#[utoipa::path(patch, path = "/v1/tenants/{tenant}/queues/{queue}/override", tag = "control",
    params(("tenant" = String, Path), ("queue" = String, Path),
        ("If-Match" = String, Header, description = "The `ETag` of the queue; `*`, for admins: whatever it is")),
    request_body = ChangeBody, extensions(("x-permission" = json!("queue:write"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<QueueDoc>),
        headers(("ETag" = String, description = "Of what is set in place of the file, for `If-Match`")))))]
pub(crate) async fn set(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, queue)): QueuePath,
    headers: HeaderMap,
    body: Result<Json<Object<ChangeBody>>, JsonRejection>,
) -> Result<Answer<QueueDoc>, Problem> {
    let gate = gate(&api, &visitor.principal, Permission::QueueWrite, (&tenant, &queue))?;
    let Json(Object(body)) = body?;
    let governed = gate.usher.governed();
    let from = if_match(&api, &headers, &visitor.principal, &gate, &governed)?;
    let set = body.on(&now_set(&governed), line_ms(&gate), &visitor.principal)?;
    make(&api, &visitor.principal, &gate, "override.set", from, set, body.reason).await
}

/// Go back to the file
#[utoipa::path(delete, path = "/v1/tenants/{tenant}/queues/{queue}/override", tag = "control",
    params(("tenant" = String, Path), ("queue" = String, Path),
        ("If-Match" = String, Header, description = "The `ETag` of the queue; `*`, for admins: whatever it is")),
    extensions(("x-permission" = json!("queue:write"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<QueueDoc>),
        headers(("ETag" = String, description = "Of what is set in place of the file, for `If-Match`")))))]
pub(crate) async fn clear(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, queue)): QueuePath,
    headers: HeaderMap,
) -> Result<Answer<QueueDoc>, Problem> {
    let gate = gate(&api, &visitor.principal, Permission::QueueWrite, (&tenant, &queue))?;
    let from = if_match(&api, &headers, &visitor.principal, &gate, &gate.usher.governed())?;
    make(&api, &visitor.principal, &gate, "override.clear", from, Override::default(), None).await
}

/// Take the last change back
///
/// A change with the values from before, if the last change was made through this node.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/queues/{queue}/override/undo", tag = "control",
    params(("tenant" = String, Path), ("queue" = String, Path),
        ("If-Match" = String, Header, description = "The `ETag` of the queue; `*`, for admins: whatever it is")),
    extensions(("x-permission" = json!("queue:write"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<QueueDoc>),
        headers(("ETag" = String, description = "Of what is set in place of the file, for `If-Match`"))),
        (status = 409, description = "The last change was not made through this node")))]
pub(crate) async fn undo(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, queue)): QueuePath,
    headers: HeaderMap,
) -> Result<Answer<QueueDoc>, Problem> {
    let gate = gate(&api, &visitor.principal, Permission::QueueWrite, (&tenant, &queue))?;
    let governed = gate.usher.governed();
    let from = if_match(&api, &headers, &visitor.principal, &gate, &governed)?;
    let made = api.made(gate.usher.line()).filter(|made| made.revision == governed.control.revision);
    let made = made.ok_or_else(|| {
        Problem::new(StatusCode::CONFLICT, "nothing_to_undo", "the last change was not made through this node")
            .hint("set the values, or go back to the file")
    })?;
    make(&api, &visitor.principal, &gate, "override.undo", from, made.before, None).await
}

/// What a change would do
///
/// Changes nothing.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/queues/{queue}/override/preview", tag = "control",
    params(("tenant" = String, Path), ("queue" = String, Path)), request_body = ChangeBody,
    extensions(("x-permission" = json!("queue:read"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<Foreseen>))))]
pub(crate) async fn preview(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path((tenant, queue)): QueuePath,
    body: Result<Json<Object<ChangeBody>>, JsonRejection>,
) -> Result<Answer<Foreseen>, Problem> {
    let gate = gate(&api, &visitor.principal, Permission::QueueRead, (&tenant, &queue))?;
    let Json(Object(body)) = body?;
    let governed = gate.usher.governed();
    let line_ms = line_ms(&gate);
    let set = body.on(&now_set(&governed), line_ms, &visitor.principal)?;
    let change = checked(&api, &visitor.principal, governed.control.revision, set, body.reason)?;
    let after = change.set.apply(&governed.file, line_ms);
    Ok(Answer::of(foresee(&governed.rules, &after, &gate.usher.view().summary)))
}

/// What is set, unless it has ended.
fn now_set(governed: &Governed) -> Override {
    if governed.is_in_force { governed.control.set.clone() } else { Override::default() }
}

fn line_ms(gate: &Gate) -> u64 {
    gate.usher.view().line_ms(sluice_admission::usher::now())
}

/// The revision that the principal has seen.
fn if_match(
    api: &Api,
    headers: &HeaderMap,
    principal: &Principal,
    gate: &Gate,
    governed: &Governed,
) -> Result<Revision, Problem> {
    let now = governed.control.revision;
    match headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()) {
        None => Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, "if_match_required", "`If-Match` is missing")
            .hint("send the ETag of GET …/queues/QUEUE, so that a change made meanwhile is not lost")),
        Some("*") if principal.role == Role::Admin => Ok(now),
        Some(seen) if seen.trim() == tag(now) => Ok(now),
        Some(_) => Err(conflict(api, gate)),
    }
}

/// Another change came first.
fn conflict(api: &Api, gate: &Gate) -> Problem {
    let doc = QueueDoc::of(api, gate, false);
    let message = "the queue was changed meanwhile; `data` is how it is now";
    let etag = Some(tag(gate.usher.governed().control.revision));
    let data = serde_json::to_value(doc).ok();
    Problem { data, etag, ..Problem::new(StatusCode::PRECONDITION_FAILED, "changed_meanwhile", message) }
}

/// A change that a line would take.
fn checked(
    api: &Api,
    principal: &Principal,
    from: Revision,
    set: Override,
    reason: Option<String>,
) -> Result<Change, Problem> {
    let reason = reason.unwrap_or_default();
    let change = Change { id: api.change_id(), from, set, reason, actor: principal.id.clone() };
    match change.check() {
        Ok(()) => Ok(change),
        Err(bad) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", bad.to_string())),
    }
}

/// Makes a change, recorded before and after.
async fn make(
    api: &Api,
    principal: &Principal,
    gate: &Gate,
    action: &'static str,
    from: Revision,
    set: Override,
    reason: Option<String>,
) -> Result<Answer<QueueDoc>, Problem> {
    let before = now_set(&gate.usher.governed());
    let change = checked(api, principal, from, set, reason)?;
    let answer = Answer::of(());
    let line = gate.usher.line();
    let target = format!("{}/{}", line.tenant, line.queue);
    let why = Some(change.reason.clone()).filter(|why| !why.is_empty());
    let detail = json!({ "from": tag(from), "before": described(&before), "after": described(&change.set) });
    let entry = Entry { why, detail, ..Entry::of(principal, action, target, &answer.request_id) };
    let begun = api.audit.begin(entry).await?;
    let revision = match gate.usher.change(change).await {
        Ok(revision) => revision,
        Err(Unchanged::Conflict(revision)) => {
            begun.end(Outcome::Refused, json!({ "revision": tag(revision) })).await;
            return Err(conflict(api, gate));
        }
        Err(error) => {
            begun.end(Outcome::Failed, json!(error.to_string())).await;
            return Err(Problem::unavailable());
        }
    };
    begun.end(Outcome::Done, json!({ "revision": tag(revision) })).await;
    api.remember(line, Made { revision, before });
    let etag = Some(tag(revision));
    Ok(Answer { data: QueueDoc::of(api, gate, true), request_id: answer.request_id, etag, next: None })
}

/// An override for the audit log.
pub(crate) fn described(set: &Override) -> Value {
    json!({
        "release_per_minute": set.release_per_minute,
        "burst": set.burst,
        "max_active": set.max_active,
        "max_waiting": set.max_waiting,
        "mode": set.mode.map(Mode::as_str),
        "message": set.message,
        "until": set.until_ms.map(crate::sinks::time::rfc3339),
    })
}

/// The rules of a file, for tests of what is foreseen.
#[cfg(test)]
pub(crate) fn rules(release_per_minute: u32) -> sluice_admission::line::Rules {
    sluice_admission::line::Rules {
        release_per_minute,
        burst: 1,
        max_active: None,
        max_waiting: 1_000,
        mode: Mode::Auto,
        claim_within_ms: 60_000,
        return_within_ms: 600_000,
        seat_ms: 600_000,
        lanes: Vec::new(),
    }
}
