//! From the call to the end of the visit.

use std::time::Duration;

use tokio::time::{Instant, interval};

use crate::support::{Connection, Request, Scene, Status, Visitor, scene::FAST, until};

/// Somebody is called, and has not come in yet.
async fn called() -> (Scene, Visitor) {
    let (scene, mut inside) = Scene::one_seat().await;
    let mut visitor = scene.visitor("ann").await;
    visitor.join().await;
    inside.leave().await;
    visitor.until_state("called").await;
    (scene, visitor)
}

/// Goes on asking for pages, as often as somebody who reads them.
async fn while_reading(visitor: &mut Visitor, limit: Duration, mut done: impl AsyncFnMut(&mut Visitor) -> bool) {
    let deadline = Instant::now() + limit;
    let mut pages = interval(Duration::from_millis(250));
    while !done(visitor).await {
        assert!(Instant::now() < deadline, "nothing has changed within {limit:?}");
        pages.tick().await;
    }
}

#[tokio::test]
async fn a_second_claim_after_a_lost_answer_gets_the_same_pass() {
    let (scene, visitor) = called().await;
    // The browser has not got the first answer, so it asks with the same cookies again.
    let claim = visitor.browser.navigation("/");
    let mut lost = Connection::open(scene.node.http).await;
    lost.send(claim.bytes()).await;
    until("the origin is asked", async || (scene.origin.hit_count() == 2).then_some(())).await;
    drop(lost);
    let passes: Vec<_> = [scene.node.ask(&claim).await, scene.node.ask(&claim).await]
        .iter()
        .map(|answer| answer.cookie("sluice_pass_shop").unwrap().to_owned())
        .collect();
    assert_eq!(passes[0], passes[1]);
    let metrics = scene.node.metrics().await;
    assert_eq!(metrics.line("inside_visitors", "shop"), 1.0, "one seat");
    assert_eq!(metrics.line("called_last_minute_visitors", "shop"), 2.0, "one call, after the first visitor's");
}

#[tokio::test]
async fn a_claim_that_is_repeated_counts_once() {
    let (scene, visitor) = called().await;
    let claim = visitor.browser.navigation("/");
    // An answer is missed only after a while; the line's clock counts milliseconds.
    let mut missed = interval(Duration::from_millis(20));
    for _ in 0..3 {
        missed.tick().await;
        assert!(scene.node.ask(&claim).await.is_from_origin());
    }
    assert_eq!(scene.node.metrics().await.requests("shop", "entered"), 2.0, "two visitors went in, one of them now");
}

#[tokio::test]
async fn a_pass_is_renewed_after_an_eighth_of_the_idle_time_and_not_before() {
    let scene = Scene::shop(&format!("{FAST}\nsession_idle = \"24s\"")).await;
    let mut visitor = scene.visitor("ann").await;
    visitor.walk_in().await;
    let before = Instant::now();
    let begins = visitor.open("/cart").await;
    assert!(begins.header_values("set-cookie").next().is_some(), "the visit begins with the pass that came back");
    let first = visitor.browser.token("pass").unwrap();
    assert_eq!(visitor.open("/cart").await.header("set-cookie"), None, "a fresh pass is left as it is");
    while_reading(&mut visitor, Duration::from_secs(20), async |visitor| {
        visitor.open("/cart").await.header_values("set-cookie").next().is_some()
    })
    .await;
    assert!(before.elapsed() > Duration::from_millis(2_900), "{:?}", before.elapsed());
    assert_ne!(visitor.browser.token("pass").unwrap(), first);
    assert_eq!(visitor.browser.number(), Some(1));
}

#[tokio::test]
async fn a_visitor_who_goes_on_reading_is_not_thrown_out() {
    // Longer than any seat would last without being renewed.
    let (scene, mut inside) = Scene::one_seat_with("session_idle = \"5s\"").await;
    let mut waits = scene.visitor("waits").await;
    waits.join().await;
    let start = Instant::now();
    while_reading(&mut inside, Duration::from_secs(20), async |inside| {
        assert!(inside.open("/cart").await.is_from_origin(), "thrown out after {:?}", start.elapsed());
        start.elapsed() > Duration::from_secs(9)
    })
    .await;
    assert_eq!(waits.poll().await.state, "waiting");
}

#[tokio::test]
async fn a_visitor_who_idles_gives_the_seat_to_the_next() {
    let before = Instant::now();
    let (scene, mut idles) = Scene::one_seat_with("session_idle = \"5s\"").await;
    // The pass comes back and is renewed: a visit has begun, and is over when nothing more comes.
    while_reading(&mut idles, Duration::from_secs(20), async |idles| {
        idles.open("/cart").await.header_values("set-cookie").next().is_some()
    })
    .await;
    let mut waits = scene.visitor("waits").await;
    waits.join().await;
    waits.until_state("called").await;
    assert!(before.elapsed() > Duration::from_secs(5), "the seat was given away after {:?}", before.elapsed());
    waits.walk_in().await;
    let page = idles.open("/").await;
    assert!(!page.is_from_origin(), "a pass without a seat: {page:?}");
    assert_eq!(idles.poll().await.number, Some(3), "whoever idled stands at the end");
    assert!(scene.node.metrics().await.sum("tokens_refused_total", &[("reason", "expired")]) >= 1.0);
}

#[tokio::test]
async fn a_visit_ends_at_its_longest_however_busy() {
    let settings = "session_idle = \"5s\"\nsession_max = \"10s\"";
    let before = Instant::now();
    let (scene, mut inside) = Scene::one_seat_with(settings).await;
    let mut waits = scene.visitor("waits").await;
    waits.join().await;
    while_reading(&mut inside, Duration::from_secs(30), async |inside| !inside.open("/cart").await.is_from_origin())
        .await;
    assert!(before.elapsed() > Duration::from_secs(9), "it ended after {:?}", before.elapsed());
    waits.until_state("called").await;
    assert_eq!(inside.poll().await.number, Some(3));
}

#[tokio::test]
async fn the_origin_ends_a_visit_and_the_seat_is_free_at_once() {
    let (scene, mut inside) = Scene::one_seat().await;
    let mut waits = scene.visitor("waits").await;
    waits.join().await;
    let bye = inside.open("/end").await;
    assert_eq!(bye.header("sluice-session"), None, "a word between the origin and the node: {bye:?}");
    assert_eq!(bye.cookie("sluice_pass_shop"), Some(""));
    waits.until_state("called").await;
    assert_eq!(inside.join().await.number, Some(3));
}

#[tokio::test]
async fn a_visit_that_ends_with_the_request_that_renews_it_has_ended() {
    // The renewal and the end reach the line together; the end must win, or the seat is lost for `session_idle`.
    let (scene, mut inside) = Scene::one_seat_with("session_idle = \"24s\"").await;
    while_reading(&mut inside, Duration::from_secs(20), async |inside| {
        inside.open("/cart").await.header_values("set-cookie").next().is_some()
    })
    .await;
    let renewed = Instant::now();
    let mut waits = scene.visitor("waits").await;
    waits.join().await;
    while_reading(&mut inside, Duration::from_secs(20), async |_| renewed.elapsed() > Duration::from_millis(1_100))
        .await;
    inside.open("/end").await;
    let ended = Instant::now();
    waits.until_state("called").await;
    assert!(ended.elapsed() < Duration::from_secs(12), "the seat was empty for {:?}", ended.elapsed());
}

#[tokio::test]
async fn somebody_inside_can_leave() {
    let (scene, mut inside) = Scene::one_seat().await;
    let mut waits = scene.visitor("waits").await;
    waits.join().await;
    inside.leave().await;
    assert_eq!(inside.browser.token("pass"), None);
    waits.until_state("called").await;
}

/// P3: one client held 60 seats where there were three.
#[tokio::test]
async fn a_pass_that_was_copied_is_void_once_its_visit_has_ended() {
    let scene = Scene::shop(&format!("{FAST}\nmax_active = 3\nsession_idle = \"8s\"")).await;
    let mut visitor = scene.visitor("ann").await;
    let mut copies = Vec::new();
    for _ in 0..20 {
        visitor.walk_in().await;
        copies.push(visitor.browser.token("pass").unwrap());
        visitor.leave().await;
    }
    visitor.walk_in().await;
    let hits = scene.origin.hit_count();
    for copy in &copies {
        let copied = scene.visitor("copy").await.browser;
        copied.set_token("pass", copy);
        let status = scene.node.ask(&copied.poll()).await;
        assert_eq!(Status::of(&status).unwrap().state, "joining", "as one without a pass");
        assert_eq!(status.cookie("sluice_pass_shop"), Some(""), "it is taken back");
        // What is loaded ahead of time never walks in by itself.
        let ahead = copied.navigation("/").header("Sec-Purpose", "prefetch");
        assert!(!scene.node.ask(&ahead).await.is_from_origin());
    }
    assert_eq!(scene.origin.hit_count(), hits);
    assert!(visitor.open("/cart").await.is_from_origin(), "the visit that goes on is not harmed");
    let metrics = scene.node.metrics().await;
    assert_eq!(metrics.sum("tokens_refused_total", &[("reason", "ended")]), 40.0);
    // The pass is minted anew after a second: then the visit has begun, and its seat is seen.
    until("one client holds one seat", async || {
        visitor.open("/cart").await;
        (scene.node.metrics().await.line("inside_visitors", "shop") == 1.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_origins_own_cookies_and_the_visitors_pass_unharmed() {
    let scene = Scene::shop(FAST).await;
    let mut visitor = scene.visitor("ann").await;
    let page = visitor.open("/cookie").await;
    assert!(page.cookie("basket") == Some("7") && page.cookie("sluice_pass_shop").is_some(), "{page:?}");
    visitor.open("/cart").await;
    assert_eq!(scene.origin.last_hit().header("cookie"), Some("basket=7"), "the shop's cookie and none of ours");
    let mine = Request::navigation("/").header("Cookie", "a=1; sluice_pass_shop=x; sluice=mine; sluice_ticket_=y;b=2");
    visitor.ask(mine).await;
    for hit in scene.origin.hits() {
        let cookies: Vec<_> = hit.headers.get_all("cookie").iter().map(|v| v.to_str().unwrap().to_owned()).collect();
        assert!(!cookies.concat().contains("sluice_pass"), "{cookies:?}");
    }
}

#[tokio::test]
async fn a_poll_from_inside_says_so() {
    let (scene, mut inside) = Scene::one_seat().await;
    let status = inside.poll().await;
    assert_eq!((status.state.as_str(), status.number), ("admitted", None));
    assert_eq!(scene.origin.hit_count(), 1, "a poll is answered here");
}
