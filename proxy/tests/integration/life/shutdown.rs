//! A clean end: what is under way is finished, what would begin goes elsewhere.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::{Connection, Request, Scene, Setup, scene::FAST, until};

async fn shop(drain_timeout: &str) -> Scene {
    let prepare = |setup: Setup| setup.server(&format!("drain_timeout = \"{drain_timeout}\""));
    Scene::set_up(|shop| shop.queue("shop", FAST), prepare).await
}

/// A request that the origin holds on to.
async fn under_way(scene: &Scene) -> Connection {
    let mut slow = scene.node.connect().await;
    slow.send(Request::navigation("/slow").bytes()).await;
    until("the origin is asked", async || (scene.origin.hit_count() > 0).then_some(())).await;
    slow
}

#[tokio::test]
async fn a_request_under_way_is_finished_and_no_other_is_begun() {
    let mut scene = shop("8s").await;
    let (idle, mut slow) = (scene.visitor("idle").await, under_way(&scene).await);
    assert_eq!(scene.node.admin("/health/ready").await.status, 200);

    let start = Instant::now();
    scene.node.signal("TERM");
    let ready = until("it says that it leaves", async || {
        Some(scene.node.admin("/health/ready").await).filter(|ready| ready.status == 503)
    })
    .await;
    assert_eq!(ready.json()["leaving"], true);
    assert_eq!(scene.node.admin("/health").await.status, 200, "leaving is not dead");
    let until_heard = scene.node.ask(&Request::navigation("/")).await;
    assert!(until_heard.is_from_origin(), "load balancers need a moment to hear of it: {until_heard:?}");
    until("new connections are refused", async || Connection::try_open(scene.node.http).await.err()).await;

    assert!(start.elapsed() < Duration::from_secs(8), "not only when the node ends");
    drop(idle);
    assert!(scene.node.is_running(), "a request is under way");
    scene.origin.go_on();
    let answer = slow.response("GET").await;
    assert!(answer.is_from_origin(), "{answer:?}");
    slow.closed().await;
    assert_eq!(scene.node.exit_status().await.code(), Some(0));
}

#[tokio::test]
async fn a_request_without_end_is_cut_at_the_drain_timeout() {
    let mut scene = shop("2s").await;
    let _slow = under_way(&scene).await;
    let start = Instant::now();
    scene.node.signal("TERM");
    assert_eq!(scene.node.exit_status().await.code(), Some(0));
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(
        scene.node.log().contains("requests and connections cut") && scene.node.log().contains("requests=1"),
        "{}",
        scene.node.log()
    );
}

#[tokio::test]
async fn an_idle_node_ends_soon_whatever_connections_there_are() {
    // Longer than any test waits for a node to end.
    let mut scene = shop("10m").await;
    let mut idle = scene.node.connect().await;
    idle.ask(&Request::navigation("/")).await;
    scene.node.signal("INT");
    assert_eq!(scene.node.exit_status().await.code(), Some(0));
    idle.closed().await;
}
