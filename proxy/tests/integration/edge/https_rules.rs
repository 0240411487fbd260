//! What a tenant wants of HTTPS and of every answer: plain HTTP led there, HSTS, security headers.

use std::{fs, os::unix::fs::PermissionsExt as _};

use tempfile::TempDir;

use crate::support::{HOST, Request, Response, Scene, Tenant, scene::FAST};

/// A certificate for [`HOST`] and its key, in files that only their owner can read.
fn certificate() -> TempDir {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("chain.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

/// A shop with a certificate and these settings of it, on a node with an HTTPS listener, which believes its clients
/// when they say how they came.
async fn with_certificate(settings: &str, furnish: impl FnOnce(Tenant) -> Tenant) -> (Scene, TempDir) {
    let files = certificate();
    let path = |name| files.path().join(name).display().to_string();
    let certificates = format!("{{ chain = {:?}, key = {{ file = {:?} }} }}", path("chain.pem"), path("key.pem"));
    let tls = format!("[tls]\ncertificates = [{certificates}]\n{settings}");
    let server = "https = [\"127.0.0.1:0\"]\ntrusted_proxies = [\"127.0.0.0/8\"]";
    (Scene::set_up(|shop| furnish(shop.section(&tls)), |setup| setup.server(server)).await, files)
}

fn https_port(scene: &Scene) -> u16 {
    let log = scene.node.log();
    let (_, after) = log.split_once("listening on https://127.0.0.1:").unwrap();
    after.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

fn over_https(request: Request) -> Request {
    request.header("X-Forwarded-For", "192.0.2.1").header("X-Forwarded-Proto", "https")
}

fn hsts(response: &Response) -> Option<&str> {
    response.header("strict-transport-security")
}

#[tokio::test]
async fn plain_http_is_led_to_https_whatever_is_asked_for() {
    let (scene, _files) = with_certificate("hsts = \"1h\"", |shop| shop.queue("shop", FAST)).await;
    let port = https_port(&scene);
    let mut connection = scene.node.connect().await;
    for (request, target) in [
        (Request::navigation("/a%2Cb?x=%20&y"), "/a%2Cb?x=%20&y"),
        (Request::new("POST", "/pay").body("application/x-www-form-urlencoded", "a=1"), "/pay"),
        (Request::fetch("GET", "/.sluice/status?queue=shop"), "/.sluice/status?queue=shop"),
        (Request::new("POST", "/.sluice/leave?queue=shop"), "/.sluice/leave?queue=shop"),
        (Request::app("GET", "/api").host(&format!("{HOST}:8080")), "/api"),
    ] {
        let answer = connection.ask(&request).await;
        assert_eq!(answer.status, 308, "{request:?}: {answer:?}");
        assert_eq!(answer.header("location"), Some(format!("https://{HOST}:{port}{target}").as_str()), "{answer:?}");
        assert_eq!((hsts(&answer), answer.header("set-cookie")), (None, None), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store, private"), "it can be taken back");
        assert!(!answer.closes(), "{answer:?}");
    }
    assert_eq!(connection.ask(&Request::navigation("/").host("evil.example")).await.status, 421);
    assert_eq!((scene.origin.hit_count(), scene.node.metrics().await.line("issued_number", "shop")), (0, 0.0));
    // A proxy in front has taken the visitor's HTTPS already, or will take it where it takes everybody's.
    assert!(connection.ask(&over_https(Request::navigation("/"))).await.is_from_origin());
    let behind = connection.ask(&Request::navigation("/").header("X-Forwarded-Proto", "http")).await;
    assert_eq!(behind.header("location"), Some(format!("https://{HOST}/").as_str()));
}

#[tokio::test]
async fn a_certificate_authority_that_asks_over_plain_http_gets_its_answer_there() {
    let (scene, _files) = with_certificate("", |shop| shop.queue("shop", FAST)).await;
    let challenge = Request::app("GET", "/.well-known/acme-challenge/token");
    assert!(scene.node.ask(&challenge).await.is_from_origin());
}

#[tokio::test]
async fn hsts_is_on_every_answer_over_https_and_on_none_over_plain_http() {
    let settings = "redirect_http = false\nhsts = \"1h\"\nhsts_subdomains = true";
    let (scene, _files) =
        with_certificate(settings, |shop| shop.queue("shop", &format!("{FAST}\nmax_active = 1"))).await;
    let requests = || {
        [
            Request::navigation("/"),
            Request::navigation("/"),
            Request::fetch("GET", "/.sluice/status?queue=shop"),
            Request::fetch("GET", "/.sluice/nothing"),
        ]
    };
    for request in requests() {
        let answer = scene.node.ask(&over_https(request)).await;
        assert_eq!(hsts(&answer), Some("max-age=3600; includeSubDomains"), "{answer:?}");
    }
    for request in requests() {
        let answer = scene.node.ask(&request).await;
        assert_eq!(hsts(&answer), None, "{answer:?}");
    }
}

#[tokio::test]
async fn the_origins_own_word_wins_and_it_offers_no_way_past_the_node() {
    let queue = format!("{FAST}\nmode = \"open\"");
    let (scene, _files) =
        with_certificate("hsts = \"1h\"", |shop| shop.key("headers = \"strict\"").queue("shop", &queue)).await;
    let own = scene.node.ask(&over_https(Request::navigation("/own-headers"))).await;
    assert_eq!((hsts(&own), own.header("x-frame-options")), (Some("max-age=0"), Some("DENY")));
    let other = scene.node.ask(&over_https(Request::navigation("/other-way"))).await;
    assert!(other.is_from_origin() && other.header("alt-svc").is_none(), "{other:?}");
    assert_eq!(other.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(other.header("x-frame-options"), Some("SAMEORIGIN"));
    assert_eq!(other.header("referrer-policy"), Some("strict-origin-when-cross-origin"));
}

#[tokio::test]
async fn without_the_preset_an_origins_answer_is_left_alone() {
    let scene = Scene::shop(FAST).await;
    let page = scene.node.ask(&Request::navigation("/")).await;
    for name in ["x-content-type-options", "x-frame-options", "referrer-policy", "strict-transport-security"] {
        assert_eq!(page.header(name), None, "{page:?}");
    }
}
