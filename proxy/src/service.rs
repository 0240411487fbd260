//! Sluice as pingora sees it: one request from its head to its end.

mod body;
mod form;
mod headers;
mod judge;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use pingora_core::{
    Error, ErrorSource, ErrorType, Result,
    modules::http::HttpModules,
    protocols::http::ServerSession as HttpSession,
    upstreams::peer::{HttpPeer, PeerOptions},
};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};

pub(crate) use self::{form::FormRoom, headers::TenantHeaders};
use crate::{
    answer::{self, Answer},
    gate::Gate,
    node::Node,
    protocol::h1::Downstream,
    request::{Edit, kind::Kind, strict::Head},
    routing::Site,
    tally::Tally,
};

/// The proxy's request filters.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) node: Arc<Node>,
    pub(crate) trusted_proxies: Arc<[ipnet::IpNet]>,
    /// Requests under way at once, over all workers.
    pub(crate) requests_max: usize,
    /// Where this node speaks HTTPS, if it does.
    pub(crate) https_port: Option<u16>,
}

impl Service {
    /// How many more requests this node has room for.
    pub(crate) fn room(&self) -> usize {
        let under_way = usize::try_from(self.node.metrics.requests_in_flight.sum()).unwrap_or(0);
        self.requests_max.saturating_sub(under_way)
    }
}

/// What is known of one request while it is under way.
#[derive(Debug)]
pub(crate) struct Passage {
    site: Option<Arc<Site>>,
    gate: Option<Arc<Gate>>,
    pub(crate) kind: Kind,
    secure: bool,
    /// The client wants a WebSocket.
    upgrades: bool,
    /// The visitor's number, when they are inside.
    inside: Option<u64>,
    /// To be set on whatever is answered.
    handed_out: Vec<(HeaderName, HeaderValue)>,
    /// To be changed in what the origin is asked.
    edits: Vec<Edit>,
    attempts: usize,
    /// Pieces of the request's body that have come, where somebody watches that.
    body_pieces: Option<Arc<AtomicUsize>>,
    /// Answers of the connection that have not been taken, where they are counted.
    not_taken: Option<Arc<AtomicUsize>>,
    _in_flight: InFlight,
}

impl Passage {
    /// A request has come.
    pub(crate) fn begin(node: &Node) -> Self {
        Self {
            site: None,
            gate: None,
            kind: Kind::Fetch,
            secure: false,
            upgrades: false,
            inside: None,
            handed_out: Vec::new(),
            edits: Vec::new(),
            attempts: 0,
            body_pieces: None,
            not_taken: None,
            _in_flight: InFlight::begin(node),
        }
    }

    /// What [`count_body`](Self::count_body) comes to when the body has ended.
    pub(crate) const BODY_WHOLE: usize = usize::MAX;

    /// Counts the pieces of the request's body from now on.
    pub(crate) fn count_body(&mut self) -> Arc<AtomicUsize> {
        self.body_pieces.get_or_insert_default().clone()
    }

    /// Counts an answer that is not taken among those of its connection.
    pub(crate) fn count_not_taken(&mut self, not_taken: Arc<AtomicUsize>) {
        self.not_taken = Some(not_taken);
    }

    /// How long nothing of a body may come: what the client may take for a piece, and the origin for the one before.
    pub(crate) fn body_silence_max(&self) -> Duration {
        READ_TIMEOUT + self.site.as_ref().map_or(Duration::ZERO, |site| site.tenant.origin.write_timeout)
    }

    /// Puts on an answer of ours what the visitor is handed, and what the tenant wants on every answer.
    ///
    /// # Errors
    /// If it has more fields than a head may have.
    pub(crate) fn dress(&mut self, head: &mut ResponseHeader) -> Result<()> {
        for (name, value) in self.handed_out.drain(..) {
            head.append_header(name, value)?;
        }
        if let Some(site) = &self.site {
            site.headers.put_on(head, self.secure);
        }
        Ok(())
    }

    /// Hands it over to pingora with the request that it has been judged for, so that it is not judged twice.
    pub(crate) fn ride_on(self, request: &mut RequestHeader) {
        request.extensions_mut().insert(Judged(Arc::new(Mutex::new(Some(self)))));
    }
}

/// A request that has been judged before pingora got it, with what came of it. To be taken once.
#[derive(Clone)]
struct Judged(Arc<Mutex<Option<Passage>>>);

impl Judged {
    fn take_from(session: &Session) -> Option<Passage> {
        let Self(passage) = session.req_header().extensions.get()?;
        passage.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Counts a request for as long as it lives. A node that leaves waits for it.
#[derive(Debug)]
pub(crate) struct InFlight(Tally);

impl InFlight {
    pub(crate) fn begin(node: &Node) -> Self {
        let in_flight = node.metrics.requests_in_flight.clone();
        in_flight.inc();
        Self(in_flight)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A client must have taken each piece of an answer on HTTP/2 within this; a piece is at most what is read of an origin at
/// once.
pub(crate) const STREAM_WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two reads from a client.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two messages on a WebSocket.
const WEBSOCKET_IDLE: Duration = Duration::from_secs(3_600);
/// What is left of a request's body is read away for at most this long.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

#[async_trait]
impl ProxyHttp for Service {
    type CTX = Passage;

    fn new_ctx(&self) -> Passage {
        Passage::begin(&self.node)
    }

    fn init_downstream_modules(&self, _: &mut HttpModules) {
        // Pingora would put in compression that is switched off. What the origin sends is passed on as it is.
    }

    async fn early_request_filter(&self, session: &mut Session, _: &mut Passage) -> Result<()> {
        // Every one of these is unbounded, or close to it, unless it is set on each request.
        let session = session.as_downstream_mut();
        session.set_read_timeout(Some(READ_TIMEOUT));
        // How slowly a client may take an answer is judged below HTTP/1, and on HTTP/2 for each stream.
        session.set_write_timeout(session.is_http2().then_some(STREAM_WRITE_TIMEOUT));
        session.set_total_drain_timeout(Some(DRAIN_TIMEOUT));
        session.set_pipelining_enabled(true);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, passage: &mut Passage) -> Result<bool> {
        if let Some(judged) = Judged::take_from(session) {
            *passage = judged;
            return Ok(false);
        }
        let HttpSession::H1(h1) = session.as_downstream() else {
            return Error::e_explain(ErrorType::InternalError, "a request came that has not been judged");
        };
        if self.room() == 0 {
            self.node.metrics.reject("requests_max");
            write(session.as_downstream_mut(), passage, answer::busy()).await?;
            return Ok(true);
        }
        let connection = Downstream::of(h1.stream()).connection();
        let (request, raw) = (session.req_header(), session.to_h1_raw());
        let head = head_of(request, Some(&raw));
        match self.judge(head, connection, passage).await {
            None => Ok(false),
            Some(answer) => {
                write(session.as_downstream_mut(), passage, answer).await?;
                Ok(true)
            }
        }
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        _: &mut Option<Bytes>,
        end_of_stream: bool,
        passage: &mut Passage,
    ) -> Result<()> {
        if let Some(pieces) = &passage.body_pieces {
            // Only this adds to it, so that it does not wrap.
            let came = pieces.load(Ordering::Relaxed).wrapping_add(1);
            pieces.store(if end_of_stream { Passage::BODY_WHOLE } else { came }, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn upstream_peer(&self, session: &mut Session, passage: &mut Passage) -> Result<Box<HttpPeer>> {
        let Some(site) = &passage.site else {
            return Error::e_explain(ErrorType::InternalError, "forwarding without a site");
        };
        passage.attempts += 1;
        let mut peer = HttpPeer::new(site.next_server(), false, String::new());
        peer.options = peer_options(&site.tenant.origin);
        if passage.upgrades {
            // Two people who say nothing to each other for a minute are still talking.
            session.set_read_timeout(Some(WEBSOCKET_IDLE));
            peer.options.read_timeout = Some(WEBSOCKET_IDLE);
        }
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        passage: &mut Passage,
    ) -> Result<()> {
        // An absolute target is for proxies; the origin gets path and query, which is all that the URI holds.
        request.set_uri(request.uri.clone());
        for edit in &passage.edits {
            match edit {
                Edit::Set(name, value) => request.insert_header(name.clone(), value.clone())?,
                Edit::Remove(name) => {
                    request.remove_header(name);
                }
            }
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        passage: &mut Passage,
    ) -> Result<()> {
        if response.status == StatusCode::SWITCHING_PROTOCOLS
            && let HttpSession::H1(h1) = session.as_downstream()
        {
            Downstream::of(h1.stream()).switch();
        }
        end_visit_if_told(response, passage);
        if !passage.handed_out.is_empty() {
            // A pass is one visitor's: no cache on the way may keep an answer that carries it.
            response.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store, private"))?;
            for (name, value) in passage.handed_out.drain(..) {
                response.append_header(name, value)?;
            }
        }
        headers::take_off(response);
        if let Some(site) = &passage.site {
            site.headers.put_on(response, passage.secure);
        }
        Ok(())
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        passage: &mut Passage,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let servers = passage.site.as_ref().map_or(0, |site| site.tenant.origin.servers.len());
        // Nothing has been sent yet, so each server may be tried once.
        error.set_retry(passage.attempts < servers.max(2));
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, passage: &mut Passage) -> FailToProxy {
        let (code, reason) = failure(error);
        if session.as_downstream().is_http2()
            && (error.esource(), error.etype()) == (&ErrorSource::Downstream, &ErrorType::WriteTimedout)
        {
            self.node.metrics.cut("answer_not_taken");
            if let Some(not_taken) = &passage.not_taken {
                not_taken.fetch_add(1, Ordering::Relaxed);
            }
        }
        if let (Some(site), Some(reason)) = (&passage.site, reason) {
            self.node.metrics.origin_error(site.tenant.name.as_str(), reason);
        }
        if code > 0 && session.response_written().is_none() {
            let text = match code {
                400 => "The request cannot be read.\n",
                504 => "The site did not answer in time.\n",
                _ => "The site cannot be reached.\n",
            };
            // The visitor keeps what was handed out: an origin that fails once must not cost the place.
            // Pingora closes the connection after a failure, whatever is answered here, so the answer says so.
            let answer = answer::plain(code, text).closing();
            if let Err(error) = write(session.as_downstream_mut(), passage, answer).await {
                tracing::debug!(%error, "a client was gone before it was told of a failure");
            }
        }
        FailToProxy { error_code: code, can_reuse_downstream: false }
    }

    fn suppress_error_log(&self, _: &Session, _: &Passage, error: &Error) -> bool {
        // A client that goes away is no error of ours.
        matches!(error.esource(), ErrorSource::Downstream)
    }
}

/// A request's head, as pingora hands it over; on HTTP/1 with its bytes.
pub(crate) fn head_of<'r>(request: &'r RequestHeader, raw: Option<&'r [u8]>) -> Head<'r> {
    debug_assert_eq!(raw.is_none(), request.version == Version::HTTP_2);
    Head {
        method: &request.method,
        target: request.raw_path(),
        uri: &request.uri,
        version: request.version,
        headers: &request.headers,
        raw,
    }
}

/// Writes an answer of ours and keeps the connection, whatever the request was, unless the answer closes it.
pub(crate) async fn write(session: &mut HttpSession, passage: &mut Passage, answer: Answer) -> Result<()> {
    // The room that a form takes is its own until the answer has been written. In a box, as hardly any answer is about one.
    let (answer, _room) = match answer.form {
        None => (answer, None),
        Some(_) => Box::pin(form::hand_back(session, passage.site.as_ref().map(|site| &site.forms), answer)).await,
    };
    let Answer { mut head, body, closes, .. } = answer;
    passage.dress(&mut head)?;
    if closes {
        session.set_keepalive(None);
    }
    let bodiless = session.req_header().method == Method::HEAD || body.is_empty();
    // No origin has a part in this: whatever fails is between us and the client.
    if let HttpSession::H2(stream) = session {
        // What is left of a request's body is not read: the stream ends, and the client is told that this is no error.
        // Without a body the head is the end as well, which `HttpSession` would forget: a gRPC client takes an answer of
        // trailers for one only if nothing follows.
        if passage.kind == Kind::Grpc {
            head.remove_header(&header::CONTENT_LENGTH);
        }
        stream.write_response_header(Box::new(head), bodiless).map_err(Error::into_down)?;
    } else {
        body::settle(session).await;
        session.write_response_header(Box::new(head)).await.map_err(Error::into_down)?;
    }
    if !bodiless {
        session.write_response_body(body, true).await.map_err(Error::into_down)?;
    }
    Ok(())
}

/// The origin says `Sluice-Session: end` when a visit is over: an order is placed, somebody has logged out.
fn end_visit_if_told(response: &mut ResponseHeader, passage: &mut Passage) {
    const SLUICE_SESSION: HeaderName = HeaderName::from_static("sluice-session");
    let Some(word) = response.remove_header(&SLUICE_SESSION) else { return };
    if let (true, Some(number), Some(gate)) = (word.as_bytes() == b"end", passage.inside, &passage.gate) {
        passage.handed_out = gate.end_visit(number, passage.secure);
    }
}

fn peer_options(origin: &sluice_config::Origin) -> PeerOptions {
    let mut options = PeerOptions::new();
    options.connection_timeout = Some(origin.connect_timeout);
    options.total_connection_timeout = Some(origin.connect_timeout);
    options.read_timeout = Some(origin.read_timeout);
    options.write_timeout = Some(origin.write_timeout);
    options.idle_timeout = Some(origin.idle_timeout);
    options
}

/// Status of a failed forwarding, and its metric label; 0: the client is gone. No label: the client is to blame.
fn failure(error: &Error) -> (u16, Option<&'static str>) {
    match (error.esource(), error.etype()) {
        (
            ErrorSource::Downstream,
            ErrorType::ReadError | ErrorType::WriteError | ErrorType::WriteTimedout | ErrorType::ConnectionClosed,
        ) => (0, None),
        (ErrorSource::Downstream, _) => (400, None),
        (_, ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout) => (504, Some("timeout")),
        (_, ErrorType::ConnectRefused | ErrorType::ConnectNoRoute | ErrorType::ConnectError) => (502, Some("connect")),
        (ErrorSource::Upstream, _) => (502, Some("broken_answer")),
        (_, _) => (502, Some("other")),
    }
}
