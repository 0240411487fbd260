//! What becomes of a request: it is judged, and then answered here or forwarded.

pub(crate) mod answer;
mod body;
mod bounds;
mod caching;
mod form;
mod forward;
mod frameworks;
mod judge;
mod moving;
mod query;
mod visits;

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Version, header};
use pingora_core::{Result, protocols::http::v1::server::HttpSession};
use pingora_http::{RequestHeader, ResponseHeader};
use tokio::sync::OwnedSemaphorePermit;

pub(crate) use self::forward::Asking;
use self::visits::Visits;
use crate::{
    gate::{HandedOut, Recipient},
    limits::{Prefixes, UnderWay},
    node::Node,
    request::{
        Edit,
        kind::Kind,
        preferences::Preferences,
        syntax::strict::{Body, Head},
        trace::X_REQUEST_ID,
    },
    routing::Site,
    service::answer::Answer,
    sinks::{
        access_log::{Lane, Outcome, Record},
        tally::Held,
    },
    transport::pace::JUDGED_OVER,
};

/// Judges, answers and forwards requests.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) node: Arc<Node>,
    pub(crate) trusted_proxies: Arc<[ipnet::IpNet]>,
    /// What of an address makes a client.
    pub(crate) prefixes: Prefixes,
    /// What becomes of requests without a trace.
    pub(crate) traceparent: sluice_config::Traceparent,
    /// Requests under way at once, over all workers.
    pub(crate) requests_max: usize,
    /// Where this node speaks HTTPS, if it does.
    pub(crate) https_port: Option<u16>,
    /// The worker's way into the access log.
    pub(crate) log: Lane,
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
    /// Which of its origins serves the path.
    route: usize,
    pub(crate) kind: Kind,
    recipient: Recipient,
    /// The page that a browser wants if the site does not answer; `None`: it is no page that is asked for.
    wants: Option<Preferences>,
    /// The client's address, of IPv6 the network.
    client: u64,
    /// It comes from a trusted proxy, which may say into which lane its visitor belongs.
    hears_lane: bool,
    /// The client wants a WebSocket.
    upgrades: bool,
    /// Where its visitor is inside.
    visits: Visits,
    /// To be set on whatever is answered.
    handed_out: HandedOut,
    /// What is handed out renews passes that are still good, and does as well on another answer.
    can_wait: bool,
    /// To be changed in what the origin is asked.
    edits: Vec<Edit>,
    /// A page fetches it to show or run it.
    is_asset: bool,
    /// How the request's body is framed.
    pub(crate) body: Body,
    /// The longest it may be, in bytes.
    body_max: u64,
    /// What the request is called on its way.
    request_id: Option<Box<str>>,
    /// Its place among the tenant's.
    under_way: Option<UnderWay>,
    /// Its line in the access log, if it is to have one.
    line: Line,
    /// A node that leaves waits for it.
    _in_flight: Held,
}

impl Passage {
    /// A request has come.
    pub(crate) fn begin(service: &Service, is_poll: bool) -> Self {
        Self {
            site: None,
            route: 0,
            kind: Kind::Fetch,
            recipient: Recipient { secure: false, app: false, domain: None },
            wants: None,
            client: 0,
            hears_lane: false,
            upgrades: false,
            visits: Visits::none(),
            handed_out: HandedOut::new(),
            can_wait: false,
            edits: Vec::new(),
            is_asset: false,
            body: Body::None,
            body_max: u64::MAX,
            request_id: None,
            under_way: None,
            line: Line(service.log.begin(is_poll).map(|record| Box::new((record, service.log.clone())))),
            _in_flight: service.node.metrics.requests_in_flight.hold(),
        }
    }

    /// How long nothing of a body may come: what the client may take for a piece, and the origin for the one before.
    pub(crate) fn body_silence_max(&self) -> Duration {
        let origin = self.site.as_ref().and_then(|site| site.origin(self.route));
        READ_TIMEOUT + origin.map_or(Duration::ZERO, |origin| origin.settings.write_timeout)
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
            site.headers.put_on(head, self.recipient.secure);
        }
        if let Some(id) = &self.request_id {
            head.insert_header(X_REQUEST_ID.clone(), &**id)?;
        }
        self.line.begins(head);
        let length = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        self.line.sent(length.unwrap_or(0));
        Ok(())
    }
}

/// A line of the access log that is written when its request is over.
#[derive(Debug)]
struct Line(Option<Box<(Box<Record>, Lane)>>);

impl Line {
    /// Something more is known.
    fn note(&mut self, note: impl FnOnce(&mut Record)) {
        if let Some(line) = &mut self.0 {
            note(&mut line.0);
        }
    }

    /// What is becoming of the request.
    fn comes_to(&mut self, outcome: Outcome) {
        self.note(|record| record.outcome = outcome);
    }

    /// Its answer begins.
    fn begins(&mut self, head: &ResponseHeader) {
        self.note(|record| record.status = Some(head.status));
    }

    /// So many bytes of its answer's body are there for the client.
    fn sent(&mut self, bytes: u64) {
        self.note(|record| record.bytes = bytes);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(line) = self.0.take() {
            let (mut record, log) = *line;
            record.over();
            log.end(record);
        }
    }
}

/// An address as a number; of IPv6 the 64 bits that stay the same while a client changes its address.
fn number_of(client: IpAddr) -> u64 {
    match client {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => u64::try_from(ip.to_bits() >> 64).unwrap_or(0),
    }
}

/// A client must have taken each piece of an answer of ours on HTTP/2 within this.
pub(crate) const STREAM_WRITE_TIMEOUT: Duration = JUDGED_OVER;
/// Between two reads from a client.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// What is left of a request's body is read away for at most this long.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

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

/// A request whose body may still be read.
pub(crate) trait BodySource {
    /// The request's fields.
    fn headers(&self) -> &HeaderMap;

    /// The next piece of its body; `None`: there is no more, or the client is gone.
    fn next_piece(&mut self) -> impl Future<Output = Option<Bytes>> + Send;

    /// What has not come of the body is not waited for.
    fn expect_no_more(&mut self);
}

/// Finishes an answer that is about a form. What comes beside it is to be kept until the answer has been written.
pub(crate) async fn with_form<S: BodySource>(
    source: &mut S,
    passage: &Passage,
    answer: Answer,
) -> (Answer, Option<OwnedSemaphorePermit>) {
    match answer.form {
        None => (answer, None),
        // In a box, as hardly any answer is about one.
        Some(_) => Box::pin(form::hand_back(source, passage.site.as_ref().map(|site| &site.forms), answer)).await,
    }
}

/// Writes an answer of ours on HTTP/1 and keeps the connection, whatever the request was, unless the answer closes it.
///
/// # Errors
/// If the client is gone.
pub(crate) async fn write(session: &mut HttpSession, passage: &mut Passage, answer: Answer) -> Result<()> {
    // The room that a form takes is its own until the answer has been written.
    let (answer, _room) = with_form(session, passage, answer).await;
    let Answer { mut head, body, closes, .. } = answer;
    passage.dress(&mut head)?;
    if closes {
        session.set_server_keepalive(None);
    }
    let bodiless = session.req_header().method == Method::HEAD || body.is_empty();
    body::settle(session);
    session.write_response_header(Box::new(head)).await?;
    if !bodiless {
        session.write_body(&body).await?;
        session.finish_body().await?;
    }
    Ok(())
}
