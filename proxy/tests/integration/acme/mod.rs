//! Certificates by themselves, from a real authority.

mod authority;
mod fleet;

use self::authority::{Manners, Pebble, tenant};
use crate::{
    servers::Reserved,
    support::{Connection, HOST, Node, Origin, Request, Setup, Tenant, TlsClient, tls::presented, until, until_within},
};

/// How long it may take from an order to the handshake, on a machine that is busy with other tests.
const ISSUED_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

/// A node, the authority it asks, and its origin.
struct Scene {
    node: Node,
    pebble: Pebble,
    origin: Origin,
}

impl Scene {
    async fn start(manners: Manners) -> Self {
        let (origin, http) = (Origin::start().await, Reserved::new());
        let pebble = Pebble::start(http.port(), manners).await;
        let node = setup(&pebble, tenant(Tenant::shop(origin.addr()))).at(http).start().await;
        Self { node, pebble, origin }
    }
}

fn setup(pebble: &Pebble, tenant: Tenant) -> Setup {
    Setup::new(tenant).https("").section(&pebble.section()).file("authority.pem", pebble.ca_file())
}

/// A connection to a host whose certificate the client trusts; waits until there is one.
async fn connected(tls: &TlsClient, node: &Node, host: &str) -> (Connection, Vec<u8>) {
    let stream = until_within(ISSUED_WITHIN, "the certificate is presented", async || {
        tls.connect(node.https(), host).await.ok()
    });
    let stream = stream.await;
    let certificate = presented(&stream).to_vec();
    (Connection::over(stream), certificate)
}

#[tokio::test]
async fn a_node_gets_a_certificate_by_itself_and_serves_the_site_with_it() {
    let scene = Scene::start(Manners::default()).await;
    let tls = scene.pebble.client().await;
    let (mut connection, first) = connected(&tls, &scene.node, HOST).await;
    assert!(connection.ask(&Request::navigation("/")).await.is_from_origin());
    let metrics = scene.node.metrics().await;
    assert_eq!(metrics.sum("acme_orders_total", &[("outcome", "issued")]), 1.0);
    assert_eq!(metrics.sum("certificates_missing", &[]), 0.0);
    assert!(metrics.sum("certificate_expires_seconds", &[("tenant", "shop"), ("name", HOST)]) > 1e9);
    // Plain HTTP is led to HTTPS now.
    let redirected = scene.node.ask(&Request::navigation("/")).await;
    assert_eq!(redirected.status, 308);
    // A start finds it where it was kept, and asks for nothing.
    let Scene { mut node, pebble, .. } = scene;
    node.kill();
    node.start().await;
    let (_, again) = connected(&tls, &node, HOST).await;
    assert_eq!((again, pebble.issued()), (first, 1));
}

#[tokio::test]
async fn nothing_that_is_kept_shows_a_key() {
    let scene = Scene::start(Manners::default()).await;
    let _ = connected(&scene.pebble.client().await, &scene.node, HOST).await;
    let folder = scene.node.folder.path().join("state/acme");
    let names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(names.len() >= 2, "account and certificate: {names:?}");
    for path in names {
        let bytes = std::fs::read(&path).unwrap();
        let shows = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
        assert!(!shows(b"PRIVATE KEY") && !shows(b"key_pkcs8"), "{}", path.display());
    }
    assert!(!scene.node.log().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn an_authority_that_refuses_every_second_nonce_is_asked_until_it_takes_one() {
    let scene = Scene::start(Manners { refuses_nonces: 50, ..Manners::default() }).await;
    connected(&scene.pebble.client().await, &scene.node, HOST).await;
    assert_eq!(scene.pebble.issued(), 1);
}

#[tokio::test]
async fn a_certificate_is_renewed_in_time_and_no_connection_is_cut() {
    let scene = Scene::start(Manners { validity_s: 15, ..Manners::default() }).await;
    let tls = scene.pebble.client().await;
    let (mut kept, first) = connected(&tls, &scene.node, HOST).await;
    assert!(kept.ask(&Request::navigation("/")).await.is_from_origin());
    until_within(ISSUED_WITHIN, "another one is presented", async || {
        // A handshake from the beginning: a session that is resumed presents nothing.
        let (mut fresh, certificate) = connected(&scene.pebble.client().await, &scene.node, HOST).await;
        assert!(fresh.ask(&Request::navigation("/")).await.is_from_origin(), "under load");
        (certificate != first).then_some(())
    })
    .await;
    assert!(kept.ask(&Request::navigation("/")).await.is_from_origin(), "it keeps what it began with");
}

#[tokio::test]
async fn a_host_that_cannot_be_proven_is_refused_counted_and_left_alone() {
    let origin = Origin::start().await;
    // Proofs are looked for where nothing listens.
    let nowhere = Reserved::new();
    let pebble = Pebble::start(nowhere.port(), Manners::default()).await;
    let node = setup(&pebble, tenant(Tenant::shop(origin.addr()))).start().await;
    node.until_metrics("the order has failed", |m| m.sum("acme_orders_total", &[("outcome", "failed")]) == 1.0).await;
    let refused = pebble.client().await.connect(node.https(), HOST).await.unwrap_err();
    assert!(refused.to_string().contains("UnrecognisedName"), "{refused}");
    // The client hears of it first; it is counted, and then logged.
    let is_logged = || node.log().contains("has not been issued yet");
    until("the log says why", async || is_logged().then_some(())).await;
    let metrics = node.metrics().await;
    assert_eq!(metrics.sum("tls_handshakes_total", &[("outcome", "not_issued")]), 1.0);
    assert_eq!(metrics.sum("certificates_missing", &[("tenant", "shop")]), 1.0);
    assert!(node.log().contains("ACME: no certificate"));
    // Nothing but HTTPS waits for it.
    assert_eq!(node.admin("/health/ready").await.status, 200);
    assert!(node.ask(&Request::navigation("/")).await.is_from_origin(), "no redirect to what is not there");
    assert_eq!(pebble.failed(), 1);
}

#[tokio::test]
async fn tokens_that_are_not_ours_go_to_the_origin() {
    let scene = Scene::start(Manners::default()).await;
    let asked = Request::app("GET", "/.well-known/acme-challenge/not-one_of-Ours");
    assert!(scene.node.ask(&asked).await.is_from_origin());
    assert_eq!(scene.origin.hit_count(), 1);
}

#[tokio::test]
async fn check_and_explain_say_what_is_asked_for_and_what_follows() {
    let scene = Scene::start(Manners::default()).await;
    let folder = scene.node.folder.path().to_str().unwrap();
    let said = |args: &[&str]| String::from_utf8(scene.node.command(args).output().unwrap().stdout).unwrap();
    let check = said(&["check", "--config", folder]);
    assert!(check.contains("/dir for a certificate of each of shop.example.com"), "{check}");
    let https = said(&["explain", "--config", folder, "https://shop.example.com/"]);
    assert!(https.contains("the certificate of shop.example.com, which comes by ACME, has been issued"), "{https}");
    let proof = said(&["explain", "--config", folder, "http://shop.example.com/.well-known/acme-challenge/x"]);
    assert!(proof.contains("answered here if the token is one of ours"), "{proof}");
}
