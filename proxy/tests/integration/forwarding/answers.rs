//! Answers of origins: whatever is between the origin and us stays there, and what is careless is mended.

use super::site::{ADMITS, OPEN, Raw, Reply, Site};
use crate::support::{
    HOST, Protocol, Request,
    client::{on_every_protocol, on_protocol},
};

fn get() -> Request {
    Request::navigation("/")
}

async fn early_hints_carry_nothing_of_ours(protocol: Protocol) {
    let origin = Raw::start(|_| {
        Reply::keep(
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x\r\nX: 1\r\n\r\n\
             HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        )
    })
    .await;
    let site = Site::of(protocol, origin.addr(), ADMITS).await;
    let mut connection = site.bytes().await;
    connection.send(get().bytes()).await;
    let hints = connection.text_with("\r\n\r\n").await;
    let (hints, _) = hints.split_once("\r\n\r\n").unwrap();
    assert_eq!(hints, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload");
    let answer = connection.response("GET").await;
    assert!(answer.token("pass").is_some(), "{answer:?}");
    assert!(connection.is_usable().await);
}

#[tokio::test]
async fn early_hints_reach_clients_of_http_2_before_the_answer() {
    let origin = Raw::start(|_| {
        Reply::keep(
            "HTTP/1.1 100 Continue\r\n\r\n\
             HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x\r\nX: 1\r\n\r\n\
             HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        )
    })
    .await;
    let site = Site::of(Protocol::Http2, origin.addr(), ADMITS).await;
    let (requests, connection) = h2::client::handshake(site.stream().await).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(format!("https://{HOST}/")).body(()).unwrap();
    let (mut answer, _) = requests.ready().await.unwrap().send_request(request, true).unwrap();
    let hints = std::future::poll_fn(|cx| answer.poll_informational(cx)).await.unwrap().unwrap();
    assert_eq!(hints.status(), 103, "one that was not asked for is left out");
    let fields: Vec<_> = hints.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(fields, [("link", &b"</a.css>; rel=preload"[..])], "and nothing of ours");
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("set-cookie"), "{answer:?}");
}

async fn the_origins_date_is_kept_and_one_is_put_where_there_is_none(protocol: Protocol) {
    const DATE: &str = "Tue, 15 Nov 1994 08:12:31 GMT";
    let origin = Raw::start(|heard| {
        let date = if heard.head.contains("/dated") { format!("Date: {DATE}\r\n") } else { String::new() };
        Reply::keep(format!("HTTP/1.1 200 OK\r\n{date}Content-Length: 5\r\n\r\nhello"))
    })
    .await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    let mut client = site.client().await;
    assert_eq!(client.ask(&Request::navigation("/dated")).await.header("date"), Some(DATE));
    let date = client.ask(&get()).await.header("date").map(str::to_owned);
    assert!(date.is_some_and(|date| date != DATE));
}

async fn an_answer_behind_early_hints_arrives_with_its_pass(protocol: Protocol) {
    let origin =
        Raw::start(|_| Reply::keep("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")).await;
    let site = Site::of(protocol, origin.addr(), ADMITS).await;
    let answer = site.client().await.ask(&get()).await;
    assert_eq!((answer.status, answer.text()), (200, "hello"));
    assert!(answer.token("pass").is_some(), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store, private"));
}

async fn fields_of_the_origins_connection_go_no_further(protocol: Protocol) {
    let origin = Raw::start(|_| {
        Reply::keep(
            "HTTP/1.1 200 Fine\r\nUpgrade: h2,h2c\r\nConnection: Upgrade, Keep-Alive, X-Hop\r\nKeep-Alive: timeout=5\r\n\
             Proxy-Connection: keep-alive\r\nX-Hop: 1\r\nX-Kept: 2\r\nTransfer-Encoding: chunked\r\n\r\n\
             2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        )
    })
    .await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    let mut client = site.client().await;
    for _ in 0..3 {
        let answer = client.ask(&get()).await;
        assert_eq!(answer.text(), "hello");
        for name in ["upgrade", "keep-alive", "proxy-connection", "x-hop"] {
            assert_eq!(answer.header(name), None, "{answer:?}");
        }
        assert_eq!(answer.header("x-kept"), Some("2"));
    }
    // What it has said of its connection we have read: that one goes on.
    assert!(origin.heard().iter().all(|heard| heard.connection == 0));
}

async fn an_answer_that_ends_with_the_connection_is_whole(protocol: Protocol) {
    for head in ["HTTP/1.0 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nConnection: close"] {
        let origin = Raw::start(move |_| Reply::close(format!("{head}\r\n\r\nhello"))).await;
        let site = Site::of(protocol, origin.addr(), OPEN).await;
        let mut client = site.client().await;
        assert_eq!(client.ask(&get()).await.text(), "hello");
        assert!(client.is_usable().await, "the origin's connection is not the client's");
    }
}

async fn careless_answers_are_mended(protocol: Protocol) {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad field\r\nX Y: 1\r\nX-Long: one\r\n two\r\nContent-Length : 5\r\n\r\nhello",
        "HTTP/1.1 200\nContent-Length: 5\n\nhello",
        "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        // More than it has announced is not passed on as the next answer.
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ] {
        let origin = Raw::start(move |_| Reply::keep(answer)).await;
        let site = Site::of(protocol, origin.addr(), OPEN).await;
        let mut client = site.client().await;
        for _ in 0..2 {
            let got = client.ask(&get()).await;
            assert_eq!((got.status, got.text()), (200, "hello"), "{answer:?}");
        }
    }
}

async fn an_answer_without_a_body_has_none_whatever_it_says(protocol: Protocol) {
    let origin = Raw::start(|heard| {
        Reply::keep(match heard.head.split(' ').nth(1) {
            Some("/204") => "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
            Some("/304") => "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n",
            _ if heard.is("HEAD") => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        })
    })
    .await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    let mut client = site.client().await;
    for (request, status, length) in [
        (Request::fetch("GET", "/204"), 204, None),
        (Request::fetch("GET", "/304"), 304, Some("5")),
        (Request::fetch("HEAD", "/"), 200, Some("5")),
        (Request::fetch("GET", "/"), 200, Some("2")),
    ] {
        let answer = client.ask(&request).await;
        assert_eq!((answer.status, answer.header("content-length")), (status, length), "{request:?}");
    }
}

#[tokio::test]
async fn chunks_are_not_sent_to_http_1_0() {
    let origin =
        Raw::start(|_| Reply::keep("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
            .await;
    let site = Site::of(Protocol::Http1, origin.addr(), OPEN).await;
    let mut connection = site.bytes().await;
    connection.send(format!("GET / HTTP/1.0\r\nHost: {HOST}\r\nConnection: keep-alive\r\n\r\n")).await;
    let answer = connection.response("GET").await;
    assert_eq!(answer.text(), "hello");
    assert!(answer.closes() && answer.header("transfer-encoding").is_none(), "{answer:?}");
}

#[tokio::test]
async fn interim_answers_are_not_sent_to_http_1_0() {
    let origin =
        Raw::start(|_| Reply::keep("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")).await;
    let site = Site::of(Protocol::Http1, origin.addr(), OPEN).await;
    let mut connection = site.bytes().await;
    connection.send(format!("GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n")).await;
    assert!(connection.text_with("hello").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn trailers_reach_clients_of_http_2() {
    let origin = Raw::start(|_| {
        Reply::keep(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a=b\r\n\r\n",
        )
    })
    .await;
    let site = Site::of(Protocol::Http2, origin.addr(), OPEN).await;
    let crate::support::Client::Http2(client) = site.client().await else { unreachable!() };
    let (answer, trailers) = client.ask_for_trailers(&get()).await;
    assert_eq!(answer.text(), "hello");
    let names: Vec<_> = trailers.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["x-sum"]);
}

on_protocol!(bytes Http1: early_hints_carry_nothing_of_ours);
on_protocol!(bytes_tls Http1Tls: early_hints_carry_nothing_of_ours);
on_every_protocol!(
    an_answer_behind_early_hints_arrives_with_its_pass,
    the_origins_date_is_kept_and_one_is_put_where_there_is_none,
    fields_of_the_origins_connection_go_no_further,
    an_answer_that_ends_with_the_connection_is_whole,
    careless_answers_are_mended,
    an_answer_without_a_body_has_none_whatever_it_says,
);
