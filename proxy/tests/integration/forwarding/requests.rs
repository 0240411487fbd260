//! Requests on their way to the origin.

use std::{future::poll_fn, time::Duration};

use ::bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket},
    sync::oneshot,
    time::timeout,
};

use super::site::{OPEN, Raw, Reply, Site};
use crate::support::{
    HOST, Protocol, Request,
    client::{on_every_protocol, on_protocol},
    until_within,
};

async fn a_client_that_ends_its_side_gets_its_answer(protocol: Protocol) {
    let origin = Raw::start(|_| Reply::ok()).await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    for request in [Request::fetch("GET", "/"), Request::fetch("POST", "/").body("text/plain", "a=b")] {
        let mut connection = site.bytes().await;
        connection.send(request.bytes()).await;
        connection.end_sending().await;
        let answer = connection.response(request.method()).await;
        assert_eq!((answer.status, answer.text()), (200, "hello"));
        connection.closed().await;
    }
    assert_eq!(origin.heard().len(), 2);
}

async fn bodies_of_every_framing_arrive_as_they_were_sent(protocol: Protocol) {
    let origin = Raw::start(|_| Reply::ok()).await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    let mut connection = site.bytes().await;
    let chunked = format!(
        "POST /chunked HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n\
         3;a=b\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-Trailer: 1\r\n\r\n"
    );
    let sized = Request::fetch("POST", "/sized").body("text/plain", "0123456789").bytes();
    let none = Request::fetch("POST", "/none").bytes();
    // All at once, and byte by byte: what follows a body is the next request.
    let all = [chunked.as_bytes(), &sized, &none, chunked.as_bytes()].concat();
    connection.send(&all).await;
    for _ in 0..4 {
        assert_eq!(connection.response("POST").await.status, 200);
    }
    for byte in &all {
        connection.send([*byte]).await;
    }
    for _ in 0..4 {
        assert_eq!(connection.response("POST").await.status, 200);
    }
    let bodies: Vec<_> = origin.heard().into_iter().map(|heard| String::from_utf8(heard.body).unwrap()).collect();
    let four = ["abc0123456789abcdef", "0123456789", "", "abc0123456789abcdef"];
    assert_eq!(bodies, [four, four].concat());
    let heads: Vec<_> = origin.heard().into_iter().map(|heard| heard.head.to_ascii_lowercase()).collect();
    assert!(heads[0].contains("transfer-encoding: chunked\r\n") && heads[1].contains("content-length: 10\r\n"));
}

async fn what_is_between_the_client_and_us_reaches_no_origin(protocol: Protocol) {
    let origin = Raw::start(|_| Reply::ok()).await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    let mut connection = site.bytes().await;
    let request = Request::fetch("GET", "/").header("Connection", "keep-alive, X-Hop").header("X-Hop", "1");
    let request = request.header("Keep-Alive", "timeout=5").header("TE", "trailers").header("X-Kept", "2");
    assert_eq!(connection.ask(&request).await.status, 200);
    let head = origin.heard()[0].head.to_ascii_lowercase();
    for name in ["connection:", "x-hop:", "keep-alive:", "te:"] {
        assert!(!head.contains(&format!("\n{name}")), "{head}");
    }
    assert!(head.contains("\nx-kept: 2\r\n"), "{head}");
}

async fn what_comes_back_from_the_origin_is_refused_at_once(protocol: Protocol) {
    let origin = Raw::start(|_| Reply::ok()).await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    let of_others = Request::fetch("GET", "/").header("Via", "1.0 fred, 1.1 sluice-shop-of-others");
    assert_eq!(site.client().await.ask(&of_others).await.status, 200);
    let head = origin.heard()[0].head.clone();
    let via = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("via: ").map(str::to_owned)).unwrap();
    let version = if protocol == Protocol::Http2 { "2" } else { "1.1" };
    assert!(via.starts_with(&format!("1.0 fred, 1.1 sluice-shop-of-others, {version} sluice-")), "{via}");
    let again = Request::fetch("POST", "/").header("Via", via);
    assert_eq!(site.client().await.ask(&again).await.status, 508);
    assert_eq!(origin.heard().len(), 1);
    assert!(site.node.metrics().await.sum("requests_rejected_total", &[("reason", "loop")]) == 1.0);
}

async fn options_goes_as_far_as_it_may(protocol: Protocol) {
    let origin = Raw::start(|_| Reply::ok()).await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    let options = |left| Request::new("OPTIONS", "/").header("Max-Forwards", left);
    assert_eq!(site.client().await.ask(&options("0")).await.status, 204);
    assert!(origin.heard().is_empty());
    assert_eq!(site.client().await.ask(&options("3")).await.status, 200);
    let head = origin.heard()[0].head.to_ascii_lowercase();
    assert!(head.contains("\nmax-forwards: 2\r\n"), "{head}");
}

async fn a_client_cannot_take_away_what_says_who_it_is(protocol: Protocol) {
    let origin = Raw::start(|_| Reply::ok()).await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    for nominated in ["X-Forwarded-For", "close, Host", "a, b, c, d, e, f, g, h, i, j"] {
        let mut connection = site.bytes().await;
        assert_eq!(connection.ask(&Request::fetch("GET", "/").header("Connection", nominated)).await.status, 400);
    }
    assert!(origin.heard().is_empty());
}

async fn an_answer_that_comes_before_the_body_is_passed_on(protocol: Protocol) {
    // The origin hears the head of each request, and wants nothing more.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let refusing = tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut head = [0; 1_024];
            let _ = tcp.read(&mut head).await;
            let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig";
            let _ = tcp.write_all(answer).await;
        }
    });
    let site = Site::of(protocol, addr, OPEN).await;
    let mut client = site.client().await;
    let answer = client.ask(&Request::fetch("POST", "/").body("text/plain", vec![b'x'; 200_000])).await;
    assert_eq!((answer.status, answer.text()), (413, "big"));
    refusing.abort();
}

async fn requests_share_a_connection_to_the_origin(protocol: Protocol) {
    let origin = Raw::start(|_| Reply::ok()).await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    let mut client = site.client().await;
    for number in 0..20 {
        let request = match number % 3 {
            0 => Request::fetch("GET", "/"),
            1 => Request::fetch("POST", "/").body("text/plain", vec![b'x'; 100_000]),
            _ => Request::fetch("POST", "/"),
        };
        assert_eq!(client.ask(&request).await.status, 200);
    }
    let heard = origin.heard();
    assert!(heard.iter().all(|heard| heard.connection == 0), "{:?}", heard.last());
}

#[tokio::test]
async fn a_body_of_which_nothing_comes_is_a_408_and_the_origin_is_let_go() {
    let origin = Raw::start(|_| Reply::ok()).await;
    let site = Site::of(Protocol::Http1, origin.addr(), OPEN).await;
    let mut connection = site.bytes().await;
    connection.send(format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\n\r\na")).await;
    let silence = Duration::from_secs(30);
    let answer = until_within(silence * 2, "the body is no longer waited for", async || {
        connection.response_if_any("POST").await
    })
    .await;
    assert_eq!(answer.status, 408);
    assert!(answer.closes());
    connection.closed().await;
}

#[tokio::test]
async fn an_origin_that_does_not_read_closes_the_clients_window() {
    const BODY_BYTES: usize = 64 << 20;
    /// Beside what the system keeps: windows, once they are wide, and what holds their bytes.
    const KEPT_KIB: u64 = 2 << 10;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let (reads, may_read) = oneshot::channel();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        may_read.await.unwrap();
        let (mut said, mut bytes) = (vec![0; 64 << 10], 0);
        while bytes < BODY_BYTES {
            bytes += tcp.read(&mut said).await.unwrap();
        }
        tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    });
    let site = Site::of(Protocol::Http2, addr, OPEN).await;
    let (requests, connection) = h2::client::handshake(site.stream().await).await.unwrap();
    tokio::spawn(connection);
    let before = site.node.memory_kib();
    let request = http::Request::post(format!("https://{HOST}/")).header("content-length", BODY_BYTES).body(());
    let (answer, mut body) = requests.ready().await.unwrap().send_request(request.unwrap(), false).unwrap();
    let piece = Bytes::from(vec![b'x'; 64 << 10]);
    let mut sent = 0;
    let mut send = async |patience: Duration| {
        while sent < BODY_BYTES {
            body.reserve_capacity(piece.len());
            let Ok(room) = timeout(patience, poll_fn(|cx| body.poll_capacity(cx))).await else { break };
            let piece = piece.slice(..room.unwrap().unwrap().min(BODY_BYTES - sent));
            sent += piece.len();
            body.send_data(piece, sent == BODY_BYTES).unwrap();
        }
        sent
    };
    let taken = send(Duration::from_secs(2)).await;
    let grown = site.node.memory_kib().saturating_sub(before);
    assert!(taken < BODY_BYTES / 2, "{taken} bytes were taken for an origin that reads nothing");
    assert!(grown < KEPT_KIB, "{grown} KiB for {taken} bytes");
    reads.send(()).unwrap();
    assert_eq!(send(Duration::from_secs(20)).await, BODY_BYTES, "it goes on once the origin does");
    assert_eq!(answer.await.unwrap().status(), 200);
}

on_protocol!(bytes Http1:
    a_client_that_ends_its_side_gets_its_answer,
    bodies_of_every_framing_arrive_as_they_were_sent,
    what_is_between_the_client_and_us_reaches_no_origin,
    a_client_cannot_take_away_what_says_who_it_is,
);
on_protocol!(bytes_tls Http1Tls:
    a_client_that_ends_its_side_gets_its_answer,
    bodies_of_every_framing_arrive_as_they_were_sent,
    what_is_between_the_client_and_us_reaches_no_origin,
    a_client_cannot_take_away_what_says_who_it_is,
);
on_every_protocol!(
    an_answer_that_comes_before_the_body_is_passed_on,
    requests_share_a_connection_to_the_origin,
    what_comes_back_from_the_origin_is_refused_at_once,
    options_goes_as_far_as_it_may,
);
