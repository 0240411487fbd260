//! A stream whose request is forwarded. Of an origin only as much is read as the client's windows have room for, and room
//! is asked for only when there is something: streams that wait for their origins take none of the connection's window.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, response::Parts};
use pingora_http::ResponseHeader;
use tokio::time::Instant;

use super::{answers, body::Body, piece::Piece, wire::Wire};
use crate::{
    transport::pace::{JUDGED_OVER, TAKEN_BYTES_MIN},
    upstream::{self, Failure, Size},
};

/// What is asked for at once, so that with what frame and record put around it the system takes it in one piece of 6 KiB: a
/// client that reads nothing leaves one of these with us. One that has room for a quarter does not keep its answer waiting.
pub(super) const ROOM_BYTES: usize = (6 << 10) - FRAME_BYTES - RECORD_BYTES;
/// Around a frame of HTTP/2.
const FRAME_BYTES: usize = 9;
/// Around a record of TLS 1.3: its head, its type, and the tag.
const RECORD_BYTES: usize = 5 + 1 + 16;

/// Read of an origin before the answer has begun: a head, and what of a body may wait for the client's window.
const FIRST_READ_BYTES: usize = 4 << 10;

/// Interim answers that are passed on for a request, and the bytes of each; others are left out, as they may be.
const INTERIM_MAX: u8 = 8;
const INTERIM_BYTES_MAX: usize = 4 << 10;

/// A stream whose request is forwarded.
pub(super) struct Client {
    wire: Arc<Wire>,
    body: Body,
    /// Of the request's body, read and not handed on.
    piece: Bytes,
    answer: SendResponse<Piece>,
    /// The answer's way, once it has begun.
    out: Option<SendStream<Piece>>,
    /// Interim answers that the client has been sent.
    interim: u8,
    /// Of the answer, what the client has no room for.
    kept: Bytes,
    /// What is still to be said behind it.
    end: End,
    /// Room has been asked for, and may be more than there was something for.
    has_asked: bool,
    /// Since when the client has not had room, and what it has taken meanwhile.
    late_since: Option<Instant>,
    taken: usize,
}

/// The end of an answer.
#[derive(Debug)]
enum End {
    NotYet,
    /// To be said with the last byte.
    Plain,
    Trailers(HeaderMap),
    Said,
}

impl Client {
    pub(super) fn new(body: Body, answer: SendResponse<Piece>, wire: Arc<Wire>) -> Self {
        Self {
            wire,
            body,
            piece: Bytes::new(),
            answer,
            out: None,
            interim: 0,
            kept: Bytes::new(),
            end: End::NotYet,
            has_asked: false,
            late_since: None,
            taken: 0,
        }
    }

    pub(super) fn body(&mut self) -> &mut Body {
        &mut self.body
    }

    /// Says that the body may come.
    pub(super) fn say_continue(&mut self) {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::CONTINUE;
        // Fails if the client is gone.
        let _ = self.answer.send_informational(response);
    }

    /// Says that the rest of the answer will not come. One that is whole stays so.
    pub(super) fn break_off(&mut self) {
        match (&mut self.out, &self.end) {
            (_, End::Said) => {}
            (Some(out), _) => out.send_reset(Reason::INTERNAL_ERROR),
            (None, _) => self.answer.send_reset(Reason::INTERNAL_ERROR),
        }
    }

    /// Ready when something of the body has come, or its end. It is kept for the origin.
    pub(super) fn poll_begun_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if !self.piece.is_empty() || self.body.has_ended() {
            return Poll::Ready(Ok(()));
        }
        match ready!(self.body.poll_piece(cx)) {
            Some(Ok(piece)) => self.piece = piece,
            None => {}
            Some(Err(error)) => return Poll::Ready(Err(gone(error))),
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what is kept, as far as the client has room.
    fn poll_kept(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        while !self.kept.is_empty() {
            let room = ready!(self.poll_capacity(cx, self.kept.len()))?;
            let piece = self.kept.split_to(room.min(self.kept.len()));
            let is_last = self.kept.is_empty() && matches!(self.end, End::Plain);
            self.send(piece, is_last)?;
        }
        match std::mem::replace(&mut self.end, End::Said) {
            End::NotYet => self.end = End::NotYet,
            End::Plain => self.send(Bytes::new(), true)?,
            End::Trailers(trailers) => {
                if let Some(out) = &mut self.out {
                    out.send_trailers(trailers).map_err(gone)?;
                }
            }
            End::Said => {}
        }
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, piece: Bytes, is_last: bool) -> Result<(), Failure> {
        if is_last {
            self.end = End::Said;
        }
        match &mut self.out {
            Some(out) => out.send_data(piece.into(), is_last).map_err(gone),
            None => Ok(()),
        }
    }

    /// Asks for room, and says how much there is: at least 1 byte.
    fn poll_capacity(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Result<usize, Failure>> {
        let Some(out) = &mut self.out else { return Poll::Ready(Ok(wanted)) };
        if out.capacity() < wanted {
            self.has_asked = true;
            out.reserve_capacity(wanted);
        }
        loop {
            let room = out.capacity();
            if room > 0 {
                self.taken = self.taken.saturating_add(room.min(wanted));
                if room >= wanted.min(ROOM_BYTES / 4) {
                    self.late_since = None;
                }
                return Poll::Ready(Ok(room));
            }
            match out.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(gone(error))),
                Poll::Ready(None) => return Poll::Ready(Err(Failure::ClientGone(io::ErrorKind::BrokenPipe.into()))),
                Poll::Pending => {
                    self.is_late();
                    return Poll::Pending;
                }
            }
        }
    }

    /// There is something that the client does not take.
    fn is_late(&mut self) {
        if self.late_since.is_none() {
            self.late_since = Some(Instant::now());
            self.taken = 0;
        }
    }
}

fn gone(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::ClientGone(io::Error::other(error))
}

impl upstream::Client for Client {
    fn poll_body(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Failure>> {
        ready!(self.poll_begun_body(cx))?;
        let bytes = self.piece.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&self.piece[..bytes]);
        self.piece = self.piece.split_off(bytes);
        Poll::Ready(Ok(bytes))
    }

    fn is_http2(&self) -> bool {
        true
    }

    fn is_answered(&self) -> bool {
        self.out.is_some()
    }

    fn body_is_whole(&self) -> bool {
        self.body.has_ended() && self.piece.is_empty()
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        let reset = match &mut self.out {
            Some(out) => out.poll_reset(cx),
            None => self.answer.poll_reset(cx),
        };
        reset.map(|reset| match reset {
            Ok(reason) => gone(h2::Error::from(reason)),
            Err(error) => gone(error),
        })
    }

    fn interim(&mut self, head: ResponseHeader) {
        let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        // They know no flow control, so a client that reads nothing has few of them lying there. What it expected it has
        // been told.
        if head.status == StatusCode::CONTINUE || bytes > INTERIM_BYTES_MAX || self.interim >= INTERIM_MAX {
            return;
        }
        self.interim += 1;
        // Fails if the client is gone.
        let _ = self.answer.send_informational(Response::from_parts(Parts::from(head), ()));
    }

    fn begin(&mut self, head: ResponseHeader, _: Size, ended: bool) -> Result<(), Failure> {
        self.out = Some(answers::begin(&mut self.answer, head, ended).map_err(gone)?);
        if ended {
            self.end = End::Said;
        }
        Ok(())
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8], end: Option<&[u8]>) -> Result<(), Failure> {
        if matches!(self.end, End::Said) {
            return Ok(());
        }
        if let Some(trailers) = end {
            let trailers = read_trailers(trailers);
            self.end = if trailers.is_empty() { End::Plain } else { End::Trailers(trailers) };
        }
        debug_assert!(self.kept.is_empty(), "what came before has been flushed");
        self.kept = Bytes::copy_from_slice(bytes);
        match self.poll_kept(cx) {
            Poll::Ready(sent) => sent,
            Poll::Pending => Ok(()),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if self.out.is_none() {
            return Poll::Ready(Ok(()));
        }
        self.poll_kept(cx)
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Failure>> {
        if self.wire.poll_open(cx).is_pending() {
            self.is_late();
            return Poll::Pending;
        }
        self.poll_capacity(cx, ROOM_BYTES)
    }

    fn first_read_max(&self) -> usize {
        FIRST_READ_BYTES
    }

    fn give_room_back(&mut self) {
        // What it is late with is what there is for it now.
        self.late_since = None;
        if std::mem::take(&mut self.has_asked)
            && let Some(out) = &mut self.out
        {
            out.reserve_capacity(0);
        }
    }

    fn late(&self) -> Option<Instant> {
        self.late_since.map(|since| since + JUDGED_OVER)
    }

    fn is_given_more_time(&mut self) -> bool {
        let has_taken_enough = self.taken >= TAKEN_BYTES_MIN;
        if has_taken_enough {
            self.late_since = Some(Instant::now());
            self.taken = 0;
        }
        has_taken_enough
    }

    fn stream(&mut self) -> Option<&mut dyn upstream::Stream> {
        None
    }
}

/// Trailers as HTTP/2 has them. What is none, or has no place there (RFC 9110, 6.5.1), is left out.
fn read_trailers(lines: &[u8]) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    for line in lines.split(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
            && may_be_trailer(&name)
        {
            trailers.append(name, value);
        }
    }
    trailers
}

fn may_be_trailer(name: &HeaderName) -> bool {
    use http::header::*;
    const NEVER: [HeaderName; 18] = [
        TRANSFER_ENCODING,
        CONTENT_LENGTH,
        CONNECTION,
        UPGRADE,
        TE,
        TRAILER,
        HOST,
        CACHE_CONTROL,
        AUTHORIZATION,
        SET_COOKIE,
        CONTENT_ENCODING,
        CONTENT_TYPE,
        CONTENT_RANGE,
        LOCATION,
        ALT_SVC,
        STRICT_TRANSPORT_SECURITY,
        VARY,
        DATE,
    ];
    let of_connection = matches!(name.as_str(), "keep-alive" | "proxy-connection" | "sluice-session");
    !of_connection && !NEVER.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_that_would_change_what_the_answer_was_are_left_out() {
        let trailers =
            read_trailers(b"Grpc-Status: 0\r\nSet-Cookie: a=b\r\nno colon\r\nContent-Length: 5\r\nX-Sum: 1 2 \r\n");
        let pairs: Vec<_> = trailers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(pairs, [("grpc-status", &b"0"[..]), ("x-sum", b"1 2")]);
    }
}
