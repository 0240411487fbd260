//! A client's connection under the framing of HTTP/2: every frame is looked at before the framing does.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    frames::{
        Excess,
        split::{HEAD_BYTES, kind, length_of},
    },
    rest::{Parts, Rest},
    wire::Wire,
};

/// Frames that a framing which is made anew sends first, and the client knows already: our settings, and that we know its own.
const KNOWN_FRAMES: u8 = 2;

/// A connection below its framing. A client that sends too much that asks for nothing is let go; frames of ours that the client
/// knows are kept back, and settings say what is to be said of the table.
#[derive(Debug)]
pub(super) struct Stream {
    /// `None` once it is given back.
    parts: Option<Box<Parts>>,
    on_excess: Arc<Excess>,
    wire: Arc<Wire>,
    rest: Arc<Rest>,
    /// Heard before anything that comes.
    first: Bytes,
    /// Frames that are not sent, of those that come first.
    unsent: u8,
    /// What is sent in place of a frame that counts as written.
    instead: Bytes,
}

impl Stream {
    /// `on_excess` is set when the client has used its budget up; nothing is read from then on. `wire` says whether the
    /// client takes anything, `rest` whether the connection could rest.
    pub(super) fn new(parts: Box<Parts>, on_excess: Arc<Excess>, wire: Arc<Wire>, rest: Arc<Rest>) -> Self {
        Self { parts: Some(parts), on_excess, wire, rest, first: Bytes::new(), unsent: 0, instead: Bytes::new() }
    }

    /// One that has rested. `first`: what its framing hears before anything that comes.
    pub(super) fn anew(
        parts: Box<Parts>,
        first: Vec<u8>,
        excess: Arc<Excess>,
        wire: Arc<Wire>,
        rest: Arc<Rest>,
    ) -> Self {
        Self {
            parts: Some(parts),
            on_excess: excess,
            wire,
            rest,
            first: first.into(),
            unsent: KNOWN_FRAMES,
            instead: Bytes::new(),
        }
    }

    fn parts(&mut self) -> io::Result<&mut Parts> {
        self.parts.as_deref_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Bytes have been written, or not, from the beginning of these slices on.
    fn sent(&mut self, result: Poll<io::Result<usize>>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(bytes)) => {
                let parts = self.parts.as_deref_mut().ok_or(io::ErrorKind::NotConnected)?;
                parts.budget.earn(bytes);
                let mut left = bytes;
                for slice in slices {
                    let (written, _) = slice.split_at(left.min(slice.len()));
                    parts.sent.look(written);
                    left -= written.len();
                }
                self.rest.note(parts);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.wire.block(),
        }
        result
    }

    /// Writes bytes of which the first frames may be kept back, or changed.
    fn poll_write_frame(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(cx))?;
        let left = self.parts()?.sent.left();
        if left > 0 {
            return self.poll_write_some(cx, &bytes[..bytes.len().min(left)]);
        }
        let length = bytes.first_chunk::<HEAD_BYTES>().map_or(0, |head| HEAD_BYTES + length_of(head) as usize);
        let frame = &bytes[..bytes.len().min(length)];
        if self.unsent > 0 && frame.get(3) == Some(&kind::SETTINGS) {
            self.unsent -= 1;
            return Poll::Ready(Ok(frame.len()));
        }
        match self.rest.settings(frame) {
            None => self.poll_write_some(cx, if frame.is_empty() { bytes } else { frame }),
            Some(changed) => {
                self.instead = changed.into();
                Poll::Ready(Ok(frame.len()))
            }
        }
    }

    fn poll_write_some(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.parts()?.socket).poll_write(cx, bytes);
        self.sent(result, &[IoSlice::new(bytes)])
    }

    /// Writes what is left of what is sent in place of a frame.
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let bytes = self.instead.clone();
            let written = ready!(self.poll_write_some(cx, &bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.instead = bytes.slice(written..);
        }
        Poll::Ready(Ok(()))
    }

    /// Whether what is written next is to be looked at first.
    fn writes_frames(&self) -> bool {
        self.unsent > 0 || !self.instead.is_empty() || self.rest.has_to_say()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            self.rest.give_back(parts);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.on_excess.is_set() {
            return Poll::Pending;
        }
        if !self.first.is_empty() {
            let length = self.first.len().min(buf.remaining());
            buf.put_slice(&self.first.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let from = buf.filled().len();
        let this = &mut *self;
        let parts = this.parts.as_deref_mut().ok_or(io::ErrorKind::NotConnected)?;
        ready!(Pin::new(&mut parts.socket).poll_read(cx, buf))?;
        if let Err(frame) = parts.budget.spend(&buf.filled()[from..]) {
            buf.set_filled(from);
            this.on_excess.set(frame);
            // Whoever drives this connection is asked to look again, and finds it set.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.rest.note(parts);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.writes_frames() {
            return self.poll_write_frame(cx, bytes);
        }
        self.poll_write_some(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.writes_frames() {
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.poll_write_frame(cx, first.map_or(&[], |slice| slice));
        }
        let result = Pin::new(&mut self.parts()?.socket).poll_write_vectored(cx, slices);
        self.sent(result, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.parts.as_ref().is_some_and(|parts| parts.socket.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        let flushed = Pin::new(&mut self.parts()?.socket).poll_flush(cx);
        if flushed.is_pending() {
            self.wire.block()
        } else {
            self.wire.open()
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.parts()?.socket).poll_shutdown(cx)
    }
}
