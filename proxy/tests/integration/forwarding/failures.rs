//! Origins that fail: what the client hears, and that no request is executed twice.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::oneshot,
};

use super::site::{ADMITS, OPEN, Raw, Reply, Site};
use crate::support::{
    HOST, Protocol, Request, SOON, Tenant,
    client::{on_every_protocol, on_protocol},
    frames::{DATA, Frame, Frames, INTERNAL_ERROR, Outcome, RST_STREAM, get},
    until, until_within,
};

/// A tenant whose origin has little time.
fn hurried(origin: std::net::SocketAddr) -> Tenant {
    Tenant::shop(origin).origin("read_timeout = \"1s\"\nconnect_timeout = \"1s\"").queue("shop", OPEN)
}

async fn an_answer_that_cannot_be_understood_is_a_502(protocol: Protocol) {
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(80 << 10));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(300));
    let hints = "HTTP/1.1 103 x\r\n\r\n".repeat(40);
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        &huge,
        &many,
        &hints,
    ] {
        let answer = answer.to_owned();
        let said: String = answer.chars().take(60).collect();
        let origin = Raw::start(move |_| Reply::close(&answer)).await;
        let site = Site::of(protocol, origin.addr(), ADMITS).await;
        let mut client = site.client().await;
        let got = client.ask(&Request::navigation("/")).await;
        assert!(got.status == 502 && got.text().contains("The site is not answering"), "{said:?}: {got:?}");
        assert!(got.token("pass").is_some(), "the place is kept: {got:?}");
        assert!(client.is_usable().await, "the request was whole, so the connection goes on: {said:?}");
        let metrics = site.node.metrics().await;
        assert_eq!(metrics.sum("origin_errors_total", &[("reason", "broken_answer")]), 1.0, "{said:?}");
    }
}

async fn an_origin_that_is_down_costs_neither_place_nor_connection(protocol: Protocol) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let site = Site::of(protocol, addr, ADMITS).await;
    let mut client = site.client().await;
    let german = Request::navigation("/").header("Accept-Language", "de");
    let answer = client.ask(&german).await;
    assert!(answer.status == 502 && answer.text().contains("<h1>Die Website antwortet nicht</h1>"), "{answer:?}");
    // A browser asks again by itself, unless it would send a form.
    assert_eq!(answer.header("refresh"), Some("10"));
    assert!(answer.header("content-security-policy").is_some() && answer.header("cache-control").is_some());
    let form = Request::new("POST", "/").header("Sec-Fetch-Mode", "navigate").header("Accept", "text/html");
    // Its body is not read, so this is the last request of its connection.
    let form = form.body("application/x-www-form-urlencoded", "a=b");
    let answer_to_form = site.client().await.ask(&form).await;
    assert!(answer_to_form.text().contains("<h1>") && answer_to_form.header("refresh").is_none(), "{answer_to_form:?}");
    let to_script = client.ask(&Request::fetch("GET", "/")).await;
    assert_eq!((to_script.status, to_script.text()), (502, "The site cannot be reached.\n"));
    assert!(answer.token("pass").is_some(), "{answer:?}");
    assert!(client.is_usable().await);
}

async fn an_origin_that_says_nothing_is_a_504(protocol: Protocol) {
    let origin = Raw::start(|_| Reply::Hang(Vec::new())).await;
    let site = Site::with(protocol, hurried(origin.addr())).await;
    let mut client = site.client().await;
    assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 504);
    assert!(client.is_usable().await);
    assert_eq!(site.node.metrics().await.sum("origin_errors_total", &[("reason", "timeout")]), 1.0);
}

async fn an_answer_that_breaks_off_does_not_look_whole(protocol: Protocol) {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n0\r\n\r\n",
    ] {
        let origin = Raw::start(move |_| Reply::close(answer)).await;
        let site = Site::of(protocol, origin.addr(), OPEN).await;
        let got = site.client().await.try_ask(&Request::fetch("GET", "/")).await;
        assert!(got.is_err(), "{answer:?}: {got:?}");
    }
}

/// Answers the first request of each connection, and closes at the second without a word.
async fn closes_at_the_second() -> Raw {
    Raw::start(|heard| if heard.nth == 0 { Reply::ok() } else { Reply::close("") }).await
}

async fn a_get_on_a_connection_that_was_closed_meanwhile_is_sent_again(protocol: Protocol) {
    let origin = closes_at_the_second().await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    let mut client = site.client().await;
    for method in ["GET", "GET", "DELETE", "OPTIONS"] {
        let answer = client.ask(&Request::fetch(method, "/")).await;
        assert_eq!((answer.status, answer.text()), (200, "hello"), "{method}");
    }
    assert_eq!(origin.heard().len(), 7, "all but the first were sent again");
}

async fn a_post_is_never_sent_twice(protocol: Protocol) {
    for post in [Request::fetch("POST", "/").body("text/plain", "pay"), Request::fetch("POST", "/")] {
        let origin = closes_at_the_second().await;
        let site = Site::of(protocol, origin.addr(), OPEN).await;
        let mut client = site.client().await;
        assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 200);
        assert_eq!(client.ask(&post).await.status, 502);
        assert_eq!(origin.heard().iter().filter(|heard| heard.is("POST")).count(), 1);
    }
}

async fn a_put_whose_body_is_gone_is_not_sent_again(protocol: Protocol) {
    let origin = closes_at_the_second().await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    let mut client = site.client().await;
    assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 200);
    assert_eq!(client.ask(&Request::fetch("PUT", "/").body("text/plain", "x")).await.status, 502);
    assert_eq!(origin.heard().len(), 2);
}

async fn an_origin_that_is_silent_is_asked_once(protocol: Protocol) {
    let origin = Raw::start(|heard| if heard.nth == 0 { Reply::ok() } else { Reply::Hang(Vec::new()) }).await;
    let site = Site::with(protocol, hurried(origin.addr())).await;
    let mut client = site.client().await;
    for method in ["GET", "DELETE"] {
        assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 200);
        let before = origin.heard().len();
        assert_eq!(client.ask(&Request::fetch(method, "/")).await.status, 504);
        assert_eq!(origin.heard().len(), before + 1, "its connection was used before, and is not closed: {method}");
    }
}

#[tokio::test]
async fn what_a_client_has_given_up_is_not_sent_again() {
    let origin =
        Raw::start(|heard| if heard.head.contains("/slow") { Reply::Hang(Vec::new()) } else { Reply::ok() }).await;
    let site = Site::of(Protocol::Http2, origin.addr(), OPEN).await;
    let mut frames = Frames::begin(site.stream().await, &[]).await;
    frames.send(&[get(1, "/")]).await;
    assert_eq!(frames.outcome(1).await, Outcome::Answered(200));
    frames.send(&[get(3, "/slow")]).await;
    until("the origin is asked", async || (origin.heard().len() == 2).then_some(())).await;
    assert_eq!(origin.heard()[1].connection, 0, "on a connection that was used before");
    frames.send(&[Frame::new(RST_STREAM, 0, 3, 8_u32.to_be_bytes())]).await;
    site.node.until_metrics("it is gone", |m| m.sum("requests_in_flight", &[]) == 0.0).await;
    frames.send(&[get(5, "/")]).await;
    assert_eq!(frames.outcome(5).await, Outcome::Answered(200));
    let heard = origin.heard();
    assert!(heard.len() == 3 && heard[2].connection == 1, "{heard:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_resets_its_stream_and_nothing_else() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (breaks_off, may_break_off) = oneshot::channel();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let _ = tcp.read(&mut [0; 1_024]).await.unwrap();
        tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello").await.unwrap();
        may_break_off.await.unwrap();
    });
    let site = Site::of(Protocol::Http2, addr, OPEN).await;
    let mut frames = Frames::begin(site.stream().await, &[]).await;
    frames.send(&[get(1, "/")]).await;
    assert_eq!(frames.outcome(1).await, Outcome::Answered(200));
    let said = frames.until(|frame| frame.kind == DATA && frame.stream == 1).await.unwrap();
    assert_eq!((&said.payload[..], said.flags), (&b"hello"[..], 0), "what has come is passed on, and is not the end");
    breaks_off.send(()).unwrap();
    let reset = frames.until(|frame| frame.stream == 1).await.unwrap();
    assert_eq!((reset.kind, reset.number(0)), (RST_STREAM, INTERNAL_ERROR));
    frames.send(&[get(3, "/.sluice/status")]).await;
    assert_eq!(frames.outcome(3).await, Outcome::Answered(200));
}

async fn the_next_server_takes_over(protocol: Protocol) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = listener.local_addr().unwrap();
    drop(listener);
    let origin = Raw::start(|_| Reply::ok()).await;
    let tenant = Tenant::shop(dead).server(origin.addr()).queue("shop", OPEN);
    let site = Site::with(protocol, tenant).await;
    let mut client = site.client().await;
    for _ in 0..6 {
        let answer = client.ask(&Request::fetch("POST", "/").body("text/plain", "x")).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(origin.heard().len(), 6);
}

async fn a_client_that_goes_away_lets_its_origin_go(protocol: Protocol) {
    let origin =
        Raw::start(|_| Reply::Hang(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n".into()));
    let origin = origin.await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    let mut connection = site.bytes().await;
    connection.send(format!("GET /events HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
    connection.text_with("data: x").await;
    drop(connection);
    until_within(SOON, "the request has ended", async || {
        (site.node.metrics().await.sum("requests_in_flight", &[]) == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_slow_body_does_not_hurry_the_origin_nor_is_it_cut_while_it_moves() {
    let origin = Raw::start(|_| Reply::ok()).await;
    let site = Site::with(Protocol::Http1, hurried(origin.addr())).await;
    let mut connection = site.bytes().await;
    connection.send(format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\n\r\n")).await;
    for byte in ["a", "b", "c"] {
        // Longer than the origin is given to answer: that time begins when it has the request.
        assert!(connection.stays_open_for(Duration::from_millis(700)).await);
        connection.send(byte).await;
    }
    assert_eq!(connection.response("POST").await.status, 200);
}

#[tokio::test]
async fn a_body_that_comes_without_being_asked_for_has_its_time() {
    let origin = Raw::start(|_| Reply::ok()).await;
    let site = Site::with(Protocol::Http1, hurried(origin.addr())).await;
    let mut connection = site.bytes().await;
    let head = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    connection.send(head).await;
    // This origin knows no "100 Continue", and answers once it has the whole body.
    for byte in ["a", "b", "c"] {
        assert!(connection.stays_open_for(Duration::from_millis(700)).await);
        connection.send(byte).await;
    }
    assert_eq!(connection.response("POST").await.status, 200);
}

on_protocol!(bytes Http1: a_client_that_goes_away_lets_its_origin_go);
on_protocol!(bytes_tls Http1Tls: a_client_that_goes_away_lets_its_origin_go);
on_every_protocol!(
    an_answer_that_cannot_be_understood_is_a_502,
    an_origin_that_is_down_costs_neither_place_nor_connection,
    an_origin_that_says_nothing_is_a_504,
    an_answer_that_breaks_off_does_not_look_whole,
    a_get_on_a_connection_that_was_closed_meanwhile_is_sent_again,
    a_post_is_never_sent_twice,
    a_put_whose_body_is_gone_is_not_sent_again,
    an_origin_that_is_silent_is_asked_once,
    the_next_server_takes_over,
);
