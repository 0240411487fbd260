//! A connection to a server of an origin: bytes both ways, nothing else. Plain TCP today; whatever comes beside it
//! answers the same questions.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::net::RecvFlags;
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    net::TcpStream,
    time::timeout,
};

use super::failure::Failure;

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Link {
    tcp: TcpStream,
    /// It has served a request before.
    pub(super) reused: bool,
}

impl Link {
    /// # Errors
    /// If the server cannot be reached within the limit. Nothing has been sent then.
    pub(super) async fn open(addr: SocketAddr, limit: Duration) -> Result<Self, Failure> {
        let tcp = match timeout(limit, TcpStream::connect(addr)).await {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(error)) => return Err(Failure::NotConnected(error)),
            Err(_) => return Err(Failure::ConnectTimedOut),
        };
        // What is written is a whole message, or as much of it as there is.
        let _ = tcp.set_nodelay(true);
        Ok(Self { tcp, reused: false })
    }

    /// Whether there may be something to read, without reading it.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_read_ready(cx)
    }

    /// Reads; 0: the server has closed.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, slices)
    }

    /// Says that nothing more is sent.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    /// Whether the server neither has closed nor said anything, though nothing was asked.
    pub(super) fn is_quiet(&self) -> bool {
        let peeked = rustix::net::recv(&self.tcp, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(peeked, Err(error) if error == rustix::io::Errno::AGAIN)
    }
}
