//! One request and its answer on one connection to an origin.

use std::{
    future::poll_fn,
    io::IoSlice,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
};

use tokio::time::Sleep;

use super::{
    Client, OnHead, Route,
    answer::{self, Answer, BrokenHead, HEAD_BYTES_MAX, Size},
    ask::Ask,
    body::{CHUNK_END, ChunkLine, Incoming, LAST_CHUNK, Outgoing},
    failure::Failure,
    link::Link,
    origin::is_alert,
    patience::{Limits, Patience, Waits},
    with_buffer,
};

const SPEAKS_TLS: &str = "it is TLS: write `tls = true`, or name the port that speaks plain HTTP";
/// Interim answers in front of an answer.
const INTERIM_MAX: u8 = 32;

/// How much moves: what is bounded, and what is counted.
#[derive(Clone, Copy)]
pub(super) struct Amounts<'r> {
    pub(super) body_bytes_max: u64,
    /// Bytes of the answer's body.
    pub(super) sent: &'r AtomicU64,
}

impl<'r> Amounts<'r> {
    pub(super) fn of(route: &Route<'r>) -> Self {
        Self { body_bytes_max: route.body_max, sent: route.sent }
    }
}

/// How an exchange ends well.
#[derive(Debug)]
pub(super) enum End {
    /// The client has its answer.
    Answered,
    /// The connection has switched to another protocol; this much of it has been read already.
    Switched(Vec<u8>),
}

/// A request that is under way.
pub(super) struct Exchange<'a, C> {
    client: &'a mut C,
    link: Link,
    ask: &'a Ask,
    amounts: Amounts<'a>,
    patience: Patience<'a>,
    up: Up,
    down: Down,
}

/// The request's way to the origin.
struct Up {
    /// Written, and not taken by the origin.
    kept: Vec<u8>,
    begun: bool,
    /// The origin, or the system for it, has taken some of the request.
    taken: bool,
    /// Something of the client's body has been read, and cannot be read again.
    body_read: bool,
    /// How much of it.
    body_bytes: u64,
    /// The origin takes nothing more. It may have answered all the same.
    broken: bool,
}

/// The answer's way to the client.
struct Down {
    state: State,
    /// A part of a head.
    head: Vec<u8>,
    interim: u8,
    heard: bool,
    keeps: bool,
}

#[derive(Debug)]
enum State {
    Head,
    Body(Incoming),
    Ended,
    Switched(Vec<u8>),
}

impl<'a, C: Client> Exchange<'a, C> {
    pub(super) fn new(client: &'a mut C, link: Link, ask: &'a Ask, limits: Limits<'a>, amounts: Amounts<'a>) -> Self {
        let up = Up { kept: Vec::new(), begun: false, taken: false, body_read: false, body_bytes: 0, broken: false };
        let down = Down { state: State::Head, head: Vec::new(), interim: 0, heard: false, keeps: false };
        Self { client, link, ask, amounts, patience: Patience::new(limits, ask.expects), up, down }
    }

    /// Moves bytes both ways until the answer is with the client.
    pub(super) async fn run(&mut self, mut timer: Pin<&mut Sleep>, on_head: OnHead<'_>) -> Result<End, Failure> {
        poll_fn(|cx| {
            if let Poll::Ready(end) = with_buffer(|buffer| self.poll_bytes(cx, buffer, on_head)) {
                return Poll::Ready(end);
            }
            self.patience.poll(cx, self.client, timer.as_mut()).map(Err)
        })
        .await
    }

    /// The connection, if another request may use it.
    pub(super) fn reusable(self) -> Option<Link> {
        let request_is_through = self.patience.up.waits == Waits::ForNothing && !self.up.broken;
        (request_is_through && self.down.keeps).then_some(self.link)
    }

    pub(super) fn into_link(self) -> Link {
        self.link
    }

    /// Whether a failure may be met by sending the request once more, on a fresh connection: the server has closed this
    /// one, as it may between two requests.
    pub(super) fn may_be_sent_again(&self, failure: &Failure) -> bool {
        self.was_closed_meanwhile(failure) && !self.up.body_read && (self.ask.is_idempotent || !self.up.taken)
    }

    /// Whether a failure is that the server has closed this connection between two requests, as it may.
    pub(super) fn was_closed_meanwhile(&self, failure: &Failure) -> bool {
        self.link.reused && !self.down.heard && matches!(failure, Failure::Closed | Failure::Broken(_))
    }

    fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        on_head: OnHead<'_>,
    ) -> Poll<Result<End, Failure>> {
        if self.patience.up.waits != Waits::ForNothing
            && let Err(failure) = self.poll_up(cx, buffer)
        {
            return Poll::Ready(Err(failure));
        }
        if let Poll::Ready(end) = self.poll_down(cx, buffer, on_head) {
            return Poll::Ready(end);
        }
        if self.client.body_is_whole() { self.client.poll_gone(cx).map(Err) } else { Poll::Pending }
    }

    /// Sends what there is of the request.
    fn poll_up(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Result<(), Failure> {
        loop {
            if self.up.kept.is_empty() && self.up.begun && !self.flushed(cx) {
                return Ok(());
            }
            if !self.up.kept.is_empty() {
                let kept = std::mem::take(&mut self.up.kept);
                let all_taken = self.send(cx, &[&kept]);
                if !all_taken {
                    return Ok(());
                }
                continue;
            }
            let mut piece = &[][..];
            if !self.client.body_is_whole() && !self.up.broken {
                match self.client.poll_body(cx, buffer) {
                    Poll::Ready(bytes) => {
                        piece = &buffer[..bytes?];
                        self.up.body_bytes = self.up.body_bytes.saturating_add(piece.len() as u64);
                        if self.up.body_bytes > self.amounts.body_bytes_max {
                            return Err(Failure::BodyTooLong);
                        }
                        (self.patience.up.moved, self.up.body_read) = (true, true);
                        // It comes without being asked for, so what it takes is not the origin's time.
                        self.patience.expects = false;
                    }
                    Poll::Pending if self.up.begun => {
                        self.patience.up.waits = Waits::Client;
                        return Ok(());
                    }
                    Poll::Pending => {}
                }
            } else if self.up.begun {
                return self.end_up();
            }
            let head = if self.up.begun { &[][..] } else { &self.ask.head };
            self.up.begun = true;
            let all_taken = match self.ask.framing {
                Outgoing::Plain => self.send(cx, &[head, piece]),
                Outgoing::Chunked => {
                    let line = ChunkLine::new(piece.len());
                    let (line, end) = if piece.is_empty() { (&[][..], &[][..]) } else { (line.as_bytes(), CHUNK_END) };
                    let last = if self.client.body_is_whole() { LAST_CHUNK } else { &[] };
                    self.send(cx, &[head, line, piece, end, last])
                }
            };
            if !all_taken {
                return Ok(());
            }
        }
    }

    /// Whether what was written is on its way: TLS keeps what the system does not take.
    fn flushed(&mut self, cx: &mut Context<'_>) -> bool {
        match self.link.poll_flush(cx) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(_)) => {
                self.takes_nothing_more();
                false
            }
            Poll::Pending => {
                self.patience.up.waits = Waits::Origin;
                false
            }
        }
    }

    /// The origin has closed, perhaps behind an answer that says why.
    fn takes_nothing_more(&mut self) {
        self.up.broken = true;
        self.patience.up.waits = Waits::ForNothing;
        self.patience.down.moved = true;
    }

    /// The request is with the origin; from here on it is the origin's turn.
    fn end_up(&mut self) -> Result<(), Failure> {
        self.patience.up.waits = Waits::ForNothing;
        self.up.kept = Vec::new();
        self.patience.down.moved = true;
        Ok(())
    }

    /// Writes to the origin, and keeps what it does not take. False: it does not take all.
    fn send(&mut self, cx: &mut Context<'_>, parts: &[&[u8]]) -> bool {
        let mut slices = [IoSlice::new(&[]); 5];
        parts.iter().zip(&mut slices).for_each(|(part, slice)| *slice = IoSlice::new(part));
        let mut slices = &mut slices[..parts.len()];
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            match self.link.poll_write(cx, slices) {
                Poll::Ready(Ok(bytes)) if bytes > 0 => {
                    (self.up.taken, self.patience.up.moved) = (true, true);
                    IoSlice::advance_slices(&mut slices, bytes);
                }
                Poll::Ready(_) => {
                    self.takes_nothing_more();
                    return false;
                }
                Poll::Pending => {
                    self.up.kept = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                    self.patience.up.waits = Waits::Origin;
                    return false;
                }
            }
        }
        true
    }

    /// Passes on what there is of the answer.
    fn poll_down(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        on_head: OnHead<'_>,
    ) -> Poll<Result<End, Failure>> {
        loop {
            match self.client.poll_flush(cx) {
                Poll::Ready(flushed) => flushed?,
                Poll::Pending => return self.patience.down.wait(Waits::Client),
            }
            match &mut self.down.state {
                State::Ended => return Poll::Ready(Ok(End::Answered)),
                State::Switched(early) => return Poll::Ready(Ok(End::Switched(std::mem::take(early)))),
                State::Head | State::Body(_) => {}
            }
            if self.link.poll_readable(cx).is_pending() {
                self.client.give_room_back();
                return self.patience.down.wait(Waits::Origin);
            }
            let room = match self.down.state {
                State::Body(_) => match self.client.poll_room(cx) {
                    Poll::Ready(room) => room?.min(buffer.len()),
                    Poll::Pending => return self.patience.down.wait(Waits::Client),
                },
                _ => buffer.len().min(self.client.first_read_max()),
            };
            let read = match self.link.poll_read(cx, &mut buffer[..room]) {
                Poll::Ready(read) => read,
                Poll::Pending => {
                    self.client.give_room_back();
                    return self.patience.down.wait(Waits::Origin);
                }
            };
            match read {
                Ok(0) => self.closed(cx)?,
                Ok(bytes) => {
                    (self.down.heard, self.patience.down.moved) = (true, true);
                    // The time for a body that was waiting to be asked for begins now.
                    self.patience.up.moved |= std::mem::take(&mut self.patience.expects);
                    self.heard(cx, &mut buffer[..bytes], on_head)?;
                }
                Err(error) => return Poll::Ready(Err(Failure::Broken(error))),
            }
        }
    }

    /// The origin has closed.
    fn closed(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        match &self.down.state {
            State::Body(body) if body.may_end_with_the_connection() => {
                self.down.state = State::Ended;
                self.client.write(cx, &[], Some(&[]))
            }
            State::Head if is_alert(&self.down.head) => Err(BrokenHead(SPEAKS_TLS).into()),
            _ => Err(Failure::Closed),
        }
    }

    /// The origin has said something.
    fn heard(&mut self, cx: &mut Context<'_>, mut bytes: &mut [u8], on_head: OnHead<'_>) -> Result<(), Failure> {
        while matches!(self.down.state, State::Head) {
            let Some((answer, rest)) = self.head(bytes)? else { return Ok(()) };
            bytes = rest;
            self.answer(answer, bytes, on_head)?;
            if bytes.is_empty() {
                break;
            }
        }
        let State::Body(body) = &mut self.down.state else { return Ok(()) };
        let decoded = body.decode(bytes)?;
        self.down.keeps &= decoded.used == bytes.len();
        let body_bytes = &bytes[..decoded.bytes];
        self.amounts.sent.fetch_add(decoded.bytes as u64, Ordering::Relaxed);
        if !decoded.ended {
            return if body_bytes.is_empty() { Ok(()) } else { self.client.write(cx, body_bytes, None) };
        }
        let trailers = if let Incoming::Chunked(chunks) = body { chunks.trailers() } else { &[] };
        self.client.write(cx, body_bytes, Some(trailers))?;
        self.down.state = State::Ended;
        Ok(())
    }

    /// The head of an answer, if it is whole, and what follows it.
    fn head<'b>(&mut self, bytes: &'b mut [u8]) -> Result<Option<(Answer, &'b mut [u8])>, Failure> {
        // Nearly always it comes in one read, and is read where it is.
        let before = self.down.head.len();
        if before > 0 {
            self.down.head.extend_from_slice(bytes);
        }
        let so_far = if before > 0 { &self.down.head[..] } else { &*bytes };
        // The end may stand across two reads; an empty line in front may have come alone.
        let Some(length) = answer::head_length(so_far) else {
            if so_far.len() > HEAD_BYTES_MAX {
                return Err(BrokenHead("too long").into());
            }
            if before == 0 {
                self.down.head = bytes.to_vec();
            }
            return Ok(None);
        };
        if length > HEAD_BYTES_MAX {
            return Err(BrokenHead("too long").into());
        }
        let answer = answer::read(&so_far[..length], self.ask.asked)?;
        let rest = &mut bytes[length - before..];
        self.down.head = Vec::new();
        Ok(Some((answer, rest)))
    }

    /// An answer begins, or says that it is still to come. `behind` follows its head.
    fn answer(&mut self, answer: Answer, behind: &[u8], on_head: OnHead<'_>) -> Result<(), Failure> {
        let Answer { mut head, body, size, keeps } = answer;
        if head.status.is_informational() && head.status != http::StatusCode::SWITCHING_PROTOCOLS {
            self.down.interim += 1;
            if self.down.interim > INTERIM_MAX {
                return Err(BrokenHead("too many interim answers").into());
            }
            self.client.interim(head);
            return Ok(());
        }
        on_head(&mut head);
        if head.status == http::StatusCode::SWITCHING_PROTOCOLS {
            self.client.begin(head, Size::NoBody, false)?;
            self.down.state = State::Switched(behind.to_vec());
            return Ok(());
        }
        let is_whole = body.is_whole();
        self.client.begin(head, size, is_whole)?;
        self.down.keeps = keeps && !body.may_end_with_the_connection() && (!is_whole || behind.is_empty());
        self.down.state = if is_whole { State::Ended } else { State::Body(body) };
        Ok(())
    }
}
