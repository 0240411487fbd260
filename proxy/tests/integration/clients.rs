//! Clients that do not do their part: whom that is counted against, and what it leaves in the log.

use crate::support::{Scene, metrics::Metrics, scene::FAST};

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
    scene.node.until_metrics("answers are under way", |m| m.requests("shop", "parked") > 20.0).await;
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
