//! A request's body. The client may send more only once what it has sent has been taken.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::RecvStream;
use tokio::time::timeout;

/// What is left of a request's body behind its answer is read for at most this long.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// And at most so many bytes of it.
const DRAIN_BYTES_MAX: usize = 64 << 10;

/// A body that is coming in.
#[derive(Debug)]
pub(super) struct Body {
    stream: RecvStream,
    ended: bool,
    /// Handed over, and not given back to the client's windows yet.
    handed_over: usize,
}

impl Body {
    /// `is_empty`: the request says that it has none.
    pub(super) fn new(stream: RecvStream, is_empty: bool) -> Self {
        let ended = is_empty || stream.is_end_stream();
        Self { stream, ended, handed_over: 0 }
    }

    /// Whether all of it has been handed over.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The next piece. Whoever asks for it has done with the one before. `None`: there is no more.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        self.give_back();
        match ready!(self.stream.poll_data(cx)) {
            Some(Ok(piece)) => {
                self.handed_over = piece.len();
                if self.stream.is_end_stream() {
                    // It is not asked for another piece, and other streams need the room.
                    self.ended = true;
                    self.give_back();
                }
                Poll::Ready(Some(Ok(piece)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                self.ended = true;
                Poll::Ready(None)
            }
        }
    }

    /// The next piece; `None`: there is no more, or the client is gone.
    pub(super) async fn next_piece(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        poll_fn(|cx| self.poll_piece(cx)).await?.ok()
    }

    /// Reads away what is left of a short body. Of a longer one the client is told that it is not wanted.
    pub(super) async fn drain(&mut self) {
        if self.ended {
            return;
        }
        let read = async {
            let mut bytes = 0;
            while bytes <= DRAIN_BYTES_MAX
                && let Some(piece) = self.next_piece().await
            {
                bytes += piece.len();
            }
        };
        let _ = timeout(DRAIN_TIMEOUT, read).await;
    }

    fn give_back(&mut self) {
        let bytes = std::mem::take(&mut self.handed_over);
        if bytes > 0 {
            // Fails for more than has come.
            let _ = self.stream.flow_control().release_capacity(bytes);
        }
    }
}
