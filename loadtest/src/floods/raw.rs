//! A connection of HTTP/2 on which anything may be written, and which notes what comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    Failed,
    client::{Io, Target, Trouble},
    floods::{
        kinds::frames::{ACK, Frames as _, HEAD_BYTES, Head, PREFACE, code_name, kind},
        scene::FLOODS_FROM,
    },
};

/// The server's settings come within this, or it speaks something else.
const SETTINGS_WITHIN: Duration = Duration::from_secs(10);
/// Longest payload that is read: the largest frame that a client allows that says nothing of it, in bytes.
const PAYLOAD_BYTES_MAX: usize = 16 << 10;

/// The half that writes.
pub(super) struct Raw {
    write: WriteHalf<Io>,
    heard: Arc<Heard>,
    ears: Ears,
    asked: u64,
}

enum Ears {
    /// Nothing is read, so that the server's answers pile up.
    Shut(ReadHalf<Io>),
    Open(JoinHandle<End>),
}

/// What has come back so far.
#[derive(Debug, Default)]
pub(super) struct Heard {
    ended: AtomicBool,
    /// Streams that the server has reset.
    pub(super) resets: AtomicU64,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// With this reason in a GOAWAY frame.
    GoAway(String),
    /// Without a word.
    Closed,
    /// It did not.
    Open,
}

impl Raw {
    /// Connects and agrees on settings; these are the client's. From then on everything is read if `listens`.
    pub(super) async fn open(to: &Target, settings: &[(u16, u32)], listens: bool) -> Result<Self, Failed> {
        let mut io = to.way.connect(to.addr, Some(FLOODS_FROM)).await?;
        let mut hello = PREFACE.to_vec();
        hello.settings(settings);
        io.write_all(&hello).await?;
        io.flush().await?;
        timeout(SETTINGS_WITHIN, settings_of(&mut io)).await.map_err(|_| "no settings came")??;
        let mut ack = Vec::new();
        ack.frame(kind::SETTINGS, ACK, 0, &[]);
        io.write_all(&ack).await?;
        let (read, write) = split(io);
        let heard = Arc::new(Heard::default());
        let ears = if listens { Ears::Open(tokio::spawn(listen(read, heard.clone()))) } else { Ears::Shut(read) };
        Ok(Self { write, heard, ears, asked: 0 })
    }

    /// Whether the server has ended it, as far as is known.
    pub(super) fn has_ended(&self) -> bool {
        self.heard.ended.load(Relaxed)
    }

    /// Streams that the server has reset.
    pub(super) fn resets(&self) -> u64 {
        self.heard.resets.load(Relaxed)
    }

    /// Whether it hears what the server says.
    pub(super) fn listens(&self) -> bool {
        matches!(self.ears, Ears::Open(_))
    }

    /// Notes that `streams` more requests are under way.
    pub(super) fn has_asked(&mut self, streams: u64) {
        self.asked += streams;
    }

    /// Requests of which it was noted that they are under way.
    pub(super) fn asked(&self) -> u64 {
        self.asked
    }

    /// Writes, and waits until all is with the kernel; an error if the server takes no more.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.write.write_all(bytes).await?;
        self.write.flush().await
    }

    /// Waits for the server to end it; [`End::Open`] if it does not within this.
    pub(super) async fn end(self, within: Duration) -> End {
        let Self { write, heard, ears, .. } = self;
        let mut listening = match ears {
            Ears::Open(listening) => listening,
            Ears::Shut(read) => tokio::spawn(listen(read, heard)),
        };
        let end = timeout(within, &mut listening).await;
        listening.abort();
        drop(write);
        end.ok().and_then(Result::ok).unwrap_or(End::Open)
    }
}

/// Reads until the server's settings have come.
async fn settings_of(io: &mut Io) -> Result<(), Failed> {
    loop {
        let (head, _) = read_frame(io).await?;
        if head.kind == kind::SETTINGS && head.flags & ACK == 0 {
            return Ok(());
        }
        if head.kind == kind::GOAWAY {
            return Err("the server says good-bye before anything was asked".into());
        }
    }
}

async fn listen(mut read: ReadHalf<Io>, heard: Arc<Heard>) -> End {
    let mut end = End::Closed;
    while let Ok((head, payload)) = read_frame(&mut read).await {
        match head.kind {
            kind::RST_STREAM => {
                heard.resets.fetch_add(1, Relaxed);
            }
            kind::GOAWAY => {
                if let Some(code) = payload.get(4..8).and_then(|code| code.try_into().ok()) {
                    end = End::GoAway(code_name(u32::from_be_bytes(code)));
                }
                heard.ended.store(true, Relaxed);
            }
            _ => {}
        }
    }
    heard.ended.store(true, Relaxed);
    end
}

async fn read_frame(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> Result<(Head, Vec<u8>), Failed> {
    let mut head = [0; HEAD_BYTES];
    from.read_exact(&mut head).await?;
    let head = Head::parse(head);
    if head.length > PAYLOAD_BYTES_MAX {
        return Err(Trouble::NotHttp.into());
    }
    let mut payload = vec![0; head.length];
    from.read_exact(&mut payload).await?;
    Ok((head, payload))
}
