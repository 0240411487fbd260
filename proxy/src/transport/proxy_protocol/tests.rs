#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use super::*;

/// A proxy's end of a connection, and ours.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    proxy.set_nodelay(true).unwrap();
    (proxy, listener.accept().await.unwrap().0)
}

fn trusted() -> Vec<IpNet> {
    vec!["127.0.0.0/8".parse().unwrap()]
}

fn in_time() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// A header of version 2.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [BEGIN_V2, &[command, family], &length, rest].concat()
}

fn v4_addresses() -> Vec<u8> {
    [&[192, 0, 2, 7][..], &[198, 51, 100, 1], &[0x1f, 0x90], &[1, 0xbb]].concat()
}

fn v6_addresses() -> Vec<u8> {
    let source: std::net::Ipv6Addr = "2001:db8::7".parse().unwrap();
    [&source.octets()[..], &source.octets(), &[0x1f, 0x90], &[1, 0xbb]].concat()
}

/// What is made of these bytes when they come in pieces of so many, and what is left behind them.
async fn read_in(bytes: &[u8], pieces: usize) -> (Result<Option<IpAddr>, Refused>, Vec<u8>) {
    let (mut proxy, mut node) = pair().await;
    let sends = async {
        for piece in bytes.chunks(pieces) {
            // The other end may have closed by then.
            if proxy.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = proxy.shutdown().await;
        proxy
    };
    let peer = IpAddr::from([127, 0, 0, 1]);
    let networks = trusted();
    let reads = async {
        let found = client_of(&mut node, peer, &networks, in_time()).await;
        let mut behind = Vec::new();
        if found.is_ok() {
            node.read_to_end(&mut behind).await.unwrap();
        }
        drop(node);
        (found, behind)
    };
    let (_proxy, read) = tokio::join!(sends, reads);
    read
}

#[tokio::test]
async fn a_header_is_read_to_its_last_byte_and_no_further_however_it_comes() {
    let some = |text: &str| Ok(Some(text.parse().unwrap()));
    let long = [&v4_addresses()[..], &[0; 520 - 12]].concat();
    let unix = [0; 216];
    type Row = (&'static str, Vec<u8>, Result<Option<IpAddr>, Refused>);
    let rows: Vec<Row> = vec![
        ("TCP4", b"PROXY TCP4 192.0.2.7 198.51.100.1 8080 443\r\n".into(), some("192.0.2.7")),
        ("TCP6", b"PROXY TCP6 2001:db8::7 2001:db8::1 8080 443\r\n".into(), some("2001:db8::7")),
        ("TCP6 in IPv4's clothes", b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n".into(), some("192.0.2.7")),
        ("UNKNOWN", b"PROXY UNKNOWN\r\n".into(), Ok(None)),
        ("UNKNOWN with more", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".into(), Ok(None)),
        ("v2 IPv4", v2(0x21, 0x11, &v4_addresses()), some("192.0.2.7")),
        ("v2 IPv6", v2(0x21, 0x21, &v6_addresses()), some("2001:db8::7")),
        ("v2 with the most attached", v2(0x21, 0x11, &long), some("192.0.2.7")),
        ("v2 LOCAL", v2(0x20, 0x00, &[]), Ok(None)),
        ("v2 LOCAL with anything", v2(0x20, 0xee, b"whatever"), Ok(None)),
        ("v2 unspecified", v2(0x21, 0x00, &[]), Ok(None)),
        ("v2 Unix", v2(0x21, 0x31, &unix), Ok(None)),
        ("v2 unknown family", v2(0x21, 0x41, &v4_addresses()), Err(Refused::Malformed)),
        ("v2 datagrams", v2(0x21, 0x12, &v4_addresses()), Err(Refused::Malformed)),
        ("v2 too short for its addresses", v2(0x21, 0x21, &v4_addresses()), Err(Refused::Malformed)),
        ("v2 unknown command", v2(0x22, 0x11, &v4_addresses()), Err(Refused::Malformed)),
        ("v2 of version 1", v2(0x11, 0x11, &v4_addresses()), Err(Refused::Malformed)),
        ("v2 too long", v2(0x21, 0x11, &[0; 521]), Err(Refused::TooLong)),
        ("v2 of 65,535 bytes", [BEGIN_V2, &[0x21, 0x11, 0xff, 0xff]].concat(), Err(Refused::TooLong)),
        ("v1 too long", [b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat(), Err(Refused::TooLong)),
        ("v1 of another protocol", b"PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n".into(), Err(Refused::Malformed)),
        ("v1 without a port", b"PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n".into(), Err(Refused::Malformed)),
        ("v1 with a name", b"PROXY TCP4 localhost 198.51.100.1 1 2\r\n".into(), Err(Refused::Malformed)),
        ("v1 with signs", b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 2\r\n".into(), Err(Refused::Malformed)),
        ("v1 with LF alone", b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n".into(), Err(Refused::Malformed)),
        ("v1 of the wrong family", b"PROXY TCP4 ::1 ::1 1 2\r\n".into(), Err(Refused::Malformed)),
        ("v1 with a port too many", b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n".into(), Err(Refused::Malformed)),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".into(), Err(Refused::Malformed)),
        ("TLS", [&[0x16, 3, 1, 2, 0, 1][..], &[0; 20]].concat(), Err(Refused::Malformed)),
        ("other case", b"proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n".into(), Err(Refused::Malformed)),
        ("nothing", Vec::new(), Err(Refused::Ended)),
        ("half a line", b"PROXY TCP4 192.0".into(), Err(Refused::Ended)),
        ("half of v2", BEGIN_V2.into(), Err(Refused::Ended)),
    ];
    for (what, header, expected) in &rows {
        for pieces in [1, 7, 4_096] {
            let behind = if expected.is_ok() { &b"\x16\x03\x01 and what follows\r\n"[..] } else { b"" };
            let (found, left) = read_in(&[header, behind].concat(), pieces).await;
            assert_eq!((&found, &left[..]), (expected, behind), "{what}, by {pieces}");
        }
    }
}

#[tokio::test]
async fn only_a_trusted_proxy_is_listened_to() {
    let (mut proxy, mut node) = pair().await;
    proxy.write_all(b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n").await.unwrap();
    let stranger = IpAddr::from([203, 0, 113, 9]);
    assert_eq!(client_of(&mut node, stranger, &trusted(), in_time()).await, Err(Refused::Untrusted));
    let in_clothes = "::ffff:127.0.0.1".parse().unwrap();
    assert!(client_of(&mut node, in_clothes, &trusted(), in_time()).await.is_ok());
}

#[tokio::test]
async fn a_header_that_does_not_come_is_not_waited_for() {
    let (mut proxy, mut node) = pair().await;
    proxy.write_all(b"PROXY ").await.unwrap();
    let peer = IpAddr::from([127, 0, 0, 1]);
    let soon = Instant::now() + Duration::from_millis(20);
    assert_eq!(client_of(&mut node, peer, &trusted(), soon).await, Err(Refused::TooSlow));
}

proptest! {
    /// Whatever stands there, the parser neither panics nor takes less or more than all of it for a header.
    #[test]
    fn a_whole_header_or_none(
        version in any::<bool>(), command in 0x1f_u8..0x23, family in any::<u8>(), rest in prop::collection::vec(any::<u8>(), 0..300),
        text in "[A-Za-z0-9 .:+-]{0,80}",
    ) {
        let header = if version { v2(command, family, &rest) } else { format!("PROXY {text}\r\n").into_bytes() };
        let _ = parse(&header);
        let _ = parse(&header[..header.len() / 2]);
        prop_assert!(parse(&[&header[..], b"x"].concat()).is_err());
    }
}

/// A header that is taken is whole: without its last byte it is none, and nothing may be added to its line.
fn fuzzed(bytes: &[u8]) {
    if bytes.len() > V2_BYTES_MAX || !(bytes.starts_with(BEGIN_V1) || bytes.starts_with(BEGIN_V2)) {
        return;
    }
    if let Ok(Some(_)) = parse(bytes) {
        assert!(parse(&bytes[..bytes.len() - 1]).is_err(), "{bytes:?}");
        assert!(bytes.starts_with(BEGIN_V2) || bytes.ends_with(b"\r\n"), "{bytes:?}");
    }
}

#[test]
fn fuzzed_proxy_headers_are_whole_or_refused() {
    let lines =
        ["PROXY TCP4 192.0.2.7 198.51.100.1 8080 443\r\n", "PROXY TCP6 2001:db8::7 ::1 1 2\r\n", "PROXY UNKNOWN\r\n"];
    let mut made: Vec<Vec<u8>> = lines.map(|line| line.as_bytes().to_vec()).into();
    made.extend([v2(0x21, 0x11, &v4_addresses()), v2(0x21, 0x21, &v6_addresses()), v2(0x20, 0, b"")]);
    crate::fuzz::run(env!("CARGO_MANIFEST_DIR"), "proxy-headers", made, 50_000, fuzzed);
}
