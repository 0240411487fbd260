//! What the node answers by itself: one place that turns a decision into status, headers and body.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use pingora_http::ResponseHeader;
use sluice_admission::standing::{Reason, Standing, State};
use sluice_config::Queue;
use sluice_waiting_room::{
    page::{self, Board, Form, PageInput, Pages, Refusal, SentBy, Sort},
    problem, status,
};

use crate::request::{kind::Kind, preferences::Preferences};

/// Says where the visitor stands, on every parked answer.
const SLUICE_STATE: HeaderName = HeaderName::from_static("sluice-state");
/// A node that is full is so for a moment.
const BUSY_RETRY_AFTER_S: u32 = 2;
/// A site that does not answer is asked again by its visitors' browsers after this, in seconds.
const TRY_UNAVAILABLE_AGAIN_S: &str = "10";
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// An answer ready to be written.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: ResponseHeader,
    pub(crate) body: Bytes,
    /// The connection is closed behind it, where it carries one request after the other.
    pub(crate) closes: bool,
    /// It is about a form, and its page is still to be written.
    pub(crate) form: Option<Box<Unsent>>,
}

/// What the page of a form says that was stopped.
#[derive(Debug)]
pub(crate) struct Unsent {
    pages: Arc<Pages>,
    queue: Arc<Queue>,
    site: String,
    message: Option<String>,
    standing: Standing,
    sent_by: SentBy,
    wants: Preferences,
}

impl Answer {
    /// The same with the page of its form, which holds these fields if there are any.
    pub(crate) fn with_form(self, fields: Option<&[(String, String)]>) -> Self {
        let Self { mut head, body, closes, form } = self;
        let Some(unsent) = form else { return Self { head, body, closes, form: None } };
        let Unsent { pages, queue, site, message, standing, sent_by, wants } = *unsent;
        let message = message.as_deref();
        let input = PageInput {
            reader: wants.read(&site),
            queue: &queue.name,
            closed_as: queue.closed_as,
            standing: &standing,
            message,
            slip: None,
        };
        let line_path = queue.paths.first().map_or("/", String::as_str);
        let body = pages.form_unsent(&input, &Form { fields, sent_by: &sent_by, line_path });
        page_fields(&mut head, &pages, if fields.is_some() { Sort::HoldsForm } else { Sort::Shows }, wants);
        put_length(&mut head, &body);
        Self { head, body, closes, form: None }
    }

    /// The same with a page in the place of its body that loads nothing and runs nothing.
    pub(crate) fn with_page(mut self, body: Bytes) -> Self {
        put(&mut self.head, header::CONTENT_TYPE, page::CONTENT_TYPE);
        put(&mut self.head, header::CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; form-action 'none'");
        put(&mut self.head, header::REFERRER_POLICY, page::REFERRER_POLICY);
        put_length(&mut self.head, &body);
        Self { body, ..self }
    }

    /// The same, and says which methods there are.
    pub(crate) fn allowing(mut self, methods: &'static str) -> Self {
        put(&mut self.head, header::ALLOW, methods);
        self
    }

    /// The same, and the connection is closed behind it.
    pub(crate) fn closing(self) -> Self {
        Self { closes: true, ..self }
    }
}

/// What parking needs to know of the request.
#[derive(Clone, Debug)]
pub(crate) struct Parked<'a> {
    pub(crate) pages: &'a Arc<Pages>,
    pub(crate) queue: &'a Arc<Queue>,
    pub(crate) site: &'a str,
    /// To those who wait.
    pub(crate) message: Option<&'a str>,
    pub(crate) kind: Kind,
    pub(crate) standing: &'a Standing,
    /// Of a form: whose page it was on.
    pub(crate) sent_by: SentBy,
    /// What the visitor is handed, and may carry to another browser.
    pub(crate) slip: Option<&'a str>,
    pub(crate) wants: Preferences,
}

/// The answer to a request that may not pass, by its kind.
pub(crate) fn parked(parked: Parked<'_>) -> Answer {
    let Parked { pages, queue, site, message, kind, standing, sent_by, slip, wants } = parked;
    let (code, content_type, body) = match kind {
        Kind::Navigation => {
            let input = PageInput {
                reader: wants.read(site),
                queue: &queue.name,
                closed_as: queue.closed_as,
                standing,
                message,
                slip,
            };
            (queue.wait_status.code(), page::CONTENT_TYPE, pages.waiting(&input))
        }
        Kind::FormPost => (429, page::CONTENT_TYPE, Bytes::new()),
        Kind::Prefetch => (503, "text/plain; charset=utf-8", Bytes::new()),
        Kind::Grpc => return grpc(standing),
        Kind::Fetch | Kind::Unsafe | Kind::Upgrade | Kind::EventStream | Kind::Preflight => {
            let mut body = Vec::new();
            problem::write(&mut body, 429, queue.name.as_str(), standing, message);
            (429, problem::CONTENT_TYPE, body.into())
        }
    };
    let mut answer = answer(code, content_type, body);
    if kind == Kind::FormPost {
        let (pages, queue, site) = (pages.clone(), queue.clone(), site.to_owned());
        let (message, standing) = (message.map(str::to_owned), *standing);
        answer.form = Some(Box::new(Unsent { pages, queue, site, message, standing, sent_by, wants }));
    }
    let head = &mut answer.head;
    if kind == Kind::Navigation {
        page_fields(head, pages, Sort::Shows, wants);
    }
    state(head, standing);
    put_number(head, header::RETRY_AFTER, standing.poll_after_s);
    answer
}

/// The status document: the answer there are most of, so its head is made once for each state.
pub(crate) fn status_document(queue: &Queue, standing: &Standing, message: Option<&str>) -> Answer {
    static HEADS: LazyLock<Vec<(&'static str, ResponseHeader)>> = LazyLock::new(|| {
        let head = |word: &'static str| {
            let mut head = answer(200, status::CONTENT_TYPE, Bytes::new()).head;
            put(&mut head, SLUICE_STATE, word);
            (word, head)
        };
        ["waiting", "called", "held", "closed", "full"].map(head).into()
    });
    let mut body = Vec::new();
    status::write(&mut body, queue.name.as_str(), standing, message);
    let word = state_word(standing);
    let head = HEADS.iter().find(|(of, _)| *of == word).map(|(_, head)| head.clone());
    let mut head = head.unwrap_or_else(|| unreachable!("every word has a head"));
    let body = body.into();
    put_length(&mut head, &body);
    Answer { head, body, closes: false, form: None }
}

/// The public board of a line.
pub(crate) fn board(pages: &Pages, site: &str, board: &Board<'_>, wants: Preferences) -> Answer {
    let mut answer = html(200, pages.board(wants.read(site), board), pages, wants);
    page_fields(&mut answer.head, pages, Sort::Board, wants);
    answer
}

/// A page of a place on its way to another device.
pub(crate) fn moving(code: u16, body: Bytes, pages: &Pages, wants: Preferences) -> Answer {
    let mut answer = answer(code, page::CONTENT_TYPE, body);
    page_fields(&mut answer.head, pages, page::moving::SORT, wants);
    put(&mut answer.head, header::REFERRER_POLICY, page::moving::REFERRER_POLICY);
    answer
}

/// A piece of a page, for its script.
pub(crate) fn piece(body: Bytes) -> Answer {
    let mut answer = answer(200, page::CONTENT_TYPE, body);
    put(&mut answer.head, header::CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; form-action 'none'");
    answer
}

/// Leads a form on to a path of the site.
pub(crate) fn see_other(path: &str) -> Answer {
    let mut answer = answer(303, "", Bytes::new());
    // A path of the config is made of letters that a field may have.
    let _ = answer.head.insert_header(header::LOCATION, path);
    answer
}

/// The answer to a CORS preflight; what it allows is added by the caller.
pub(crate) fn preflight() -> Answer {
    answer(204, "", Bytes::new())
}

/// The answer to somebody who has left: a page for a browser that wants it, nothing for a script.
pub(crate) fn left(pages: &Pages, site: &str, wants: Option<Preferences>) -> Answer {
    match wants {
        Some(wants) => html(200, pages.left(wants.read(site), "/"), pages, wants),
        None => answer(204, "", Bytes::new()),
    }
}

/// The answer to a request that can be neither forwarded nor parked.
pub(crate) fn refused(code: u16, site: &str, refusal: Refusal<'_>, wants: Option<Preferences>) -> Answer {
    if let Some(wants) = wants {
        let pages = Pages::of_no_tenant();
        return html(code, pages.refused(wants.read(site), refusal), pages, wants);
    }
    let mut body = Vec::new();
    problem::refused(&mut body, refusal);
    answer(code, problem::CONTENT_TYPE, body.into())
}

/// The answer to a request for a page that the site does not give: a page of the tenant's. A browser that asked by GET asks
/// again by itself.
pub(crate) fn unavailable(code: u16, pages: &Pages, site: &str, wants: Preferences, is_get: bool) -> Answer {
    let mut answer = html(code, pages.refused(wants.read(site), Refusal::Unavailable(code)), pages, wants);
    if is_get {
        put(&mut answer.head, header::REFRESH, TRY_UNAVAILABLE_AGAIN_S);
    }
    answer
}

/// The answer to a request that cannot be read. `reason` is a fixed word: nothing of the request comes back in it.
pub(crate) fn malformed(code: u16, reason: &'static str, wants: Option<Preferences>) -> Answer {
    // The document for programs is about 400.
    let text = match code {
        _ if wants.is_some() => None,
        405 => Some("The method is refused.\n"),
        408 => Some("The request did not come in time.\n"),
        414 => Some("The target is too long.\n"),
        431 => Some("The fields of the request are too many or too long.\n"),
        501 => Some("The method or the coding is unknown.\n"),
        505 => Some("The version is unknown.\n"),
        _ => None,
    };
    if let Some(text) = text {
        return plain(code, text);
    }
    refused(code, "", Refusal::BadRequest(&reason.replace('_', " ")), wants)
}

/// The answer to a request that is to be repeated over HTTPS. Not to be kept, so that it can be taken back.
pub(crate) fn moved(to: HeaderValue) -> Answer {
    let mut answer = plain(308, "This site is served over HTTPS.\n");
    let _ = answer.head.insert_header(header::LOCATION, to);
    answer
}

/// The answer to a request for which the node has no room now.
pub(crate) fn busy() -> Answer {
    let mut answer = plain(503, "Too many requests are under way. Please try again.\n");
    try_again_soon(&mut answer);
    answer
}

/// What a request whose body is too long is told.
pub(crate) const TOO_LONG: &str = "The request is longer than this site takes.\n";

/// The answer to a client that has sent too many requests.
pub(crate) fn too_many(retry_after: Duration) -> Answer {
    let mut answer = plain(429, "Too many requests have come from this address. Please try again later.\n");
    let seconds = u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX);
    put_number(&mut answer.head, header::RETRY_AFTER, seconds);
    answer
}

/// Says that what is full now is so for a moment.
pub(crate) fn try_again_soon(answer: &mut Answer) {
    put_number(&mut answer.head, header::RETRY_AFTER, BUSY_RETRY_AFTER_S);
}

/// The answer to a load balancer that asks whether visitors may be sent here.
pub(crate) fn health(ready: bool) -> Answer {
    if ready { plain(200, "ready\n") } else { plain(503, "not ready\n") }
}

/// What a certificate authority wants to see (RFC 8555, 8.3).
pub(crate) fn proof(proof: String) -> Answer {
    answer(200, "application/octet-stream", Bytes::from(proof))
}

/// A short plain answer, for what no visitor meets.
pub(crate) fn plain(code: u16, text: &'static str) -> Answer {
    answer(code, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

/// Trailers only: a gRPC status in the header of an empty answer.
fn grpc(standing: &Standing) -> Answer {
    let mut answer = answer(200, "application/grpc", Bytes::new());
    let head = &mut answer.head;
    put(head, HeaderName::from_static("grpc-status"), "14");
    put(head, HeaderName::from_static("grpc-message"), problem::grpc_message(standing.state));
    state(head, standing);
    put_number(head, header::RETRY_AFTER, standing.poll_after_s);
    answer
}

fn html(code: u16, body: Bytes, pages: &Pages, wants: Preferences) -> Answer {
    let mut answer = answer(code, page::CONTENT_TYPE, body);
    page_fields(&mut answer.head, pages, Sort::Shows, wants);
    answer
}

/// What pages of ours carry beside.
fn page_fields(head: &mut ResponseHeader, pages: &Pages, sort: Sort, wants: Preferences) {
    if let Some(name) = wants.encoding.name() {
        put(head, header::CONTENT_ENCODING, name);
    }
    put(head, header::VARY, "Accept-Encoding, Accept-Language, Cookie");
    // Fails only for bytes that no header may hold; a policy is words and hashes.
    let _ = head.insert_header(header::CONTENT_SECURITY_POLICY, pages.content_security_policy(sort));
    put(head, header::REFERRER_POLICY, page::REFERRER_POLICY);
}

/// Headers that everything of ours carries: it is for one visitor and one moment.
fn answer(code: u16, content_type: &'static str, body: Bytes) -> Answer {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut head = match ResponseHeader::build(status, Some(10)) {
        Ok(head) => head,
        Err(_) => unreachable!("a known status code"),
    };
    if !content_type.is_empty() {
        put(&mut head, header::CONTENT_TYPE, content_type);
    }
    // A 204 has no body and must not name a length.
    if status != StatusCode::NO_CONTENT {
        put_length(&mut head, &body);
    }
    put(&mut head, header::CACHE_CONTROL, "no-store, private");
    put(&mut head, ROBOTS, "noindex");
    put(&mut head, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    Answer { head, body, closes: false, form: None }
}

fn state(head: &mut ResponseHeader, standing: &Standing) {
    put(head, SLUICE_STATE, state_word(standing));
}

fn state_word(standing: &Standing) -> &'static str {
    match (standing.state, standing.reason) {
        (State::Joining, Some(Reason::Closed)) | (State::Closed, _) => "closed",
        (State::Held, _) => "held",
        (State::Joining, Some(Reason::Paused | Reason::StoreAway | Reason::Recovering)) => "held",
        (State::Full, _) => "full",
        (State::Called | State::Admitted, _) => "called",
        (State::Joining | State::Waiting, _) => "waiting",
    }
}

fn put(head: &mut ResponseHeader, name: HeaderName, value: &'static str) {
    // Fails only for bytes that no header may hold; ours are constants.
    let _ = head.insert_header(name, HeaderValue::from_static(value));
}

fn put_length(head: &mut ResponseHeader, body: &Bytes) {
    put_number(head, header::CONTENT_LENGTH, u32::try_from(body.len()).unwrap_or(u32::MAX));
}

fn put_number(head: &mut ResponseHeader, name: HeaderName, value: u32) {
    let _ = head.insert_header(name, HeaderValue::from(value));
}
