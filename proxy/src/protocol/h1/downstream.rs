//! A client's connection under pingora: no buffer while it idles, every byte looked at, heads and answers within a
//! deadline.
//!
//! Pingora's own stream keeps a read buffer for as long as a connection lives. Visitors in a waiting room are
//! connections that idle between two polls, so here buffers exist only while there is something in them: what is read
//! is handed on, writes gather until they are flushed and then let go of the memory.

#[cfg(test)]
mod tests;

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use pingora_core::protocols::Stream;
use prometheus::IntCounter;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::{Instant, timeout},
};

use crate::{
    request::{
        syntax::mend,
        syntax::wire::{REFUSAL, Wire},
    },
    transport::{
        connection::Connection,
        socket::{Socket, pingora_stream},
    },
};

/// A request's head must be whole within this, however it trickles in.
pub(crate) const HEAD_WITHIN: Duration = Duration::from_secs(20);
/// What the answer to one that is not says.
pub(super) const HEAD_TOO_SLOW: (u16, &str) = (408, "head_too_slow");
/// The parser's timer may be this early.
const TIMER_SLACK: Duration = Duration::from_millis(100);
/// So many bytes of a request are read ahead of the parser at most: more than the head of a poll has.
const AHEAD_BYTES: usize = 4 << 10;
/// Writes are handed to the kernel once so much has gathered.
const WRITE_BYTES: usize = 16 << 10;

/// What a client sends behind an answer that closes its connection is read for so long, and so much of it.
const FAREWELL: Duration = Duration::from_secs(2);
const FAREWELL_BYTES_MAX: usize = 1 << 20;

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Downstream {
    socket: Socket,
    connection: Connection,
    wire: Wire,
    /// Status and reason of what was refused.
    refusal: Option<(u16, &'static str)>,
    /// What has been read ahead, and looked at.
    ahead: Vec<u8>,
    /// How far the head has come that the parser is given. It gets nothing of what follows: whoever reads the body takes it
    /// from here.
    head: HeadEnd,
    /// Since when a head has been coming in.
    head_since: Option<Instant>,
    refused: Refused,
    out: Vec<u8>,
    rejected: IntCounter,
}

/// How far the refusal of what the client sent has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    No,
    /// The parser has been given [`REFUSAL`] and gets the end of the stream next.
    Told,
    /// So it has, since the client went away within a head, or takes no answer; nobody is there to be told.
    Gone,
}

impl Downstream {
    /// `rejected` counts connections that are cut for what they send.
    pub(crate) fn new(socket: Socket, connection: Connection, rejected: IntCounter) -> Self {
        Self {
            socket,
            connection,
            wire: Wire::default(),
            refusal: None,
            ahead: Vec::new(),
            head: HeadEnd::default(),
            head_since: None,
            refused: Refused::No,
            out: Vec::new(),
            rejected,
        }
    }

    /// The connection behind a stream that this server has opened.
    pub(crate) fn of(stream: &Stream) -> &Self {
        match stream.as_any().downcast_ref() {
            Some(downstream) => downstream,
            None => unreachable!("every client connection is a Downstream"),
        }
    }

    /// The same, to keep.
    pub(crate) fn from_stream(stream: Stream) -> Box<Self> {
        match stream.into_any().downcast() {
            Ok(downstream) => downstream,
            Err(_) => unreachable!("every client connection is a Downstream"),
        }
    }

    /// Waits for the next request to begin, and reads what has come of it before the parser asks.
    ///
    /// # Errors
    /// If the client is gone.
    pub(crate) fn poll_next_request(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.head = HeadEnd::default();
        // A client may have sent it along with the one before.
        if !self.ahead.is_empty() {
            self.head_since = self.wire.in_head().then(Instant::now);
            if let Some(mended) = mend::target(&self.ahead) {
                self.ahead = mended;
            }
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_ahead(cx))?;
        if self.ahead.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(Ok(()))
    }

    /// Reads ahead, where nothing has been yet. Nothing afterwards: the client sends no more.
    pub(crate) fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        debug_assert!(self.ahead.is_empty(), "what has been read ahead comes first");
        let mut room = [const { MaybeUninit::uninit() }; AHEAD_BYTES];
        let mut read = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
        let bytes = read.filled();
        if !bytes.is_empty() {
            let begins = self.wire.is_between_requests();
            self.ahead = match self.look(bytes) {
                true => begins.then(|| mend::target(bytes)).flatten().unwrap_or_else(|| bytes.to_vec()),
                false => REFUSAL.to_vec(),
            };
        }
        Poll::Ready(Ok(()))
    }

    /// Whether something has been read ahead.
    pub(crate) fn has_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Puts back in front what has been read and belongs to the next request.
    pub(crate) fn put_back(&mut self, bytes: &[u8]) {
        self.ahead.splice(0..0, bytes.iter().copied());
    }

    /// Takes what has been read ahead, if that is one whole request without a body which looks like the one wanted.
    pub(crate) fn take_request(&mut self, wanted: impl FnOnce(&[u8]) -> bool) -> Option<Bytes> {
        let is_whole = wanted(&self.ahead) && self.wire.is_between_requests() && self.refused == Refused::No;
        is_whole.then(|| std::mem::take(&mut self.ahead).into())
    }

    /// Gives it back, for the parser to read.
    pub(crate) fn give_back(&mut self, request: Bytes) {
        self.ahead = request.into();
    }

    /// Sends an answer to a request that the parser does not get to see.
    ///
    /// # Errors
    /// If the client is gone, or takes it too slowly.
    pub(crate) async fn answer(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        debug_assert!(self.out.is_empty(), "the answer before this one has been flushed");
        self.out = bytes;
        poll_fn(|cx| self.poll_out(cx)).await
    }

    /// Ends the connection. What the client is still sending is read away for a moment: were it not, the system would
    /// tear down what has been written as well.
    pub(crate) async fn close(mut self: Box<Self>) {
        let farewell = async {
            let mut room = [0; 1_024];
            let mut bytes = 0;
            if self.shutdown().await.is_err() {
                return;
            }
            while bytes < FAREWELL_BYTES_MAX
                && let Ok(read) = self.socket.read(&mut room).await
                && read > 0
            {
                bytes += read;
            }
        };
        let _ = timeout(FAREWELL, farewell).await;
    }

    /// What has been known of it before its first request.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The connection has switched to another protocol: what follows is not HTTP.
    pub(crate) fn switch(&mut self) {
        self.wire.switch();
    }

    /// Writes something small, such as a head, with what comes next.
    pub(crate) fn put(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Writes: what has been put, and these behind it. What the system does not take is kept.
    ///
    /// # Errors
    /// If the client is gone, or takes it too slowly.
    pub(crate) fn write(&mut self, cx: &mut Context<'_>, parts: [&[u8]; 4]) -> io::Result<()> {
        let put = std::mem::take(&mut self.out);
        let mut slices = [&put, parts[0], parts[1], parts[2], parts[3]].map(IoSlice::new);
        let mut left = &mut slices[..];
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match Pin::new(&mut self.socket).poll_write_vectored(cx, left) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(bytes)) => IoSlice::advance_slices(&mut left, bytes),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    let length = left.iter().map(|slice| slice.len()).sum();
                    self.out.reserve_exact(length);
                    left.iter().for_each(|slice| self.out.extend_from_slice(slice));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Looks at what has come in. False: it is refused, and the parser is to get [`REFUSAL`] instead, which it answers with
    /// 400.
    fn look(&mut self, bytes: &[u8]) -> bool {
        let violation = self.wire.feed(bytes).err();
        let mut refused = violation.map(|violation| (violation.status(), violation.reason()));
        if self.wire.in_head() {
            let since = *self.head_since.get_or_insert_with(Instant::now);
            if since.elapsed() > HEAD_WITHIN {
                refused = Some(HEAD_TOO_SLOW);
            }
        } else {
            self.head_since = None;
        }
        if let Some((_, reason)) = refused {
            self.refusal = refused;
            self.rejected.inc();
            tracing::debug!(reason, "malformed request");
            self.refused = Refused::Told;
        }
        refused.is_none()
    }

    /// Whether a head has not become whole in time, and its client is still there.
    pub(super) fn is_late(&self) -> bool {
        let since = self.head_since.filter(|_| self.refused == Refused::No && self.wire.in_head());
        since.is_some_and(|since| since.elapsed() + TIMER_SLACK >= HEAD_WITHIN)
    }

    /// With which status what came is to be answered, if it is refused, and the word for it.
    pub(super) fn refusal(&self) -> Option<(u16, &'static str)> {
        self.refusal
    }

    /// Hands what has gathered to the kernel.
    pub(crate) fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_gathered(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_gathered(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, &self.out)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) => {
                    // Whatever else is written to a client that takes nothing is lost as well, without a word.
                    if error.kind() == io::ErrorKind::TimedOut {
                        self.refused = Refused::Gone;
                    }
                    return Poll::Ready(Err(error));
                }
            }
        }
        self.out = Vec::new();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Downstream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let room = buf.remaining().min(self.ahead.len());
            let this = &mut *self;
            let bytes = this.head.within(&this.ahead[..room]);
            buf.put_slice(&self.ahead[..bytes]);
            if bytes == self.ahead.len() {
                self.ahead = Vec::new();
            } else {
                self.ahead.drain(..bytes);
            }
            return Poll::Ready(Ok(()));
        }
        if self.refused != Refused::No {
            return Poll::Ready(Ok(()));
        }
        let from = buf.filled().len();
        let read = ready!(Pin::new(&mut self.socket).poll_read(cx, buf));
        let ended = read.is_err() || (buf.filled().len() == from && buf.remaining() > 0);
        if ended && self.wire.in_head() {
            // To the parser that would be an error worth a line in the log, which anybody could fill.
            self.refused = Refused::Gone;
        } else {
            read?;
        }
        if self.refused == Refused::Gone || !self.look(&buf.filled()[from..]) {
            buf.set_filled(from);
            let room = buf.remaining().min(REFUSAL.len());
            buf.put_slice(&REFUSAL[..room]);
            return Poll::Ready(Ok(()));
        }
        let end = from + self.head.within(&buf.filled()[from..]);
        if end < buf.filled().len() {
            self.ahead = buf.filled()[end..].to_vec();
            buf.set_filled(end);
        }
        Poll::Ready(Ok(()))
    }
}

/// Finds the end of a head in what comes piece by piece. Lines end in CR LF here: others have been refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum HeadEnd {
    /// Before the request line; there may be empty lines.
    #[default]
    Before,
    /// In a line.
    Within,
    /// Behind the LF of a line.
    Line,
    /// Behind the CR of what may be the empty line.
    Return,
    /// Behind the empty line.
    Found,
}

impl HeadEnd {
    /// How many of these bytes belong to the head; all of them once it has ended.
    fn within(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && *self != Self::Found {
            let byte = bytes[at];
            *self = match (*self, byte) {
                (Self::Before, b'\r' | b'\n') => Self::Before,
                (Self::Line, b'\r') => Self::Return,
                (Self::Return, b'\n') => Self::Found,
                (_, b'\n') => Self::Line,
                _ => Self::Within,
            };
            at += 1;
            if *self == Self::Within {
                // Most bytes are in the middle of a line.
                match memchr::memchr(b'\n', &bytes[at..]) {
                    Some(feed) => at += feed,
                    None => return bytes.len(),
                }
            } else if *self == Self::Found {
                return at;
            }
        }
        bytes.len()
    }
}

impl AsyncWrite for Downstream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.refused == Refused::Gone {
            return Poll::Ready(Ok(bytes.len()));
        }
        if self.out.len() + bytes.len() > WRITE_BYTES {
            ready!(self.poll_gathered(cx))?;
            // A large write gains nothing from a copy.
            if bytes.len() >= WRITE_BYTES {
                return Pin::new(&mut self.socket).poll_write(cx, bytes);
            }
        }
        self.out.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_out(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_gathered(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

pingora_stream!(Downstream);
