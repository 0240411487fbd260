//! Handshakes that fail, each with its alert and its count, and those in which several things could be right.

use std::process::{Command, Stdio};

use rustls::version::{TLS12, TLS13};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use crate::support::{
    Authority, Connection, HOST, Node, Origin, Protocol, Request, Scene, Setup, Tenant, TlsClient, scene::FAST,
};

async fn counted(node: &Node, outcome: &str, count: f64) {
    let label = [("outcome", outcome)];
    node.until_metrics(outcome, |metrics| metrics.sum("tls_handshakes_total", &label) == count).await;
}

async fn shop(tls: &str) -> Scene {
    let prepare = |setup: Setup| setup.env("RUST_LOG", "info");
    Scene::speaking_with(Protocol::Http1Tls, tls, |shop| shop.queue("shop", FAST), prepare).await
}

#[tokio::test]
async fn a_name_that_nobody_has_gets_an_alert_and_is_counted() {
    let scene = shop("").await;
    let other = scene.tls().connect(scene.node.https(), "unknown.example.com").await.unwrap_err();
    let none = scene.tls().names_nobody().connect(scene.node.https(), HOST).await.unwrap_err();
    for refused in [other, none] {
        assert!(refused.to_string().contains("fatal alert: UnrecognisedName"), "{refused}");
    }
    counted(&scene.node, "unknown_name", 2.0).await;
    assert!(!scene.node.log().contains("ERROR"), "{}", scene.node.log());
}

#[tokio::test]
async fn a_name_is_found_in_any_case() {
    let scene = shop("").await;
    scene.tls().connect(scene.node.https(), "SHOP.example.COM").await.unwrap();
    counted(&scene.node, "full", 1.0).await;
}

#[tokio::test]
async fn what_is_no_handshake_is_cut_and_counted() {
    let scene = shop("").await;
    for begun in [&Request::navigation("/").bytes()[..], b"\x16\x03\x01\x00\x05hello", b"\x15\x03\x01\x00\x02\x02\x28"]
    {
        let mut connection = Connection::open(scene.node.https()).await;
        connection.send(begun).await;
        connection.closed().await;
    }
    counted(&scene.node, "failed", 3.0).await;
    assert!(!scene.node.log().contains("ERROR"), "{}", scene.node.log());
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_ends_at_its_time() {
    let scene = shop("handshake_timeout = \"1s\"").await;
    let mut silent = TcpStream::connect(scene.node.https()).await.unwrap();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
    counted(&scene.node, "too_slow", 1.0).await;
}

#[tokio::test]
async fn the_versions_are_those_of_the_config() {
    let authority = Authority::new("authority");
    let origin = Origin::start().await;
    for (versions, old) in [("[\"1.2\", \"1.3\"]", true), ("[\"1.3\"]", false)] {
        let shop = Tenant::shop(origin.addr()).queue("shop", FAST).presents(&["shop"], "");
        let setup = Setup::new(shop).https(&format!("versions = {versions}")).pair("shop", &authority.server(&[HOST]));
        let node = setup.start().await;
        for (version, spoken) in [(&TLS12, old), (&TLS13, true)] {
            let client = TlsClient::of_versions(&[version], &authority, None);
            assert_eq!(client.connect(node.https(), HOST).await.is_ok(), spoken, "{versions}, {version:?}");
        }
    }
}

#[tokio::test]
async fn without_http2_a_client_gets_http1() {
    let authority = Authority::new("authority");
    let origin = Origin::start().await;
    for (http2, protocol) in [(true, "h2"), (false, "http/1.1")] {
        let shop = Tenant::shop(origin.addr()).queue("shop", FAST).presents(&["shop"], "");
        let setup = Setup::new(shop).https("").server(&format!("http2 = {http2}"));
        let node = setup.pair("shop", &authority.server(&[HOST])).start().await;
        let client = TlsClient::new(&authority, None).speaks_all(&["h2", "http/1.1"]);
        let stream = client.connect(node.https(), HOST).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
    }
}

#[tokio::test]
async fn of_two_certificates_a_client_gets_the_one_that_it_verifies() {
    let authority = Authority::new("authority");
    let origin = Origin::start().await;
    let shop = Tenant::shop(origin.addr()).queue("shop", FAST).presents(&["ecdsa", "rsa"], "");
    let setup = Setup::new(shop).https("").pair("ecdsa", &authority.server(&[HOST]));
    let node = setup.pair("rsa", &authority.rsa_server(&[HOST])).start().await;
    for (verifies, key) in [
        (&["-sigalgs", "ecdsa_secp256r1_sha256"][..], "ECDSA"),
        (&["-sigalgs", "rsa_pss_rsae_sha256"], "RSA-PSS"),
        (&["-sigalgs", "rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256"], "ECDSA"),
        // Of TLS 1.2 the cipher says which key it goes with, whatever else is verified.
        (&["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "RSA-PSS"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "ECDSA"),
    ] {
        let client = Command::new("openssl")
            .args(["s_client", "-brief", "-connect", &node.https().to_string(), "-servername", HOST])
            .args(verifies)
            .stdin(Stdio::null())
            .output()
            .expect("openssl is needed: apt-get install openssl");
        let said = String::from_utf8_lossy(&client.stderr).into_owned();
        assert!(said.contains(&format!("Signature type: {key}\n")), "{verifies:?}: {said}");
    }
}
