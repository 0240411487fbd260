//! A browser as a waiting room sees it: it keeps cookies, loads pages, and asks for its status as the page told it.
//!
//! No I/O: it makes requests and takes in answers, so that a test may send them as it likes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use super::{HOST, Request, Response};

/// In front of the names of cookies that were set over HTTPS.
pub(crate) const HOST_PREFIX: &str = "__Host-";

/// The status document. Every member must be there, and no other.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Status {
    pub(crate) queue: String,
    pub(crate) state: String,
    pub(crate) number: Option<u64>,
    pub(crate) ahead: Option<u64>,
    pub(crate) behind: Option<u64>,
    pub(crate) wait_seconds: Option<Wait>,
    pub(crate) progress: Option<f64>,
    pub(crate) poll_after_seconds: u32,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) server_time: u64,
    pub(crate) code: Option<String>,
    pub(crate) enter_within_seconds: Option<u32>,
    pub(crate) opens_at: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    pub(crate) low: u32,
    pub(crate) high: u32,
}

impl Status {
    /// The status document, or the one inside a waiting page or a problem document; `None` if there is none.
    pub(crate) fn of(response: &Response) -> Option<Self> {
        let text = str::from_utf8(&response.body).ok()?;
        match response.header("content-type")? {
            "application/json" => serde_json::from_str(text).ok(),
            "application/problem+json" => serde_json::from_value(response.json()["sluice"].clone()).ok(),
            _ => {
                let (_, from) = text.split_once(r#"<script type="application/json" id="status">"#)?;
                serde_json::from_str(from.split_once("</script>")?.0).ok()
            }
        }
    }

    /// Whether the next navigation goes in.
    pub(crate) fn may_enter(&self) -> bool {
        matches!(self.state.as_str(), "called" | "admitted")
    }
}

/// A browser. Clones are tabs: they share the cookies.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    host: String,
    queue: String,
    visitor: String,
    jar: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Browser {
    /// The browser of a visitor of [`HOST`] and its queue `shop`.
    pub(crate) fn new(visitor: &str) -> Self {
        Self { host: HOST.into(), queue: "shop".into(), visitor: visitor.into(), jar: Arc::default() }
    }

    pub(crate) fn at(self, host: &str, queue: &str) -> Self {
        Self { host: host.into(), queue: queue.into(), ..self }
    }

    /// The same visitor with another browser: no cookies.
    pub(crate) fn afresh(&self) -> Self {
        Self { jar: Arc::default(), ..self.clone() }
    }

    pub(crate) fn navigation(&self, target: &str) -> Request {
        self.dress(Request::navigation(target))
    }

    /// The request by which the waiting page asks where its visitor stands.
    pub(crate) fn poll(&self) -> Request {
        self.dress(Request::fetch("GET", &format!("/.sluice/status?queue={}", self.queue)))
    }

    /// The form on the waiting page by which a visitor gives up the place.
    pub(crate) fn leave(&self) -> Request {
        let form = Request::new("POST", &format!("/.sluice/leave?queue={}", self.queue));
        let form = form.header("Accept", "text/html").header("Sec-Fetch-Mode", "navigate");
        self.dress(form.body("application/x-www-form-urlencoded", ""))
    }

    /// Adds host, cookies and who it is.
    pub(crate) fn dress(&self, request: Request) -> Request {
        let request = request.host(&self.host).header("X-Visitor", &self.visitor);
        let cookies: Vec<_> = self.jar().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if cookies.is_empty() { request } else { request.header("Cookie", cookies.join("; ")) }
    }

    /// Keeps the cookies of an answer.
    pub(crate) fn take_in(&self, response: &Response) {
        let mut jar = self.jar();
        for line in response.header_values("set-cookie") {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let (name, value) = pair.split_once('=').unwrap();
            match attributes.split(';').any(|attribute| attribute.trim() == "Max-Age=0") {
                true => jar.remove(name),
                false => jar.insert(name.into(), value.into()),
            };
        }
    }

    /// The token of a kind that it holds, as its cookie has it.
    pub(crate) fn token(&self, kind: &str) -> Option<String> {
        let (name, jar) = (format!("sluice_{kind}_{}", self.queue), self.jar());
        jar.get(&format!("{HOST_PREFIX}{name}")).or_else(|| jar.get(&name)).cloned()
    }

    /// The number that its ticket or pass is for. Tokens are signed, not secret.
    pub(crate) fn number(&self) -> Option<u64> {
        let token = self.token("pass").or_else(|| self.token("ticket"))?;
        let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        serde_json::from_slice::<Value>(&claims).ok()?["n"].as_u64()
    }

    /// Puts a token into its cookie, whatever was there.
    pub(crate) fn set_token(&self, kind: &str, token: &str) {
        self.jar().insert(format!("sluice_{kind}_{}", self.queue), token.into());
    }

    /// The same into the cookie that it has over HTTPS.
    pub(crate) fn set_token_over_https(&self, kind: &str, token: &str) {
        self.jar().insert(format!("{HOST_PREFIX}sluice_{kind}_{}", self.queue), token.into());
    }

    fn jar(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
