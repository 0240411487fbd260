//! A client's connection under the framing of HTTP/2: every frame is looked at before the framing does.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    frames::{Budget, Excess},
    wire::Wire,
};
use crate::transport::socket::Socket;

/// A connection whose client is let go when it sends too much that asks for nothing.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    budget: Budget,
    on_excess: Arc<Excess>,
    wire: Arc<Wire>,
}

impl Stream {
    /// `on_excess` is set when the client has used its budget up; nothing is read from then on. `wire` says whether the
    /// client takes anything.
    pub(super) fn new(socket: Socket, on_excess: Arc<Excess>, wire: Arc<Wire>) -> Self {
        Self { socket, budget: Budget::default(), on_excess, wire }
    }

    fn sent(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(bytes)) => self.budget.earn(bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.wire.block(),
        }
        result
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.on_excess.is_set() {
            return Poll::Pending;
        }
        let from = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        if let Err(frame) = self.budget.spend(&buf.filled()[from..]) {
            buf.set_filled(from);
            self.on_excess.set(frame);
            // Whoever drives this connection is asked to look again, and finds it set.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.sent(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.sent(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        if flushed.is_pending() {
            self.wire.block()
        } else {
            self.wire.open()
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
