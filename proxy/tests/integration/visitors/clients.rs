//! Clients that do not do their part: whom that is counted against, and what it leaves in the log.

use std::time::Duration;

use crate::support::{Request, Scene, Setup, metrics::Metrics, scene::FAST};

/// More pages than fit into what the system keeps between a node and a client that reads nothing.
const TOO_MANY_PAGES: usize = 2_000;

#[tokio::test]
async fn a_client_that_goes_away_before_its_answer_is_no_failure_of_the_origin() {
    let (scene, _inside) = Scene::one_seat().await;
    let waits = scene.visitor("waits").await;
    let connections = |m: &Metrics| m.sum("connections", &[]);
    scene.node.until_metrics("both visitors are there", |m| connections(m) == 2.0).await;
    let mut client = scene.node.connect().await;
    client.send(waits.browser.navigation("/").bytes().repeat(TOO_MANY_PAGES)).await;
    // The first few are with the system; then one is under way for as long as the client reads nothing.
    let under_way = |m: &Metrics| m.requests("shop", "parked") > 3.0 && m.sum("requests_in_flight", &[]) == 1.0;
    scene.node.until_metrics("an answer is under way", under_way).await;
    drop(client);
    // The two are not read in one moment.
    let gone = |m: &Metrics| connections(m) == 2.0 && m.sum("requests_in_flight", &[]) == 0.0;
    let metrics = scene.node.until_metrics("it is gone", gone).await;
    assert!(metrics.requests("shop", "parked") < TOO_MANY_PAGES as f64, "all of it fitted in");
    assert!(metrics.sum("origin_errors_total", &[]) == 0.0);
    assert!(!scene.node.log().contains("ERROR"), "{}", scene.node.log());
}

#[tokio::test]
async fn a_client_that_goes_away_within_a_head_leaves_no_error_in_the_log() {
    let scene = Scene::shop(FAST).await;
    for begun in ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: shop.example.com\r\nX"] {
        let mut client = scene.node.connect().await;
        client.send(begun).await;
        scene.node.until_metrics("it is there", |m| m.sum("connections", &[]) == 1.0).await;
        drop(client);
        scene.node.until_metrics("it is gone", |m| m.sum("connections", &[]) == 0.0).await;
    }
    assert!(!scene.node.log().contains("ERROR"), "{}", scene.node.log());
}

#[tokio::test]
async fn what_is_wrong_with_a_head_is_said_by_its_status() {
    let scene = Scene::shop(FAST).await;
    let head = |line: &str, fields: &str| format!("{line} HTTP/1.1\r\nHost: shop.example.com\r\n{fields}\r\n");
    for (head, status, allows) in [
        (head("TRACE /", ""), 405, true),
        (head(&format!("GET /{}", "a".repeat(9_000)), ""), 414, false),
        (head("GET /", &"X-Many: 1\r\n".repeat(120)), 431, false),
        (head("GET /", &"X-Many: 1\r\n".repeat(400)), 431, false),
        (head("GET /", &format!("X-Long: {}\r\n", "a".repeat(90_000))), 431, false),
        (head("GET /a b", ""), 400, false),
    ] {
        let mut client = scene.node.connect().await;
        client.send(&head).await;
        let answer = client.response("GET").await;
        assert_eq!(answer.status, status, "{:.60}: {answer:?}", head);
        assert_eq!(answer.header("allow").is_some(), allows, "{answer:?}");
        assert_eq!(answer.header("server"), None);
        client.closed().await;
    }
    assert_eq!(scene.origin.hit_count(), 0);
}

/// Twenty seconds of the clock.
#[tokio::test]
async fn a_head_that_does_not_come_in_time_is_a_408() {
    let scene = Scene::shop(FAST).await;
    let mut client = scene.node.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: shop.example.com\r\n").await;
    assert!(client.stays_open_for(Duration::from_secs(15)).await, "it has time");
    let answer = client.response("GET").await;
    assert_eq!(answer.status, 408, "{answer:?}");
    client.closed().await;
}

#[tokio::test]
async fn a_load_balancer_gets_an_answer_without_a_host_or_by_the_address() {
    let health = |setup: Setup| setup.server("health_path = \"/healthz\"");
    let scene = Scene::set_up(|shop| shop.queue("shop", FAST), health).await;
    let http10 = |line: &str| format!("{line} HTTP/1.0\r\n\r\n");
    let http11 = |host: &str, path: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    for (request, status) in [
        (http10("OPTIONS /healthz"), "200"),
        (http10("GET /healthz?x=1"), "200"),
        (http11("127.0.0.1:8080", "/healthz"), "200"),
        (http10("GET /"), "400"),
        (http10("POST /healthz"), "400"),
        (http11("127.0.0.1:8080", "/"), "421"),
        ("GET /healthz HTTP/1.1\r\n\r\n".into(), "400"),
    ] {
        let mut client = scene.node.connect().await;
        client.send(&request).await;
        let answer = String::from_utf8_lossy(&client.rest().await).into_owned();
        assert_eq!(answer.get(9..12), Some(status), "{request:?}: {answer}");
    }
    assert!(scene.node.ask(&Request::navigation("/healthz")).await.is_from_origin(), "a tenant's own page");
}

#[tokio::test]
async fn a_target_that_is_no_uri_and_has_one_reading_reaches_the_origin() {
    let scene = Scene::shop(FAST).await;
    let mut client = scene.node.connect().await;
    // The second and third come along with the first.
    let targets = [r#"/p?filter={"a":1}"#, "/p?q=<b>", "/`"];
    let requests: Vec<u8> = targets.iter().flat_map(|target| Request::fetch("GET", target).bytes()).collect();
    client.send(requests).await;
    for _ in targets {
        assert_eq!(client.response("GET").await.status, 200);
    }
    let heard: Vec<_> = scene.origin.hits().into_iter().map(|hit| hit.target).collect();
    assert_eq!(heard, ["/p?filter={%22a%22:1}", "/p?q=%3Cb%3E", "/%60"]);
    client.send("GET /caf\u{e9}?q=\u{e9} HTTP/1.1\r\nHost: shop.example.com\r\n\r\n").await;
    assert!(client.response("GET").await.is_from_origin());
}
