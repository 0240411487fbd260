//! Login of people at the dashboard by the company's own login.
//!
//! The callback is loaded by a browser, so a refusal is an HTML page. The caller is not authenticated yet: a node takes at most [`PER_SECOND`] back in a second and [`AT_ONCE`] at once, and what is refused is in the audit log only if the
//! issuer has said who it was, so that a stranger can fill no disk. No redirect target is
//! taken from a request.

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_config::Issuer;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::me;
use crate::{
    admin::{
        access::{
            cookie,
            issuer::{
                NoLogin, Person,
                fetch::is_error_word,
                login::{Attempt, BACK_WITHIN, NotBegun},
            },
            token::SESSION_MAX,
        },
        api::{
            Api,
            answer::{Answer, Problem, request_id},
            pace::Pace,
        },
        audit::Entry,
    },
    sinks::time::now_ms,
};

/// Where a login begins.
pub(crate) const START: &str = "/login/start";
/// Browsers that a node takes back in a second.
const PER_SECOND: u32 = 5;
/// The same at once; an issuer that is slow holds no more.
const AT_ONCE: usize = 8;
/// What the browser keeps of a login that has begun. The prefix of the first keeps other hosts from setting it.
const COOKIES: [&str; 2] = ["__Host-sluice_login", "sluice_login"];

/// Bounds of what strangers may have a node do.
#[derive(Debug)]
pub(crate) struct Bounds {
    pace: Pace,
    at_once: Semaphore,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { pace: Pace::of(PER_SECOND), at_once: Semaphore::new(AT_ONCE) }
    }
}

/// The ways to log in, for callers without a session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ways {
    /// The company's own login, if people may come by it.
    issuer: Option<IssuerWay>,
}

/// A company's own login.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IssuerWay {
    /// Its host, for people.
    name: String,
    /// Where a browser has to go.
    start: String,
}

/// What the issuer sends a browser back with.
#[derive(Deserialize)]
pub(crate) struct Back {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Which ways to log in there are.
pub(crate) async fn ways(State(api): State<Arc<Api>>) -> Answer<Ways> {
    let issuer = api.access.issuer().and_then(|issuer| {
        let login = issuer.login.as_ref()?;
        let name = issuer.name.split_once("://").map_or(&*issuer.name, |(_, rest)| rest);
        let name = name.split('/').next().unwrap_or(name).to_owned();
        Some(IssuerWay { name, start: [&login.dashboard, START].concat() })
    });
    Answer::of(Ways { issuer })
}

/// Sends a browser to the issuer.
pub(crate) async fn start(State(api): State<Arc<Api>>) -> Response {
    let Some(issuer) = api.access.issuer() else { return page(none()) };
    let begun = match api.access.begin_login(&issuer, now_ms()) {
        None => return page(none()),
        Some(begun) => begun,
    };
    let Ok((attempt, url)) = begun else { return page(no_random_bytes()) };
    let mut answer = to(&url);
    let kept = kept(is_secure(&issuer), &attempt.cookie, BACK_WITHIN.as_secs());
    answer.headers_mut().append(header::SET_COOKIE, kept);
    answer
}

/// Takes a browser back from the issuer, and gives it a session for its code.
pub(crate) async fn callback(State(api): State<Arc<Api>>, headers: HeaderMap, Query(back): Query<Back>) -> Response {
    let now_ms = now_ms();
    // The same issuer is used to the end, even if the config is reloaded meanwhile.
    let Some(issuer) = api.access.issuer() else { return page(none()) };
    let attempt = match begun(&api, &issuer, &headers, &back, now_ms) {
        Ok(attempt) => attempt,
        Err(problem) => return page(problem),
    };
    // From here on this login has come to its end, whatever that is.
    let secure = is_secure(&issuer);
    let mut answer = match finish(&api, &issuer, &attempt, back, now_ms).await {
        Ok(session) => me::with_cookie(to("/"), &session, secure, SESSION_MAX.as_secs()),
        // Its code has not been used: the page can be loaded again.
        Err(problem) if problem.status == StatusCode::TOO_MANY_REQUESTS => return page(problem),
        Err(problem) => page(problem),
    };
    answer.headers_mut().append(header::SET_COOKIE, kept(secure, "", 0));
    answer
}

/// The login that this browser has begun and comes back from.
fn begun(api: &Api, issuer: &Issuer, headers: &HeaderMap, back: &Back, now_ms: u64) -> Result<Attempt, Problem> {
    let kept = cookie(headers, cookie_name(is_secure(issuer))).unwrap_or_default();
    let state = back.state.as_deref().unwrap_or_default();
    api.access.resume_login(issuer, kept, state, now_ms).ok_or_else(none)?.map_err(|why| match why {
        NotBegun::Foreign => Problem::new(
            StatusCode::BAD_REQUEST,
            "login_unknown",
            "this browser has not begun this login, or it has begun another one since",
        )
        .hint("log in again from the dashboard, in one window"),
        NotBegun::Late => Problem::new(StatusCode::BAD_REQUEST, "login_late", "the login took longer than ten minutes")
            .hint("log in again from the dashboard"),
    })
}

/// The session that a login ends with.
async fn finish(api: &Api, issuer: &Issuer, attempt: &Attempt, back: Back, now_ms: u64) -> Result<String, Problem> {
    // RFC 9207: an answer of another issuer is none to this question.
    if back.iss.as_ref().is_some_and(|iss| *iss != issuer.name) {
        return Err(invalid());
    }
    let _place = api.login_bounds.at_once.try_acquire().map_err(|_| too_many())?;
    if !api.login_bounds.pace.allows("", now_ms) {
        return Err(too_many());
    }
    let code = match (back.error, back.code) {
        (None, Some(code)) if !code.is_empty() => code,
        (error, _) => {
            let word = error.filter(|word| is_error_word(word)).unwrap_or_else(|| "it sent no code".to_owned());
            tracing::info!(issuer = issuer.name, word, "login refused by the issuer");
            let message = format!("the issuer refused the login ({word})");
            return Err(Problem::new(StatusCode::FORBIDDEN, "login_refused", message)
                .hint("log in again; if it happens again, ask those who run the issuer"));
        }
    };
    let found = api.access.log_in(issuer, attempt, &code, now_ms).await.ok_or_else(none)?;
    let person = found.map_err(|why| failed(&issuer.name, &why))?;
    let (principal, session) = match api.access.session_of(issuer, &person, now_ms) {
        Some(session) => session.map_err(|_| no_random_bytes())?,
        None => return Err(refuse(api, &person, no_role()).await),
    };
    if api.access.void().holds(&principal.id, attempt.began_ms) {
        return Err(refuse(api, &person, logged_out()).await);
    }
    if !api.is_first_use(attempt.name(), attempt.end_ms()).await? {
        return Err(refuse(api, &person, used()).await);
    }
    let detail = json!({ "issuer": issuer.name, "name": person.name, "tenants": principal.tenants });
    api.audit.note(Entry { detail, ..Entry::of(&principal, "login", String::new(), &request_id()) }).await?;
    Ok(session)
}

/// Records that a person known to the issuer was refused.
async fn refuse(api: &Api, person: &Person, problem: Problem) -> Problem {
    let entry = Entry {
        actor: format!("oidc:{}", person.sub),
        role: "none",
        action: "login",
        target: String::new(),
        request: problem.request_id.clone(),
        why: None,
        detail: json!({ "name": person.name, "code": problem.error.code }),
    };
    match api.audit.refuse(entry).await {
        Ok(()) => problem,
        Err(error) => error.into(),
    }
}

fn failed(issuer: &str, why: &NoLogin) -> Problem {
    tracing::warn!(issuer, error = %why, "login failed");
    match why {
        NoLogin::Exchange(_) => Problem::new(
            StatusCode::BAD_GATEWAY,
            "issuer_failed",
            "the issuer could not be asked who you are, or gave no token",
        )
        .hint(
            "log in again; if it happens again, the log of this node says why, and `sluice admin token` is a way in without \
                 the issuer",
        ),
        NoLogin::Token => invalid(),
    }
}

fn invalid() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "login_invalid", "the issuer's answer does not belong to this login, or is not signed by the issuer")
        .hint(
            "log in again; if it happens again, compare [admin.issuer] with what is registered at the issuer, and the clocks",
        )
}

fn no_role() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "login_no_role",
        "you are logged in at the issuer, but none of your groups has a role here",
    )
    .hint("ask an administrator of Sluice to give one of your groups a role")
}

fn logged_out() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "login_logged_out", "you were logged out everywhere while you logged in")
        .hint("log in again from the dashboard")
}

fn used() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "login_used", "this login was used already")
        .hint("log in again from the dashboard")
}

fn none() -> Problem {
    Problem::not_found("login").hint("this node has no [admin.issuer.login]; `sluice admin token` is the way in")
}

fn too_many() -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_logins", "too many people log in at this moment")
        .hint("load this page again in a few seconds")
}

fn no_random_bytes() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_random_bytes", "the system gives no random bytes")
        .hint("nobody can log in safely without them")
}

/// A problem as a page.
fn page(problem: Problem) -> Response {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let (message, hint) = (escaped(&problem.error.message), escaped(problem.error.hint.as_deref().unwrap_or_default()));
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Sluice: not logged in</title>\n\
         <link rel=\"stylesheet\" href=\"/dashboard.css\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <main><div class=\"card login\" data-code=\"{}\">\n<h1>Not logged in</h1>\n\
         <p class=\"notice\" role=\"alert\">{message}.</p>\n<p>{hint}.</p>\n<p><a href=\"/\">Back to the dashboard</a></p>\n\
         <p class=\"muted\">{}</p>\n</div></main>\n</html>\n",
        problem.error.code, problem.request_id
    );
    (problem.status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
}

/// Sends a browser on.
fn to(url: &str) -> Response {
    let Ok(url) = HeaderValue::from_str(url) else { return page(none()) };
    (StatusCode::FOUND, [(header::LOCATION, url)]).into_response()
}

/// The cookie of a login that has begun. `Lax`, for it has to come along when the issuer sends the browser back.
fn kept(secure: bool, value: &str, max_age_s: u64) -> HeaderValue {
    let (name, secure) = (cookie_name(secure), if secure { "; Secure" } else { "" });
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{secure}");
    HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""))
}

fn cookie_name(secure: bool) -> &'static str {
    COOKIES[usize::from(!secure)]
}

/// Whether browsers reach the dashboard over TLS.
fn is_secure(issuer: &Issuer) -> bool {
    issuer.login.as_ref().is_some_and(|login| login.dashboard.starts_with("https://"))
}
