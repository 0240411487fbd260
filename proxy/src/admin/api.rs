//! The operators' API.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | logins at the issuer | see [`login`] | 429 |
//! | requests of one principal | [`pace::PER_SECOND`] a second | 429 |
//! | a request's body | 64 KiB | 413 |
//! | streams | [`stream::STREAMS_MAX`] | 503 |
//! | connections, heads | see [`super::listen`] | closed |
//!
//! Every operation names the permission it needs in its description (`x-permission`), and a test asks each of them as
//! each role, and of another tenant. A tenant that a principal does not see is answered as one that is not there.

pub(crate) mod answer;
mod body;
mod describe;
mod files;
pub(crate) mod pace;
mod queues;
mod system;
mod webhooks;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use ring::rand::{SecureRandom as _, SystemRandom};
use sluice_admission::{line::CHANGE_ID_MAX, store::LineId};
use tokio::{net::TcpListener, sync::Semaphore};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

#[cfg(test)]
pub(crate) use self::queues::change::rules;
pub(crate) use self::queues::{analytics, change::described};
use self::{
    answer::Problem,
    queues::{change, change::Made, report, stream, visitors, visits},
    system::{keys, login, me, nodes, records},
};
use super::{
    access::{Access, issuer::login::CALLBACK, session_cookie, token::SESSION_MAX, void::Since},
    audit::Audit,
    history::History,
    listen,
};
use crate::{
    lines::Lines,
    node::{Ends, Node},
    sinks::time,
};

const BODY_BYTES_MAX: usize = 64 << 10;

/// What the API works with.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) node: Arc<Node>,
    pub(crate) access: Arc<Access>,
    pub(crate) audit: Audit,
    pub(crate) history: History,
    pub(crate) pace: pace::Pace,
    streams: Arc<Semaphore>,
    logins: tokio::sync::Mutex<()>,
    login_bounds: login::Bounds,
    /// The last change of each line that was made through this node.
    made: Mutex<HashMap<LineId, Made>>,
}

impl Api {
    pub(crate) fn new(node: Arc<Node>, access: Arc<Access>, audit: Audit) -> Self {
        let history = History::new(node.store().state_dir());
        let streams = Arc::new(Semaphore::new(stream::STREAMS_MAX));
        Self {
            node,
            access,
            audit,
            history,
            pace: pace::Pace::of(pace::PER_SECOND),
            streams,
            logins: tokio::sync::Mutex::default(),
            login_bounds: login::Bounds::default(),
            made: Mutex::default(),
        }
    }

    /// The last change of a line that was made through this node.
    fn made(&self, line: &LineId) -> Option<Made> {
        self.made.lock().ok()?.get(line).cloned()
    }

    fn remember(&self, line: &LineId, made: Made) {
        if let Ok(mut all) = self.made.lock() {
            all.insert(line.clone(), made);
        }
    }

    /// Makes something void at every node within a second.
    async fn make_void(&self, name: String, since: Since) -> Result<(), Problem> {
        let void = self.access.void().clone();
        let made = tokio::task::spawn_blocking(move || void.add(name, since)).await;
        let made = made.map_err(|error| error.to_string()).and_then(|made| made.map_err(|error| error.to_string()));
        made.map_err(|why| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_void", why)
                .hint("it is as good as before; with another master secret in [keys] all tokens and sessions are void")
        })
    }

    /// Whether a token, or a login at the issuer, is given for a session for the first time, at any node. It is void from then
    /// on, so that what was in a link is of no use to who finds it. `end_ms`: until when it can be good.
    async fn is_first_use(&self, name: String, end_ms: u64) -> Result<bool, Problem> {
        let now_ms = time::now_ms();
        if let Lines::Redis(store, _) = self.node.store() {
            let mine = self.change_id().to_be_bytes();
            let keep = Duration::from_millis(end_ms.saturating_sub(now_ms).max(1));
            // The first to come is written down, and all read who that was. While the store is away this node alone
            // keeps count: who has the token could use it as a bearer all the same.
            match store.share(&format!("login.{name}"), &mine, keep).await {
                Ok(first) if first != mine => return Ok(false),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "login: other nodes are not asked whether the token was used"),
            }
        }
        let _one_at_a_time = self.logins.lock().await;
        if self.access.void().holds(&name, 0) {
            return Ok(false);
        }
        self.make_void(name, Since { since_ms: now_ms, until_ms: end_ms }).await?;
        Ok(true)
    }

    /// For a change: 53 random bits.
    fn change_id(&self) -> u64 {
        let mut bytes = [0; 8];
        // Without random bytes two changes of one number may look alike, which a line that was lost alone has.
        let _ = SystemRandom::new().fill(&mut bytes);
        u64::from_le_bytes(bytes) % CHANGE_ID_MAX
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Sluice", version = "1", description = "The operators' API of a Sluice node."),
    tags(
        (name = "access", description = "Who asks"),
        (name = "queues", description = "Queues as configured, and as they are now"),
        (name = "control", description = "What is set in place of a file, for a while"),
        (name = "verbs", description = "What is done once"),
        (name = "audit", description = "What operators did"),
        (name = "webhooks", description = "Who is told what happens"),
        (name = "system", description = "The nodes"),
    )
)]
struct Description;

/// The operations, and their description.
fn operations() -> (Router<Arc<Api>>, utoipa::openapi::OpenApi) {
    let (router, mut description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(me::me))
        .routes(routes!(queues::tenants))
        .routes(routes!(queues::tenant))
        .routes(routes!(queues::queues))
        .routes(routes!(queues::all))
        .routes(routes!(queues::queue))
        .routes(routes!(queues::live))
        .routes(routes!(analytics::read))
        .routes(routes!(report::report))
        .routes(routes!(stream::stream))
        .routes(routes!(change::set, change::clear))
        .routes(routes!(change::undo))
        .routes(routes!(change::preview))
        .routes(routes!(visits::reset))
        .routes(routes!(visits::end))
        .routes(routes!(visitors::find))
        .routes(routes!(records::records))
        .routes(routes!(records::head))
        .routes(routes!(records::checkpoint))
        .routes(routes!(nodes::nodes))
        .routes(routes!(webhooks::list))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(webhooks::replay))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::on))
        .routes(routes!(keys::keys))
        .routes(routes!(keys::revoke_key))
        .routes(routes!(keys::log_out_person))
        .routes(routes!(keys::log_out_everywhere))
        .split_for_parts();
    describe::complete(&mut description);
    (router, description)
}

/// The description of the API, as JSON.
pub(crate) fn description() -> serde_json::Result<String> {
    operations().1.to_pretty_json()
}

/// Serves the API until that ends.
pub(crate) async fn serve(listener: TcpListener, api: Arc<Api>, ends: Ends) {
    let refused = api.node.metrics.admin_connections_refused.clone();
    listen::serve("[admin] listen", listener, router(api), refused, ends).await;
}

fn router(api: Arc<Api>) -> Router {
    let (operations, description) = operations();
    let description = Arc::new(description.to_json().unwrap_or_default());
    let openapi = move || {
        let description = description.to_string();
        async move { ([(header::CONTENT_TYPE, "application/json")], description) }
    };
    let pages = files::FILES.into_iter().fold(operations, |router, (path, kind, text)| {
        router.route(path, get(move || async move { files::file(kind, text) }))
    });
    pages
        .route("/v1/openapi.json", get(openapi))
        .route("/login", get(login::ways).post(me::login))
        .route(login::START, get(login::start))
        .route(CALLBACK, get(login::callback))
        .route("/logout", post(me::logout))
        .fallback(|| async { Problem::not_found("operation").hint("GET /v1/openapi.json lists all of them") })
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::map_response(plain_errors))
        .layer(middleware::from_fn_with_state(api.clone(), guard))
        .with_state(api)
}

async fn not_allowed(request: Request) -> Problem {
    let hint = match request.uri().path() {
        "/v1/tenants" => "a tenant is made by a file, tenants/NAME.toml, and is there after the reload",
        path if path.starts_with("/v1/tenants/") && path.ends_with("/queues") => {
            "a queue is made by a [[queue]] in the tenant's file, and is there after the reload"
        }
        _ => "GET /v1/openapi.json lists what each path answers to",
    };
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path does not answer to this method")
        .hint(hint)
}

/// Refuses foreign names, renews sessions, and sets what every answer has.
async fn guard(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    let renewed = session_cookie(request.headers()).and_then(|cookie| api.access.session(cookie, time::now_ms())?.1);
    let encrypted = me::is_encrypted(request.headers()) || api.access.is_dashboard_over_tls(host);
    // These set the session themselves, or take it back.
    let sets_session = ["/logout", "/login", CALLBACK].contains(&request.uri().path());
    let mut response = if api.access.knows_host(&name.to_ascii_lowercase()) {
        next.run(request).await
    } else {
        Problem::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", "the API is not reached under this name")
            .hint("add the name to `hosts` in [admin]")
            .into_response()
    };
    if let Some(session) = renewed.filter(|_| !sets_session) {
        response = me::with_cookie(response, &session, encrypted, SESSION_MAX.as_secs());
    }
    const FIELDS: [(HeaderName, &str); 5] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in FIELDS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// What extractors refuse, in the envelope of all errors.
async fn plain_errors(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_ours = kind.is_some_and(|kind| kind == b"application/json" || kind.starts_with(b"text/html"));
    if status.is_success() || is_ours || status.is_redirection() {
        return response;
    }
    let body = axum::body::to_bytes(response.into_body(), BODY_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    let code = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "not_json",
        _ => "malformed",
    };
    let problem = Problem::new(status, code, text.trim());
    if code == "not_json" { problem.hint("send `Content-Type: application/json`") } else { problem }.into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{env, fs, path::Path};

    /// The description as it is committed, so that a change of the API is seen as one. `SLUICE_WRITE=1` writes it anew.
    #[test]
    fn the_description_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let expected = super::description().unwrap() + "\n";
        if env::var_os("SLUICE_WRITE").is_some() {
            fs::write(&path, &expected).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == expected, "{} is out of date: set SLUICE_WRITE=1 and run again", path.display());
    }
}
