use proptest::prelude::*;

use super::*;

fn feed(bytes: &[u8]) -> Result<State, Violation> {
    let mut wire = Wire::default();
    wire.feed(bytes).map(|()| wire.state)
}

const GET: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: a.example\r\n\r\n";

fn chunked(body: &[u8]) -> Vec<u8> {
    [b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n", body].concat()
}

#[test]
fn requests_follow_each_other() {
    let sized = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n\n\0\n".as_slice();
    let empty = b"POST / HTTP/1.1\r\ncontent-LENGTH:0\r\n\r\n".as_slice();
    let chunks = chunked(b"3\r\n\n\0\n\r\nA;x\r\n0123456789\r\n0\r\nX-Trailer: y\r\n\r\n");
    let after_lines = [b"\r\n", GET].concat();
    let all = [GET, sized, empty, &chunks, &after_lines, GET].concat();
    assert_eq!(feed(&all), Ok(State::default()));
    assert!(matches!(feed(&all[..all.len() - 1]), Ok(State::Head(head)) if head.begun));
}

#[test]
fn targets_that_the_parser_would_mend() {
    for line in [
        "GET /a b HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /a\tb HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 HTTP/1.1",
        "GET /a\u{7f} HTTP/1.1",
        "GET /#a HTTP/1.1",
        "GET /a\rb HTTP/1.1",
    ] {
        assert_eq!(feed(format!("{line}\r\n\r\n").as_bytes()), Err(Violation::TargetBytes), "{line:?}");
    }
}

#[test]
fn line_ends() {
    for head in [
        "GET / HTTP/1.1\n\n",
        "\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "\r\n\r\n",
        "GET / HTTP/1.1\r\n\n",
    ] {
        assert_eq!(feed(head.as_bytes()), Err(Violation::LineEnd), "{head:?}");
    }
    assert!(matches!(feed(b"\r\n"), Ok(State::Head(head)) if !head.begun));
}

#[test]
fn chunks_in_order() {
    for line in [
        "0",
        "00",
        "a",
        "A",
        "7fffffffffffffff",
        "5;x",
        "5;x=y",
        "5;x=\"y\"",
        "5 ; x = y",
        "5;a;b=c\t;d",
        "5;x=\"\\\"é;\\\\\"",
    ] {
        let state = feed(&chunked(format!("{line}\r\n").as_bytes())).expect(line);
        assert!(matches!(state, State::Chunk(_) | State::Trailers(0)), "{line}");
    }
    assert_eq!(feed(&chunked(b"0\r\n\r\n")), Ok(State::default()));
    assert_eq!(feed(&chunked(b"2\r\nab")), Ok(State::ChunkEnd));
}

#[test]
fn chunks_out_of_order() {
    for line in [
        "",
        " ",
        "-1",
        "+1",
        "0x5",
        " 5",
        "5 ",
        "5\t",
        "g",
        "8000000000000000",
        "00000000000000000000000000000001;\u{7f}",
        "5;",
        "5;;x",
        "5;=y",
        "5;x=",
        "5;x=y z",
        "5;x=\"y",
        "5;x=\"y\"z",
        "5 x",
        "5,x",
        "5;x\0",
        "5;x=\"\0\"",
        "5\rx",
    ] {
        assert_eq!(feed(&chunked(format!("{line}\r\n").as_bytes())), Err(Violation::ChunkSize), "{line:?}");
    }
    for body in ["5\n", "5;x\n\r\n", "2\r\nab\n", "0\r\n\n", "0\r\nX: y\n"] {
        assert_eq!(feed(&chunked(body.as_bytes())), Err(Violation::LineEnd), "{body:?}");
    }
    for body in ["2\r\nabc\r\n", "0\r\nX\r\n", "0\r\n X: y\r\n", "0\r\nX : y\r\n", "0\r\nX: \0\r\n"] {
        assert_eq!(feed(&chunked(body.as_bytes())), Err(Violation::ChunkSize), "{body:?}");
    }
    let long = format!("5;{}\r\n", "x".repeat(LINE_BYTES_MAX));
    assert_eq!(feed(&chunked(long.as_bytes())), Err(Violation::ChunkSize));
    let trailers = format!("0\r\n{}", "a: b\r\n".repeat(usize::from(TRAILERS_MAX) + 1));
    assert_eq!(feed(&chunked(trailers.as_bytes())), Err(Violation::ChunkSize));
}

#[test]
fn what_others_refuse_is_left_to_them() {
    for fields in [
        "Content-Length: 1\r\nContent-Length: 1",
        "Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Content-Length: +1",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\ntransfer-encoding: chunked",
        "Content-Length:",
    ] {
        let head = format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n\n\0");
        assert_eq!(feed(head.as_bytes()), Ok(State::LookAway), "{fields}");
    }
}

#[test]
fn another_protocol_is_not_looked_at() {
    let mut wire = Wire::default();
    assert_eq!(wire.feed(GET), Ok(()));
    wire.switch();
    assert_eq!(wire.feed(b"\x81\x05hello\n\0"), Ok(()));
}

#[test]
fn a_refused_connection_stays_refused() {
    let mut wire = Wire::default();
    assert_eq!(wire.feed(b"GET / /\n"), Err(Violation::LineEnd));
    assert_eq!(wire.feed(GET), Err(Violation::LineEnd));
}

#[test]
fn a_head_without_end_is_bounded_and_named_by_what_does_not_end() {
    for (start, violation) in [
        ("", Violation::RequestLine),
        ("GET /", Violation::TargetTooLong),
        ("GET / HTTP/1.1\r\n", Violation::FieldSize),
    ] {
        let mut wire = Wire::default();
        assert_eq!(wire.feed(start.as_bytes()), Ok(()));
        let line = [b'a'; 1024];
        let fed = (0..1000).take_while(|_| wire.feed(&line).is_ok()).count() * line.len();
        assert!(fed <= HEAD_BYTES_MAX);
        assert!(matches!(wire.state, State::Refused(found) if found == violation), "{start:?}: {:?}", wire.state);
    }
}

#[test]
fn a_request_line_that_is_too_long_is_named_by_what_is_too_long() {
    let long = "a".repeat(TARGET_BYTES_MAX + 100);
    assert_eq!(feed(format!("{long} / HTTP/1.1\r\n").as_bytes()), Err(Violation::RequestLine));
    assert_eq!(feed(format!("GET /{long} HTTP/1.1\r\n").as_bytes()), Err(Violation::TargetTooLong));
}

#[test]
fn another_version_is_told_from_one_that_is_none() {
    for version in ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/9.9"] {
        assert_eq!(feed(format!("GET / {version}\r\n\r\n").as_bytes()), Err(Violation::Version), "{version}");
    }
    for version in ["HTTP/1.0", "HTTP/1.10", "HTTP/1", "http/1.1", "HTTP/1.x"] {
        assert!(feed(format!("GET / {version}\r\n\r\n").as_bytes()).is_ok(), "for the parser: {version}");
    }
}

fn nasty_streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n",
            "\r\n", "3\r\nabc\r\n", "0\r\n\r\n", "abc", "X: y\r\n", "3;x=\"y\"\r\n",
        ]),
        1 => prop::sample::select(vec!["\r", "\n", " ", "\0", ";", "a", "0", "GET /a b HTTP/1.1\r\n\r\n", ":"]),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// How the bytes are cut into reads changes nothing.
    #[test]
    fn reads_may_end_anywhere(stream in nasty_streams(), sizes in prop::collection::vec(1_usize..9, 1..20)) {
        let mut whole = Wire::default();
        let mut cut = Wire::default();
        let expected = whole.feed(&stream);
        let mut rest = stream.as_slice();
        let mut found = Ok(());
        for size in sizes.iter().cycle() {
            if rest.is_empty() || found.is_err() {
                break;
            }
            let (read, tail) = rest.split_at((*size).min(rest.len()));
            found = cut.feed(read);
            rest = tail;
        }
        prop_assert_eq!(found, expected);
        prop_assert_eq!(cut.state, whole.state);
        prop_assert_eq!(cut.partial, whole.partial);
    }

    /// Honest requests pass, however many and however framed.
    #[test]
    fn honest_requests_pass(requests in prop::collection::vec(
        (any::<bool>(), prop::collection::vec(any::<u8>(), 0..50), 1_usize..20),
        0..5,
    )) {
        let mut stream = Vec::new();
        for (chunks, body, size) in &requests {
            if *chunks {
                let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
                let parts = body.chunks(*size).map(chunk);
                stream.extend(chunked(&[parts.collect::<Vec<_>>().concat().as_slice(), b"0\r\n\r\n"].concat()));
            } else {
                stream.extend(format!("POST /x HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len()).bytes());
                stream.extend(body);
            }
        }
        prop_assert_eq!(feed(&stream), Ok(State::default()));
    }
}

/// How bytes are cut into reads changes nothing, and what is refused stays so.
fn fuzzed(bytes: &[u8]) {
    let mut whole = Wire::default();
    let found = whole.feed(bytes);
    for size in [1, 7] {
        let mut cut = Wire::default();
        let pieces = bytes.chunks(size).try_for_each(|piece| cut.feed(piece));
        assert_eq!((pieces, &cut.state), (found, &whole.state));
    }
    if let Err(violation) = found {
        assert_eq!(whole.feed(GET), Err(violation));
    }
}

#[test]
fn fuzzed_streams_of_requests_are_judged_alike_however_they_come() {
    let made = vec![GET.to_vec(), chunked(b"3\r\nabc\r\n0\r\nX: y\r\n\r\n"), [GET, GET].concat()];
    crate::fuzz::run(env!("CARGO_MANIFEST_DIR"), "requests", made, 30_000, fuzzed);
}
