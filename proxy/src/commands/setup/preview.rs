//! `sluice preview`: what a tenant's visitors may come to see, all on one page, while its files are being written.
//!
//! There is no line behind it, no store and no visitor: each page is made from an example, its script runs, and its polls
//! are answered with the same example.

mod content;
mod theme;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderName, StatusCode, Uri, header, uri::Authority},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use sluice_config::{Language, Watch};
use sluice_waiting_room::{page, showcase::Example, status};
use tokio::{net::TcpListener, runtime::Builder, sync::watch, time::timeout};

use self::{content::Content, theme::Theme};
use crate::commands::{
    Failed,
    console::{complain, say},
};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// The overview asks again when nothing has changed for so long.
const NEWS_WITHIN: Duration = Duration::from_secs(25);

/// As strict as the overview can bear.
const OVERVIEW_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                               frame-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                               frame-ancestors 'none'";
/// A page that shows one theme is not the page whose hashes the tenant's own policy names. Nothing is sent from it.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                           img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Options {
    /// The directory that holds sluice.toml and tenants/*.toml.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
    /// Where to open it in the browser; port 0 lets the system choose. Other machines reach it if the address is not this
    /// machine's own.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9902")]
    listen: SocketAddr,
}

/// What the handlers share: the content as it is now, and word of each change.
type Shared = watch::Receiver<Arc<Content>>;

pub(in crate::commands) fn run(options: &Options) -> Result<(), Failed> {
    let (mut files, config) = Watch::load(&options.config);
    let config = config.map_err(Failed::Config)?;
    let (change, content) = watch::channel(Arc::new(Content::of(&config)));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(|error| Failed::Because(format!("{}: {error}", options.listen)))?;
        let listen = listener.local_addr()?;
        // Ends with the process. A thread of its own, as it reads files and resolves names.
        thread::Builder::new().name("files".into()).spawn(move || {
            loop {
                thread::sleep(LOOK_EVERY);
                if files.changed() {
                    let next = change.borrow().with(files.reload());
                    change.send_replace(Arc::new(next));
                }
            }
        })?;
        say(format_args!("preview on http://{listen}"));
        if !listen.ip().is_loopback() {
            complain(format_args!("note: other machines reach {listen}, and it asks nobody for a password"));
        }
        Ok(axum::serve(listener, router(content, listen.ip())).await?)
    })
}

fn router(content: Shared, ip: IpAddr) -> Router {
    let guard = middleware::from_fn(move |request: Request, next: Next| async move {
        // A page of another site whose name leads here must not read what is served.
        match ip.is_loopback() && !names_this_machine(request.headers()) {
            true => StatusCode::MISDIRECTED_REQUEST.into_response(),
            false => next.run(request).await,
        }
    });
    Router::new()
        .route("/", get(overview))
        .route("/preview.js", get(|| async { text("text/javascript", include_str!("preview/preview.js")) }))
        .route("/preview.css", get(|| async { text("text/css", include_str!("preview/preview.css")) }))
        .route("/content", get(about))
        .route("/page/{tenant}/{queue}/{example}", get(show))
        .route("/.sluice/status", get(poll))
        .layer(guard)
        .with_state(content)
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    host.is_some_and(|host| {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    })
}

type Text = ([(HeaderName, &'static str); 3], &'static str);

fn text(media_type: &'static str, text: &'static str) -> Text {
    let fields = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, OVERVIEW_POLICY),
    ];
    (fields, text)
}

async fn overview() -> Text {
    text(page::CONTENT_TYPE, include_str!("preview/overview.html"))
}

#[derive(Deserialize)]
struct Known {
    /// The version that the overview has; without it the answer comes at once.
    known: Option<u64>,
}

/// What there is to see, once it is another than the overview knows.
async fn about(State(mut content): State<Shared>, Query(Known { known }): Query<Known>) -> impl IntoResponse {
    let is_news = |content: &Arc<Content>| Some(content.version) != known;
    // At the end of its patience it gets what it knows already.
    let _ = timeout(NEWS_WITHIN, content.wait_for(is_news)).await;
    let about = content.borrow().about();
    ([(header::CACHE_CONTROL, "no-store")], Json(about))
}

#[derive(Deserialize)]
struct Form {
    language: Option<String>,
    #[serde(default)]
    theme: Theme,
}

async fn show(
    State(content): State<Shared>,
    Path((tenant, queue, example)): Path<(String, String, String)>,
    Query(form): Query<Form>,
) -> Response {
    let content = content.borrow().clone();
    let language = form.language.as_deref().and_then(Language::of);
    let page = Example::named(&example).and_then(|example| content.page(&tenant, &queue, example, language, now_s()));
    let Some(page) = page else { return StatusCode::NOT_FOUND.into_response() };
    let fields = [
        (header::CONTENT_TYPE, page::CONTENT_TYPE),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        // The polls of the page say by this whose they are.
        (header::REFERRER_POLICY, page::REFERRER_POLICY),
    ];
    (fields, form.theme.of_page(&page)).into_response()
}

/// A poll of a page: the same example again.
async fn poll(State(content): State<Shared>, headers: HeaderMap) -> Response {
    let from = headers.get(header::REFERER).and_then(|from| Uri::try_from(from.as_bytes()).ok());
    let mut place = from.as_ref().map_or("", Uri::path).trim_start_matches("/page/").split('/');
    let (Some(tenant), Some(queue), Some(example)) = (place.next(), place.next(), place.next()) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Some(standing) = Example::named(example).and_then(|example| example.standing(now_s())) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let content = content.borrow().clone();
    let Some(message) = content.message(tenant, queue) else { return StatusCode::NOT_FOUND.into_response() };
    let mut body = Vec::new();
    status::write(&mut body, queue, &standing, message);
    ([(header::CONTENT_TYPE, status::CONTENT_TYPE)], body).into_response()
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
