//! A visit is to the site, whatever it is seen by: other paths, streams, and what the origin says of it.

use std::time::Duration;

use tokio::time::{Instant, interval};

use crate::support::{Request, Response, Scene, Visitor, scene::FAST};

/// One seat, before the check-out only; and a visitor on it.
async fn at_the_checkout(settings: &str) -> (Scene, Visitor) {
    let scene = Scene::shop(&format!("paths = [\"/checkout\"]\n{FAST}\nmax_active = 1\n{settings}")).await;
    let mut inside = scene.visitor("inside").await;
    // The pass comes back with the second: from then on it is one like any other.
    for _ in 0..2 {
        let page = inside.open("/checkout").await;
        assert!(page.is_from_origin(), "{page:?}");
    }
    (scene, inside)
}

/// Somebody who stands in line for the check-out.
async fn waiting(scene: &Scene) -> Visitor {
    let mut waits = scene.visitor("waits").await;
    assert!(!waits.open("/checkout").await.is_from_origin());
    assert!(waits.poll().await.number.is_some());
    waits
}

/// Does something every quarter of a second.
async fn for_a_while(lasts: Duration, mut each: impl AsyncFnMut()) {
    let start = Instant::now();
    let mut beat = interval(Duration::from_millis(250));
    while start.elapsed() < lasts {
        beat.tick().await;
        each().await;
    }
}

fn api_call() -> Request {
    Request::fetch("POST", "/api/cart").body("application/json", "{}")
}

#[tokio::test]
async fn who_works_on_paths_without_a_queue_stays_inside() {
    let (scene, mut inside) = at_the_checkout("session_idle = \"5s\"").await;
    let mut waits = waiting(&scene).await;
    for_a_while(Duration::from_secs(9), async || {
        waits.poll().await;
        assert!(inside.ask(api_call()).await.is_from_origin());
    })
    .await;
    assert!(inside.open("/checkout/pay").await.is_from_origin(), "thrown out");
    assert_eq!(waits.poll().await.state, "waiting", "one seat, and it is taken");
    for hit in scene.origin.hits() {
        assert_eq!(hit.header("cookie"), None, "the origin sees no token of ours");
    }
}

#[tokio::test]
async fn a_request_that_another_site_makes_to_such_a_path_keeps_no_seat() {
    let (scene, inside) = at_the_checkout("session_idle = \"5s\"").await;
    let mut waits = waiting(&scene).await;
    let image = Request::new("GET", "/logo.png").header("Sec-Fetch-Site", "cross-site");
    let image = image.header("Sec-Fetch-Mode", "no-cors").header("Sec-Fetch-Dest", "image");
    let start = Instant::now();
    let mut beat = interval(Duration::from_millis(250));
    while waits.poll().await.state != "called" {
        assert!(start.elapsed() < Duration::from_secs(30), "the seat is kept");
        beat.tick().await;
        scene.node.ask(&inside.browser.dress(image.clone())).await;
    }
}

#[tokio::test]
async fn a_log_out_that_no_queue_covers_ends_the_visit() {
    let (scene, mut inside) = at_the_checkout("").await;
    let mut waits = waiting(&scene).await;
    let bye = inside.open("/end").await;
    assert!(bye.is_from_origin());
    assert_eq!((bye.header("sluice-session"), bye.token("pass")), (None, Some("")), "{bye:?}");
    waits.until_state("called").await;
    assert!(!inside.open("/checkout").await.is_from_origin());
}

#[tokio::test]
async fn the_origin_may_renew_a_visit_with_any_answer() {
    let (scene, mut inside) = at_the_checkout("").await;
    let before = inside.browser.token("pass").unwrap();
    // The line's clock counts milliseconds, and a pass of the same one is the same.
    let pass = |answer: &Response| answer.token("pass").map(str::to_owned);
    let mut beat = interval(Duration::from_millis(5));
    beat.tick().await;
    beat.tick().await;
    assert_eq!(pass(&inside.open("/search").await), None, "it is fresh");
    let answer = inside.open("/renew").await;
    assert_eq!(answer.header("sluice-session"), None, "{answer:?}");
    assert!(pass(&answer).is_some_and(|renewed| renewed != before), "{answer:?}");
    let stranger = inside.browser.afresh();
    let answer = scene.node.ask(&stranger.navigation("/renew")).await;
    assert_eq!(answer.token("pass"), None, "only who is inside has a visit to renew");
}

#[tokio::test]
async fn a_websocket_on_which_bytes_move_keeps_the_seat_and_a_closed_one_does_not() {
    let (scene, mut inside) = at_the_checkout("session_idle = \"5s\"").await;
    let handshake = Request::new("GET", "/socket").header("Connection", "Upgrade").header("Upgrade", "websocket");
    let handshake = handshake.header("Sec-WebSocket-Version", "13");
    let handshake = handshake.header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let mut socket = scene.node.connect().await;
    assert_eq!(socket.ask(&inside.browser.dress(handshake)).await.status, 101);
    let mut waits = waiting(&scene).await;
    for_a_while(Duration::from_secs(15), async || {
        waits.poll().await;
        socket.send(b"\x81\x05hello").await;
        assert_eq!(socket.exactly(7).await, b"\x81\x05hello");
    })
    .await;
    assert_eq!(waits.poll().await.state, "waiting", "one seat, and it is taken");
    // The pass has run out meanwhile; its seat has not.
    let page = inside.open("/checkout").await;
    assert!(page.is_from_origin() && page.token("pass").is_some(), "{page:?}");
    drop(socket);
    waits.until_state("called").await;
    assert!(waits.open("/checkout").await.is_from_origin());
    assert!(!inside.open("/checkout").await.is_from_origin(), "a pass without a seat");
}
