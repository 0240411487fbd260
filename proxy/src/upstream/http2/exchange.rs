//! One request and its answer on a stream of a connection to an origin.

use std::{
    future::{Future as _, poll_fn},
    io,
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture};
use http::{Method, Request, Response, StatusCode};
use pingora_http::ResponseHeader;
use tokio::time::Sleep;

use super::{connections::Lease, head};
use crate::upstream::{
    Attempt, Client, Failure, OnHead, Route,
    answer::{Asked, BrokenHead},
    ask::is_idempotent,
    exchange::Amounts,
    patience::{Limits, Patience, Waits},
    with_buffer,
};

/// Interim answers in front of an answer.
const INTERIM_MAX: u8 = 32;

/// A request that is under way.
pub(super) struct Exchange<'a, C> {
    client: &'a mut C,
    lease: Lease,
    request: &'a Request<()>,
    patience: Patience<'a>,
    amounts: Amounts<'a>,
    up: Up,
    /// Of the client's body: read, and not taken by the origin.
    kept_up: Bytes,
    /// Of the client's body, so much has been read.
    body_bytes: u64,
    body_read: bool,
    down: Down,
    /// Of the origin's answer: read, and not taken by the client.
    kept_down: Bytes,
    interim: u8,
    heard: bool,
    /// The server says that it has not looked at the request.
    refused: bool,
}

/// The request's way to the origin.
enum Up {
    NotSent,
    Body(SendStream<Bytes>),
    Over,
}

/// The answer's way to the client.
enum Down {
    NotAsked,
    Head(ResponseFuture),
    Body(RecvStream),
    Over,
}

impl<'a, C: Client> Exchange<'a, C> {
    pub(super) fn new(client: &'a mut C, lease: Lease, request: &'a Request<()>, route: &Route<'a>) -> Self {
        Self {
            client,
            lease,
            request,
            patience: Patience::new(Limits::of(route), false),
            amounts: Amounts::of(route),
            up: Up::NotSent,
            kept_up: Bytes::new(),
            body_bytes: 0,
            body_read: false,
            down: Down::NotAsked,
            kept_down: Bytes::new(),
            interim: 0,
            heard: false,
            refused: false,
        }
    }

    /// Asks a client for its body that waits to be asked. The origin cannot be waited for: few say so on HTTP/2.
    pub(super) fn say_continue(&mut self) {
        if let Ok(head) = ResponseHeader::build(StatusCode::CONTINUE, None) {
            self.client.interim(head);
        }
    }

    /// Moves bytes both ways until the answer is with the client.
    pub(super) async fn run(&mut self, mut timer: Pin<&mut Sleep>, on_head: OnHead<'_>) -> Result<(), Failure> {
        poll_fn(|cx| {
            if let Poll::Ready(end) = self.poll_bytes(cx, on_head) {
                return Poll::Ready(end);
            }
            self.patience.poll(cx, self.client, timer.as_mut()).map(Err)
        })
        .await
    }

    /// What comes of a failure. A request may be sent again if the server says that it has not looked at it, or has closed a
    /// connection that was there before and either nothing of the request has been sent or it may be repeated; never once
    /// some of its body has been read.
    pub(super) fn failed(self, failure: Failure) -> Attempt {
        let was_closed = self.lease.reused && !self.heard && matches!(failure, Failure::Closed | Failure::Broken(_));
        let not_sent = matches!(self.down, Down::NotAsked);
        if was_closed && not_sent {
            self.lease.takes_no_more();
        }
        let may_repeat = not_sent || is_idempotent(self.request.method());
        let again = !self.body_read && (self.refused || (was_closed && may_repeat));
        Attempt::Failed { failure, again, blames: !was_closed && !self.refused }
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>, on_head: OnHead<'_>) -> Poll<Result<(), Failure>> {
        if let Err(failure) = with_buffer(|buffer| self.poll_up(cx, buffer)) {
            return Poll::Ready(Err(failure));
        }
        if let Poll::Ready(end) = self.poll_down(cx, on_head) {
            return Poll::Ready(end);
        }
        if self.client.body_is_whole() { self.client.poll_gone(cx).map(Err) } else { Poll::Pending }
    }

    /// Sends what there is of the request.
    fn poll_up(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Result<(), Failure> {
        loop {
            let stream = match &mut self.up {
                Up::Over => return Ok(()),
                Up::NotSent => {
                    match self.lease.send.poll_ready(cx) {
                        Poll::Ready(ready) => ready.map_err(broken)?,
                        Poll::Pending => {
                            let _: Poll<()> = self.patience.up.wait(Waits::Origin);
                            return Ok(());
                        }
                    }
                    self.ask()?;
                    continue;
                }
                Up::Body(stream) => stream,
            };
            if !self.kept_up.is_empty() {
                stream.reserve_capacity(self.kept_up.len());
                let room = match stream.capacity() {
                    0 => match stream.poll_capacity(cx) {
                        Poll::Ready(Some(Ok(room))) => room,
                        // It takes nothing more, and may have answered all the same.
                        Poll::Ready(_) => {
                            self.end_up();
                            return Ok(());
                        }
                        Poll::Pending => {
                            let _: Poll<()> = self.patience.up.wait(Waits::Origin);
                            return Ok(());
                        }
                    },
                    room => room,
                };
                let piece = self.kept_up.split_to(room.min(self.kept_up.len()));
                let ends = self.kept_up.is_empty() && self.client.body_is_whole();
                self.patience.up.moved = true;
                if stream.send_data(piece, ends).is_err() || ends {
                    self.end_up();
                }
            } else if self.client.body_is_whole() {
                let _ = stream.send_data(Bytes::new(), true);
                self.end_up();
            } else {
                stream.reserve_capacity(0);
                match self.client.poll_body(cx, buffer) {
                    Poll::Ready(bytes) => {
                        self.kept_up = Bytes::copy_from_slice(&buffer[..bytes?]);
                        self.body_bytes = self.body_bytes.saturating_add(self.kept_up.len() as u64);
                        if self.body_bytes > self.amounts.body_bytes_max {
                            return Err(Failure::BodyTooLong);
                        }
                        (self.patience.up.moved, self.body_read) = (true, true);
                    }
                    Poll::Pending => {
                        let _: Poll<()> = self.patience.up.wait(Waits::Client);
                        return Ok(());
                    }
                }
            }
        }
    }

    fn ask(&mut self) -> Result<(), Failure> {
        let ends = self.client.body_is_whole();
        let (answer, stream) = self.lease.send.send_request(self.request.clone(), ends).map_err(broken)?;
        self.down = Down::Head(answer);
        self.up = Up::Body(stream);
        self.patience.up.moved = true;
        if ends {
            self.end_up();
        }
        Ok(())
    }

    /// The request is with the origin; from here on it is the origin's turn.
    fn end_up(&mut self) {
        (self.up, self.kept_up) = (Up::Over, Bytes::new());
        self.patience.up.waits = Waits::ForNothing;
        self.patience.down.moved = true;
    }

    /// Passes on what there is of the answer.
    fn poll_down(&mut self, cx: &mut Context<'_>, on_head: OnHead<'_>) -> Poll<Result<(), Failure>> {
        loop {
            match self.client.poll_flush(cx) {
                Poll::Ready(flushed) => flushed?,
                Poll::Pending => return self.patience.down.wait(Waits::Client),
            }
            if !self.kept_down.is_empty() {
                match self.client.poll_room(cx) {
                    Poll::Ready(room) => self.pass_on(cx, room?)?,
                    Poll::Pending => return self.patience.down.wait(Waits::Client),
                }
                continue;
            }
            match &mut self.down {
                Down::NotAsked => return Poll::Pending,
                Down::Over => return Poll::Ready(Ok(())),
                Down::Head(answer) => {
                    while let Poll::Ready(Some(Ok(interim))) = answer.poll_informational(cx) {
                        self.interim += 1;
                        if self.interim > INTERIM_MAX {
                            return Poll::Ready(Err(BrokenHead("too many interim answers").into()));
                        }
                        (self.heard, self.patience.down.moved) = (true, true);
                        if let Some(head) = interim_head(interim) {
                            self.client.interim(head);
                        }
                    }
                    match Pin::new(answer).poll(cx) {
                        Poll::Ready(Ok(answer)) => self.begin(answer, on_head)?,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(self.reset(error))),
                        Poll::Pending => return self.patience.down.wait(Waits::Origin),
                    }
                }
                Down::Body(body) => match body.poll_data(cx) {
                    Poll::Ready(Some(Ok(piece))) => {
                        self.patience.down.moved = true;
                        self.kept_down = piece;
                        if self.kept_down.is_empty() && body.is_end_stream() {
                            self.end(cx, &[], &[])?;
                        }
                    }
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.reset(error))),
                    Poll::Ready(None) => match body.poll_trailers(cx) {
                        Poll::Ready(Ok(trailers)) => {
                            let lines = trailers.map(|trailers| head::trailer_lines(&trailers)).unwrap_or_default();
                            self.end(cx, &[], &lines)?;
                        }
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(self.reset(error))),
                        Poll::Pending => {
                            self.client.give_room_back();
                            return self.patience.down.wait(Waits::Origin);
                        }
                    },
                    Poll::Pending => {
                        self.client.give_room_back();
                        return self.patience.down.wait(Waits::Origin);
                    }
                },
            }
        }
    }

    fn begin(&mut self, answer: Response<RecvStream>, on_head: OnHead<'_>) -> Result<(), Failure> {
        (self.heard, self.patience.down.moved) = (true, true);
        // The request may still be coming: both sides talk, as in gRPC's streams.
        self.patience.is_dialogue = true;
        let (parts, body) = answer.into_parts();
        let ended = body.is_end_stream();
        let asked = Asked { head: self.request.method() == Method::HEAD, websocket: false };
        let (mut head, size) = head::answer(parts, asked, ended)?;
        on_head(&mut head);
        self.client.begin(head, size, ended)?;
        self.down = if ended { Down::Over } else { Down::Body(body) };
        Ok(())
    }

    /// Hands as much of what is kept to the client as it has room for. What it has got, the origin may send anew.
    fn pass_on(&mut self, cx: &mut Context<'_>, room: usize) -> Result<(), Failure> {
        let piece = self.kept_down.split_to(room.min(self.kept_down.len()));
        let Down::Body(body) = &mut self.down else { return Ok(()) };
        self.amounts.sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
        // Fails only for more than has been read.
        let _ = body.flow_control().release_capacity(piece.len());
        if self.kept_down.is_empty() && body.is_end_stream() {
            return self.end(cx, &piece, &[]);
        }
        self.client.write(cx, &piece, None)
    }

    fn end(&mut self, cx: &mut Context<'_>, piece: &[u8], trailers: &[u8]) -> Result<(), Failure> {
        self.down = Down::Over;
        self.client.write(cx, piece, Some(trailers))
    }

    fn reset(&mut self, error: h2::Error) -> Failure {
        // Behind the last request that a server which leaves has looked at (RFC 9113, 6.8), or refused by itself (8.7).
        let unseen = error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM);
        self.refused = error.is_remote() && unseen;
        broken(error)
    }
}

/// Nothing more comes of a connection or a stream.
pub(super) fn broken(error: h2::Error) -> Failure {
    if error.is_io() {
        return Failure::Broken(error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()));
    }
    Failure::Broken(io::Error::other(error))
}

fn interim_head(interim: Response<()>) -> Option<ResponseHeader> {
    let (parts, ()) = interim.into_parts();
    // What the client expected it has been told.
    if parts.status == StatusCode::CONTINUE {
        return None;
    }
    let mut head = ResponseHeader::build(parts.status, Some(parts.headers.len())).ok()?;
    for (name, value) in &parts.headers {
        head.append_header(name.clone(), value.clone()).ok()?;
    }
    Some(head)
}
