#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const GET: Asked = Asked { head: false, websocket: false };
const HEAD: Asked = Asked { head: true, websocket: false };
const WEBSOCKET: Asked = Asked { head: false, websocket: true };

fn answer(head: &str, asked: Asked) -> Result<Answer, BrokenHead> {
    let bytes = format!("{head}\r\n\r\n");
    assert_eq!(head_length(bytes.as_bytes()), Some(bytes.len()), "{head:?}");
    read(bytes.as_bytes(), asked)
}

fn field<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut values = answer.head.headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().unwrap());
    assert!(values.next().is_none(), "{name} is there twice");
    value
}

#[test]
fn where_the_body_ends_is_as_the_standard_says() {
    use Incoming::{Length, UntilClose};
    let chunked = Incoming::chunked;
    for (head, asked, body, size, keeps) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5", GET, Length(5), Size::Known(5), true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5", HEAD, Length(0), Size::NoBody, true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nContent-Length: 5", GET, Length(5), Size::Known(5), true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5", GET, Length(5), Size::Known(5), true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", GET, chunked(), Size::Unknown, true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding : Chunked,", GET, chunked(), Size::Unknown, true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", GET, chunked(), Size::Unknown, false),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", GET, chunked(), Size::Unknown, false),
        ("HTTP/1.1 200 OK", GET, UntilClose, Size::Unknown, true),
        ("HTTP/1.0 200 OK", GET, UntilClose, Size::Unknown, false),
        ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0", GET, Length(0), Size::Known(0), true),
        ("HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 0", GET, Length(0), Size::Known(0), false),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5", GET, Length(0), Size::NoBody, true),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5", GET, Length(0), Size::NoBody, true),
        ("HTTP/1.1 103 Early Hints\r\nContent-Length: 5", GET, Length(0), Size::NoBody, true),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket", WEBSOCKET, Length(0), Size::NoBody, true),
        ("\r\nHTTP/1.1 200\r\nContent-Length: 1", GET, Length(1), Size::Known(1), true),
        ("HTTP/2.0 200 OK\r\nContent-Length: 1", GET, Length(1), Size::Known(1), true),
        ("HTTP/1.7 999 \r\nContent-Length: 1", GET, Length(1), Size::Known(1), true),
    ] {
        let answer = answer(head, asked).unwrap_or_else(|error| panic!("{head:?}: {error}"));
        assert_eq!((answer.body, answer.size, answer.keeps), (body, size, keeps), "{head:?}");
    }
}

#[test]
fn what_has_more_than_one_reading_is_broken() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 6",
        "HTTP/1.1 200 OK\r\nContent-Length: +5",
        "HTTP/1.1 200 OK\r\nContent-Length: -5",
        "HTTP/1.1 200 OK\r\nContent-Length: ",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade",
        "HTTP/0.9 200 OK",
        "HTTP/1 200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 200 OK\r\nX-Null: a\0b",
        "HTTP/1.1 099 OK",
        "SSH-2.0-OpenSSH_9.2",
        "hello",
    ] {
        assert!(answer(head, GET).is_err(), "{head:?}");
    }
}

#[test]
fn fields_of_the_origins_connection_go_no_further() {
    let answer = answer(
        "HTTP/1.1 200 OK\r\nUpgrade: h2,h2c\r\nConnection: Upgrade, Keep-Alive, X-Hop, ,\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nX-Hop: 1\r\nx-hop: 2\r\nX-Kept: 3\r\nTransfer-Encoding: chunked",
        GET,
    );
    let answer = answer.unwrap();
    let names: Vec<_> = answer.head.headers.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["x-kept"]);
}

#[test]
fn a_switch_of_protocols_keeps_its_name() {
    let answer = answer("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade", WEBSOCKET).unwrap();
    // The field is named by `Connection`, and is written anew with it.
    assert_eq!(field(&answer, "connection"), None);
}

#[test]
fn odd_fields_of_old_origins_are_left_out_or_mended() {
    let answer = answer(
        "HTTP/1.1 200 OK\r\nno colon here\r\nX Y: 1\r\n: nameless\r\nX-Long: one\r\n  two\r\nX-Good : 1\r\n\
         X-Latin: caf\u{e9}\r\nContent-Length: 2",
        GET,
    );
    let answer = answer.unwrap();
    assert_eq!(field(&answer, "x-good"), Some("1"));
    assert!(field(&answer, "x-long").unwrap().split_ascii_whitespace().eq(["one", "two"]));
    assert!(answer.head.headers.contains_key("x-latin"));
    assert_eq!(answer.size, Size::Known(2));
}

#[test]
fn a_length_stays_where_it_says_something_and_only_there() {
    for (head, asked, length) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5", HEAD, Some("5")),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5", GET, Some("5")),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 0", GET, None),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", GET, None),
    ] {
        assert_eq!(field(&answer(head, asked).unwrap(), "content-length"), length, "{head:?}");
    }
}

#[test]
fn a_head_is_whole_with_its_empty_line() {
    for (bytes, length) in [
        (&b"HTTP/1.1 200 OK\r\n\r\nbody"[..], Some(19)),
        (b"HTTP/1.1 200 OK\n\nbody", Some(17)),
        (b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Some(23)),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n", None),
        (b"\r\n\r\n", None),
        (b"", None),
    ] {
        assert_eq!(head_length(bytes), length, "{}", bytes.escape_ascii());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = head_length(&bytes);
        let _ = read(&bytes, GET);
        let _ = read(&[b"HTTP/1.1 200 OK\r\n", &bytes[..], b"\r\n\r\n"].concat(), WEBSOCKET);
    }
}
