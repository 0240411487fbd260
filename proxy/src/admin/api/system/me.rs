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

use crate::{
    admin::{
        access::{
            Permission, Principal, SESSION_COOKIE, Via, Visitor, is_from_us, session_cookie,
            token::{Kind, SESSION_MAX},
            void::Since,
        },
        api::{
            Api,
            answer::{Answer, Problem},
        },
        audit::Entry,
    },
    sinks::time::now_ms,
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
    responses((status = 200, body = inline(crate::admin::api::answer::Envelope<Me>))))]
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
    let now_ms = now_ms();
    let used = || {
        Problem::unknown()
            .hint("the token has expired or was used: print another with `sluice admin token --config DIR`")
    };
    let token = api.access.login_token(&login.token, now_ms).ok_or_else(used)?;
    if !api.is_first_use(token.name(Kind::Token), token.end_ms()).await? {
        return Err(used());
    }
    let (principal, session) = api.access.begin_session(&token, now_ms);
    let answer = Answer::of(Me::of(&principal));
    let entry = Entry {
        detail: json!({ "tenants": principal.tenants }),
        ..Entry::of(&principal, "login", String::new(), &answer.request_id)
    };
    api.audit.note(entry).await?;
    Ok(with_cookie(answer.into_response(), &session, is_encrypted(&headers), SESSION_MAX.as_secs()))
}

/// Takes the session cookie back. The session is void, and a copy of it with it.
pub(crate) async fn logout(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Problem> {
    if !is_from_us(&Method::POST, &headers) {
        return Err(Problem::forged());
    }
    let now_ms = now_ms();
    if let Some((name, until_ms)) = session_cookie(&headers).and_then(|text| api.access.end_of_session(text, now_ms)) {
        api.make_void(name, Since { since_ms: now_ms, until_ms }).await?;
    }
    Ok(with_cookie(Answer::of(()).into_response(), "", is_encrypted(&headers), 0))
}

/// Whether the browser speaks TLS to the proxy in front.
pub(crate) fn is_encrypted(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    text(header::ORIGIN).is_some_and(|origin| origin.starts_with("https://"))
        || headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https")
}

pub(crate) fn with_cookie(mut response: Response, session: &str, secure: bool, max_age_s: u64) -> Response {
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{SESSION_COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
