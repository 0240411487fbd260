//! A connection that rests, until its client says something.

use std::{
    future::Future,
    mem::MaybeUninit,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use h2::Reason;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::timeout,
};

use super::{
    super::{
        Driver, FAREWELL,
        frames::{
            Excess, FRAME_BYTES_MAX, Frame, block,
            split::{HEAD_BYTES, block_of, flag, kind, length_of, put_frame, stream_of},
        },
        life::Life,
        shared::Shared,
        stream::Stream,
    },
    Parts,
};
use crate::transport::{Idle, Spot};

/// Read at once.
const READ_BYTES: usize = 2 << 10;

/// How a rest ends.
#[derive(Debug)]
enum Woken {
    /// The client asks something. What a new framing is to hear.
    Asked(Vec<u8>),
    /// It has gone.
    Gone,
    /// It has said too much that asks for nothing.
    Excess(Frame),
    /// It goes on using the table that it is to keep no more.
    KeepsTable,
    /// It has said nothing for as long as it may.
    Idle,
    /// It is the idlest of all connections, and another needs its place.
    NoRoom,
    /// The node leaves.
    Leave,
}

/// What a client says while its connection rests.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    /// It cannot be told yet.
    NotYet,
    /// A frame that asks for no more than a word of ours, or for nothing. All streams have ended, so what is said of one of
    /// them is nothing; a new framing would not know that stream.
    Aside(&'a [u8]),
    /// It will ask no more.
    Farewell,
    /// All else.
    Question,
}

impl<'a> Said<'a> {
    fn of(bytes: &'a [u8], last_stream: u32) -> Self {
        let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else { return Self::NotYet };
        let (length, stream) = (length_of(head), stream_of(head));
        let is_aside = match head[3] {
            kind::GOAWAY => return Self::Farewell,
            kind::PING => length == 8 && stream == 0,
            kind::PRIORITY => length == 5 && stream > 0,
            kind::RST_STREAM => length == 4 && (1..=last_stream).contains(&stream),
            kind::WINDOW_UPDATE => length == 4 && stream <= last_stream,
            // Of a kind that nobody knows.
            other => other > kind::CONTINUATION && length <= FRAME_BYTES_MAX,
        };
        let whole = bytes.get(..HEAD_BYTES + length as usize);
        match whole {
            // What is wrong with it the framing says.
            _ if !is_aside && (head[3] != kind::HEADERS || length > FRAME_BYTES_MAX) => Self::Question,
            None => Self::NotYet,
            Some([.., 0, 0, 0, 0]) if head[3] == kind::WINDOW_UPDATE => Self::Question,
            Some(frame) if is_aside => Self::Aside(frame),
            Some(_) => Self::Question,
        }
    }
}

/// Whether a request refers to a table that the client is to keep no more. What is not in its first frame is left to the framing.
fn uses_table(bytes: &[u8]) -> bool {
    let Some((head, payload)) = bytes.split_first_chunk::<HEAD_BYTES>() else { return false };
    let payload = payload.get(..length_of(head) as usize).unwrap_or_default();
    head[3] == kind::HEADERS && block::refers_to_table(block_of(head[4], payload))
}

/// Rests for this long at most, or until the node leaves.
async fn rest(parts: &mut Parts, spot: &Spot, leaves: impl Future, limit: Duration) -> Woken {
    let (mut idle, mut leaves) = (pin!(Idle::new(limit)), pin!(leaves));
    let mut came = Vec::new();
    let woken = idle.as_mut().wait(|cx| {
        if spot.poll_gone(cx).is_ready() {
            return Poll::Ready(Woken::NoRoom);
        }
        loop {
            let mut room = [MaybeUninit::uninit(); READ_BYTES];
            let mut buf = ReadBuf::uninit(&mut room);
            match Pin::new(&mut parts.socket).poll_read(cx, &mut buf) {
                Poll::Pending => {
                    // Behind what has come: that is served. Its client is told in one step, as a framing for two would take
                    // room for every connection that rests, all at once.
                    if leaves.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Woken::Leave);
                    }
                    // What was answered last goes on its way. A client that does not take it is cut.
                    return match Pin::new(&mut parts.socket).poll_flush(cx) {
                        Poll::Ready(Err(_)) => Poll::Ready(Woken::Gone),
                        _ => Poll::Pending,
                    };
                }
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => came.extend_from_slice(buf.filled()),
                Poll::Ready(_) => return Poll::Ready(Woken::Gone),
            }
            if let Some(woken) = hear(parts, cx, &mut came) {
                return Poll::Ready(woken);
            }
        }
    });
    woken.await.unwrap_or(Woken::Idle)
}

/// Takes in what has come, and answers what needs no more than a word.
fn hear(parts: &mut Parts, cx: &mut Context<'_>, came: &mut Vec<u8>) -> Option<Woken> {
    loop {
        let frame = match Said::of(came, parts.budget.last_stream()) {
            Said::NotYet => return None,
            Said::Farewell => return Some(Woken::Gone),
            Said::Question if uses_table(came) => return Some(Woken::KeepsTable),
            Said::Question => {
                // What is known is what was said before this.
                let Some(mut first) = parts.said_again() else { return Some(Woken::Gone) };
                first.extend_from_slice(came);
                return Some(match parts.budget.spend(came) {
                    Ok(()) => Woken::Asked(first),
                    Err(frame) => Woken::Excess(frame),
                });
            }
            Said::Aside(frame) => frame,
        };
        if let Err(frame) = parts.budget.spend(frame) {
            return Some(Woken::Excess(frame));
        }
        if frame[3] == kind::PING && frame[4] & flag::ACK == 0 {
            let mut pong = Vec::new();
            put_frame(&mut pong, kind::PING, flag::ACK, &frame[HEAD_BYTES..]);
            // A client that does not even take this is gone.
            let Poll::Ready(Ok(written)) = Pin::new(&mut parts.socket).poll_write(cx, &pong) else {
                return Some(Woken::Gone);
            };
            parts.sent.look(&pong[..written]);
            if written < pong.len() {
                return Some(Woken::Gone);
            }
        }
        *came = came.split_off(frame.len());
    }
}

/// The client is told to go: all that has been seen of what it has asked is answered. `waits`: until it has gone, for a moment.
async fn farewell(mut parts: Box<Parts>, reason: Reason, waits: bool) {
    let mut frame = Vec::new();
    let said = [parts.budget.last_stream().to_be_bytes(), u32::from(reason).to_be_bytes()].concat();
    put_frame(&mut frame, kind::GOAWAY, 0, &said);
    let ended = async {
        if parts.sent.is_between_frames() {
            parts.socket.write_all(&frame).await?;
        }
        parts.socket.shutdown().await?;
        // Closed before the client has read all, some systems would have it read nothing.
        while waits && parts.socket.read(&mut [0; 64]).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = timeout(FAREWELL, ended).await;
}

impl Driver {
    /// Rests until the client says something; `None`: it has ended.
    pub(in crate::protocol::h2) async fn rest(
        &self,
        mut parts: Box<Parts>,
        shared: &Arc<Shared>,
        excess: &Arc<Excess>,
        life: &Life,
    ) -> Option<Stream> {
        let mut shutdown = self.shutdown.clone();
        let leaves = shutdown.wait_for(|&closing| closing);
        let limit = life.idles_for(shared).saturating_sub(life.asked.elapsed());
        let resting = self.service.node.metrics.http2_resting.hold();
        let woken = rest(&mut parts, &shared.spot, leaves, limit).await;
        drop(resting);
        // Who needs the place does not wait for a client that may be asleep, and one that floods is not read.
        let waits = !matches!(woken, Woken::NoRoom | Woken::Gone | Woken::Excess(_));
        let (reason, why) = match woken {
            Woken::Asked(first) => {
                // What has come since may be half of a question.
                shared.rest.note(&parts);
                let (wire, rest) = (shared.wire.clone(), shared.rest.clone());
                return Some(Stream::anew(parts, first, excess.clone(), wire, rest));
            }
            Woken::Gone => (Reason::NO_ERROR, None),
            Woken::Excess(frame) => (frame.code(), Some(frame.reason())),
            Woken::KeepsTable => (Reason::NO_ERROR, Some("keeps_table")),
            Woken::NoRoom => (Reason::NO_ERROR, Some("idlest")),
            Woken::Idle => (Reason::NO_ERROR, None),
            Woken::Leave => {
                shared.waited_for.get_or_init(|| self.service.node.metrics.http2_leaving.hold());
                (Reason::NO_ERROR, None)
            }
        };
        if let Some(why) = why {
            self.service.node.metrics.cut(why);
        }
        farewell(parts, reason, waits).await;
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use prometheus::IntCounter;
    use tokio::net::{TcpListener, TcpStream};

    use super::{super::super::frames::split::PREFACE, *};
    use crate::transport::socket::Socket;

    fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, kind, 0, payload);
        bytes[HEAD_BYTES - 1] = stream;
        bytes
    }

    #[test]
    fn only_a_question_wakes() {
        let zero = frame(kind::WINDOW_UPDATE, 0, &[0; 4]);
        let words = [
            frame(kind::RST_STREAM, 5, &[0; 4]),
            frame(kind::WINDOW_UPDATE, 3, &[0, 0, 0, 1]),
            frame(kind::WINDOW_UPDATE, 0, &[0, 0, 0, 1]),
            frame(kind::PRIORITY, 9, &[0; 5]),
            frame(0xfa, 9, &[0; 3]),
            frame(kind::PING, 0, &[0; 8]),
        ];
        for word in &words {
            assert_eq!(Said::of(word, 5), Said::Aside(word));
            let cut = &word[..word.len() - 1];
            assert_eq!(Said::of(cut, 5), Said::NotYet);
            assert_eq!(Said::of(&[&word[..], b"more"].concat(), 5), Said::Aside(word));
        }
        let request = frame(kind::HEADERS, 7, b"\x82");
        assert_eq!((Said::of(&request, 5), Said::of(&request[..9], 5)), (Said::Question, Said::NotYet));
        let mut endless = frame(kind::HEADERS, 7, &[]);
        endless[..3].copy_from_slice(&[0xff; 3]);
        for wrong in [
            zero,
            endless,
            frame(kind::RST_STREAM, 7, &[0; 4]),
            frame(kind::RST_STREAM, 5, &[0; 3]),
            frame(kind::PING, 1, &[0; 8]),
            frame(kind::DATA, 5, &[0; 3]),
            frame(kind::SETTINGS, 0, &[]),
        ] {
            assert_eq!(Said::of(&wrong, 5), Said::Question, "{wrong:?}");
        }
        assert_eq!(Said::of(&frame(kind::GOAWAY, 0, &[0; 8])[..9], 5), Said::Farewell);
    }

    #[test]
    fn a_client_that_goes_on_using_its_table_is_known() {
        assert!(uses_table(&frame(kind::HEADERS, 7, b"\x82\xbe")));
        assert!(!uses_table(&frame(kind::HEADERS, 7, b"\x20\x82\x87")));
        assert!(!uses_table(&frame(kind::DATA, 7, b"\xbe")));
    }

    #[tokio::test]
    async fn what_has_come_is_served_before_the_node_leaves() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.write_all(&frame(kind::HEADERS, 1, b"\x82")).await.unwrap();
        server.readable().await.unwrap();
        let mut parts = Parts::new(Socket::plain(server, IntCounter::new("cut", "-").unwrap()));
        parts.budget.spend(&[&PREFACE[..], &frame(kind::SETTINGS, 0, b"")].concat()).unwrap();
        let spot = Spot::new();
        let mut rest = async || rest(&mut parts, &spot, std::future::ready(()), FAREWELL).await;
        assert!(matches!(rest().await, Woken::Asked(_)));
        assert!(matches!(rest().await, Woken::Leave));
    }
}
