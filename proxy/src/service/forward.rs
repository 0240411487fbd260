//! Forwards a request that may pass, and says so if that fails.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::Method;
use pingora_http::{RequestHeader, ResponseHeader};
use tokio::time::timeout;

use super::{
    Passage, READ_TIMEOUT, STREAM_WRITE_TIMEOUT, Service, caching,
    visits::{self, Visits, Word},
};
use crate::{
    request::kind::Kind,
    routing::headers,
    service::answer,
    upstream::{self, Ask, Client, Failure, Route, Size},
};

/// What an origin is to be asked: the request's head as it will be written, which takes less room than the head itself.
#[derive(Debug)]
pub(crate) struct Asking {
    ask: Result<Ask, Failure>,
    asks_head: bool,
}

impl Asking {
    /// `body_ended`: none of the request's body is to come.
    pub(crate) fn of(request: &RequestHeader, passage: &mut Passage, body_ended: bool) -> Self {
        let edits = std::mem::take(&mut passage.edits);
        let origin = passage.site.as_ref().and_then(|site| site.origin(passage.route)).map(AsRef::as_ref);
        let ask = Ask::new(request, &edits, passage.body, body_ended, passage.upgrades, origin);
        Self { ask, asks_head: request.method == Method::HEAD }
    }
}

impl Service {
    /// Forwards a request and passes the answer on.
    ///
    /// # Errors
    /// What went wrong. The client has been told, if it could be.
    pub(crate) async fn forward<C: Client>(
        &self,
        client: &mut C,
        asking: &mut Asking,
        passage: &mut Passage,
    ) -> Result<(), Failure> {
        let Some(site) = passage.site.clone() else { unreachable!("what is forwarded has a site") };
        let Some(origin) = site.origin(passage.route) else { unreachable!("a site that serves has its origins") };
        let asks_head = asking.asks_head;
        let forwarded = match &mut asking.ask {
            Ok(ask) => {
                let body_silence_max = if client.is_http2() { passage.body_silence_max() } else { READ_TIMEOUT };
                let visits = passage.visits.take();
                // Whose request it is, for a server that stays the same: the visitor's inside, else the client's.
                let visitor = visits.number().unwrap_or(passage.client);
                let on_moved = |now| visits.moved(now);
                let sent = AtomicU64::new(0);
                let body_max = passage.body_max;
                let route = Route { origin, visitor, body_silence_max, body_max, sent: &sent, on_moved: &on_moved };
                let forwarded =
                    upstream::forward(client, ask, &route, &mut |head| from_origin(head, passage, &visits)).await;
                passage.line.sent(sent.load(Ordering::Relaxed));
                forwarded
            }
            Err(failure) => Err(std::mem::replace(failure, Failure::Closed)),
        };
        let Err(failure) = forwarded else { return Ok(()) };
        if matches!(failure, Failure::BodyTooLong) {
            self.node.metrics.limit(site.tenant.name.as_str(), "body_max");
        }
        if let Some(reason) = failure.of_origin() {
            self.node.metrics.origin_error(site.tenant.name.as_str(), reason);
        }
        // On HTTP/2 a body that does not come ends the stream, and nothing else.
        let just_ends = client.is_http2() && matches!(failure, Failure::BodySilent);
        let says = !just_ends && !client.is_answered();
        if let Some(code) = failure.status().filter(|_| says) {
            // In a box, as hardly any request comes to this.
            Box::pin(say(client, code, asks_head, passage)).await?;
        }
        Err(failure)
    }
}

/// Tells the client of a failure. It keeps what was handed out: an origin that fails once must not cost the place.
async fn say<C: Client>(client: &mut C, code: u16, asks_head: bool, passage: &mut Passage) -> Result<(), Failure> {
    let text = match code {
        400 => "The request cannot be read.\n",
        413 => answer::TOO_LONG,
        408 => "The request did not come in time.\n",
        503 => "The site is busy. Please try again.\n",
        504 => "The site did not answer in time.\n",
        _ => "The site cannot be reached.\n",
    };
    let site = passage.site.as_ref().filter(|_| code >= 500);
    let mut answer = match (site, passage.wants) {
        (Some(site), Some(wants)) => {
            let is_get = passage.kind == Kind::Navigation;
            answer::unavailable(code, &site.pages, site.first_host(), wants, is_get)
        }
        _ => answer::plain(code, text),
    };
    if code == 503 {
        answer::try_again_soon(&mut answer);
    }
    let (mut head, body): (ResponseHeader, Bytes) = (answer.head, answer.body);
    if passage.dress(&mut head).is_err() {
        tracing::debug!("answer has too many header fields");
    }
    let size = if asks_head { Size::NoBody } else { Size::Known(body.len() as u64) };
    client.begin(head, size, asks_head)?;
    let mut body = Some(body).filter(|_| !asks_head);
    let written = poll_fn(|cx| {
        if let Some(body) = body.take() {
            client.write(cx, &body, Some(&[]))?;
        }
        client.poll_flush(cx)
    });
    // On HTTP/1 the connection would see to it, too.
    timeout(STREAM_WRITE_TIMEOUT, written).await.unwrap_or(Err(Failure::NotTaken))
}

/// Makes an origin's answer one of this site's. Interim answers are not seen here, so that they carry nothing of ours.
fn from_origin(head: &mut ResponseHeader, passage: &mut Passage, visits: &Visits) {
    obey(head, passage, visits);
    // Fails only for more fields than a head may have; the origin's own are bounded well below.
    if passage.can_wait && (passage.is_asset || caching::is_to_be_kept(head)) {
        // The line has heard of the visitor. The pass is handed out with the next page or call.
        passage.handed_out.clear();
    }
    if !passage.handed_out.is_empty() {
        // A pass is one visitor's: no cache on the way may keep an answer that carries it.
        caching::keep_private(head);
        for (name, value) in passage.handed_out.drain(..) {
            let _ = head.append_header(name, value);
        }
    }
    headers::take_off(head);
    passage.line.begins(head);
    if let Some(site) = &passage.site {
        site.headers.put_on(head, passage.recipient.secure);
    }
}

/// What the origin says of the visit counts more than what was handed out before it spoke.
fn obey(response: &mut ResponseHeader, passage: &mut Passage, visits: &Visits) {
    let Some(word) = visits::take_word(response) else { return };
    // A pass that has just been handed out needs no renewal.
    if word == Word::Renew && !passage.handed_out.is_empty() && !passage.can_wait {
        return;
    }
    let handed_out = visits.obey(word, passage.recipient);
    if !handed_out.is_empty() {
        (passage.handed_out, passage.can_wait) = (handed_out, false);
    }
}
