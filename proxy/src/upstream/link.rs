//! A connection to a server of an origin: bytes both ways, nothing else.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use rustix::net::RecvFlags;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::client::TlsStream;

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
    Tls(Box<TlsStream<TcpStream>>),
}

/// The same call of whichever socket it is.
macro_rules! of_socket {
    ($socket:expr, $name:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($name) => $call,
            Socket::Unix($name) => $call,
            Socket::Tls($name) => $call,
        }
    };
}

impl Link {
    /// # Errors
    /// If the server cannot be reached within the limit. Nothing has been sent then.
    pub(super) async fn open(server: &Server, limit: Duration) -> Result<Self, Failure> {
        let mut shakes_hands = false;
        let opened = timeout(limit, async {
            let socket = Socket::connect(&server.endpoint).await.map_err(Failure::NotConnected)?;
            match (&server.tls, socket) {
                (Some(tls), Socket::Tcp(tcp)) => {
                    shakes_hands = true;
                    tls.connect(tcp).await.map(Socket::Tls).map_err(Failure::Tls)
                }
                (_, socket) => Ok(socket),
            }
        });
        match opened.await {
            Ok(opened) => Ok(Self { socket: opened?, reused: false }),
            Err(_) if shakes_hands => Err(Failure::HandshakeTimedOut),
            Err(_) => Err(Failure::ConnectTimedOut),
        }
    }

    /// Whether there may be something to read, without reading it.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(tcp) => tcp.poll_read_ready(cx),
            Socket::Unix(unix) => unix.poll_read_ready(cx),
            Socket::Tls(tls) => {
                let (tcp, session) = tls.get_mut();
                match session.process_new_packets() {
                    Ok(state) if state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed() => {
                        tcp.poll_read_ready(cx)
                    }
                    // Something has been decrypted already, or reading tells what is wrong.
                    _ => Poll::Ready(Ok(())),
                }
            }
        }
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
    pub(super) fn is_quiet(&mut self) -> bool {
        let peeked = match &mut self.socket {
            Socket::Tcp(tcp) => rustix::net::recv(tcp, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT),
            Socket::Unix(unix) => rustix::net::recv(unix, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT),
            Socket::Tls(tls) => {
                // Tickets for later sessions come behind a handshake, and are nothing that was said.
                let (mut byte, mut cx) = ([0; 1], Context::from_waker(Waker::noop()));
                return Pin::new(tls).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending();
            }
        };
        matches!(peeked, Err(error) if error == rustix::io::Errno::AGAIN)
    }
}

impl AsyncRead for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        of_socket!(&mut self.socket, socket => Pin::new(socket).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        of_socket!(&mut self.socket, socket => Pin::new(socket).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        of_socket!(&mut self.socket, socket => Pin::new(socket).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_socket!(&mut self.socket, socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_socket!(&mut self.socket, socket => Pin::new(socket).poll_shutdown(cx))
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
