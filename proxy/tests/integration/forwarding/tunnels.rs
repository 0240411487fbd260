//! Connections that switch to another protocol.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::site::{OPEN, Raw, Reply, Site};
use crate::support::{Protocol, Request, client::on_http1};

fn handshake() -> Request {
    let request = Request::new("GET", "/socket").header("Connection", "Upgrade").header("Upgrade", "websocket");
    request.header("Sec-WebSocket-Version", "13").header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

async fn each_side_ends_by_itself(protocol: Protocol) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let origin = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"\r\n\r\n") {
            tcp.read_buf(&mut said).await.unwrap();
        }
        // The first bytes come along with the switch.
        tcp.write_all(&[SWITCHED, b"early"].concat()).await.unwrap();
        let mut sent = Vec::new();
        tcp.read_to_end(&mut sent).await.unwrap();
        // Only now that the client has ended does this side say what it has heard.
        tcp.write_all(&sent).await.unwrap();
        sent.len()
    });
    let site = Site::of(protocol, addr, OPEN).await;
    let mut connection = site.bytes().await;
    let answer = connection.ask(&handshake()).await;
    assert_eq!((answer.status, answer.header("upgrade")), (101, Some("websocket")), "{answer:?}");
    assert_eq!(answer.header("date"), None);
    assert_eq!(connection.exactly(5).await, b"early");
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    connection.send(&bytes).await;
    connection.end_sending().await;
    assert!(connection.rest().await == bytes, "what came back is not what was sent");
    assert_eq!(origin.await.unwrap(), bytes.len());
    site.node.until_metrics("the tunnel has ended", |m| m.sum("requests_in_flight", &[]) == 0.0).await;
}

async fn a_switch_that_is_refused_is_an_answer_like_any_other(protocol: Protocol) {
    let origin = Raw::start(|_| Reply::ok()).await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    let mut connection = site.bytes().await;
    let answer = connection.ask(&handshake()).await;
    assert_eq!((answer.status, answer.text()), (200, "hello"));
    assert!(connection.is_usable().await);
    let head = origin.heard()[0].head.to_ascii_lowercase();
    assert!(head.contains("\nupgrade: websocket\r\n") && head.contains("\nconnection: upgrade\r\n"), "{head}");
}

on_http1!(each_side_ends_by_itself, a_switch_that_is_refused_is_an_answer_like_any_other);
