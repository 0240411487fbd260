//! Who asks; login and logout of the dashboard.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    Api,
    answer::{Answer, Problem},
};
use crate::admin::{
    access::{Permission, Principal, SESSION_COOKIE, Via, Visitor, is_from_us, token::SESSION_MAX},
    audit::Entry,
    time::now_ms,
};

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// As in the audit log.
    pub(crate) id: String,
    pub(crate) via: Via,
    pub(crate) role: &'static str,
    /// Tenants that exist for it; `null`: all.
    pub(crate) tenants: Option<Vec<String>>,
    pub(crate) permissions: Vec<Permission>,
}

impl Me {
    fn of(principal: &Principal) -> Self {
        Self {
            id: principal.id.clone(),
            via: principal.via,
            role: principal.role.as_str(),
            tenants: principal.tenants.clone(),
            permissions: Permission::of(principal.role).to_vec(),
        }
    }
}

/// A token that is given for a session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// What `sluice admin token` has printed.
    token: String,
}

/// Who asks
#[utoipa::path(get, path = "/v1/me", tag = "access",
    responses((status = 200, body = inline(super::answer::Envelope<Me>))))]
pub(crate) async fn me(visitor: Visitor) -> Answer<Me> {
    Answer::of(Me::of(&visitor.principal))
}

/// Gives a session cookie for a token, once.
pub(crate) async fn login(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    Json(login): Json<Login>,
) -> Result<Response, Problem> {
    if !is_from_us(&Method::POST, &headers) {
        return Err(Problem::forged());
    }
    let known = api.access.log_in(&login.token, now_ms());
    let (principal, session) = known.ok_or_else(|| {
        Problem::unknown()
            .hint("the token has expired or was used: print another with `sluice admin token --config DIR`")
    })?;
    let answer = Answer::of(Me::of(&principal));
    let entry = Entry {
        detail: json!({ "tenants": principal.tenants }),
        ..Entry::of(&principal, "login", String::new(), &answer.request_id)
    };
    api.audit.note(entry).await?;
    Ok(with_cookie(answer.into_response(), &session, is_encrypted(&headers), SESSION_MAX.as_secs()))
}

/// Takes the session cookie back.
pub(crate) async fn logout(headers: HeaderMap) -> Result<Response, Problem> {
    if !is_from_us(&Method::POST, &headers) {
        return Err(Problem::forged());
    }
    Ok(with_cookie(Answer::of(()).into_response(), "", is_encrypted(&headers), 0))
}

/// Whether the browser speaks TLS to the proxy in front.
pub(super) fn is_encrypted(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    text(header::ORIGIN).is_some_and(|origin| origin.starts_with("https://"))
        || headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https")
}

pub(super) fn with_cookie(mut response: Response, session: &str, secure: bool, max_age_s: u64) -> Response {
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{SESSION_COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
