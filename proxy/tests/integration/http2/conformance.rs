//! What RFC 9113 and RFC 7541 say a server must do about frames that break their rules, section by section.

use std::fmt::Write as _;

use super::{data, frames, last_data, shop};
use crate::support::{
    HOST, Scene,
    frames::{
        ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR,
        Frame, Frames, GOAWAY, HEADERS, NO_ERROR, Outcome, PADDED, PING, PREFACE, PRIORITY, PROTOCOL_ERROR,
        PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, WITH_PRIORITY, block, get, post, pseudo,
        setting,
    },
};

/// A path that is not answered, so that its stream stays as it is.
const SLOW: &str = "/slow";
/// Beyond the largest frame that a server takes unasked (RFC 9113, 4.2).
const TOO_LONG: usize = (16 << 10) + 1;

/// What a server must do. `PROTOCOL_ERROR` may stand for every other code (RFC 9113, 5.4), and where a stream is to be
/// reset the connection may end (5.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Must {
    /// End the connection with one of these codes (5.4.1).
    End(&'static [u32]),
    /// Reset the stream with one of these codes (5.4.2).
    Reset(&'static [u32]),
    /// Go on as if nothing were the matter.
    GoOn,
}

use Must::{End, GoOn, Reset};

struct Case {
    section: &'static str,
    what: &'static str,
    sends: Vec<Frame>,
    must: Must,
}

fn case(section: &'static str, what: &'static str, sends: impl Into<Vec<Frame>>, must: Must) -> Case {
    Case { section, what, sends: sends.into(), must }
}

/// Tries every case on a connection of its own, and tells all that went wrong together.
async fn holds(cases: Vec<Case>) {
    let scene = shop().await;
    let mut wrong = String::new();
    for case in &cases {
        let mut frames = frames(&scene, &[]).await;
        frames.send(&case.sends).await;
        if let Err(seen) = judge(&mut frames, case.must).await {
            let _ = writeln!(wrong, "{} {}: {seen}, but must {:?}", case.section, case.what, case.must);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(goes_on(&scene).await, "the node has taken harm");
}

async fn judge(frames: &mut Frames, must: Must) -> Result<(), String> {
    if must == GoOn {
        return if frames.goes_on().await { Ok(()) } else { Err("the connection ended".into()) };
    }
    // Pings behind it all, one after the other: a reset may be overtaken by an answer to the first. Where nothing is
    // wrong, the last one is answered.
    let ping = |left: u8| Frame::new(PING, 0, 0, [left; 8]);
    frames.send(&[ping(3)]).await;
    loop {
        let Some(frame) = frames.next().await else {
            return match (must, frames.ended().await) {
                (End(codes) | Reset(codes), Some(code)) if code == PROTOCOL_ERROR || codes.contains(&code) => Ok(()),
                (_, code) => Err(format!("the connection ended with {code:?}")),
            };
        };
        match (frame.kind, must) {
            (RST_STREAM, Reset(codes)) if codes.contains(&frame.number(0)) => return Ok(()),
            (RST_STREAM, _) if frame.number(0) != NO_ERROR => return Err(format!("reset with {}", frame.number(0))),
            (PING, _) if frame.payload == [0; 8] => return Err("nothing happened".into()),
            (PING, _) if frame.has(ACK) => frames.send(&[ping(frame.payload[0].saturating_sub(1))]).await,
            _ => {}
        }
    }
}

async fn goes_on(scene: &Scene) -> bool {
    let mut frames = frames(scene, &[]).await;
    frames.send(&[get(1, "/")]).await;
    frames.outcome(1).await == Outcome::Answered(200)
}

/// A head in pieces: a HEADERS frame without its end.
fn begun(stream: u32) -> Frame {
    Frame { flags: END_STREAM, ..get(stream, "/") }
}

fn head(flags: u8, stream: u32, block: impl Into<Vec<u8>>) -> Frame {
    Frame::new(HEADERS, flags, stream, block)
}

/// A request with these fields and no others.
fn fields(fields: &[(&str, &str)]) -> Frame {
    head(END_HEADERS | END_STREAM, 1, block(fields))
}

/// A GET with further fields.
fn with(more: &[(&str, &str)]) -> Frame {
    fields(&[&pseudo("GET", "/")[..], more].concat())
}

/// A GET without one of its pseudo-fields, or with one of them twice.
fn without(name: &str) -> Frame {
    fields(&pseudo("GET", "/").into_iter().filter(|(n, _)| *n != name).collect::<Vec<_>>())
}

fn twice(name: &str) -> Frame {
    let all = pseudo("GET", "/");
    let again: Vec<_> = all.into_iter().filter(|(n, _)| *n == name).collect();
    fields(&[&all[..], &again].concat())
}

#[tokio::test]
async fn what_is_no_preface_ends_the_connection() {
    let scene = shop().await;
    for begin in [
        &b"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n",
        &[PREFACE, &Frame::new(PING, 0, 0, [0; 8]).bytes()].concat(),
    ] {
        let stream = scene.tls().speaks("h2").connect(scene.node.https(), HOST).await.unwrap();
        let mut frames = Frames::silent(stream);
        frames.send_bytes(begin).await;
        assert!(matches!(frames.ended().await, None | Some(PROTOCOL_ERROR)), "{}", begin.escape_ascii());
    }
    assert!(goes_on(&scene).await);
}

#[tokio::test]
async fn frames_of_the_wrong_size_or_form() {
    let zeros = |length: usize| vec![0; length];
    holds(vec![
        case("4.1", "an unknown kind of frame", [Frame::new(0xfa, 0, 0, [1, 2, 3])], GoOn),
        case("4.1", "flags without a meaning", [Frame::new(PING, 0x16, 0, [0; 8])], GoOn),
        case("4.1", "the reserved bit", [Frame::new(PING, 0, 1 << 31, [0; 8])], GoOn),
        case("4.2", "DATA of the largest size", [post(1, "/"), last_data(1, zeros(TOO_LONG - 1))], GoOn),
        case("4.2", "DATA that is too long", [post(1, SLOW), data(1, zeros(TOO_LONG))], Reset(&[FRAME_SIZE_ERROR])),
        case("4.2", "HEADERS that are too long", [head(END_HEADERS, 1, zeros(TOO_LONG))], End(&[FRAME_SIZE_ERROR])),
        case("5.5", "an unknown frame within a head", [begun(1), Frame::new(0xfa, 0, 0, [])], End(&[PROTOCOL_ERROR])),
        case("6.1", "DATA on no stream", [data(0, "x")], End(&[PROTOCOL_ERROR])),
        case(
            "6.1",
            "more padding than DATA",
            [post(1, SLOW), Frame::new(DATA, PADDED, 1, *b"\x06pad")],
            End(&[PROTOCOL_ERROR]),
        ),
        case("6.2", "HEADERS on no stream", [head(END_HEADERS, 0, block(&pseudo("GET", "/")))], End(&[PROTOCOL_ERROR])),
        case(
            "6.2",
            "more padding than HEADERS",
            [head(END_HEADERS | PADDED, 1, *b"\xff\x82\x84")],
            End(&[PROTOCOL_ERROR]),
        ),
        case("6.3", "PRIORITY on no stream", [Frame::new(PRIORITY, 0, 0, [0; 5])], End(&[PROTOCOL_ERROR])),
        case(
            "6.3",
            "PRIORITY of four bytes",
            [get(1, SLOW), Frame::new(PRIORITY, 0, 1, [0; 4])],
            Reset(&[FRAME_SIZE_ERROR]),
        ),
        case(
            "5.3.1",
            "PRIORITY on itself",
            [get(1, SLOW), Frame::new(PRIORITY, 0, 1, [0, 0, 0, 1, 7])],
            Reset(&[PROTOCOL_ERROR]),
        ),
        case(
            "5.3.1",
            "HEADERS that depend on themselves",
            [head(
                END_HEADERS | END_STREAM | WITH_PRIORITY,
                1,
                [&[0, 0, 0, 1, 7][..], &block(&pseudo("GET", "/"))].concat(),
            )],
            Reset(&[PROTOCOL_ERROR]),
        ),
        case("6.4", "RST_STREAM on no stream", [Frame::new(RST_STREAM, 0, 0, [0; 4])], End(&[PROTOCOL_ERROR])),
        case("6.4", "RST_STREAM on an idle one", [Frame::new(RST_STREAM, 0, 1, [0; 4])], End(&[PROTOCOL_ERROR])),
        case(
            "6.4",
            "RST_STREAM of three bytes",
            [get(1, SLOW), Frame::new(RST_STREAM, 0, 1, [0; 3])],
            End(&[FRAME_SIZE_ERROR]),
        ),
        case("6.7", "PING on a stream", [Frame::new(PING, 0, 1, [0; 8])], End(&[PROTOCOL_ERROR])),
        case("6.7", "PING of six bytes", [Frame::new(PING, 0, 0, [0; 6])], End(&[FRAME_SIZE_ERROR])),
        case("6.7", "an answer to no PING", [Frame::new(PING, ACK, 0, [0; 8])], GoOn),
        case("6.8", "GOAWAY on a stream", [Frame::new(GOAWAY, 0, 1, [0; 8])], End(&[PROTOCOL_ERROR])),
        case(
            "7",
            "RST_STREAM with a code that nobody knows",
            [get(1, SLOW), Frame::new(RST_STREAM, 0, 1, [0xff; 4])],
            GoOn,
        ),
        case(
            "8.4",
            "PUSH_PROMISE of a client",
            [Frame::new(PUSH_PROMISE, END_HEADERS, 1, [0, 0, 0, 2])],
            End(&[PROTOCOL_ERROR]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn settings_and_windows() {
    let settings = |payload: Vec<u8>| [Frame::new(SETTINGS, 0, 0, payload)];
    let window = |stream, more: u32| Frame::new(WINDOW_UPDATE, 0, stream, more.to_be_bytes());
    const LARGEST: u32 = (1 << 31) - 1;
    holds(vec![
        case(
            "6.5",
            "SETTINGS acknowledged with something in it",
            [Frame::new(SETTINGS, ACK, 0, [0; 6])],
            End(&[FRAME_SIZE_ERROR]),
        ),
        case("6.5", "SETTINGS on a stream", [Frame::new(SETTINGS, 0, 1, setting(3, 100))], End(&[PROTOCOL_ERROR])),
        case("6.5", "SETTINGS of three bytes", settings(vec![0; 3]), End(&[FRAME_SIZE_ERROR])),
        case("6.5.2", "ENABLE_PUSH 2", settings(setting(2, 2)), End(&[PROTOCOL_ERROR])),
        case("6.5.2", "a window beyond the largest", settings(setting(4, LARGEST + 1)), End(&[FLOW_CONTROL_ERROR])),
        case("6.5.2", "frames that are too small", settings(setting(5, (16 << 10) - 1)), End(&[PROTOCOL_ERROR])),
        case("6.5.2", "frames that are too large", settings(setting(5, 1 << 24)), End(&[PROTOCOL_ERROR])),
        case("6.5.2", "a setting that nobody knows", settings(setting(0xff, 1)), GoOn),
        case("6.9", "a window that grows by nothing", [window(0, 0)], End(&[PROTOCOL_ERROR])),
        case("6.9", "a stream's window that grows by nothing", [get(1, SLOW), window(1, 0)], Reset(&[PROTOCOL_ERROR])),
        case(
            "6.9",
            "WINDOW_UPDATE of three bytes",
            [Frame::new(WINDOW_UPDATE, 0, 0, [0; 3])],
            End(&[FRAME_SIZE_ERROR]),
        ),
        case(
            "6.9.1",
            "a window beyond the largest",
            [window(0, LARGEST), window(0, LARGEST)],
            End(&[FLOW_CONTROL_ERROR]),
        ),
        case(
            "6.9.1",
            "a stream's window beyond the largest",
            [get(1, SLOW), window(1, LARGEST), window(1, LARGEST)],
            Reset(&[FLOW_CONTROL_ERROR]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn streams_in_every_state() {
    const CLOSED: &[u32] = &[STREAM_CLOSED];
    // Frames that cross a reset on their way may be ignored (5.1), and a stream that is forgotten is an older one.
    const CLOSED_OR_OLD: &[u32] = &[STREAM_CLOSED, PROTOCOL_ERROR];
    let reset = || Frame::new(RST_STREAM, 0, 1, 8_u32.to_be_bytes());
    let more = |stream| Frame::new(CONTINUATION, END_HEADERS, stream, block(&[("a", "b")]));
    let window = |stream| Frame::new(WINDOW_UPDATE, 0, stream, 1_u32.to_be_bytes());
    holds(vec![
        case("5.1", "DATA on an idle stream", [data(1, "x")], End(&[PROTOCOL_ERROR])),
        case("5.1", "WINDOW_UPDATE on an idle stream", [window(1)], End(&[PROTOCOL_ERROR])),
        case("5.1", "CONTINUATION on an idle stream", [more(1)], End(&[PROTOCOL_ERROR])),
        case("5.1", "PRIORITY on an idle stream", [Frame::new(PRIORITY, 0, 1, [0, 0, 0, 0, 7])], GoOn),
        case("5.1", "DATA behind the end", [get(1, SLOW), data(1, "x")], Reset(CLOSED)),
        case("5.1", "HEADERS behind the end", [get(1, SLOW), get(1, SLOW)], Reset(CLOSED)),
        case("5.1", "CONTINUATION behind the end", [get(1, SLOW), more(1)], End(CLOSED_OR_OLD)),
        case("5.1", "WINDOW_UPDATE behind the end", [get(1, SLOW), window(1)], GoOn),
        case("5.1", "DATA behind a reset", [post(1, SLOW), reset(), data(1, "x")], Reset(CLOSED)),
        case("5.1", "HEADERS behind a reset", [post(1, SLOW), reset(), get(1, SLOW)], Reset(CLOSED)),
        case("5.1", "CONTINUATION behind a reset", [post(1, SLOW), reset(), more(1)], End(CLOSED_OR_OLD)),
        case("5.1", "WINDOW_UPDATE behind a reset", [post(1, SLOW), reset(), window(1)], GoOn),
        case("5.1", "RST_STREAM behind a reset", [post(1, SLOW), reset(), reset()], GoOn),
        case("5.1.1", "an even stream", [get(2, "/")], End(&[PROTOCOL_ERROR])),
        case("5.1.1", "a stream below the last", [get(5, SLOW), get(3, SLOW)], End(&[PROTOCOL_ERROR])),
        case(
            "4.3",
            "PRIORITY within a head",
            [begun(1), Frame::new(PRIORITY, 0, 1, [0, 0, 0, 0, 7])],
            End(&[PROTOCOL_ERROR]),
        ),
        case("4.3", "another stream within a head", [begun(1), get(3, "/")], End(&[PROTOCOL_ERROR])),
        case("6.2", "HEADERS within a head", [begun(1), get(1, "/")], End(&[PROTOCOL_ERROR])),
        case("6.10", "a head in three pieces", [begun(1), Frame { flags: 0, ..more(1) }, more(1)], GoOn),
        case("6.10", "CONTINUATION of another stream", [begun(1), more(3)], End(&[PROTOCOL_ERROR])),
        case("6.10", "CONTINUATION on no stream", [begun(1), more(0)], End(&[PROTOCOL_ERROR])),
        case("6.10", "CONTINUATION of a whole head", [post(1, SLOW), more(1)], End(&[PROTOCOL_ERROR])),
        case("6.10", "CONTINUATION behind DATA", [post(1, SLOW), data(1, "x"), more(1)], End(&[PROTOCOL_ERROR])),
    ])
    .await;
    // A stream that has come to its end on both sides.
    let scene = shop().await;
    for (what, sends, must) in [
        ("DATA", data(1, "x"), Reset(CLOSED)),
        ("HEADERS", get(1, "/"), End(CLOSED_OR_OLD)),
        ("CONTINUATION", more(1), End(CLOSED_OR_OLD)),
        ("WINDOW_UPDATE", window(1), GoOn),
    ] {
        let mut frames = frames(&scene, &[]).await;
        frames.send(&[get(1, "/")]).await;
        frames.body_of_answer(1).await;
        frames.send(&[sends]).await;
        judge(&mut frames, must).await.unwrap_or_else(|seen| panic!("5.1 {what} on a closed stream: {seen}"));
    }
}

#[tokio::test]
async fn heads_that_cannot_be_unpacked_end_the_connection() {
    let get = block(&pseudo("GET", "/"));
    let bad = |bytes: &[u8]| [head(END_HEADERS | END_STREAM, 1, [&get[..], bytes].concat())];
    let must = End(&[COMPRESSION_ERROR]);
    holds(vec![
        case("4.3", "nonsense", [head(END_HEADERS | END_STREAM, 1, [0xff; 12])], must),
        case("7541 2.3.3", "an index beyond both tables", bad(&[0xff, 0x80, 0x01]), must),
        case("7541 4.2", "a change of the table's size behind a field", bad(&[0x20]), must),
        case("7541 5.2", "padding of more than seven bits", bad(b"\x00\x01a\x83\x1f\xff\xff"), must),
        case("7541 5.2", "padding of zeros", bad(b"\x00\x01a\x81\x18"), must),
        case("7541 5.2", "an end of string within", bad(b"\x00\x01a\x84\xff\xff\xff\xff"), must),
        case("7541 6.1", "index 0", bad(&[0x80]), must),
        case(
            "7541 6.3",
            "a larger table than was offered",
            [head(END_HEADERS | END_STREAM, 1, [&[0x3f, 0xe2, 0xff, 0x03][..], &get].concat())],
            must,
        ),
        case("7541 5.1", "an integer without end", bad(&[0xff; 9]), must),
        case("7541 5.2", "a string beyond the block", bad(b"\x00\x01a\x7fb"), must),
    ])
    .await;
}

#[tokio::test]
async fn requests_that_are_no_requests_are_reset() {
    let must = Reset(&[PROTOCOL_ERROR]);
    let length = |length: &'static str| {
        let fields = [&pseudo("POST", "/")[..], &[("content-length", length)]].concat();
        head(END_HEADERS, 1, block(&fields))
    };
    let trailers = |flags, fields: &[(&str, &str)]| head(END_HEADERS | flags, 1, block(fields));
    holds(vec![
        case("8.1", "trailers that end nothing", [post(1, SLOW), data(1, "x"), trailers(0, &[("a", "b")])], must),
        case("8.1", "trailers with a pseudo-field", [post(1, SLOW), trailers(END_STREAM, &[(":path", "/")])], must),
        case("8.2.1", "an upper-case name", [with(&[("X-Upper", "x")])], must),
        case("8.2.1", "a name with a space", [with(&[("x y", "x")])], must),
        case("8.2.1", "a name with a colon", [with(&[("x:y", "x")])], must),
        case("8.2.1", "a line feed in a value", [with(&[("x", "a\nb")])], must),
        case("8.2.1", "a carriage return in a value", [with(&[("x", "a\rb")])], must),
        case("8.2.1", "a NUL in a value", [with(&[("x", "a\0b")])], must),
        case("8.2.2", "connection", [with(&[("connection", "keep-alive")])], must),
        case("8.2.2", "keep-alive", [with(&[("keep-alive", "timeout=5")])], must),
        case("8.2.2", "proxy-connection", [with(&[("proxy-connection", "keep-alive")])], must),
        case("8.2.2", "transfer-encoding", [with(&[("transfer-encoding", "chunked")])], must),
        case("8.2.2", "upgrade", [with(&[("upgrade", "websocket")])], must),
        case("8.2.2", "te", [with(&[("te", "trailers, deflate;q=0.5")])], must),
        case("8.2.2", "te: trailers", [with(&[("te", "trailers")])], GoOn),
        case("8.3", "a pseudo-field that nobody knows", [with(&[(":test", "x")])], must),
        case("8.3", "a pseudo-field of answers", [with(&[(":status", "200")])], must),
        case(
            "8.3",
            "a pseudo-field behind another",
            [fields(&[(":method", "GET"), (":scheme", "https"), ("x", "y"), (":authority", HOST), (":path", "/")])],
            must,
        ),
        case("8.3.1", "no :method", [without(":method")], must),
        case("8.3.1", "no :scheme", [without(":scheme")], must),
        case("8.3.1", "no :path", [without(":path")], must),
        case("8.3.1", "two :method", [twice(":method")], must),
        case("8.3.1", "two :scheme", [twice(":scheme")], must),
        case("8.3.1", "two :path", [twice(":path")], must),
        case("8.3.1", "two :authority", [twice(":authority")], must),
        case("8.3.1", "an empty :path", [fields(&pseudo("GET", ""))], must),
        case(
            "8.4",
            "an extended CONNECT that was not offered",
            [fields(&[
                (":method", "CONNECT"),
                (":protocol", "websocket"),
                (":scheme", "https"),
                (":authority", HOST),
                (":path", "/socket"),
            ])],
            must,
        ),
        case("8.1.1", "less DATA than content-length", [length("2"), last_data(1, "x")], must),
        case("8.1.1", "more DATA than content-length", [length("1"), last_data(1, "xy")], must),
        case("8.1.1", "more DATA in pieces", [length("3"), data(1, "xy"), last_data(1, "xy")], must),
        case(
            "8.1.1",
            "a head that ends before its content-length",
            [Frame { flags: END_HEADERS | END_STREAM, ..length("2") }],
            must,
        ),
        case(
            "8.1.1",
            "two content-lengths that differ",
            [with(&[("content-length", "0"), ("content-length", "1")])],
            must,
        ),
    ])
    .await;
}
