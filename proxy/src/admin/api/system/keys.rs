//! Keys of programs, and what takes keys and logins back.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    admin::{
        access::{Permission, Principal, Via, Visitor, token::SESSION_MAX, void::Since},
        api::{
            Api,
            answer::{Answer, Problem},
            queues::allow,
        },
        audit::{Entry, Outcome},
    },
    sinks::time::{now_ms, rfc3339},
};

/// A key that is revoked stays so for as long as its table may stand in a file.
const KEY_VOID_FOR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Longer names of people are unknown. A subject of the company's own login has up to 180 bytes.
const NAME_BYTES_MAX: usize = 200;

/// A key of the config.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyDoc {
    /// As in the audit log.
    id: String,
    role: &'static str,
    /// Tenants that exist for it; `null`: all.
    tenants: Option<Vec<String>>,
    /// From when on it is refused, RFC 3339.
    expires: Option<String>,
    /// Whether it was revoked: it is refused although its table is there.
    revoked: bool,
}

/// What is void now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Voided {
    /// Which key or person.
    id: String,
    /// What was made until then is void, RFC 3339.
    since: String,
}

/// Keys of programs
///
/// Those of `[[admin.key]]` in this node's `sluice.toml`; the keys themselves are known to no node.
#[utoipa::path(get, path = "/v1/keys", tag = "access", extensions(("x-permission" = json!("key:write"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<Vec<KeyDoc>>))))]
pub(crate) async fn keys(State(api): State<Arc<Api>>, visitor: Visitor) -> Result<Answer<Vec<KeyDoc>>, Problem> {
    allow(&visitor.principal, Permission::KeyWrite)?;
    let keys = api.access.keys().into_iter().map(|(key, revoked)| KeyDoc {
        id: key.id.to_string(),
        role: key.role.as_str(),
        tenants: key.tenants.as_ref().map(|tenants| tenants.iter().map(ToString::to_string).collect()),
        expires: key.expires.map(|at| {
            let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
            rfc3339(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
        }),
        revoked,
    });
    Ok(Answer::of(keys.collect()))
}

/// Revoke a key
///
/// It is refused at every node within a second, also after restarts, and however long its table stays in the files. There
/// is no way back: make another one with `sluice admin key`, under another id.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "access", params(("id" = String, Path)),
    extensions(("x-permission" = json!("key:write"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<Voided>))))]
pub(crate) async fn revoke_key(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Answer<Voided>, Problem> {
    allow(&visitor.principal, Permission::KeyWrite)?;
    if !api.access.keys().iter().any(|(key, _)| key.id.as_str() == id) {
        return Err(Problem::not_found("key").hint("GET /v1/keys lists those of this node's file"));
    }
    make_void(&api, &visitor.principal, "key.revoke", format!("key:{id}"), KEY_VOID_FOR).await
}

/// Log a person out everywhere
///
/// Every token and session of this name that was made until now is void at every node within a second. Of the company's own
/// login: `oidc:SUBJECT`.
#[utoipa::path(delete, path = "/v1/people/{name}", tag = "access", params(("name" = String, Path)),
    extensions(("x-permission" = json!("key:write"))),
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<Voided>))))]
pub(crate) async fn log_out_person(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Answer<Voided>, Problem> {
    allow(&visitor.principal, Permission::KeyWrite)?;
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(Problem::not_found("person"));
    }
    let id = if name.starts_with("oidc:") { name } else { format!("person:{name}") };
    make_void(&api, &visitor.principal, "person.logout", id, 2 * SESSION_MAX).await
}

/// Log out everywhere
///
/// Every token and session of the one who asks that was made until now is void, the one that this came with too.
#[utoipa::path(delete, path = "/v1/sessions", tag = "access",
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<Voided>)),
        (status = 409, description = "A key has no sessions")))]
pub(crate) async fn log_out_everywhere(
    State(api): State<Arc<Api>>,
    visitor: Visitor,
) -> Result<Answer<Voided>, Problem> {
    if visitor.principal.via == Via::Key {
        return Err(Problem::new(StatusCode::CONFLICT, "not_a_person", "a key has no sessions")
            .hint("DELETE /v1/keys/ID revokes the key itself"));
    }
    let who = visitor.principal.id.clone();
    make_void(&api, &visitor.principal, "person.logout", who, 2 * SESSION_MAX).await
}

async fn make_void(
    api: &Api,
    principal: &Principal,
    action: &'static str,
    name: String,
    keep: Duration,
) -> Result<Answer<Voided>, Problem> {
    let since_ms = now_ms();
    let until_ms = since_ms + u64::try_from(keep.as_millis()).unwrap_or(u64::MAX >> 12);
    let answer = Answer::of(Voided { id: name.clone(), since: rfc3339(since_ms) });
    let entry =
        Entry { detail: json!({ "id": name }), ..Entry::of(principal, action, String::new(), &answer.request_id) };
    let begun = api.audit.begin(entry).await?;
    match api.make_void(name, Since { since_ms, until_ms }).await {
        Ok(()) => {
            begun.end(Outcome::Done, json!(null)).await;
            Ok(answer)
        }
        Err(problem) => {
            begun.end(Outcome::Failed, json!(problem.error.message)).await;
            Err(problem)
        }
    }
}
