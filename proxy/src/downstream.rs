//! A client's connection under pingora: no buffer while it idles, every byte looked at, heads and answers within a
//! deadline.
//!
//! Pingora's own stream keeps a read buffer for as long as a connection lives. Visitors in a waiting room are
//! connections that idle between two polls, so here buffers exist only while there is something in them: what is read
//! is handed on, writes gather until they are flushed and then let go of the memory.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
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
    time::{Instant, Sleep, sleep},
};

use crate::request::wire::{REFUSAL, Wire};

/// A request's head must be whole within this, however it trickles in.
pub(crate) const HEAD_WITHIN: Duration = Duration::from_secs(20);
/// So many bytes of a request are read ahead of the parser at most: more than the head of a poll has.
const AHEAD_BYTES: usize = 4 << 10;
/// Writes are handed to the kernel once so much has gathered.
const WRITE_BYTES: usize = 16 << 10;
/// A client that takes its answers more slowly than this, in bytes a second, is cut off.
pub(crate) const SEND_RATE_MIN: usize = 128;
/// But not before so long: a phone that changes networks in the middle of a download takes nothing for a while.
const SEND_WITHIN_MIN: Duration = Duration::from_secs(30);

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
    /// Runs while the client does not take what is in `out`.
    late: Option<Pin<Box<Sleep>>>,
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
    /// So it has, since the client went away within a head, or takes no answer; nobody is there to be told.
    Gone,
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
            late: None,
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

    /// Waits for the next request to begin, and reads what has come of it before the parser asks. `served` have been
    /// served before it.
    ///
    /// # Errors
    /// If the client is gone.
    pub(crate) fn poll_next_request(&mut self, served: u64, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A client may have sent it along with the one before; then some of it is with the parser already.
        if self.wire.heads() > served || self.wire.in_head() {
            self.head_since = self.wire.in_head().then(Instant::now);
            return Poll::Ready(Ok(()));
        }
        let mut room = [const { MaybeUninit::uninit() }; AHEAD_BYTES];
        let mut read = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut read))?;
        let bytes = read.filled();
        if bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let for_parser = if self.look(bytes) { bytes } else { REFUSAL };
        self.ahead = for_parser.to_vec();
        Poll::Ready(Ok(()))
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
    fn look(&mut self, bytes: &[u8]) -> bool {
        if self.switched.load(Ordering::Relaxed) {
            self.wire.switch();
        }
        let mut refused = self.wire.feed(bytes).err().map(|violation| violation.reason());
        if self.wire.in_head() {
            let since = *self.head_since.get_or_insert_with(Instant::now);
            if since.elapsed() > HEAD_WITHIN {
                refused = Some("head_too_slow");
            }
        } else {
            self.head_since = None;
        }
        if let Some(reason) = refused {
            self.rejected.inc();
            tracing::debug!(reason, "a client sent what cannot be a request");
            self.refused = Refused::Told;
        }
        refused.is_none()
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            match Pin::new(&mut self.tcp).poll_write(cx, &self.out)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(written) => drop(self.out.drain(..written)),
                Poll::Pending => {
                    let at_rate = Duration::from_secs((self.out.len() / SEND_RATE_MIN) as u64);
                    let late = self.late.get_or_insert_with(|| Box::pin(sleep(at_rate.max(SEND_WITHIN_MIN))));
                    ready!(late.as_mut().poll(cx));
                    if self.refused != Refused::Gone {
                        self.refused = Refused::Gone;
                        self.rejected.inc();
                    }
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no answer")));
                }
            }
        }
        self.late = None;
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
        if self.refused != Refused::No {
            return Poll::Ready(Ok(()));
        }
        let from = buf.filled().len();
        let read = ready!(Pin::new(&mut self.tcp).poll_read(cx, buf));
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
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Downstream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.refused == Refused::Gone {
            return Poll::Ready(Ok(bytes.len()));
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::{
        io::AsyncReadExt,
        net::{TcpListener, TcpStream},
        time::advance,
    };

    use super::*;

    /// A node's end of a connection, and a client's.
    async fn pair() -> (Downstream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        (Downstream::new(tcp, IntCounter::new("cut", "cut").unwrap()), client)
    }

    async fn next_request(node: &mut Downstream, served: u64) {
        poll_fn(|cx| node.poll_next_request(served, cx)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_answer_is_cut_off() {
        let (mut node, _client) = pair().await;
        let since = Instant::now();
        let error = loop {
            // As an answer without a body is written: gathered, and flushed.
            let _ = node.write(&[b'x'; 1_000]).await.unwrap();
            if let Err(error) = node.flush().await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(since.elapsed() >= SEND_WITHIN_MIN);
        assert_eq!(node.flush().await.unwrap_err().kind(), io::ErrorKind::TimedOut, "nor does it last any longer");
        assert_eq!(node.rejected.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_came_early_is_not_late_because_the_answer_before_it_took_long() {
        let (mut node, mut client) = pair().await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\nGET /next").await.unwrap();
        next_request(&mut node, 0).await;
        let _ = node.read(&mut [0; AHEAD_BYTES]).await.unwrap();
        advance(HEAD_WITHIN * 2).await;
        next_request(&mut node, 1).await;
        client.write_all(b" HTTP/1.1\r\nHost: shop.example.com\r\n\r\n").await.unwrap();
        let mut rest = [0; 100];
        let read = node.read(&mut rest).await.unwrap();
        assert!(rest[..read].ends_with(b"\r\n\r\n"), "{:?}", rest[..read].escape_ascii().to_string());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_trickles_in_is_refused() {
        let (mut node, mut client) = pair().await;
        client.write_all(b"GET / HT").await.unwrap();
        next_request(&mut node, 0).await;
        let mut bytes = [0; 100];
        assert_eq!(node.read(&mut bytes).await.unwrap(), 8);
        advance(HEAD_WITHIN + Duration::from_secs(1)).await;
        client.write_all(b"TP/1.1\r\n").await.unwrap();
        assert_eq!(node.read(&mut bytes).await.unwrap(), REFUSAL.len());
        assert_eq!(node.read(&mut bytes).await.unwrap(), 0);
        assert_eq!(node.rejected.get(), 1);
    }
}
