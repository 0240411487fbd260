//! A client's connection under pingora: no buffer while it idles, every byte looked at, heads within a deadline.
//!
//! Pingora's own stream keeps a read buffer for as long as a connection lives. Visitors in a waiting room are
//! connections that idle between two polls, so here buffers exist only while there is something in them: what is read
//! is handed on, writes gather until they are flushed and then let go of the memory.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, raw_connect::ProxyDigest,
};
use prometheus::IntCounter;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::request::wire::{REFUSAL, Wire};

/// A request's head must be whole within this, however it trickles in.
const HEAD_WITHIN: Duration = Duration::from_secs(20);
/// So many bytes of a request are read ahead of the parser at most: more than the head of a poll has.
const AHEAD_BYTES: usize = 4 << 10;
/// Writes are handed to the kernel once so much has gathered.
const WRITE_BYTES: usize = 16 << 10;

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Downstream {
    tcp: TcpStream,
    wire: Wire,
    /// What has been read ahead of the parser, and looked at.
    ahead: Vec<u8>,
    /// Set when the connection has switched to another protocol.
    switched: AtomicBool,
    /// Since when a head has been coming in.
    head_since: Option<Instant>,
    refused: Refused,
    out: Vec<u8>,
    socket: Arc<SocketDigest>,
    since: SystemTime,
    rejected: IntCounter,
}

/// How far the refusal of what the client sent has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    No,
    /// The parser has been given [`REFUSAL`] and gets the end of the stream next.
    Told,
}

impl Downstream {
    /// `rejected` counts connections that are cut for what they send.
    pub(crate) fn new(tcp: TcpStream, rejected: IntCounter) -> Self {
        let socket = Arc::new(SocketDigest::from_raw_fd(tcp.as_raw_fd()));
        Self {
            tcp,
            wire: Wire::default(),
            ahead: Vec::new(),
            switched: AtomicBool::new(false),
            head_since: None,
            refused: Refused::No,
            out: Vec::new(),
            socket,
            since: SystemTime::now(),
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

    /// Waits for the next request to begin. `served` have been served before it.
    pub(crate) fn poll_next_request(&self, served: u64, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A client may have sent it along with the one before; then it has been read already.
        if self.is_with_parser(served) {
            return Poll::Ready(Ok(()));
        }
        self.tcp.poll_read_ready(cx)
    }

    /// Whether some of the next request is with the parser already.
    pub(crate) fn is_with_parser(&self, served: u64) -> bool {
        self.wire.heads() > served || self.wire.in_head()
    }

    /// Reads what has come in, before the parser asks for it. False: there was nothing after all.
    ///
    /// # Errors
    /// If the client is gone.
    pub(crate) fn read_ahead(&mut self) -> io::Result<bool> {
        let mut bytes = Vec::with_capacity(AHEAD_BYTES);
        match self.tcp.try_read_buf(&mut bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        self.ahead = if self.look(&bytes)? { bytes } else { REFUSAL.to_vec() };
        Ok(true)
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
    /// If the client is gone, or takes nothing for `within`.
    pub(crate) async fn answer(&mut self, bytes: &[u8], within: Duration) -> io::Result<()> {
        debug_assert!(self.out.is_empty(), "the answer before this one has been flushed");
        timeout(within, self.tcp.write_all(bytes)).await?
    }

    /// The address at the other end.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.socket.peer_addr().and_then(|addr| addr.as_inet()).map(SocketAddr::ip)
    }

    /// The connection has switched to another protocol: what follows is not HTTP.
    pub(crate) fn switch(&self) {
        self.switched.store(true, Ordering::Relaxed);
    }

    /// Looks at what has come in. False: it is refused, and the parser is to get [`REFUSAL`] instead, which it answers with
    /// 400.
    fn look(&mut self, bytes: &[u8]) -> io::Result<bool> {
        if self.switched.load(Ordering::Relaxed) {
            self.wire.switch();
        }
        let result = self.wire.feed(bytes);
        if self.wire.in_head() {
            let since = *self.head_since.get_or_insert_with(Instant::now);
            if since.elapsed() > HEAD_WITHIN {
                self.rejected.inc();
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the request's head took too long"));
            }
        } else {
            self.head_since = None;
        }
        if let Err(violation) = result {
            self.rejected.inc();
            tracing::debug!(reason = violation.reason(), "a client sent what cannot be a request");
            self.refused = Refused::Told;
        }
        Ok(result.is_ok())
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.drain(..written);
        }
        self.out = Vec::new();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Downstream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let room = buf.remaining().min(self.ahead.len());
            buf.put_slice(&self.ahead[..room]);
            if room == self.ahead.len() {
                self.ahead = Vec::new();
            } else {
                self.ahead.drain(..room);
            }
            return Poll::Ready(Ok(()));
        }
        if self.refused == Refused::Told {
            return Poll::Ready(Ok(()));
        }
        let from = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        if !self.look(&buf.filled()[from..])? {
            buf.set_filled(from);
            let room = buf.remaining().min(REFUSAL.len());
            buf.put_slice(&REFUSAL[..room]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Downstream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.out.len() + bytes.len() > WRITE_BYTES {
            ready!(self.poll_out(cx))?;
            // A large write gains nothing from a copy.
            if bytes.len() >= WRITE_BYTES {
                return Pin::new(&mut self.tcp).poll_write(cx, bytes);
            }
        }
        self.out.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_out(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Downstream {
    async fn shutdown(&mut self) {
        // Whoever is gone already cannot be told good-bye.
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for Downstream {
    fn id(&self) -> i32 {
        self.tcp.as_raw_fd()
    }
}

impl Ssl for Downstream {}

impl Peek for Downstream {}

impl GetTimingDigest for Downstream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest { established_ts: self.since, ..TimingDigest::default() })]
    }
}

impl GetProxyDigest for Downstream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Downstream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.socket.clone())
    }
}
