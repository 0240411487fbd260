#![allow(clippy::unwrap_used)]

use tokio::{
    net::{TcpListener, TcpStream},
    time::advance,
};

use super::*;

/// A node's end of a connection, and a client's.
async fn pair() -> (Downstream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (tcp, _) = listener.accept().await.unwrap();
    let cuts = IntCounter::new("cut", "cut").unwrap();
    let connection = Connection::new(client.local_addr().unwrap().ip(), None, None);
    (Downstream::new(Socket::plain(tcp, cuts.clone()), connection, cuts), client)
}

async fn next_request(node: &mut Downstream) {
    poll_fn(|cx| node.poll_next_request(cx)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_head_that_came_early_is_not_late_because_the_answer_before_it_took_long() {
    let (mut node, mut client) = pair().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\nGET /next").await.unwrap();
    next_request(&mut node).await;
    let _ = node.read(&mut [0; AHEAD_BYTES]).await.unwrap();
    advance(HEAD_WITHIN * 2).await;
    next_request(&mut node).await;
    client.write_all(b" HTTP/1.1\r\nHost: shop.example.com\r\n\r\n").await.unwrap();
    let mut head = [0; 100];
    let mut read = 0;
    while !head[..read].ends_with(b"\r\n\r\n") {
        read += node.read(&mut head[read..]).await.unwrap();
    }
    assert!(head.starts_with(b"GET /next HTTP/1.1"), "{:?}", head[..read].escape_ascii().to_string());
}

#[tokio::test]
async fn the_parser_gets_nothing_of_what_follows_a_head() {
    const HEAD: &[u8] = b"\r\nPOST / HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 5\r\n\r\n";
    // What comes in one read, and what comes while the parser waits for the rest of a head.
    for first in [0, 10, HEAD.len() - 1, HEAD.len()] {
        let (mut node, mut client) = pair().await;
        let (early, late) = HEAD.split_at(first);
        if !early.is_empty() {
            client.write_all(early).await.unwrap();
            next_request(&mut node).await;
        }
        client.write_all(&[late, b"hello"].concat()).await.unwrap();
        let mut head = Vec::new();
        let mut room = [0; 1_000];
        while !head.ends_with(b"\r\n\r\n") {
            let read = node.read(&mut room).await.unwrap();
            head.extend_from_slice(&room[..read]);
        }
        assert_eq!(head.escape_ascii().to_string(), HEAD.escape_ascii().to_string(), "{first} bytes came early");
        let read = node.read(&mut room).await.unwrap();
        assert_eq!(&room[..read], b"hello");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_is_refused() {
    let (mut node, mut client) = pair().await;
    client.write_all(b"GET / HT").await.unwrap();
    next_request(&mut node).await;
    let mut bytes = [0; 100];
    assert_eq!(node.read(&mut bytes).await.unwrap(), 8);
    advance(HEAD_WITHIN + Duration::from_secs(1)).await;
    client.write_all(b"TP/1.1\r\n").await.unwrap();
    assert_eq!(node.read(&mut bytes).await.unwrap(), REFUSAL.len());
    assert_eq!(node.read(&mut bytes).await.unwrap(), 0);
    assert_eq!(node.rejected.get(), 1);
}
