//! Passwords and certificates: what is refused, and what is never printed.

use std::process::Command;

use sluice_admission::{line::Batch, store::Redis};
use sluice_config::RedisSettings;

use super::{
    BACK_WITHIN, away,
    conformance::{join, line},
    servers::{self, Reserved, Server, logged_in},
    step, when_back, when_refused,
};

#[tokio::test]
async fn a_password_that_is_refused_for_a_while_is_no_end_and_is_never_told() {
    let server = Server::with(&["requirepass first-password"]);
    let port = server.reserved();
    let settings = logged_in(server.settings(), None, "first-password");
    let store = Redis::new(&settings);
    step(&store, &join(0..1)).await.unwrap();
    drop(server);
    let server = Server::on(port.clone(), &["requirepass second-password"]);
    let why = when_refused(&store, BACK_WITHIN).await;
    for shown in [why, format!("{store:?}"), format!("{:?}", store.doctor(&[]).await)] {
        assert!(!shown.contains("first-password"), "{shown}");
    }
    drop(server);
    let _server = Server::on(port, &["requirepass first-password"]);
    when_back(&store, &line("sale"), BACK_WITHIN).await;
}

#[tokio::test]
async fn a_server_without_auth_does_not_make_us_tell_the_password() {
    // It repeats what it was sent: `unknown command 'HELLO', with args beginning with: '3' 'AUTH' …`.
    let server = Server::with(&["rename-command HELLO \"\"", "rename-command AUTH \"\""]);
    let store = Redis::new(&logged_in(server.settings(), Some("somebody"), "my-password"));
    let why = away(step(&store, &Batch::default()).await);
    assert!(!why.contains("my-password") && why.contains("127.0.0.1"), "{why}");
}

#[tokio::test]
async fn tls_is_checked_against_the_given_authority() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let openssl = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .args(["-keyout", &file("key.pem"), "-out", &file("cert.pem")])
        .output();
    let made = openssl.unwrap_or_else(|e| panic!("openssl is not installed. This test needs it in PATH: {e}"));
    assert!(made.status.success(), "{made:?}");
    let reserved = Reserved::new();
    let tls_port = reserved.port();
    let _server = Server::with(&[
        &format!("tls-port {tls_port}"),
        &format!("tls-cert-file {}", file("cert.pem")),
        &format!("tls-key-file {}", file("key.pem")),
        "tls-auth-clients no",
    ]);
    let node = sluice_config::RedisNode { host: "127.0.0.1".to_owned(), port: tls_port };
    let pem = std::fs::read_to_string(file("cert.pem")).unwrap();
    let settings = servers::settings(sluice_config::RedisTopology::Single, vec![node]);
    let trusted = RedisSettings { tls: true, tls_ca_pem: Some(pem), ..settings.clone() };
    step(&Redis::new(&trusted), &join(0..1)).await.unwrap();
    let untrusted = RedisSettings { tls: true, ..settings };
    let why = away(step(&Redis::new(&untrusted), &join(0..1)).await);
    assert!(why.to_lowercase().contains("certificate"), "{why}");
}
