#![allow(clippy::unwrap_used)]

use std::{net::SocketAddr, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;

const HOST: &str = "shop.example.com";

/// A server that speaks what is agreed on, and answers every request with its target and `Set-Cookie`; or that leaves HTTP/2
/// connections as soon as they are there.
async fn server(site: &Site, alpn: &[&[u8]], leaves: bool) -> SocketAddr {
    let dir = tempfile::tempdir().unwrap();
    let files = site.write(dir.path()).unwrap();
    let chain = CertificateDer::pem_file_iter(&files.chain).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut tls = acceptor.accept(tcp).await.unwrap();
                if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
                    let mut connection = h2::server::handshake(tls).await.unwrap();
                    if leaves {
                        connection.abrupt_shutdown(h2::Reason::NO_ERROR);
                    }
                    while let Some(Ok((request, mut respond))) = connection.accept().await {
                        let says = format!("{} {}", request.uri(), request.headers().contains_key("host"));
                        let answer = http::Response::builder().header("set-cookie", "a=1; Path=/").body(()).unwrap();
                        let mut body = respond.send_response(answer, false).unwrap();
                        body.send_data(says.into(), true).unwrap();
                    }
                    return;
                }
                let mut buffer = [0; 2_048];
                while let Ok(read @ 1..) = tls.read(&mut buffer).await {
                    let target = String::from_utf8_lossy(&buffer[..read]).split(' ').nth(1).unwrap().to_owned();
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nContent-Length: {}\r\n\r\n",
                        target.len()
                    );
                    tls.write_all((head + &target).as_bytes()).await.unwrap();
                }
            });
        }
    });
    addr
}

fn request(target: &str) -> Request<()> {
    parse(format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\nCookie: a=1\r\n\r\n").as_bytes()).unwrap()
}

#[tokio::test]
async fn the_same_request_is_answered_over_both_protocols() {
    let site = Site::new(&[HOST]).unwrap();
    let to = server(&site, &[b"h2", b"http/1.1"], false).await;
    for (protocol, says) in
        [(Protocol::Http1Tls, "/a?b=c"), (Protocol::Http2Tls, "https://shop.example.com/a?b=c false")]
    {
        let way = site.way(HOST, protocol, Arc::new(Tickets::at_most(1))).unwrap();
        let mut connection = Connection::open(&way, to, None).await.unwrap();
        for _ in 0..2 {
            let ready = connection.ready(&request("/a?b=c")).unwrap();
            let answer = connection.send(ready).await.unwrap();
            assert_eq!((answer.status, &*answer.body), (200, says.as_bytes()));
            assert_eq!(answer.set_cookies().collect::<Vec<_>>(), ["a=1; Path=/"]);
            let mut bytes = Vec::new();
            answer.write_http1(&mut bytes);
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.starts_with("HTTP/1.1 200 \r\n") && text.contains("set-cookie: a=1; Path=/\r\n"), "{text}");
            assert!(text.ends_with(&format!("\r\n\r\n{says}")), "{text}");
        }
    }
}

#[tokio::test]
async fn a_session_is_resumed_by_the_ticket_of_another_client_and_only_if_tickets_are_kept() {
    let site = Site::new(&[HOST]).unwrap();
    let to = server(&site, &[b"http/1.1"], false).await;
    for (most, resumes) in [(4, true), (0, false)] {
        let tickets = Arc::new(Tickets::at_most(most));
        let way = site.way(HOST, Protocol::Http1Tls, tickets.clone()).unwrap();
        for (number, expected) in [(1, false), (2, resumes)] {
            let mut io = way.connect(to, None).await.unwrap();
            // Tickets come after the handshake; an answer comes after the tickets.
            io.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            assert!(io.read(&mut [0; 256]).await.unwrap() > 0);
            assert_eq!(io.is_resumed(), Some(expected), "handshake {number} with {most} tickets");
        }
        assert!(tickets.came() > 0);
    }
}

#[tokio::test]
async fn a_server_that_offers_no_http2_is_trouble_and_not_taken_for_one() {
    let site = Site::new(&[HOST]).unwrap();
    let to = server(&site, &[], false).await;
    let way = site.way(HOST, Protocol::Http2Tls, Arc::new(Tickets::at_most(1))).unwrap();
    assert!(matches!(Connection::open(&way, to, None).await, Err(Trouble::Handshake(_))));
}

#[tokio::test]
async fn a_request_on_a_connection_that_the_server_leaves_is_known_to_be_unseen() {
    let site = Site::new(&[HOST]).unwrap();
    let to = server(&site, &[b"h2"], true).await;
    let way = site.way(HOST, Protocol::Http2Tls, Arc::new(Tickets::at_most(1))).unwrap();
    let mut connection = Connection::open(&way, to, None).await.unwrap();
    let ready = connection.ready(&request("/")).unwrap();
    assert!(matches!(connection.send(ready).await, Err(Trouble::Unseen)));
}

#[test]
fn what_is_no_request_without_a_body_is_not_parsed() {
    assert!(parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_some());
    assert!(parse(b"GET / HTTP/1.1\r\nHost: a\r\n").is_none());
    assert!(parse(b"POST / HTTP/1.1\r\nHost: a\r\n\r\nbody").is_none());
}
