//! A connection that has switched to another protocol: bytes both ways, until both sides have ended.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::ReadBuf,
    time::{Instant, sleep},
};

use super::{Stream, link::Link, with_buffer};

/// Between two messages. Two people who say nothing to each other for a minute are still talking.
const IDLE_MAX: Duration = Duration::from_secs(3_600);
/// The same once one side has ended.
const IDLE_MAX_ENDED: Duration = Duration::from_secs(60);

/// One direction.
#[derive(Debug, Default)]
struct Way {
    /// Read, and not taken.
    kept: Vec<u8>,
    /// Nothing more comes.
    ended: bool,
    /// The other side has been told.
    over: bool,
}

/// Carries bytes. `early` is what has been read of the origin already. How it ends concerns the two of them only.
/// `on_moved` hears when bytes have moved.
pub(super) async fn run(client: &mut dyn Stream, mut link: Link, early: Vec<u8>, on_moved: &(dyn Fn(Instant) + Sync)) {
    let (mut up, mut down) = (Way::default(), Way { kept: early, ..Way::default() });
    let mut idle = pin!(sleep(IDLE_MAX));
    poll_fn(|cx| {
        let moved = match with_buffer(|buffer| poll_both(cx, client, &mut link, &mut up, &mut down, buffer)) {
            Ok(moved) if !(up.over && down.over) => moved,
            // Both sides have ended, or one of them is gone.
            _ => return Poll::Ready(()),
        };
        if moved {
            let limit = if up.ended || down.ended { IDLE_MAX_ENDED } else { IDLE_MAX };
            let now = Instant::now();
            on_moved(now);
            idle.as_mut().reset(now + limit);
        }
        idle.as_mut().poll(cx)
    })
    .await;
}

/// True: something has moved.
fn poll_both(
    cx: &mut Context<'_>,
    client: &mut dyn Stream,
    link: &mut Link,
    up: &mut Way,
    down: &mut Way,
    buffer: &mut [u8],
) -> io::Result<bool> {
    let mut moved = false;
    while let Poll::Ready(step) = poll_up(cx, client, link, up, buffer) {
        step?;
        moved = true;
        if up.over {
            break;
        }
    }
    while let Poll::Ready(step) = poll_down(cx, client, link, down, buffer) {
        step?;
        moved = true;
        if down.over {
            break;
        }
    }
    Ok(moved)
}

fn poll_up(
    cx: &mut Context<'_>,
    client: &mut dyn Stream,
    link: &mut Link,
    way: &mut Way,
    buffer: &mut [u8],
) -> Poll<io::Result<()>> {
    if way.over {
        return Poll::Pending;
    }
    if !way.kept.is_empty() {
        let written = ready!(link.poll_write(cx, &[IoSlice::new(&way.kept)]))?;
        way.take(written);
        return Poll::Ready(Ok(()));
    }
    ready!(link.poll_flush(cx))?;
    if way.ended {
        ready!(link.poll_shutdown(cx))?;
        way.over = true;
        return Poll::Ready(Ok(()));
    }
    let mut read = ReadBuf::new(buffer);
    ready!(Pin::new(client).poll_read(cx, &mut read))?;
    let bytes = read.filled();
    way.ended = bytes.is_empty();
    if !bytes.is_empty() {
        let written = link.poll_write(cx, &[IoSlice::new(bytes)])?;
        way.keep(bytes, written);
    }
    Poll::Ready(Ok(()))
}

fn poll_down(
    cx: &mut Context<'_>,
    client: &mut dyn Stream,
    link: &mut Link,
    way: &mut Way,
    buffer: &mut [u8],
) -> Poll<io::Result<()>> {
    if way.over {
        return Poll::Pending;
    }
    if !way.kept.is_empty() {
        let written = ready!(Pin::new(&mut *client).poll_write(cx, &way.kept))?;
        way.take(written);
        return Poll::Ready(Ok(()));
    }
    ready!(Pin::new(&mut *client).poll_flush(cx))?;
    if way.ended {
        ready!(Pin::new(client).poll_shutdown(cx))?;
        way.over = true;
        return Poll::Ready(Ok(()));
    }
    let bytes = ready!(link.poll_read(cx, buffer))?;
    way.ended = bytes == 0;
    if bytes > 0 {
        let written = Pin::new(client).poll_write(cx, &buffer[..bytes])?;
        way.keep(&buffer[..bytes], written);
    }
    Poll::Ready(Ok(()))
}

impl Way {
    /// Keeps what has not been written.
    fn keep(&mut self, bytes: &[u8], written: Poll<usize>) {
        let written = if let Poll::Ready(written) = written { written } else { 0 };
        self.kept = bytes[written..].to_vec();
    }

    fn take(&mut self, bytes: usize) {
        self.kept.drain(..bytes);
        if self.kept.is_empty() {
            self.kept = Vec::new();
        }
    }
}
