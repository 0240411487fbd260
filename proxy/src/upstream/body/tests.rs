#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// What comes of bytes that are read in such pieces: the body, what follows it, and whether it is whole.
fn read(mut body: Incoming, bytes: &[u8], pieces: &[usize]) -> Result<(Vec<u8>, Vec<u8>, Incoming), Malformed> {
    let (mut out, mut rest, mut pieces) = (Vec::new(), bytes, pieces.iter());
    while !rest.is_empty() && !body.is_whole() {
        let size = pieces.next().copied().unwrap_or(usize::MAX).clamp(1, rest.len());
        let mut buffer = rest[..size].to_vec();
        let decoded = body.decode(&mut buffer)?;
        assert_eq!(decoded.ended, body.is_whole());
        assert!(decoded.used == size || decoded.ended);
        out.extend_from_slice(&buffer[..decoded.bytes]);
        rest = &rest[decoded.used..];
    }
    Ok((out, rest.to_vec(), body))
}

fn chunked(bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>, Incoming), Malformed> {
    let all_at_once = read(Incoming::chunked(), bytes, &[]);
    assert_eq!(all_at_once, read(Incoming::chunked(), bytes, &vec![1; bytes.len()]), "byte by byte it is another body");
    all_at_once
}

#[test]
fn chunks_are_put_together_and_what_follows_is_left() {
    for (bytes, body, rest) in [
        (&b"0\r\n\r\n"[..], &b""[..], &b""[..]),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello", b""),
        (b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\nHTTP/1.1", b"hello!", b"HTTP/1.1"),
        (b"000A\r\n0123456789\r\n000\r\n\r\n", b"0123456789", b""),
        (b"5;name=\"x\"\r\nhello\r\n0;last\r\n\r\n", b"hello", b""),
        // Old servers pad sizes with spaces, and some end lines with LF alone.
        (b"5   \r\nhello\r\n0  \r\n\r\n", b"hello", b""),
        (b"5\nhello\n0\n\n", b"hello", b""),
    ] {
        let (out, left, incoming) = chunked(bytes).unwrap();
        assert_eq!((&out[..], &left[..]), (body, rest), "{}", bytes.escape_ascii());
        assert!(incoming.is_whole());
    }
}

#[test]
fn what_is_no_chunk_is_refused() {
    for bytes in [
        &b"\r\n"[..],
        b"g\r\n",
        b"-1\r\n",
        b"0x5\r\nhello",
        b"5\r\rhello\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\r\r0\r\n\r\n",
        b"8000000000000000\r\n",
        b"00000000000000005\r\nhello\r\n",
        b"ffffffffffffffffff\r\n",
        b"\r\r",
    ] {
        assert!(chunked(bytes).is_err(), "{}", bytes.escape_ascii());
    }
}

#[test]
fn trailers_are_kept_and_bounded() {
    let (_, rest, incoming) = chunked(b"1\r\nx\r\n0\r\nA: 1\r\nB: 2\r\n\r\nnext").unwrap();
    let Incoming::Chunked(chunks) = incoming else { unreachable!() };
    assert_eq!((chunks.trailers(), &rest[..]), (&b"A: 1\r\nB: 2\r\n"[..], &b"next"[..]));
    let long = [&b"0\r\nA: "[..], &[b'x'; 9_000], b"\r\n\r\n"].concat();
    assert_eq!(chunked(&long).unwrap_err(), Malformed("trailers too long"));
    // However it is reached: a line's end counts for more than it was.
    for length in 8_185..8_195 {
        let long = [&b"0\r\n"[..], &vec![b'x'; length], b"\r\n", &[b'y'; 1_000], b"\r\n\r\n"].concat();
        assert_eq!(chunked(&long).unwrap_err(), Malformed("trailers too long"), "{length}");
    }
    let long = [&b"0;"[..], &[b'x'; 5_000], b"\r\n\r\n"].concat();
    assert_eq!(chunked(&long).unwrap_err(), Malformed("chunk extension too long"));
}

#[test]
fn a_chunk_line_says_its_size() {
    for (size, line) in [(1, &b"1\r\n"[..]), (15, b"f\r\n"), (16, b"10\r\n"), (65_536, b"10000\r\n")] {
        assert_eq!(ChunkLine::new(size).as_bytes(), line);
    }
    assert_eq!(ChunkLine::new(usize::MAX).as_bytes().len(), ChunkLine::BYTES_MAX);
}

proptest! {
    #[test]
    fn however_a_chunked_body_is_split_it_is_the_same_body(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..6),
        pieces in prop::collection::vec(1_usize..40, 0..200),
        rest in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            wire.extend_from_slice(ChunkLine::new(chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(CHUNK_END);
        }
        wire.extend_from_slice(LAST_CHUNK);
        wire.extend_from_slice(&rest);
        let (body, left, incoming) = read(Incoming::chunked(), &wire, &pieces).unwrap();
        prop_assert!(incoming.is_whole());
        prop_assert_eq!(body, chunks.concat());
        prop_assert_eq!(left, rest);
    }

    #[test]
    fn a_sized_body_ends_where_its_length_says(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        length in 0_u64..200,
        pieces in prop::collection::vec(1_usize..40, 0..200),
    ) {
        let (body, rest, incoming) = read(Incoming::Length(length), &bytes, &pieces).unwrap();
        let at = bytes.len().min(usize::try_from(length).unwrap());
        prop_assert_eq!((&body[..], &rest[..]), bytes.split_at(at));
        prop_assert_eq!(incoming.is_whole(), at as u64 == length);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = chunked(&bytes);
    }
}
