//! A connection to a server of an origin: bytes both ways, nothing else.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::net::RecvFlags;
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{
    failure::Failure,
    origin::{Endpoint, Server},
};

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Link {
    socket: Socket,
    /// It has served a request before.
    pub(super) reused: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The same call of whichever socket it is.
macro_rules! of_socket {
    ($socket:expr, $name:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($name) => $call,
            Socket::Unix($name) => $call,
        }
    };
}

impl Link {
    /// # Errors
    /// If the server cannot be reached within the limit. Nothing has been sent then.
    pub(super) async fn open(server: &Server, limit: Duration) -> Result<Self, Failure> {
        match timeout(limit, Socket::connect(&server.endpoint)).await {
            Ok(Ok(socket)) => Ok(Self { socket, reused: false }),
            Ok(Err(error)) => Err(Failure::NotConnected(error)),
            Err(_) => Err(Failure::ConnectTimedOut),
        }
    }

    /// Whether there may be something to read, without reading it.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_socket!(&self.socket, socket => socket.poll_read_ready(cx))
    }

    /// Reads; 0: the server has closed.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(of_socket!(&mut self.socket, socket => Pin::new(socket).poll_read(cx, &mut buffer)))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        of_socket!(&mut self.socket, socket => Pin::new(socket).poll_write_vectored(cx, slices))
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_socket!(&mut self.socket, socket => Pin::new(socket).poll_flush(cx))
    }

    /// Says that nothing more is sent.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_socket!(&mut self.socket, socket => Pin::new(socket).poll_shutdown(cx))
    }

    /// Whether the server neither has closed nor said anything, though nothing was asked.
    pub(super) fn is_quiet(&self) -> bool {
        let peeked = of_socket!(&self.socket, socket => {
            rustix::net::recv(socket, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT)
        });
        matches!(peeked, Err(error) if error == rustix::io::Errno::AGAIN)
    }
}

impl Socket {
    async fn connect(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp(address) => {
                let tcp = TcpStream::connect(address).await?;
                // What is written is a whole message, or as much of it as there is.
                let _ = tcp.set_nodelay(true);
                Ok(Self::Tcp(tcp))
            }
            Endpoint::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
        }
    }
}
