//! Waits in line for an app: a request that comes back once the site has answered.
//!
//! An app without cookies keeps two tokens, which come and go in `Sluice-Ticket` and `Sluice-Pass`. They are its place and
//! its way in: keep them as you keep a session, and show them to no other host.

use std::{fmt, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Deserialize;
use tokio::time::sleep;

/// Longest pause between two questions, whatever an answer says.
const POLL_MAX: Duration = Duration::from_secs(600);
/// Longest pause after a failure.
const RETRY_MAX: Duration = Duration::from_secs(60);
const PROBLEM: &str = "application/problem+json";
const TOKENS: [&str; 2] = ["sluice-ticket", "sluice-pass"];

/// Where the app stands. Members that are not known are ignored: some may be added.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// The queue's name.
    pub queue: String,
    /// What the app may do; an unknown state is as good as `waiting`.
    pub state: String,
    /// Visitors who will be called before.
    pub ahead: Option<u64>,
    /// When to ask again.
    pub poll_after_seconds: u64,
    /// Why the line, or the visitor, stands still.
    pub reason: Option<String>,
    /// The operator's plain text.
    pub message: Option<String>,
}

/// Why a request was not carried out.
#[derive(Debug)]
pub enum Failed {
    /// The line is closed or full, or the place has been taken along to another device: there is nothing to wait for.
    NotInLine(Status),
    /// The request could not be made, or the answer not be read.
    Http(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInLine(status) => write!(f, "not in line: {}", status.reason.as_ref().unwrap_or(&status.state)),
            Self::Http(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Failed {}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Sent {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// A request that could not be made.
struct Sent(Box<dyn std::error::Error + Send + Sync>);

/// An app at one site.
#[derive(Debug)]
pub struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    /// Scheme and address, such as `http://shop.example.com`.
    site: String,
    /// The host, if it is not in the address.
    host: Option<HeaderValue>,
    tokens: [Option<HeaderValue>; 2],
}

/// Part of an answer that waiting needs.
#[derive(Deserialize)]
struct Problem {
    sluice: Option<Status>,
}

impl Client {
    /// An app that has no place yet, at a site such as `http://shop.example.com`.
    pub fn new(site: &str, host: Option<HeaderValue>) -> Self {
        let http = Http::builder(TokioExecutor::new()).build_http();
        Self { http, site: site.trim_end_matches('/').to_owned(), host, tokens: [None, None] }
    }

    /// Makes a request, waits in line for as long as it takes, and gives the site's answer. `hear` hears of each status.
    ///
    /// # Errors
    /// If there is nothing to wait for, or the request could not be made.
    pub async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        mut hear: impl FnMut(&Status),
    ) -> Result<Response<Bytes>, Failed> {
        loop {
            let answer =
                self.send(method.clone(), path, body.clone()).await.map_err(|Sent(error)| Failed::Http(error))?;
            let Some(status) = waits(&answer) else { return Ok(answer) };
            hear(&status);
            self.wait(status, &mut hear).await?;
        }
    }

    /// Until the app may enter.
    async fn wait(&mut self, mut status: Status, hear: &mut impl FnMut(&Status)) -> Result<(), Failed> {
        let path = format!("/.sluice/status?queue={}", status.queue);
        let mut failures = 0;
        while !matches!(status.state.as_str(), "called" | "admitted") {
            let is_shut = matches!(status.state.as_str(), "closed" | "full");
            if is_shut || matches!(status.reason.as_deref(), Some("closed" | "moved")) {
                return Err(Failed::NotInLine(status));
            }
            sleep(pause(&status, failures)).await;
            match self.send(Method::GET, &path, Bytes::new()).await {
                // The queue is no more, so nothing stands before the site.
                Ok(answer) if answer.status() == StatusCode::NOT_FOUND => return Ok(()),
                Ok(answer) if answer.status() == StatusCode::OK => {
                    status = serde_json::from_slice(answer.body()).map_err(|error| Failed::Http(error.into()))?;
                    failures = 0;
                    hear(&status);
                }
                _ => failures += 1,
            }
        }
        Ok(())
    }

    /// One request with the app's tokens, of which it keeps those that the answer hands out.
    async fn send(&mut self, method: Method, path: &str, body: Bytes) -> Result<Response<Bytes>, Sent> {
        let uri: Uri = format!("{}{path}", self.site).parse()?;
        let mut request = Request::builder().method(method).uri(uri).header(header::ACCEPT, "application/json");
        if let Some(host) = &self.host {
            request = request.header(header::HOST, host);
        }
        for (name, token) in TOKENS.iter().zip(&self.tokens) {
            if let Some(token) = token {
                request = request.header(*name, token);
            }
        }
        let (head, body) = self.http.request(request.body(Full::new(body))?).await?.into_parts();
        for (name, token) in TOKENS.iter().zip(&mut self.tokens) {
            if let Some(new) = head.headers.get(*name) {
                *token = Some(new.clone());
            }
        }
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    }
}

/// The status document of an answer that says to wait; none of any other.
fn waits(answer: &Response<Bytes>) -> Option<Status> {
    let is_problem = answer.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == PROBLEM);
    if answer.status() != StatusCode::TOO_MANY_REQUESTS || !is_problem {
        return None;
    }
    serde_json::from_slice::<Problem>(answer.body()).ok()?.sluice
}

/// As told. After a failure twice as long each time.
fn pause(status: &Status, failures: u32) -> Duration {
    let told = Duration::from_secs(status.poll_after_seconds.max(1)).min(POLL_MAX);
    match failures {
        0 => told,
        _ => told.saturating_mul(1 << failures.min(6)).min(RETRY_MAX),
    }
}
