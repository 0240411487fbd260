//! The PROXY protocol on listeners of the real binary, with a real proxy in front as well.

use std::{fmt::Write as _, net::TcpListener, process::Command};

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::support::{
    Authority, Connection, HOST, Http2, Protocol, Request, Scene, Setup, TlsClient, scene::FAST, until,
};

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";

fn v2() -> Vec<u8> {
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 1, 0xbb]].concat()
}

/// A node on which PROXY headers are required, from this machine.
async fn scene(protocol: Protocol, trusted: &str) -> Scene {
    let lines = format!("trusted_proxies = [\"{trusted}\"]\nproxy_protocol = [\"127.0.0.1:0\"]");
    Scene::speaking(protocol, |shop| shop.queue("shop", FAST), |setup: Setup| setup.server(&lines)).await
}

async fn behind(scene: &Scene, header: &[u8]) -> Connection {
    let mut tcp = TcpStream::connect(scene.node.http).await.unwrap();
    tcp.write_all(header).await.unwrap();
    Connection::over(tcp)
}

#[tokio::test]
async fn the_origin_is_told_the_address_that_the_proxy_names() {
    let scene = scene(Protocol::Http1, "127.0.0.0/8").await;
    for header in [V1.to_vec(), v2()] {
        let mut client = behind(&scene, &header).await;
        // What a client says of itself is not believed, whoever the proxy is.
        let asked = Request::navigation("/").header("X-Forwarded-For", "203.0.113.5");
        assert!(client.ask(&asked).await.is_from_origin());
        assert_eq!(scene.origin.last_hit().header("x-forwarded-for"), Some("192.0.2.7"));
        assert!(client.is_usable().await, "the header is for the connection, not for each request");
    }
    let mut health_check = behind(&scene, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").await;
    assert!(health_check.ask(&Request::navigation("/")).await.is_from_origin());
    assert_eq!(scene.origin.last_hit().header("x-forwarded-for"), Some("127.0.0.1"));
}

#[tokio::test]
async fn tls_and_http2_follow_a_header() {
    for protocol in Protocol::ENCRYPTED {
        let scene = scene(protocol, "127.0.0.0/8").await;
        let mut tcp = TcpStream::connect(scene.node.https()).await.unwrap();
        tcp.write_all(&v2()).await.unwrap();
        let stream = scene.tls().speaks(protocol.alpn()).over(tcp, HOST).await.unwrap();
        let request = Request::navigation("/");
        let answer = match protocol {
            Protocol::Http2 => Http2::over(stream).await.ask(&request).await,
            _ => Connection::over(stream).ask(&request).await,
        };
        assert!(answer.is_from_origin(), "{answer:?}");
        let hit = scene.origin.last_hit();
        assert_eq!(
            (hit.header("x-forwarded-for"), hit.header("x-forwarded-proto")),
            (Some("192.0.2.7"), Some("https"))
        );
    }
}

#[tokio::test]
async fn whatever_else_comes_is_closed_without_a_byte_and_counted() {
    let scene = scene(Protocol::Http1, "127.0.0.0/8").await;
    let request = Request::navigation("/").bytes();
    let oversized = [b"PROXY UNKNOWN ", &[b'x'; 300][..]].concat();
    for (bytes, reason) in [
        (request.clone(), "malformed"),
        (b"PROXY TCP4 nonsense\r\n".to_vec(), "malformed"),
        (oversized, "too_long"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec(), "too_long"),
    ] {
        let before = scene.node.metrics().await.sum("proxy_headers_refused_total", &[("reason", reason)]);
        let mut client = behind(&scene, &bytes).await;
        assert_eq!(client.rest().await, b"", "{reason}");
        let metrics = scene.node.metrics().await;
        assert_eq!(metrics.sum("proxy_headers_refused_total", &[("reason", reason)]), before + 1.0, "{reason}");
    }
    // A second header is no request.
    let mut twice = behind(&scene, &[V1, V1, &request].concat()).await;
    assert!(!String::from_utf8_lossy(&twice.rest().await).contains("x-origin"));
    assert_eq!(scene.origin.hit_count(), 0);
}

#[tokio::test]
async fn a_peer_that_is_not_trusted_is_closed_whatever_it_says() {
    let scene = scene(Protocol::Http1, "10.0.0.0/8").await;
    for bytes in [V1, &Request::navigation("/").bytes()] {
        assert_eq!(behind(&scene, bytes).await.rest().await, b"");
    }
    let metrics = scene.node.metrics().await;
    assert_eq!(metrics.sum("proxy_headers_refused_total", &[("reason", "untrusted_peer")]), 2.0);
    assert_eq!(scene.origin.hit_count(), 0);
}

/// HAProxy in front, which ends as the test does.
struct Haproxy(std::process::Child);

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn haproxy_speaks_it_in_both_versions_before_plain_and_encrypted_connections() {
    let authority = Authority::new("authority");
    let pair = authority.server(&[HOST]);
    let prepare = |setup: Setup| {
        let lines = "trusted_proxies = [\"127.0.0.0/8\"]\nproxy_protocol = [\"127.0.0.1:0\"]";
        setup.https("").pair("shop", &pair).server(lines)
    };
    let scene = Scene::set_up(|shop| shop.queue("shop", FAST).presents(&["shop"], ""), prepare).await;
    let tls = TlsClient::new(&authority, None);
    for version in ["send-proxy", "send-proxy-v2"] {
        let (plain, encrypted) = (free_port(), free_port());
        let mut config =
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n".to_owned();
        for (name, port, node) in [("plain", plain, scene.node.http), ("tls", encrypted, scene.node.https())] {
            // The proxy sees every client at an address of its own.
            writeln!(config, "listen {name}\n bind 127.0.0.1:{port}\n server node {node} {version}\n").unwrap();
        }
        scene.node.folder.write("haproxy.cfg", &config);
        let file = scene.node.folder.path().join("haproxy.cfg");
        let child = Command::new("haproxy").arg("-db").arg("-f").arg(file).spawn();
        let _haproxy = Haproxy(child.expect("HAProxy is needed: apt-get install haproxy"));
        let addr = format!("127.0.0.1:{plain}").parse().unwrap();
        let mut client = until("HAProxy listens", async || Connection::try_open(addr).await.ok()).await;
        assert!(client.ask(&Request::navigation("/")).await.is_from_origin());
        assert_eq!(scene.origin.last_hit().header("x-forwarded-for"), Some("127.0.0.1"));
        let tcp = TcpStream::connect(("127.0.0.1", encrypted)).await.unwrap();
        let stream = tls.speaks("h2").over(tcp, HOST).await.unwrap();
        assert!(Http2::over(stream).await.ask(&Request::navigation("/")).await.is_from_origin(), "{version}");
    }
    let refused = scene.node.metrics().await.sum("proxy_headers_refused_total", &[]);
    assert_eq!(refused, 0.0);
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
