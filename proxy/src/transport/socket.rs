//! The bytes of a client connection, plain or encrypted, and how slowly a client may take them.

use std::{
    io::{self, IoSlice},
    os::fd::{AsRawFd, RawFd},
    pin::Pin,
    task::{Context, Poll, ready},
};

use prometheus::IntCounter;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::pace::Pace;

/// Sealed for a client that does not take it: one full record, where rustls would gather four.
const SEALED_BYTES_MAX: usize = 16 << 10;

/// A client's end of the wire.
#[derive(Debug)]
pub(crate) struct Socket {
    io: Io,
    pace: Pace,
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
        Self::new(Io::Tcp(tcp), cuts)
    }

    /// An encrypted one, after its handshake.
    pub(crate) fn encrypted(mut tls: Box<TlsStream<TcpStream>>, cuts: IntCounter) -> Self {
        tls.get_mut().1.set_buffer_limit(Some(SEALED_BYTES_MAX));
        Self::new(Io::Tls(tls), cuts)
    }

    fn new(io: Io, cuts: IntCounter) -> Self {
        Self { io, pace: Pace::new(cuts) }
    }

    /// Its number in this process.
    pub(crate) fn descriptor(&self) -> RawFd {
        match &self.io {
            Io::Tcp(tcp) => tcp.as_raw_fd(),
            Io::Tls(tls) => tls.get_ref().0.as_raw_fd(),
        }
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
                // What has been sealed and is still here the client has not taken.
                let is_taken = match &self.io {
                    Io::Tcp(_) => true,
                    Io::Tls(tls) => !tls.get_ref().1.wants_write(),
                };
                if is_taken {
                    self.pace.took(bytes);
                }
                if bytes == wanted && matches!(self.io, Io::Tcp(_)) {
                    self.pace.took_all();
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.pace.poll_late(cx).map(Err),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, io => io.poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.pace.check()?;
        let result = either!(self, io => io.poll_write(cx, bytes));
        self.written(bytes.len(), result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pace.check()?;
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        let result = either!(self, io => io.poll_write_vectored(cx, slices));
        self.written(wanted, result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pace.check()?;
        match either!(self, io => io.poll_flush(cx)) {
            Poll::Ready(result) => {
                self.pace.took_all();
                Poll::Ready(result)
            }
            Poll::Pending => self.pace.poll_late(cx).map(Err),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pace.check()?;
        match either!(self, io => io.poll_shutdown(cx)) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => {
                let error = ready!(self.pace.poll_late(cx));
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

        // What there is to know of a connection, `Connection` says.
        impl pingora_core::protocols::Ssl for $stream {}

        impl pingora_core::protocols::Peek for $stream {}

        impl pingora_core::protocols::GetTimingDigest for $stream {
            fn get_timing_digest(&self) -> Vec<Option<pingora_core::protocols::TimingDigest>> {
                Vec::new()
            }
        }

        impl pingora_core::protocols::GetProxyDigest for $stream {
            fn get_proxy_digest(&self) -> Option<std::sync::Arc<pingora_core::protocols::raw_connect::ProxyDigest>> {
                None
            }
        }

        impl pingora_core::protocols::GetSocketDigest for $stream {
            fn get_socket_digest(&self) -> Option<std::sync::Arc<pingora_core::protocols::SocketDigest>> {
                None
            }
        }
    };
}
pub(crate) use pingora_stream;
