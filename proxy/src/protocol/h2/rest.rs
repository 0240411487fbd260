//! A connection that rests: nothing is under way, and the client waits far back in a line, often for many seconds.
//!
//! The framing of HTTP/2 takes some 20 kB of a connection on which nothing happens: room for reading and writing, and the
//! tables of compressed fields. While a visitor waits none of it is needed. So the framing is dropped, and made anew when the
//! client asks something. What it must know is little: the client's settings, and how much data the client takes. The new
//! one hears that first, as if the client had just said it, and what it would say in answer is not sent, as the client knows
//! it already. Of compressed fields it knows nothing, so the client is asked beforehand to keep no table of what it sends: that is
//! a setting of ours, which the client confirms. The table of what we send is the client's; a new one of ours refers to what is
//! newest in it, which is what it has put there.
//!
//! This is done only while all that a client has asked was answered here. Somebody who is inside sends many requests with the
//! same fields, for which the table is worth its room; it comes back with the first request that is forwarded.
//!
//! A client that has sent a body, has changed its settings, or takes less data than at the beginning does not rest: what would have
//! to be known of it is more. One that confirms our setting and goes on using its table, as some old libraries do, is told to
//! make a new connection when it does: of what it asks nothing has been seen then, and it asks again.

mod resting;

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::frames::{
    Budget,
    split::{HEAD_BYTES, Head, PREFACE, Part, Splitter, flag, kind, length_of, put_frame, stream_of},
};
use crate::transport::socket::Socket;

/// What a client takes of data on the connection before it says more (RFC 9113, 6.9.2).
const WINDOW_BYTES_FIRST: u32 = 65_535;
/// The largest window (6.9.1).
const WINDOW_BYTES_MAX: u32 = (1 << 31) - 1;
/// Settings of a client that are kept: one takes six bytes, and browsers send four or five.
const SETTINGS_BYTES_MAX: usize = 96;
/// A client that is told no more has this long to take what is on its way, and this long to say something in between.
const LINGER_MAX: Duration = Duration::from_secs(10);
const LINGER_SILENT: Duration = Duration::from_secs(2);
/// What it says meanwhile is read up to this.
const LINGER_BYTES_MAX: usize = 64 << 10;
/// Our setting for the table of what the client sends (6.5.2), and its size by default.
const HEADER_TABLE_SIZE: u16 = 1;
const TABLE_BYTES: u32 = 4_096;

/// What a client has said of its connection.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Its settings, as they came.
    settings: Vec<u8>,
    /// Frames of settings, and those that confirm ours.
    settings_frames: u32,
    pub(super) acks: u32,
    /// What it takes beyond the first window.
    more_bytes: u32,
    /// It has said something that only the framing knows.
    needs_framing: bool,
    /// A block of fields has begun that has not ended.
    block_is_open: bool,
    reads: Reads,
}

/// What the payload is that comes in.
#[derive(Debug, Default)]
enum Reads {
    #[default]
    Nothing,
    Settings,
    /// How much more, as far as it has come.
    More(u32),
}

impl Heard {
    pub(super) fn head(&mut self, head: &Head) {
        self.end_more();
        self.reads = match (head[3], head[4] & flag::ACK, stream_of(head)) {
            (kind::DATA, ..) => {
                self.needs_framing = true;
                Reads::Nothing
            }
            (kind::HEADERS | kind::CONTINUATION, ..) => {
                self.block_is_open = head[4] & flag::END_HEADERS == 0;
                // A body may come, after its request has been answered too.
                self.needs_framing |= head[3] == kind::HEADERS && head[4] & flag::END_STREAM == 0;
                Reads::Nothing
            }
            (kind::SETTINGS, 0, _) => {
                self.settings_frames += 1;
                self.needs_framing |= self.settings_frames > 1 || length_of(head) as usize > SETTINGS_BYTES_MAX;
                if self.needs_framing { Reads::Nothing } else { Reads::Settings }
            }
            (kind::SETTINGS, ..) => {
                self.acks = self.acks.wrapping_add(1);
                Reads::Nothing
            }
            (kind::WINDOW_UPDATE, _, 0) => Reads::More(0),
            _ => Reads::Nothing,
        };
    }

    pub(super) fn payload(&mut self, piece: &[u8]) {
        match &mut self.reads {
            Reads::Nothing => {}
            Reads::Settings => self.settings.extend_from_slice(piece),
            Reads::More(bytes) => piece.iter().for_each(|byte| *bytes = *bytes << 8 | u32::from(*byte)),
        }
    }

    /// Whether it is all that there is to know.
    fn is_enough(&self) -> bool {
        !self.needs_framing && !self.block_is_open && self.settings_frames == 1
    }

    fn end_more(&mut self) {
        if let Reads::More(bytes) = self.reads {
            self.more_bytes = self.more_bytes.saturating_add(bytes & WINDOW_BYTES_MAX);
            self.reads = Reads::Nothing;
        }
    }

    /// What the client takes beyond the first window, of which this much has been used; `None`: less than that.
    fn more_bytes(&self, used_bytes: u64) -> Option<u32> {
        let coming = if let Reads::More(bytes) = self.reads { bytes & WINDOW_BYTES_MAX } else { 0 };
        let all = u64::from(self.more_bytes) + u64::from(coming);
        u32::try_from(all.checked_sub(used_bytes)?).ok().filter(|&more| more <= WINDOW_BYTES_MAX - WINDOW_BYTES_FIRST)
    }
}

/// What is left of a connection without its framing.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) socket: Socket,
    pub(super) budget: Budget,
    /// What has been sent.
    pub(super) sent: Sent,
}

/// What we have sent on a connection.
#[derive(Debug, Default)]
pub(super) struct Sent {
    splitter: Splitter,
    /// Data, which the client's window is used up by.
    data_bytes: u64,
}

impl Sent {
    pub(super) fn look(&mut self, mut bytes: &[u8]) {
        while let Some(part) = self.splitter.next(&mut bytes) {
            if let Part::Head(head) = part
                && head[3] == kind::DATA
            {
                self.data_bytes += u64::from(length_of(&head));
            }
        }
    }

    /// Bytes of what is under way that are still to be sent, see [`Splitter::left`].
    pub(super) fn left(&self) -> usize {
        self.splitter.left()
    }

    pub(super) fn is_between_frames(&self) -> bool {
        self.splitter.is_between_frames()
    }
}

impl Parts {
    /// Ends the connection. Its client reads what is with the kernel; what it says meanwhile is read and dropped, or the kernel
    /// would answer that with a reset and throw the rest of an answer away.
    pub(super) async fn linger(&mut self) {
        let lingers = async {
            self.socket.shutdown().await?;
            let (mut room, mut left) = ([0; 512], LINGER_BYTES_MAX);
            while left > 0
                && let Ok(read) = timeout(LINGER_SILENT, self.socket.read(&mut room)).await
                && let bytes = read?
                && bytes > 0
            {
                left = left.saturating_sub(bytes);
            }
            std::io::Result::Ok(())
        };
        let _ = timeout(LINGER_MAX, lingers).await;
    }

    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, budget: Budget::default(), sent: Sent::default() }
    }

    /// What a new framing has to hear first; `None` while the connection cannot rest.
    fn beginning(&self) -> Option<(&Heard, u32)> {
        let heard = self.budget.heard().filter(|heard| heard.is_enough())?;
        let more_bytes = heard.more_bytes(self.sent.data_bytes).filter(|_| self.sent.is_between_frames())?;
        Some((heard, more_bytes))
    }

    /// The same as the client would say it: its settings, that it knows ours, and how much it takes.
    pub(super) fn said_again(&self) -> Option<Vec<u8>> {
        let (heard, more_bytes) = self.beginning()?;
        let mut bytes = PREFACE.to_vec();
        put_frame(&mut bytes, kind::SETTINGS, 0, &heard.settings);
        put_frame(&mut bytes, kind::SETTINGS, flag::ACK, &[]);
        if more_bytes > 0 {
            put_frame(&mut bytes, kind::WINDOW_UPDATE, 0, &more_bytes.to_be_bytes());
        }
        Some(bytes)
    }
}

/// The table that the client is to keep of what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Table {
    /// Nothing is to be said of it.
    Unsaid,
    None,
    Default,
}

/// What the task that drives a connection and the stream below it share of this.
#[derive(Debug)]
pub(super) struct Rest {
    /// As of the last read or write, the connection could rest.
    may: AtomicBool,
    /// How often the client has confirmed our settings.
    acks: AtomicU32,
    /// What our next settings say of the table.
    table: AtomicU8,
    /// The stream below is to be given back when the framing is dropped.
    is_wanted: AtomicBool,
    back: Mutex<Option<Box<Parts>>>,
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            may: AtomicBool::new(false),
            acks: AtomicU32::new(0),
            table: AtomicU8::new(Table::Unsaid as u8),
            is_wanted: AtomicBool::new(false),
            back: Mutex::new(None),
        }
    }
}

impl Rest {
    /// Something has been read or written.
    pub(super) fn note(&self, parts: &Parts) {
        self.acks.store(parts.budget.acks(), Ordering::Relaxed);
        self.may.store(parts.beginning().is_some(), Ordering::Relaxed);
    }

    pub(super) fn may(&self) -> bool {
        self.may.load(Ordering::Relaxed)
    }

    pub(super) fn acks(&self) -> u32 {
        self.acks.load(Ordering::Relaxed)
    }

    /// The settings that are sent next say this of the table, too.
    pub(super) fn say(&self, table: Table) {
        self.table.store(table as u8, Ordering::Relaxed);
    }

    /// Whether the next settings say anything of the table.
    pub(super) fn has_to_say(&self) -> bool {
        self.table.load(Ordering::Relaxed) != Table::Unsaid as u8
    }

    /// Settings with what they are to say of the table, instead of these; `None`: that is none of our settings.
    pub(super) fn settings(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let (head, payload) = frame.split_first_chunk::<HEAD_BYTES>()?;
        if head[3] != kind::SETTINGS || head[4] & flag::ACK != 0 || !self.has_to_say() {
            return None;
        }
        let table_bytes = if self.table.load(Ordering::Relaxed) == Table::None as u8 { 0 } else { TABLE_BYTES };
        self.say(Table::Unsaid);
        let payload = [payload, &HEADER_TABLE_SIZE.to_be_bytes(), &table_bytes.to_be_bytes()].concat();
        let mut bytes = Vec::new();
        put_frame(&mut bytes, kind::SETTINGS, 0, &payload);
        Some(bytes)
    }

    /// The framing is dropped with this, and what is left of the connection comes back.
    pub(super) fn take_back<T>(&self, framing: T) -> Option<Box<Parts>> {
        self.is_wanted.store(true, Ordering::Relaxed);
        drop(framing);
        self.is_wanted.store(false, Ordering::Relaxed);
        self.back.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The framing has been dropped.
    pub(super) fn give_back(&self, parts: Box<Parts>) {
        if self.is_wanted.load(Ordering::Relaxed) {
            *self.back.lock().unwrap_or_else(PoisonError::into_inner) = Some(parts);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{pin::Pin, task::Poll};

    use prometheus::IntCounter;
    use tokio::{
        io::AsyncWrite as _,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// What a client says while it reads must not have the kernel throw away what it has not read.
    #[tokio::test]
    async fn a_client_that_goes_on_talking_reads_all_that_was_written_before_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let mut parts = Parts::new(Socket::plain(server, IntCounter::new("cut", "-").unwrap()));
        let written = std::future::poll_fn(|cx| {
            let mut written = 0;
            while let Poll::Ready(bytes) = Pin::new(&mut parts.socket).poll_write(cx, &[7; 4_096]) {
                written += bytes.unwrap();
            }
            Poll::Ready(written)
        })
        .await;
        assert!(written > 100_000, "{written}");
        let reads = async move {
            let (mut read, mut room) = (0, [0; 16 << 10]);
            loop {
                client.write_all(&[0; 13]).await.unwrap();
                match client.read(&mut room).await.unwrap() {
                    0 => return read,
                    bytes => read += bytes,
                }
            }
        };
        let ends = async move { parts.linger().await };
        assert_eq!(tokio::join!(ends, reads).1, written);
    }
}
