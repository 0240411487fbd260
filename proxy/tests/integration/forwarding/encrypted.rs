//! TLS to origins: whom a node believes, and what is said when it does not.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::site::{ADMITS, OPEN, Raw, Reply, Site};
use crate::support::{
    Authority, HOST, Protocol, Request, Setup, Tenant, client::on_every_protocol, client::on_protocol, until,
};

const NAME: &str = "app.internal";

/// A tenant whose origin speaks TLS.
fn encrypted(server: SocketAddr, lines: &str) -> Tenant {
    let tls = format!("tls = true\ntls_name = \"{NAME}\"\ntls_ca_file = \"origin-ca.pem\"\n");
    Tenant::shop(server).origin(&(tls + lines)).queue("shop", ADMITS)
}

async fn site(protocol: Protocol, tenant: Tenant, trusts: &Authority) -> Site {
    Site::set_up(protocol, tenant, |setup: Setup| setup.file("origin-ca.pem", &trusts.pem)).await
}

async fn requests_bodies_and_connections_pass_over_tls(protocol: Protocol) {
    let authority = Authority::new("Origin");
    let large = "x".repeat(300_000);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{large}", large.len());
    let origin = Raw::start_encrypted(&authority.server(&[NAME]), None, move |_| Reply::keep(&answer)).await;
    let site = site(protocol, encrypted(origin.addr(), ""), &authority).await;
    let mut client = site.client().await;
    for _ in 0..3 {
        let got = client.ask(&Request::fetch("POST", "/").body("text/plain", large.clone())).await;
        assert!(got.status == 200 && got.text() == large, "{got:?}");
    }
    let heard = origin.heard();
    assert!(heard.iter().all(|heard| heard.body == large.as_bytes()));
    assert!(heard.iter().all(|heard| heard.connection == 0), "the connection is used again");
}

/// A server of plain HTTP, which says what it thinks of a handshake.
async fn plain() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let _ = tcp.read(&mut [0; 4_096]).await;
            let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        }
    });
    addr
}

async fn a_server_that_cannot_be_believed_is_a_502_with_its_cause_in_the_log(protocol: Protocol) {
    let (authority, other) = (Authority::new("Origin"), Authority::new("Other"));
    let plain = plain().await;
    let encrypted_origin = async |pair| Raw::start_encrypted(&pair, None, |_| Reply::ok()).await;
    let wrong_name = encrypted_origin(authority.server(&["other.internal"])).await;
    let expired = encrypted_origin(authority.expired_server(&[NAME])).await;
    let unknown = encrypted_origin(other.server(&[NAME])).await;
    for (origin, cause) in [
        (wrong_name.addr(), "its certificate is not for app.internal"),
        (expired.addr(), "its certificate has expired"),
        (unknown.addr(), "signed by no authority that is trusted here"),
        (plain, "it does not speak TLS on this port"),
    ] {
        let site = site(protocol, encrypted(origin, ""), &authority).await;
        let mut client = site.client().await;
        let began = Instant::now();
        let got = client.ask(&Request::navigation("/")).await;
        assert!(got.status == 502 && got.text().contains("The site is not answering"), "{cause}: {got:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "at once, however busy this machine is");
        assert!(got.token("pass").is_some(), "the place is kept: {got:?}");
        assert!(client.is_usable().await);
        let log = site.node.log();
        assert!(log.contains(cause) && log.contains(&origin.to_string()), "{cause}: {log}");
        assert_eq!(site.node.metrics().await.sum("origin_errors_total", &[("reason", "tls")]), 1.0, "{cause}");
    }
    for origin in [&wrong_name, &expired, &unknown] {
        assert!(origin.heard().is_empty(), "nothing was sent");
    }
}

async fn an_origin_that_speaks_tls_where_none_is_spoken_is_named_in_the_log(protocol: Protocol) {
    // What OpenSSL and rustls answer to a request in plain HTTP.
    let origin = Raw::start(|_| Reply::close([0x15, 3, 3, 0, 2, 2, 70])).await;
    let site = Site::of(protocol, origin.addr(), OPEN).await;
    let mut client = site.client().await;
    assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 502);
    let log = site.node.log();
    assert!(log.contains("write `tls = true`"), "{log}");
}

async fn a_handshake_that_hangs_is_a_504_in_its_time(protocol: Protocol) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = Authority::new("Origin");
    let site = site(protocol, encrypted(silent.local_addr().unwrap(), "connect_timeout = \"1s\""), &authority).await;
    let began = Instant::now();
    let got = site.client().await.ask(&Request::navigation("/")).await;
    assert_eq!(got.status, 504);
    assert!(got.token("pass").is_some());
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(6), "two attempts of 1 s at most: {took:?}");
    assert!(site.node.log().contains("did not finish the TLS handshake in time"), "{}", site.node.log());
}

async fn a_server_that_asks_who_we_are_is_shown_a_certificate(protocol: Protocol) {
    let (authority, clients) = (Authority::new("Origin"), Authority::new("Clients"));
    let origin = Raw::start_encrypted(&authority.server(&[NAME]), Some(&clients), |_| Reply::ok()).await;
    let lines = "tls_client_certificate = { chain = \"client.pem\", key = { file = \"client.key\" } }";
    let shows =
        |setup: Setup| setup.file("origin-ca.pem", &authority.pem).pair("client", &clients.client("sluice.internal"));
    let site = Site::set_up(protocol, encrypted(origin.addr(), lines), shows).await;
    assert_eq!(site.client().await.ask(&Request::fetch("GET", "/")).await.status, 200);
    let bare = self::site(protocol, encrypted(origin.addr(), ""), &authority).await;
    assert_eq!(bare.client().await.ask(&Request::fetch("GET", "/")).await.status, 502);
}

on_every_protocol!(
    requests_bodies_and_connections_pass_over_tls,
    a_server_that_cannot_be_believed_is_a_502_with_its_cause_in_the_log,
    an_origin_that_speaks_tls_where_none_is_spoken_is_named_in_the_log,
    a_handshake_that_hangs_is_a_504_in_its_time,
    a_server_that_asks_who_we_are_is_shown_a_certificate,
);

async fn websockets_pass_over_tls(protocol: Protocol) {
    let authority = Authority::new("Origin");
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nearly";
    let origin = Raw::start_encrypted(&authority.server(&[NAME]), None, move |_| Reply::Hang(switched.to_vec())).await;
    let site = site(protocol, encrypted(origin.addr(), ""), &authority).await;
    let mut connection = site.bytes().await;
    let request = Request::new("GET", "/socket").header("Connection", "Upgrade").header("Upgrade", "websocket");
    let request = request.header("Sec-WebSocket-Version", "13").header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(connection.ask(&request).await.status, 101);
    assert_eq!(connection.exactly(5).await, b"early");
    connection.end_sending().await;
    site.node.until_metrics("the tunnel has ended", |m| m.sum("requests_in_flight", &[]) == 0.0).await;
}

on_protocol!(sockets Http1: websockets_pass_over_tls);
on_protocol!(sockets_tls Http1Tls: websockets_pass_over_tls);

#[tokio::test]
async fn without_a_file_the_authorities_of_the_system_are_believed() {
    let authority = Authority::new("Origin");
    let origin = Raw::start_encrypted(&authority.server(&[NAME]), None, |_| Reply::ok()).await;
    let tenant = Tenant::shop(origin.addr()).origin(&format!("tls = true\ntls_name = \"{NAME}\"")).queue("shop", OPEN);
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("system.pem");
    std::fs::write(&file, &authority.pem).unwrap();
    let trusts = |setup: Setup| setup.env("SSL_CERT_FILE", file.to_str().unwrap());
    let site = Site::set_up(Protocol::Http1, tenant, trusts).await;
    assert_eq!(site.client().await.ask(&Request::fetch("GET", "/")).await.status, 200);
}

#[tokio::test]
async fn no_connection_is_shared_once_others_are_believed() {
    let (authority, other) = (Authority::new("Origin"), Authority::new("Other"));
    let origin = Raw::start_encrypted(&authority.server(&[NAME]), None, |_| Reply::ok()).await;
    let site = site(Protocol::Http1, encrypted(origin.addr(), ""), &authority).await;
    let mut client = site.client().await;
    assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 200);
    site.node.folder.write("origin-ca.pem", &other.pem);
    site.node.reload().await;
    assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 502, "the idle connection was verified by others");
    site.node.folder.write("origin-ca.pem", &authority.pem);
    site.node.reload().await;
    assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 200);
    assert_eq!(origin.heard().len(), 2);
}

#[tokio::test]
async fn checks_are_made_over_tls() {
    let authority = Authority::new("Origin");
    let origin = Raw::start_encrypted(&authority.server(&[NAME]), None, |_| Reply::ok()).await;
    let tenant = encrypted(origin.addr(), "").section("[origin.health]\npath = \"/up\"\ninterval = \"1s\"");
    let site = site(Protocol::Http1, tenant, &authority).await;
    until("it is checked", async || {
        origin.heard().iter().any(|heard| heard.head.starts_with("GET /up ")).then_some(())
    })
    .await;
    let head = &origin.heard()[0].head;
    assert!(head.contains(&format!("\r\nHost: {HOST}\r\n")), "{head}");
    assert_eq!(site.node.metrics().await.sum("origin_server_up", &[]), 1.0);
}

/// An answer without a length ends where its connection does, and only `close_notify` tells the end from a cut.
#[tokio::test]
async fn an_answer_that_is_cut_off_under_tls_does_not_look_whole() {
    let authority = Authority::new("Origin");
    let (listener, turns) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), AtomicUsize::new(0));
    let addr = listener.local_addr().unwrap();
    let acceptor = super::site::acceptor(&authority.server(&[NAME]), None);
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(tcp).await.unwrap();
            let _ = stream.read(&mut [0; 4_096]).await.unwrap();
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello").await.unwrap();
            stream.flush().await.unwrap();
            if turns.fetch_add(1, Ordering::SeqCst) == 0 {
                stream.shutdown().await.unwrap();
            }
        }
    });
    let site = site(Protocol::Http1Tls, encrypted(addr, ""), &authority).await;
    assert_eq!(site.client().await.ask(&Request::fetch("GET", "/")).await.text(), "hello");
    let cut = site.client().await.try_ask(&Request::fetch("GET", "/")).await;
    assert!(cut.is_err(), "{cut:?}");
}
