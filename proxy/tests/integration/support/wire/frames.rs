//! HTTP/2 frame by frame (RFC 9113): what no well-behaved client sends can be sent, and what comes back is seen as it
//! is.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::support::{HOST, SOON, connection::Stream};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags.
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;

/// Error codes.
pub(crate) const NO_ERROR: u32 = 0x0;
pub(crate) const PROTOCOL_ERROR: u32 = 0x1;
pub(crate) const INTERNAL_ERROR: u32 = 0x2;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 0x3;
pub(crate) const STREAM_CLOSED: u32 = 0x5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 0x6;
pub(crate) const REFUSED_STREAM: u32 = 0x7;
pub(crate) const COMPRESSION_ERROR: u32 = 0x9;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 0xb;

/// A frame, as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = u32::try_from(self.payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The number that begins at a byte of the payload.
    pub(crate) fn number(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// A setting, by its number.
pub(crate) fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// The header block of a request, each field spelt out (RFC 7541, 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            length(&mut bytes, text.len());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

/// An integer with a prefix of seven bits (RFC 7541, 5.1).
fn length(bytes: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(127) else { return bytes.push(u8::try_from(length).unwrap()) };
    bytes.push(127);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 0x80);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
}

/// A request that ends with its head, in as many frames as it takes.
pub(crate) fn heads(stream: u32, block: &[u8]) -> Vec<Frame> {
    const FRAME_BYTES_MAX: usize = 16 << 10;
    let kinds = std::iter::once((HEADERS, END_STREAM)).chain(std::iter::repeat((CONTINUATION, 0)));
    let pieces = block.chunks(FRAME_BYTES_MAX).zip(kinds);
    let mut frames: Vec<_> = pieces.map(|(piece, (kind, flags))| Frame::new(kind, flags, stream, piece)).collect();
    if let Some(last) = frames.last_mut() {
        last.flags |= END_HEADERS;
    }
    frames
}

/// The pseudo-fields of a request to the host of most tests.
pub(crate) const fn pseudo(method: &'static str, path: &'static str) -> [(&'static str, &'static str); 4] {
    [(":method", method), (":scheme", "https"), (":authority", HOST), (":path", path)]
}

/// A request that ends with its head.
pub(crate) fn get(stream: u32, path: &'static str) -> Frame {
    Frame::new(HEADERS, END_HEADERS | END_STREAM, stream, block(&pseudo("GET", path)))
}

/// A request whose body is to come.
pub(crate) fn post(stream: u32, path: &'static str) -> Frame {
    Frame::new(HEADERS, END_HEADERS, stream, block(&pseudo("POST", path)))
}

/// What becomes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Answered with this status.
    Answered(u16),
    /// Reset with this code.
    Reset(u32),
    /// The connection has ended: with this code, or without a word.
    Ended(Option<u32>),
}

/// A client's end of a connection.
#[derive(Debug)]
pub(crate) struct Frames {
    stream: Box<dyn Stream>,
    ahead: Vec<u8>,
    patience: Duration,
    last_goaway: Option<u32>,
    cut: bool,
}

impl Frames {
    /// On a connection that stands already; nothing is said yet.
    pub(crate) fn silent(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), ahead: Vec::new(), patience: SOON, last_goaway: None, cut: false }
    }

    /// Says what a client says first, with these settings, and waits until the node has acknowledged them.
    pub(crate) async fn begin(stream: impl Stream + 'static, settings: &[u8]) -> Self {
        let mut frames = Self::silent(stream);
        // No table, so that every status that comes back is spelt out.
        let all = [&setting(1, 0)[..], settings].concat();
        frames.send_bytes(&[PREFACE, &Frame::new(SETTINGS, 0, 0, all).bytes()].concat()).await;
        frames.until(|frame| frame.kind == SETTINGS && frame.has(ACK)).await.expect("the settings are acknowledged");
        frames
    }

    /// Waits so long for each frame from now on.
    pub(crate) fn patient(&mut self, patience: Duration) -> &mut Self {
        self.patience = patience;
        self
    }

    pub(crate) async fn send(&mut self, frames: &[Frame]) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        self.send_bytes(&bytes).await;
    }

    /// Sends what the other end may not want to read to its end.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        // Who does not read any more has said why, or has closed.
        let _ = timeout(SOON, self.stream.write_all(bytes)).await;
        let _ = self.stream.flush().await;
    }

    /// The next frame; `None`: the connection has ended. Settings and pings are answered.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let read = timeout(self.patience, self.read()).await.expect("the node says nothing more");
        // An end without the last word of TLS has an explanation of its own.
        self.cut = read.as_ref().is_err_and(|error| error.get_ref().is_some());
        let frame = read.ok()?;
        match frame.kind {
            SETTINGS if !frame.has(ACK) => self.send(&[Frame::new(SETTINGS, ACK, 0, [])]).await,
            PING if !frame.has(ACK) => self.send(&[Frame::new(PING, ACK, 0, frame.payload.clone())]).await,
            GOAWAY => self.last_goaway = Some(frame.number(4)),
            _ => {}
        }
        Some(frame)
    }

    /// Reads on until there is such a frame; `None`: the connection has ended before.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    /// What becomes of a stream, as far as its head goes.
    pub(crate) async fn outcome(&mut self, stream: u32) -> Outcome {
        let end = self.until(|frame| frame.stream == stream && matches!(frame.kind, HEADERS | RST_STREAM)).await;
        match end {
            Some(frame) if frame.kind == HEADERS => Outcome::Answered(status(&frame.payload)),
            Some(frame) => Outcome::Reset(frame.number(0)),
            None => Outcome::Ended(self.last_goaway),
        }
    }

    /// The same, and how many bytes come behind the head before the stream ends.
    pub(crate) async fn outcome_and_bytes(&mut self, stream: u32) -> (Outcome, usize) {
        let head = self.until(|frame| frame.stream == stream).await.expect("there is an answer");
        assert_eq!(head.kind, HEADERS, "{head:?}");
        let bytes = if head.has(END_STREAM) { 0 } else { self.body(stream).await.len() };
        (Outcome::Answered(status(&head.payload)), bytes)
    }

    /// The body of an answer whose head is still to come.
    pub(crate) async fn body_of_answer(&mut self, stream: u32) -> Vec<u8> {
        let head = self.until(|frame| frame.stream == stream).await.expect("there is an answer");
        assert_eq!(head.kind, HEADERS, "{head:?}");
        if head.has(END_STREAM) { Vec::new() } else { self.body(stream).await }
    }

    /// The body of an answer, to its end.
    pub(crate) async fn body(&mut self, stream: u32) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let frame = self.until(|frame| frame.stream == stream).await.expect("the body has an end");
            assert_eq!(frame.kind, DATA, "{frame:?}");
            body.extend_from_slice(&frame.payload);
            if frame.has(END_STREAM) {
                return body;
            }
        }
    }

    /// Waits for the end of the connection: its code, if one was said.
    pub(crate) async fn ended(&mut self) -> Option<u32> {
        while self.next().await.is_some() {}
        self.last_goaway
    }

    /// Waits for an end that is no orderly one, and says what it was.
    pub(crate) async fn ended_by_error(&mut self) -> io::Error {
        loop {
            if let Err(error) = timeout(SOON, self.read()).await.expect("the connection ends") {
                return error;
            }
        }
    }

    /// Whether the connection has ended without the last word of TLS.
    pub(crate) fn was_cut(&self) -> bool {
        self.cut
    }

    /// Whether a ping is answered: everything sent before it has been looked at then, and the connection goes on.
    pub(crate) async fn goes_on(&mut self) -> bool {
        let asked = *b"go on ?!";
        self.send(&[Frame::new(PING, 0, 0, asked)]).await;
        self.until(|frame| frame.kind == PING && frame.has(ACK) && frame.payload == asked).await.is_some()
    }

    async fn read(&mut self) -> io::Result<Frame> {
        const HEAD_BYTES: usize = 9;
        loop {
            if let Some((head, rest)) = self.ahead.split_at_checked(HEAD_BYTES) {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if rest.len() >= length {
                    let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
                    let frame = Frame::new(head[3], head[4], stream, &rest[..length]);
                    self.ahead.drain(..HEAD_BYTES + length);
                    return Ok(frame);
                }
            }
            if self.stream.read_buf(&mut self.ahead).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// The status in front of a header block that uses no table but the static one.
fn status(block: &[u8]) -> u16 {
    // A change of the table's size may come before it.
    let from = block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap();
    let block = &block[from..];
    match block[0] {
        indexed @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        // The name of one of them, and a value: as it is, or in Huffman's code, of which digits alone are known here.
        0x08..=0x0e | 0x48..=0x4e => {
            let (length, value) = (usize::from(block[1] & 0x7f), &block[2..]);
            let value = &value[..length];
            if block[1] & 0x80 == 0 { str::from_utf8(value).unwrap().parse().unwrap() } else { digits(value) }
        }
        other => panic!("a header block begins with {other:#x}"),
    }
}

/// Digits in Huffman's code (RFC 7541, appendix B): 0, 1 and 2 have five bits, the others six.
fn digits(bytes: &[u8]) -> u16 {
    let bits: Vec<_> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| u16::from(byte >> at & 1))).collect();
    let number = |bits: &[u16]| bits.iter().fold(0, |number, bit| number * 2 + bit);
    let (mut at, mut all) = (0, 0);
    while at + 5 <= bits.len() {
        let short = number(&bits[at..at + 5]);
        if short <= 2 {
            (at, all) = (at + 5, all * 10 + short);
        } else if at + 6 <= bits.len() && bits[at..].contains(&0) {
            (at, all) = (at + 6, all * 10 + number(&bits[at..at + 6]) - 0b01_1001 + 3);
        } else {
            break;
        }
    }
    all
}
