//! A browser as a waiting room sees it: it keeps cookies, loads pages, and asks where it stands. No I/O.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, Request, header};
use serde::Deserialize;
use sluice_admission::line::number_of;

use crate::client::Answer;

/// The site that the crowd comes to, and its queues: the one that is stormed, and another one whose passes are worth
/// nothing here.
pub(crate) const HOST: &str = "shop.example.com";
pub(crate) const QUEUE: &str = "shop";
pub(crate) const OTHER_QUEUE: &str = "other";

/// Who asks, for the origin to write down.
pub(crate) const VISITOR: &str = "x-visitor";

/// By this a rule of the queue knows its members. It goes with pages only: polls go to another path.
pub(crate) const MEMBER: &str = "x-member";

/// What a visitor asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// A page of the site, as an address is typed or a link is followed.
    Page(&'static str),
    /// Where do I stand?
    Poll,
    /// Gives up the place.
    Leave,
}

/// The part of a status document that a visitor looks at.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) state: String,
    pub(crate) number: Option<u64>,
    pub(crate) ahead: Option<u64>,
    pub(crate) wait_seconds: Option<Range>,
    pub(crate) poll_after_seconds: u32,
}

/// A wait as it is shown.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Range {
    pub(crate) low: u32,
    pub(crate) high: u32,
}

impl Status {
    /// The document of a poll; of a waiting page what its head says, which is enough to know when to ask again.
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        if answer.header("content-type") == Some("application/json") {
            return serde_json::from_slice(&answer.body).ok();
        }
        let poll_after_seconds = answer.header("retry-after")?.parse().ok()?;
        let state = answer.header("sluice-state")?.to_owned();
        Some(Self { state, number: None, ahead: None, wait_seconds: None, poll_after_seconds })
    }

    pub(crate) fn may_enter(&self) -> bool {
        matches!(self.state.as_str(), "called" | "admitted")
    }
}

/// Cookies, and whose they are.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    visitor: String,
    /// What the names of the nodes' cookies begin with.
    prefix: &'static str,
    member: bool,
    jar: Vec<(String, String)>,
}

impl Browser {
    /// One that comes over TLS, or in the open.
    pub(crate) fn new(visitor: String, secure: bool) -> Self {
        Self { visitor, prefix: if secure { "__Host-" } else { "" }, member: false, jar: Vec::new() }
    }

    /// The same of a member.
    pub(crate) fn of_member(self, member: bool) -> Self {
        Self { member, ..self }
    }

    /// `None` only for what cannot be a header: never of a visitor's own making.
    pub(crate) fn request(&self, errand: Errand) -> Option<Request<()>> {
        let (method, target, accept) = match errand {
            Errand::Page(target) => (Method::GET, target.to_owned(), "text/html,*/*;q=0.8"),
            Errand::Poll => (Method::GET, format!("/.sluice/status?queue={QUEUE}"), "application/json"),
            Errand::Leave => (Method::POST, format!("/.sluice/leave?queue={QUEUE}"), "application/json"),
        };
        let (mode, site) = match errand {
            Errand::Page(_) => ("navigate", "none"),
            Errand::Poll | Errand::Leave => ("same-origin", "same-origin"),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, HOST)
            .header(header::USER_AGENT, "sluice-loadtest")
            .header(header::ACCEPT, accept)
            .header("sec-fetch-mode", mode)
            .header("sec-fetch-site", site)
            .header(VISITOR, &self.visitor);
        if self.member && matches!(errand, Errand::Page(_)) {
            request = request.header(MEMBER, "yes");
        }
        if !self.jar.is_empty() {
            let pairs: Vec<_> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, pairs.join("; "));
        }
        request.body(()).ok()
    }

    pub(crate) fn take_in(&mut self, answer: &Answer) {
        for line in answer.set_cookies() {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            self.jar.retain(|(kept, _)| kept != name);
            if !attributes.split(';').any(|attribute| attribute.trim() == "Max-Age=0") {
                self.jar.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// The token of a kind that it holds for a queue.
    pub(crate) fn token(&self, kind: &str, queue: &str) -> Option<&str> {
        let name = self.cookie(kind, queue);
        self.jar.iter().find(|(kept, _)| *kept == name).map(|(_, value)| value.as_str())
    }

    /// Puts a token where a pass for the queue belongs, whatever it is.
    pub(crate) fn pretend(&mut self, pass: String) {
        self.jar = vec![(self.cookie("pass", QUEUE), pass)];
    }

    fn cookie(&self, kind: &str, queue: &str) -> String {
        format!("{}sluice_{kind}_{queue}", self.prefix)
    }

    /// The number that its pass or ticket is for, as the line has it. Tokens are signed, not secret.
    pub(crate) fn number(&self) -> Option<u64> {
        #[derive(Deserialize)]
        struct Claims {
            n: u64,
            /// The slot of its lane; of the first none is said.
            #[serde(default)]
            l: usize,
        }
        let token = self.token("pass", QUEUE).or_else(|| self.token("ticket", QUEUE))?;
        let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&claims).ok().map(|Claims { n, l }| number_of(l, n))
    }
}
