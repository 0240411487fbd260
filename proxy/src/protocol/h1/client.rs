//! A client of HTTP/1 whose request is forwarded: its body is read from the connection, and the answer is written to it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BufMut;
use http::{HeaderValue, StatusCode, header};
use pingora_core::protocols::http::date::get_cached_date;
use pingora_http::ResponseHeader;
use tokio::io::{AsyncRead as _, ReadBuf};

use super::Downstream;
use crate::{
    request::syntax::strict::Body,
    upstream::{self, CHUNK_END, ChunkLine, Failure, Incoming, LAST_CHUNK, Outgoing, Size},
};

/// A client whose request is forwarded.
pub(super) struct Client {
    connection: Box<Downstream>,
    body: Incoming,
    request: Request,
    /// The connection goes on behind this request.
    keeps: bool,
    /// The client has ended its side. It may still wait for its answer (RFC 9112, 9.6).
    half_closed: bool,
    answer: Answer,
}

/// What of a request decides about its answer's form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// HTTP/1.0, which knows neither chunks nor interim answers.
    pub(super) is_old: bool,
    /// It asks for a "100 Continue".
    pub(super) expects: bool,
}

/// How far the answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    None,
    Begun {
        framing: Outgoing,
        /// Events that have nobody to read them are not waited for.
        is_event_stream: bool,
    },
    Whole,
}

impl Client {
    pub(super) fn new(connection: Box<Downstream>, body: Body, request: Request, keeps: bool) -> Self {
        let body = match body {
            Body::Length(length) => Incoming::Length(length),
            Body::Chunked => Incoming::chunked(),
            Body::None | Body::Stream => Incoming::Length(0),
        };
        Self { connection, body, request, keeps, half_closed: false, answer: Answer::None }
    }

    /// The connection, and whether another request may come on it.
    pub(super) fn into_connection(self) -> (Box<Downstream>, bool) {
        let whole = self.answer == Answer::Whole && upstream::Client::body_is_whole(&self);
        (self.connection, self.keeps && whole)
    }
}

impl upstream::Client for Client {
    fn poll_body(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Failure>> {
        let room = buffer.len().min(self.body.wants());
        let mut read = ReadBuf::new(&mut buffer[..room]);
        ready!(Pin::new(&mut *self.connection).poll_read(cx, &mut read)).map_err(Failure::ClientGone)?;
        let bytes = read.filled().len();
        if bytes == 0 {
            return Poll::Ready(Err(Failure::ClientGone(io::ErrorKind::UnexpectedEof.into())));
        }
        let decoded = self.body.decode(&mut buffer[..bytes]);
        let decoded = decoded.map_err(|_| Failure::Request("its body is malformed"))?;
        if decoded.used < bytes {
            self.connection.put_back(&buffer[decoded.used..bytes]);
        }
        Poll::Ready(Ok(decoded.bytes))
    }

    fn is_http2(&self) -> bool {
        false
    }

    fn is_answered(&self) -> bool {
        self.answer != Answer::None
    }

    fn body_is_whole(&self) -> bool {
        self.body.is_whole()
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        // Behind the request another may come, which waits.
        if self.half_closed || self.connection.has_ahead() {
            return Poll::Pending;
        }
        if let Err(error) = ready!(self.connection.poll_ahead(cx)) {
            return Poll::Ready(Failure::ClientGone(error));
        }
        if self.connection.has_ahead() {
            return Poll::Pending;
        }
        (self.half_closed, self.keeps) = (true, false);
        match self.answer {
            Answer::Begun { is_event_stream: true, .. } => {
                Poll::Ready(Failure::ClientGone(io::ErrorKind::UnexpectedEof.into()))
            }
            _ => Poll::Pending,
        }
    }

    fn interim(&mut self, head: ResponseHeader) {
        // RFC 9110, 15.2: not to HTTP/1.0. And not an answer to what was not asked.
        if self.request.is_old || (head.status == StatusCode::CONTINUE && !self.request.expects) {
            return;
        }
        let out = self.connection.put();
        put_status(out, &head);
        head.header_to_h1_wire(out);
        out.put_slice(b"\r\n");
    }

    fn begin(&mut self, mut head: ResponseHeader, size: Size, ended: bool) -> Result<(), Failure> {
        let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
        let until_close = size == Size::Unknown && self.request.is_old;
        self.keeps &= self.body.is_whole() && !self.half_closed && !until_close && !switches;
        let framing = if size == Size::Unknown && !until_close { Outgoing::Chunked } else { Outgoing::Plain };
        head.remove_header(&header::CONNECTION);
        let out = self.connection.put();
        out.reserve(1_024);
        put_status(out, &head);
        head.header_to_h1_wire(out);
        if framing == Outgoing::Chunked {
            out.put_slice(b"Transfer-Encoding: chunked\r\n");
        }
        if !head.headers.contains_key(header::DATE) && !switches {
            out.put_slice(b"Date: ");
            out.put_slice(get_cached_date().as_bytes());
            out.put_slice(b"\r\n");
        }
        out.put_slice(match (switches, self.keeps) {
            (true, _) => b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            (false, true) => b"Connection: keep-alive\r\n\r\n",
            (false, false) => b"Connection: close\r\n\r\n",
        });
        let kind = head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_event_stream = kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"));
        if is_event_stream && self.half_closed {
            return Err(Failure::ClientGone(io::ErrorKind::UnexpectedEof.into()));
        }
        self.answer = if ended { Answer::Whole } else { Answer::Begun { framing, is_event_stream } };
        if switches {
            self.connection.switch();
        }
        Ok(())
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8], end: Option<&[u8]>) -> Result<(), Failure> {
        let Answer::Begun { framing, .. } = self.answer else { return Ok(()) };
        if end.is_some() {
            self.answer = Answer::Whole;
        }
        let written = match framing {
            Outgoing::Plain => self.connection.write(cx, [bytes, &[], &[], &[]]),
            Outgoing::Chunked => {
                // Trailers stay here: no client has said that it wants them, since nothing about the origin's
                // connection is passed on.
                let last = if end.is_some() { LAST_CHUNK } else { &[] };
                let line = ChunkLine::new(bytes.len());
                let (line, behind) = if bytes.is_empty() { (&[][..], &[][..]) } else { (line.as_bytes(), CHUNK_END) };
                self.connection.write(cx, [line, bytes, behind, last])
            }
        };
        written.map_err(Failure::ClientGone)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.connection.poll_out(cx).map_err(Failure::ClientGone)
    }

    fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<Result<usize, Failure>> {
        Poll::Ready(Ok(usize::MAX))
    }

    fn stream(&mut self) -> Option<&mut dyn upstream::Stream> {
        Some(&mut *self.connection)
    }
}

/// A status line. Ours is the version, whatever the origin speaks.
pub(super) fn put_status(out: &mut Vec<u8>, head: &ResponseHeader) {
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(head.status.as_str().as_bytes());
    out.put_slice(b" ");
    out.put_slice(head.get_reason_phrase().unwrap_or_default().as_bytes());
    out.put_slice(b"\r\n");
}
