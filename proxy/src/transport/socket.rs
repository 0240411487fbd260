//! The bytes of a client connection, plain or encrypted, and how slowly a client may take them.

use std::{
    io::{self, IoSlice},
    net::{IpAddr, SocketAddr},
    os::fd::{AsRawFd, RawFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use pingora_core::protocols::{SocketDigest, TimingDigest};
use prometheus::IntCounter;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};
use tokio_rustls::server::TlsStream;

/// A client that takes its answers more slowly than this, in bytes a second, is cut off.
const SEND_RATE_MIN: usize = 128;
/// The rate is judged over this: a phone that changes networks in the middle of a download takes nothing for a while.
const SEND_JUDGED_OVER_S: usize = 30;
const SEND_JUDGED_OVER: Duration = Duration::from_secs(SEND_JUDGED_OVER_S as u64);
/// What a client must have taken by then.
const SEND_BYTES_MIN: usize = SEND_RATE_MIN * SEND_JUDGED_OVER_S;

/// A client's end of the wire.
#[derive(Debug)]
pub(crate) struct Socket {
    io: Io,
    /// Runs while the client does not take what there is for it.
    late: Option<Pin<Box<Sleep>>>,
    /// What the client has taken since.
    taken_bytes: usize,
    /// Cut for taking too little. Whatever is written from then on fails.
    cut: bool,
    cuts: IntCounter,
    digest: Arc<SocketDigest>,
    since: SystemTime,
}

#[derive(Debug)]
enum Io {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Calls a method of whichever stream it is.
macro_rules! either {
    ($socket:expr, $io:ident => $call:expr) => {
        match &mut $socket.io {
            Io::Tcp($io) => {
                let $io = Pin::new($io);
                $call
            }
            Io::Tls($io) => {
                let $io = Pin::new(&mut **$io);
                $call
            }
        }
    };
}

impl Socket {
    /// A plain connection. `cuts` counts clients that take too little.
    pub(crate) fn plain(tcp: TcpStream, cuts: IntCounter) -> Self {
        let digest = SocketDigest::from_raw_fd(tcp.as_raw_fd());
        Self::new(Io::Tcp(tcp), digest, cuts)
    }

    /// An encrypted one, after its handshake.
    pub(crate) fn encrypted(tls: Box<TlsStream<TcpStream>>, cuts: IntCounter) -> Self {
        let digest = SocketDigest::from_raw_fd(tls.get_ref().0.as_raw_fd());
        Self::new(Io::Tls(tls), digest, cuts)
    }

    fn new(io: Io, digest: SocketDigest, cuts: IntCounter) -> Self {
        let since = SystemTime::now();
        Self { io, late: None, taken_bytes: 0, cut: false, cuts, digest: Arc::new(digest), since }
    }

    /// The address at the other end; `None` if it has gone already.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.digest.peer_addr().and_then(|addr| addr.as_inet()).map(SocketAddr::ip)
    }

    /// What the system knows of it.
    pub(crate) fn socket_digest(&self) -> Arc<SocketDigest> {
        self.digest.clone()
    }

    /// Since when it is there.
    pub(crate) fn timing_digest(&self) -> TimingDigest {
        TimingDigest { established_ts: self.since, ..TimingDigest::default() }
    }

    /// Its number in this process.
    pub(crate) fn descriptor(&self) -> RawFd {
        match &self.io {
            Io::Tcp(tcp) => tcp.as_raw_fd(),
            Io::Tls(tls) => tls.get_ref().0.as_raw_fd(),
        }
    }

    /// The client has not taken what there is for it. Pending until it is to be cut off.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.late.is_none() {
            self.taken_bytes = 0;
        }
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(SEND_JUDGED_OVER)));
        while late.as_mut().poll(cx).is_ready() {
            if self.taken_bytes < SEND_BYTES_MIN {
                if !self.cut {
                    self.cut = true;
                    self.cuts.inc();
                }
                return Poll::Ready(too_slow());
            }
            self.taken_bytes = 0;
            late.as_mut().reset(Instant::now() + SEND_JUDGED_OVER);
        }
        Poll::Pending
    }

    /// Of a write of `wanted` bytes. All of them taken: whatever comes next has its own time.
    fn written(
        &mut self,
        wanted: usize,
        result: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(bytes)) => {
                self.taken_bytes = self.taken_bytes.saturating_add(bytes);
                if bytes == wanted && matches!(self.io, Io::Tcp(_)) {
                    self.late = None;
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_late(cx).map(Err),
        }
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client takes no answer")
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, io => io.poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.cut {
            return Poll::Ready(Err(too_slow()));
        }
        let result = either!(self, io => io.poll_write(cx, bytes));
        self.written(bytes.len(), result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.cut {
            return Poll::Ready(Err(too_slow()));
        }
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        let result = either!(self, io => io.poll_write_vectored(cx, slices));
        self.written(wanted, result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cut {
            return Poll::Ready(Err(too_slow()));
        }
        match either!(self, io => io.poll_flush(cx)) {
            Poll::Ready(result) => {
                self.late = None;
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_late(cx).map(Err),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cut {
            return Poll::Ready(Err(too_slow()));
        }
        match either!(self, io => io.poll_shutdown(cx)) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => {
                let error = ready!(self.poll_late(cx));
                Poll::Ready(Err(error))
            }
        }
    }
}

/// What pingora wants of a stream beside bytes, for one that has a socket in it.
macro_rules! pingora_stream {
    ($stream:ty) => {
        #[async_trait::async_trait]
        impl pingora_core::protocols::Shutdown for $stream {
            async fn shutdown(&mut self) {
                // Whoever is gone already cannot be told good-bye.
                let _ = tokio::io::AsyncWriteExt::shutdown(self).await;
            }
        }

        impl pingora_core::protocols::UniqueID for $stream {
            fn id(&self) -> i32 {
                self.socket.descriptor()
            }
        }

        // What is encrypted and how, `Connection` says.
        impl pingora_core::protocols::Ssl for $stream {}

        impl pingora_core::protocols::Peek for $stream {}

        impl pingora_core::protocols::GetTimingDigest for $stream {
            fn get_timing_digest(&self) -> Vec<Option<pingora_core::protocols::TimingDigest>> {
                vec![Some(self.socket.timing_digest())]
            }
        }

        impl pingora_core::protocols::GetProxyDigest for $stream {
            fn get_proxy_digest(&self) -> Option<std::sync::Arc<pingora_core::protocols::raw_connect::ProxyDigest>> {
                None
            }
        }

        impl pingora_core::protocols::GetSocketDigest for $stream {
            fn get_socket_digest(&self) -> Option<std::sync::Arc<pingora_core::protocols::SocketDigest>> {
                Some(self.socket.socket_digest())
            }
        }
    };
}
pub(crate) use pingora_stream;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A node's end of a connection, a client's, and what counts cuts.
    async fn pair() -> (Socket, TcpStream, IntCounter) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        let cuts = IntCounter::new("cuts", "cuts").unwrap();
        (Socket::plain(tcp, cuts.clone()), client, cuts)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut_after_the_time_and_counted_once() {
        let (mut node, _client, cuts) = pair().await;
        let since = Instant::now();
        let error = node.write_all(&vec![b'x'; 64 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(since.elapsed().as_secs(), SEND_JUDGED_OVER.as_secs());
        assert_eq!(node.write_all(b"more").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(cuts.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_little_but_enough_is_served_to_the_end() {
        let (mut node, mut client, cuts) = pair().await;
        let answer = vec![b'x'; 8 << 20];
        let reading = tokio::spawn(async move {
            let mut read = 0;
            let mut bytes = vec![0; 1 << 20];
            while read < 8 << 20 {
                // Less than the time, so that something goes on in each.
                tokio::time::sleep(SEND_JUDGED_OVER / 2).await;
                read += client.read(&mut bytes).await.unwrap();
            }
        });
        node.write_all(&answer).await.unwrap();
        node.flush().await.unwrap();
        reading.await.unwrap();
        assert_eq!(cuts.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_before_a_pause_does_not_count_for_what_comes_after() {
        let (mut node, mut client, cuts) = pair().await;
        node.write_all(b"an answer").await.unwrap();
        node.flush().await.unwrap();
        let mut bytes = [0; 9];
        client.read_exact(&mut bytes).await.unwrap();
        tokio::time::advance(SEND_JUDGED_OVER * 10).await;
        let since = Instant::now();
        node.write_all(&vec![b'x'; 64 << 20]).await.unwrap_err();
        assert_eq!(since.elapsed().as_secs(), SEND_JUDGED_OVER.as_secs());
        assert_eq!(cuts.get(), 1);
    }
}
