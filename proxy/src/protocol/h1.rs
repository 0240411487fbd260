//! HTTP/1.1: request after request.

mod client;
mod downstream;
mod poll;

use std::{
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Version, header};
use pingora_core::{ErrorType, protocols::http::v1::server::HttpSession};
use pingora_http::RequestHeader;
use tokio::time::sleep;

pub(crate) use self::downstream::Downstream;
use self::{
    client::{Client, Request},
    downstream::{HEAD_TOO_SLOW, HEAD_WITHIN},
    poll::may_be_poll,
};
use super::{Driver, FIRST_REQUEST, KEEPALIVE, REQUESTS_PER_CONNECTION_MAX};
use crate::{
    request::syntax::list::members,
    service::{Asking, DRAIN_TIMEOUT, Passage, READ_TIMEOUT, answer, head_of, write},
    transport::{Idle, Spot, connection::Connection, socket::Socket},
};

/// How long the rest of a head may take to come when the node is leaving: the next packet of it is on its way.
const HEAD_WITHIN_CLOSING: Duration = Duration::from_secs(1);

impl Driver {
    /// Serves a connection until it ends. Between two requests nothing is held but the socket and one timer: visitors in
    /// a waiting room are connections that idle.
    pub(crate) fn http1(&self, socket: Socket, connection: Connection, spot: Spot) -> impl Future<Output = ()> {
        let cut = self.service.node.metrics.connections_cut.clone();
        let mut client = Box::new(Downstream::new(socket, connection, cut));
        // What it is made of is made above, so that the future keeps no room for it.
        async move {
            let mut idle = pin!(Idle::new(FIRST_REQUEST));
            for served in 0.. {
                spot.idles(served > 0);
                let next = idle.as_mut().wait(|cx| match spot.poll_gone(cx) {
                    // There is no room for it any more.
                    Poll::Ready(()) => Poll::Ready(Err(std::io::ErrorKind::ConnectionAborted.into())),
                    Poll::Pending => client.poll_next_request(cx),
                });
                let Some(Ok(())) = next.await else { return };
                spot.is_busy();
                let last = served + 1 >= u64::from(REQUESTS_PER_CONNECTION_MAX) || *self.shutdown.borrow();
                if let Some(head) = client.take_request(may_be_poll)
                    && let Some(goes_on) = self.poll(&mut client, head, last).await
                {
                    if !goes_on {
                        return;
                    }
                    idle.as_mut().restart(KEEPALIVE);
                    continue;
                }
                let Some(next) = self.request(client, last).await else { return };
                client = next;
                idle.as_mut().restart(KEEPALIVE);
            }
        }
    }

    /// Answers a poll; says whether the connection goes on. `None`: it is none, and the client has it back. In a box, so that an
    /// idle connection keeps no room for it.
    fn poll<'a>(
        &'a self,
        client: &'a mut Downstream,
        head: Bytes,
        last: bool,
    ) -> Pin<Box<impl Future<Output = Option<bool>> + 'a>> {
        Box::pin(async move {
            let Some((answer, _passage)) = self.service.poll(&head, client.connection(), last).await else {
                client.give_back(head);
                return None;
            };
            // The passage lives until the answer is with the kernel: a node that leaves waits for it.
            Some(client.answer(answer).await.is_ok() && !last)
        })
    }

    /// Serves a request that has begun to come in. Gives the connection back, if another may follow. In a box, so that an
    /// idle connection keeps no room for it.
    fn request(&self, client: Box<Downstream>, last: bool) -> Pin<Box<impl Future<Output = Option<Box<Downstream>>>>> {
        Box::pin(async move {
            let session = self.head(client, last).await?;
            let mut passage = Passage::begin(&self.service, false);
            match self.judged(session, &mut passage).await {
                Judged::Answered(next) => next,
                Judged::MayPass(head, mut client) => {
                    let body_ended = crate::upstream::Client::body_is_whole(&client);
                    let mut asking = Asking::of(&head, &mut passage, body_ended);
                    // From here on the head is what is written of it.
                    drop(head);
                    if let Err(failure) = self.service.forward(&mut client, &mut asking, &mut passage).await {
                        tracing::debug!(%failure, "request ended before its answer was complete");
                    }
                    drop(passage);
                    let (client, goes_on) = client.into_connection();
                    if goes_on {
                        return Some(client);
                    }
                    client.close().await;
                    None
                }
            }
        })
    }

    /// Waits for the whole head.
    async fn head(&self, client: Box<Downstream>, last: bool) -> Option<Box<HttpSession>> {
        let mut session = session_of(client, last);
        let mut closing = self.shutdown.clone();
        let closed = async {
            let _ = closing.wait_for(|&closing| closing).await;
            sleep(HEAD_WITHIN_CLOSING).await;
        };
        let read = tokio::select! {
            // What has come is served.
            biased;
            read = session.read_request() => read,
            () = closed => return None,
        };
        match read {
            Ok(Some(_)) => {}
            // The parser has waited as long as it may, or the client is gone.
            Ok(None) => {
                let mut client = Downstream::from_stream(session.into_inner());
                if client.is_late() {
                    refuse(&mut client, HEAD_TOO_SLOW).await;
                    client.close().await;
                }
                return None;
            }
            Err(error) => {
                let mut client = Downstream::from_stream(session.into_inner());
                let refusal = match error.etype() {
                    ErrorType::InvalidHTTPHeader => client.refusal().or(Some((400, "malformed_head"))),
                    ErrorType::ReadTimedout => Some(HEAD_TOO_SLOW),
                    _ => None,
                };
                if let Some(refusal) = refusal {
                    refuse(&mut client, refusal).await;
                    client.close().await;
                }
                return None;
            }
        }
        if *self.shutdown.borrow() || asks_to_close(&session.req_header().headers) {
            session.set_server_keepalive(None);
        }
        // Every one of these is unbounded, or close to it, unless it is set on each request. How slowly a client may take
        // an answer is judged below.
        session.set_read_timeout(Some(READ_TIMEOUT));
        session.set_total_drain_timeout(Some(DRAIN_TIMEOUT));
        session.set_pipelining_enabled(true);
        Some(session)
    }

    /// Has a request judged, and answers it if it does not pass.
    async fn judged(&self, mut session: Box<HttpSession>, passage: &mut Passage) -> Judged {
        let service = &self.service;
        let raw = session.get_headers_raw_bytes();
        let answer = if service.room() == 0 {
            service.node.metrics.reject("requests_max");
            Some(answer::busy())
        } else {
            let connection = Downstream::of(session.stream()).connection();
            service.judge(head_of(session.req_header(), Some(&raw)), connection, passage).await
        };
        let Some(answer) = answer else {
            let head = take_head(&mut session);
            let request = Request {
                is_old: head.version == Version::HTTP_10,
                expects: head.headers.contains_key(header::EXPECT),
            };
            let keeps = session.will_keepalive();
            let connection = Downstream::from_stream(session.into_inner());
            return Judged::MayPass(head, Client::new(connection, passage.body, request, keeps));
        };
        if let Err(error) = write(&mut session, passage, answer).await {
            tracing::debug!(%error, "client gone before its answer");
            return Judged::Answered(None);
        }
        Judged::Answered(next(*session).await)
    }
}

/// Whether the client sends nothing behind this request (RFC 9112, 9.3). The parser reads the first `Connection` alone, and
/// prefers `keep-alive`.
fn asks_to_close(headers: &HeaderMap) -> bool {
    members(headers, &header::CONNECTION).any(|option| option.eq_ignore_ascii_case(b"close"))
}

/// Says why a head is not read any further, behind which the connection ends.
async fn refuse(client: &mut Downstream, (status, reason): (u16, &'static str)) {
    let answer = answer::malformed(status, reason, None);
    let _ = client.answer(poll::write(answer, None, true)).await;
}

/// The connection behind an answer, if it goes on; the body is read away then.
async fn next(mut session: HttpSession) -> Option<Box<Downstream>> {
    session.finish_body().await.ok()?;
    if !session.will_keepalive() {
        Downstream::from_stream(session.into_inner()).close().await;
        return None;
    }
    let (stream, behind) = session.reuse().await.ok()??.into_parts();
    let mut client = Downstream::from_stream(stream);
    client.put_back(&behind.unwrap_or_default());
    Some(client)
}

/// What a judgement has come to.
#[allow(clippy::large_enum_variant, reason = "made once for each request, and taken apart at once")]
enum Judged {
    /// It has its answer; this is the connection, if it goes on.
    Answered(Option<Box<Downstream>>),
    MayPass(RequestHeader, Client),
}

/// The parser, for one request. With `last` the connection is closed behind it.
fn session_of(client: Box<Downstream>, last: bool) -> Box<HttpSession> {
    let mut session = Box::new(HttpSession::new(client));
    session.set_keepalive_reuses_remaining(last.then_some(0));
    // How long the parser waits for more of a head. Something of it is there, or on its way.
    session.set_server_keepalive(Some(HEAD_WITHIN.as_secs()));
    session
}

/// Takes the head out of the parser, which is done with it.
fn take_head(session: &mut HttpSession) -> RequestHeader {
    let head = session.req_header_mut();
    match RequestHeader::build_no_case("GET", b"/", Some(0)) {
        Ok(nothing) => std::mem::replace(head, nothing),
        Err(_) => head.clone(),
    }
}
