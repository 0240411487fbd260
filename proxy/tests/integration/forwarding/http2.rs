//! HTTP/2 to origins, as gRPC needs it: whichever protocol the client speaks.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Request as Head, Response as Answer, StatusCode};
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::site::{ADMITS, OPEN, Raw, Reply, Site, acceptor};
use crate::support::{
    Authority, Protocol, Request, Setup, Tenant,
    certificates::Pair,
    client::{on_every_protocol, on_protocol},
    connection::Stream,
    until,
};

const NAME: &str = "app.internal";

/// A request that has reached the origin.
#[derive(Clone, Debug)]
struct Heard {
    head: http::request::Parts,
    connection: usize,
}

/// An origin that speaks HTTP/2. What it does is in the path.
struct Origin {
    addr: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    serving: AbortHandle,
}

impl Origin {
    /// Without TLS.
    async fn start() -> Self {
        Self::accepting(None).await
    }

    async fn start_encrypted(pair: &Pair) -> Self {
        let config = acceptor(pair, None).config().clone();
        let mut config = Arc::unwrap_or_clone(config);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self::accepting(Some(Arc::new(config).into())).await
    }

    async fn accepting(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = heard.clone();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for connection in 0.. {
                let (tcp, _) = listener.accept().await.unwrap();
                let (tls, log) = (tls.clone(), log.clone());
                connections.spawn(async move {
                    match tls {
                        Some(tls) => serve(tls.accept(tcp).await.unwrap(), connection, log).await,
                        None => serve(tcp, connection, log).await,
                    }
                });
            }
        });
        Self { addr, heard, serving: serving.abort_handle() }
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often a path was asked for.
    fn times(&self, path: &str) -> usize {
        self.heard().iter().filter(|heard| heard.head.uri.path() == path).count()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(stream: impl Stream + 'static, connection: usize, log: Arc<Mutex<Vec<Heard>>>) {
    let Ok(mut http2) = h2::server::handshake(stream).await else { return };
    let mut answering = JoinSet::new();
    while let Some(Ok((request, mut answer))) = http2.accept().await {
        let (head, body) = request.into_parts();
        let before = {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push(Heard { head: head.clone(), connection });
            log.iter().filter(|heard| heard.head.uri.path() == head.uri.path()).count() - 1
        };
        match head.uri.path() {
            "/refuses" => answer.send_reset(Reason::REFUSED_STREAM),
            "/refuses-once" if before == 0 => answer.send_reset(Reason::REFUSED_STREAM),
            "/resets" => answer.send_reset(Reason::INTERNAL_ERROR),
            "/leaves" => {
                http2.graceful_shutdown();
                answering.spawn(say(Head::from_parts(head, body), answer));
            }
            _ => drop(answering.spawn(say(Head::from_parts(head, body), answer))),
        }
    }
    while answering.join_next().await.is_some() {}
}

/// Answers with the request's body, piece by piece as it comes, and with trailers.
async fn say(request: Head<RecvStream>, mut answer: SendResponse<Bytes>) {
    let (head, mut body) = request.into_parts();
    let builder = Answer::builder().header("Sluice-Session", "renew").header("content-type", "application/grpc");
    if head.uri.path() == "/trailers-only" {
        let answered = builder.header("grpc-status", "12").body(()).unwrap();
        answer.send_response(answered, true).unwrap();
        return;
    }
    if head.uri.path() == "/not-found" {
        answer.send_response(Answer::builder().status(StatusCode::NOT_FOUND).body(()).unwrap(), true).unwrap();
        return;
    }
    if head.uri.path() == "/big" {
        let mut out =
            answer.send_response(builder.header("content-length", "8000000").body(()).unwrap(), false).unwrap();
        // What the other end does not take stays here.
        let _ = out.send_data(vec![b'x'; 8_000_000].into(), true);
        std::future::poll_fn(|cx| out.poll_reset(cx).map(drop)).await;
        return;
    }
    let Ok(mut out) = answer.send_response(builder.body(()).unwrap(), false) else { return };
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
        if out.send_data(piece, false).is_err() {
            return;
        }
    }
    let _ = out.send_trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]));
}

async fn site(protocol: Protocol, origin: &Origin, queue: &str) -> Site {
    Site::with(protocol, Tenant::shop(origin.addr).origin("http2 = true").queue("shop", queue)).await
}

async fn requests_and_bodies_pass_on_one_connection(protocol: Protocol) {
    let origin = Origin::start().await;
    let site = site(protocol, &origin, ADMITS).await;
    let large = "x".repeat(300_000);
    for body in ["", "hello", &large] {
        // An answer that begins before the request is whole is the last on a connection of HTTP/1.1.
        let got = site.client().await.ask(&Request::fetch("POST", "/echo?a=b").body("text/plain", body)).await;
        assert!(got.status == 200 && got.text() == body, "{} {:?}", body.len(), got.headers);
        assert_eq!(got.header("sluice-session"), None, "that is between the origin and us");
    }
    let mut client = site.client().await;
    assert_eq!(client.ask(&Request::fetch("GET", "/not-found")).await.status, 404);
    assert_eq!(client.ask(&Request::fetch("HEAD", "/echo")).await.status, 200);
    let heard = origin.heard();
    assert!(heard.iter().all(|heard| heard.connection == 0), "one connection carries them all");
    let head = &heard[0].head;
    assert_eq!((head.uri.scheme_str(), head.uri.host()), (Some("http"), Some("shop.example.com")));
    assert_eq!(head.uri.path_and_query().unwrap(), "/echo?a=b");
    assert_eq!(head.headers["x-forwarded-host"], "shop.example.com");
    assert!(["host", "connection", "transfer-encoding", "te"].iter().all(|name| !head.headers.contains_key(*name)));
}

async fn an_origin_over_tls_is_asked_by_alpn(protocol: Protocol) {
    let authority = Authority::new("Origin");
    let origin = Origin::start_encrypted(&authority.server(&[NAME])).await;
    let tls = format!("http2 = true\ntls = true\ntls_name = \"{NAME}\"\ntls_ca_file = \"origin-ca.pem\"");
    let tenant = Tenant::shop(origin.addr).origin(&tls).queue("shop", OPEN);
    let site = Site::set_up(protocol, tenant, |setup: Setup| setup.file("origin-ca.pem", &authority.pem)).await;
    let mut client = site.client().await;
    for _ in 0..3 {
        let got = client.ask(&Request::fetch("POST", "/echo").body("text/plain", "hello")).await;
        assert_eq!((got.status, got.text()), (200, "hello"));
    }
    assert_eq!(origin.heard()[0].head.uri.scheme_str(), Some("https"));
}

async fn an_origin_that_speaks_http1_only_is_a_502_with_its_cause_in_the_log(protocol: Protocol) {
    let authority = Authority::new("Origin");
    let origin = Raw::start_encrypted(&authority.server(&[NAME]), None, |_| Reply::ok()).await;
    let tls = format!("http2 = true\ntls = true\ntls_name = \"{NAME}\"\ntls_ca_file = \"origin-ca.pem\"");
    let tenant = Tenant::shop(origin.addr()).origin(&tls).queue("shop", ADMITS);
    let site = Site::set_up(protocol, tenant, |setup: Setup| setup.file("origin-ca.pem", &authority.pem)).await;
    let got = site.client().await.ask(&Request::navigation("/")).await;
    assert_eq!(got.status, 502);
    assert!(got.token("pass").is_some(), "the place is kept: {got:?}");
    until("the log says why", async || site.node.log().contains("it does not speak HTTP/2 over TLS").then_some(()))
        .await;
}

async fn a_request_that_the_server_has_not_looked_at_is_sent_again(protocol: Protocol) {
    let origin = Origin::start().await;
    let site = site(protocol, &origin, OPEN).await;
    let mut client = site.client().await;
    let post = Request::new("POST", "/refuses-once").header("content-length", "0");
    let got = client.ask(&post).await;
    assert_eq!((got.status, origin.times("/refuses-once")), (200, 2), "a POST, and the server had refused it unread");
    let got = client.ask(&Request::new("POST", "/refuses").header("content-length", "0")).await;
    assert_eq!((got.status, origin.times("/refuses")), (502, 2), "once more, and no more");
    let got = client.ask(&Request::new("POST", "/resets").header("content-length", "0")).await;
    assert_eq!((got.status, origin.times("/resets")), (502, 1), "what it may have executed is not sent twice");
}

async fn a_server_that_leaves_answers_and_the_next_request_has_a_new_connection(protocol: Protocol) {
    let origin = Origin::start().await;
    let site = site(protocol, &origin, OPEN).await;
    let mut client = site.client().await;
    for round in 0..3 {
        for path in ["/leaves", "/echo"] {
            let got = client.ask(&Request::fetch("POST", path).body("text/plain", "hello")).await;
            assert_eq!((got.status, got.text()), (200, "hello"), "{path} in round {round}");
        }
    }
}

async fn a_server_that_leaves_while_a_stream_lasts_is_asked_on_a_new_connection(protocol: Protocol) {
    let origin = Origin::start().await;
    let site = site(protocol, &origin, OPEN).await;
    // On HTTP/1.1, whatever the others speak: half of a body, so that its stream lasts.
    let mut lasting = site.node.connect().await;
    lasting.send(b"POST /watch HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 4\r\n\r\nha").await;
    until("it is under way", async || (origin.times("/watch") == 1).then_some(())).await;
    assert_eq!(site.client().await.ask(&Request::fetch("POST", "/leaves")).await.status, 200);
    for nth in 0..30 {
        let got = site.client().await.ask(&Request::fetch("POST", "/echo").body("text/plain", "hello")).await;
        assert_eq!((got.status, got.text()), (200, "hello"), "the {nth}th");
    }
    let connections = origin.heard().iter().map(|heard| heard.connection).max().unwrap() + 1;
    assert_eq!(connections, 2, "one for what lasts, and one for all others");
    lasting.send(b"lf").await;
    assert_eq!(lasting.response("POST").await.text(), "half");
}

async fn a_client_that_takes_nothing_does_not_hold_up_another(protocol: Protocol) {
    let origin = Origin::start().await;
    let site = site(protocol, &origin, OPEN).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut bytes = site.node.connect().await;
        bytes.send(b"GET /big HTTP/1.1\r\nHost: shop.example.com\r\n\r\n").await;
        idle.push(bytes);
    }
    until("all are under way", async || (origin.times("/big") == 20).then_some(())).await;
    let upload = Request::fetch("POST", "/echo").body("text/plain", "x".repeat(1_000_000));
    let got = site.client().await.ask(&upload).await;
    assert_eq!((got.status, got.body.len()), (200, 1_000_000));
    assert_eq!(site.client().await.ask(&Request::fetch("GET", "/big")).await.body.len(), 8_000_000);
}

on_every_protocol!(
    requests_and_bodies_pass_on_one_connection,
    an_origin_over_tls_is_asked_by_alpn,
    an_origin_that_speaks_http1_only_is_a_502_with_its_cause_in_the_log,
    a_request_that_the_server_has_not_looked_at_is_sent_again,
    a_server_that_leaves_answers_and_the_next_request_has_a_new_connection,
    a_server_that_leaves_while_a_stream_lasts_is_asked_on_a_new_connection,
    a_client_that_takes_nothing_does_not_hold_up_another,
);

async fn a_websocket_needs_another_origin_and_the_log_says_so(protocol: Protocol) {
    let origin = Origin::start().await;
    let site = site(protocol, &origin, OPEN).await;
    let request = Request::new("GET", "/socket").header("Connection", "Upgrade").header("Upgrade", "websocket");
    let request = request.header("Sec-WebSocket-Version", "13").header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(site.client().await.ask(&request).await.status, 502);
    let metrics = site.node.metrics().await;
    assert_eq!(metrics.sum("origin_errors_total", &[("reason", "no_websocket")]), 1.0);
}

on_protocol!(sockets Http1: a_websocket_needs_another_origin_and_the_log_says_so);

/// A gRPC call in which each side waits for what the other has just said.
#[tokio::test]
async fn both_sides_of_a_grpc_stream_talk_at_the_same_time() {
    let origin = Origin::start().await;
    let site = site(Protocol::Http2, &origin, ADMITS).await;
    let (send, connection) = h2::client::handshake(site.stream().await).await.unwrap();
    let driver = tokio::spawn(connection);
    let head = Head::post("https://shop.example.com/shop.Cart/Watch").header("content-type", "application/grpc");
    let head = head.header("te", "trailers").body(()).unwrap();
    let (answer, mut up) = send.ready().await.unwrap().send_request(head, false).unwrap();
    up.send_data(Bytes::from_static(b"one"), false).unwrap();
    let mut down = answer.await.unwrap().into_body();
    for (heard, next) in [("one", "two"), ("two", "three"), ("three", "")] {
        assert_eq!(down.data().await.unwrap().unwrap(), heard);
        up.send_data(Bytes::from(next), next.is_empty()).unwrap();
    }
    while let Some(piece) = down.data().await {
        assert!(piece.unwrap().is_empty());
    }
    assert_eq!(down.trailers().await.unwrap().unwrap()["grpc-status"], "0");
    assert_eq!(origin.heard()[0].head.headers["te"], "trailers");

    let head = Head::post("https://shop.example.com/trailers-only").header("te", "trailers").body(()).unwrap();
    let (send, connection) = h2::client::handshake(site.stream().await).await.unwrap();
    let second = tokio::spawn(connection);
    let answer = send.ready().await.unwrap().send_request(head, true).unwrap().0.await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "12");
    assert!(answer.body().is_end_stream(), "an answer of trailers alone stays one");
    driver.abort();
    second.abort();
}

#[tokio::test]
async fn a_server_is_checked_over_http2() {
    let (good, bad) = (Origin::start().await, Raw::start(|_| Reply::ok()).await);
    let health = "http2 = true\n[origin.health]\npath = \"/echo\"\ninterval = \"1s\"\ntimeout = \"500ms\"";
    let tenant = Tenant::shop(good.addr).server(bad.addr()).origin(health).queue("shop", OPEN);
    let site = Site::with(Protocol::Http1, tenant).await;
    let up = |server: SocketAddr| ("origin_server_up", [("server", server.to_string())]);
    site.node
        .until_metrics("the one that speaks HTTP/1.1 is down", |metrics| {
            let of = |server| {
                let (name, [(label, value)]) = up(server);
                metrics.sum(name, &[(label, &value)])
            };
            of(bad.addr()) == 0.0 && of(good.addr) == 1.0
        })
        .await;
    until("it has been checked", async || (good.times("/echo") > 0).then_some(())).await;
}
