//! Before the visitor is called.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::support::{Connection, Request, Scene, scene::FAST, until};

/// A browser that remembers several values of one cookie, as they come from other paths and domains.
fn with_cookies(values: &[&str]) -> Request {
    let pairs: Vec<_> = values.iter().map(|value| format!("sluice_ticket_shop={value}")).collect();
    Request::fetch("GET", "/.sluice/status?queue=shop").header("Cookie", pairs.join("; "))
}

#[tokio::test]
async fn a_reload_keeps_the_place() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut visitor = scene.visitor("ann").await;
    let number = visitor.join().await.number;
    for _ in 0..5 {
        visitor.open("/").await;
        visitor.open("/other?page=1").await;
        assert_eq!(visitor.poll().await.number, number);
    }
    assert_eq!(scene.node.metrics().await.line("issued_number", "shop"), 2.0);
}

#[tokio::test]
async fn two_tabs_have_one_place() {
    let (scene, mut inside) = Scene::one_seat().await;
    let mut one = scene.visitor("ann").await;
    let mut two = one.second_tab(&scene.node).await;
    // Both are opened before either has an answer: two slips, of which the browser keeps one.
    let (a, b) = (one.browser.navigation("/a"), two.browser.navigation("/b"));
    let (a, b) = (scene.node.ask(&a).await, scene.node.ask(&b).await);
    one.browser.take_in(&a);
    two.browser.take_in(&b);
    let number = one.poll().await.number;
    assert!(number.is_some());
    assert_eq!(two.poll().await.number, number);
    assert_eq!(scene.node.metrics().await.line("issued_number", "shop"), 2.0);

    inside.leave().await;
    one.until_state("called").await;
    one.open("/a").await;
    assert!(two.open("/b").await.is_from_origin(), "one pass is enough for both");
    assert_eq!(scene.node.metrics().await.line("inside_visitors", "shop"), 1.0);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_again() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut visitor = scene.visitor("ann").await;
    visitor.open("/").await;
    // The number is taken, and nobody is there to hear which.
    let mut lost = Connection::open(scene.node.http).await;
    lost.send(visitor.browser.poll().bytes()).await;
    scene.node.until_metrics("the number is taken", |m| m.line("issued_number", "shop") == 2.0).await;
    drop(lost);
    assert_eq!(visitor.poll().await.number, Some(2));
    assert_eq!(visitor.poll().await.number, Some(2));
    assert_eq!(scene.node.metrics().await.line("issued_number", "shop"), 2.0);
}

#[tokio::test]
async fn many_polls_with_one_slip_take_one_number() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut visitor = scene.visitor("ann").await;
    visitor.open("/").await;
    let poll = visitor.browser.poll();
    let mut connections = Vec::new();
    for _ in 0..20 {
        let mut connection = scene.node.connect().await;
        connection.send(poll.bytes()).await;
        connections.push(connection);
    }
    for mut connection in connections {
        assert_eq!(connection.response("GET").await.json()["number"], 2);
    }
}

#[tokio::test]
async fn the_shown_place_never_rises() {
    let (scene, mut inside) = Scene::one_seat().await;
    let mut ahead = Vec::new();
    for name in ["ann", "ben", "cem"] {
        let mut visitor = scene.visitor(name).await;
        ahead.push(visitor.join().await.ahead.unwrap());
        ahead.push(visitor.poll().await.ahead.unwrap());
        if name == "cem" {
            inside.leave().await;
            let fewer = until("the line moves", async || visitor.poll().await.ahead.filter(|&ahead| ahead < 2)).await;
            assert_eq!((fewer, visitor.poll().await.ahead), (1, Some(1)));
        }
    }
    assert_eq!(ahead, [0, 0, 1, 1, 2, 2]);
}

#[tokio::test]
async fn whoever_is_away_is_passed_over_and_comes_next_on_return() {
    let (scene, mut inside) = Scene::one_seat().await;
    let mut away = scene.visitor("away").await;
    let mut here = scene.visitor("here").await;
    let mut later = scene.visitor("later").await;
    let (first, second, third) = (away.join().await, here.join().await, later.join().await);
    assert_eq!((first.number, second.number, third.number), (Some(2), Some(3), Some(4)));
    away.ask(Request::fetch("POST", "/.sluice/leave?queue=shop&away=1")).await;
    inside.leave().await;
    here.until_state("called").await;

    let back = away.poll().await;
    assert_eq!((back.number, back.ahead), (Some(2), Some(0)), "the same place, before all who came after");
    later.poll().await;
    here.walk_in().await;
    here.leave().await;
    away.until_state("called").await;
    assert_eq!(later.poll().await.state, "waiting");
}

#[tokio::test]
async fn nobody_who_comes_when_a_seat_is_free_overtakes_the_line() {
    let scene = Scene::shop(&format!("{FAST}\nmax_active = 1")).await;
    for round in 0..10 {
        let mut inside = scene.visitor("inside").await;
        inside.walk_in().await;
        let mut waits = scene.visitor("waits").await;
        waits.join().await;
        // The seat is free from here on, and both ask for it as fast as they can.
        inside.leave().await;
        let mut comes = scene.visitor("comes").await;
        assert!(!comes.open("/").await.is_from_origin(), "overtaken in round {round}");
        waits.until_state("called").await;
        waits.walk_in().await;
        waits.leave().await;
        comes.leave().await;
        scene.node.until_metrics("nobody is left", |m| m.line("inside_visitors", "shop") == 0.0).await;
        until("the line is empty", async || {
            let page = scene.node.ask(&Request::fetch("GET", "/.sluice/status?queue=shop")).await;
            (page.json()["wait_seconds"]["low"] == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn one_good_ticket_behind_any_number_of_cookies_of_its_name_is_found() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut visitor = scene.visitor("ann").await;
    visitor.join().await;
    let ticket = visitor.browser.token("ticket").unwrap();
    for place in 0..4 {
        let mut cookies = ["", "garbage", "a.b.c"].to_vec();
        cookies.insert(place, &ticket);
        let answer = scene.node.ask(&with_cookies(&cookies)).await;
        assert_eq!(answer.json()["number"], 2, "as cookie {place} of four");
    }
    let mut flood = vec!["garbage"; 200];
    flood.push(&ticket);
    assert_eq!(scene.node.ask(&with_cookies(&flood)).await.json()["number"], 2, "as the last of many");
}

#[tokio::test]
async fn a_place_can_be_given_up() {
    let (scene, mut inside) = Scene::one_seat().await;
    let (mut leaves, mut stays) = (scene.visitor("leaves").await, scene.visitor("stays").await);
    leaves.join().await;
    stays.join().await;
    let page = leaves.leave().await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!((leaves.browser.token("ticket"), leaves.browser.token("slip")), (None, None));
    inside.leave().await;
    stays.until_state("called").await;
    assert_eq!(leaves.join().await.number, Some(4), "whoever comes back stands at the end");
}

#[tokio::test]
async fn leaving_takes_a_post_and_the_name_of_a_queue() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut visitor = scene.visitor("ann").await;
    visitor.join().await;
    for (method, path, status) in [
        ("GET", "/.sluice/leave?queue=shop", 405),
        ("POST", "/.sluice/leave?queue=other", 404),
        ("POST", "/.sluice/status?queue=shop", 405),
        ("GET", "/.sluice/status?queue=other", 404),
        ("GET", "/.sluice/nothing", 404),
    ] {
        assert_eq!(visitor.ask(Request::fetch(method, path)).await.status, status, "{method} {path}");
    }
    assert_eq!(visitor.poll().await.number, Some(2), "the place is kept");
}

#[tokio::test]
async fn a_status_poll_calls_nobody_in_and_spends_nothing() {
    let (scene, mut inside) = Scene::one_seat().await;
    let mut visitor = scene.visitor("ann").await;
    visitor.join().await;
    inside.leave().await;
    for _ in 0..5 {
        assert_eq!(visitor.until_state("called").await.number, Some(2));
    }
    assert_eq!(visitor.browser.token("pass"), None, "a poll is no visit");
    let metrics = scene.node.metrics().await;
    assert_eq!((metrics.line("due_visitors", "shop"), metrics.line("inside_visitors", "shop")), (1.0, 0.0));
    visitor.walk_in().await;
}

#[tokio::test]
async fn a_called_visitor_who_does_not_come_gives_the_seat_back_and_is_next_again() {
    let (scene, mut inside) = Scene::one_seat_with("claim_within = \"5s\"").await;
    let (mut sleeps, mut here) = (scene.visitor("sleeps").await, scene.visitor("here").await);
    sleeps.join().await;
    here.join().await;
    inside.leave().await;
    sleeps.until_state("called").await;
    here.until_state("called").await;
    here.walk_in().await;
    let mut later = scene.visitor("later").await;
    later.join().await;
    assert_eq!(sleeps.poll().await.number, Some(2));
    here.leave().await;
    sleeps.until_state("called").await;
    assert_eq!(later.poll().await.state, "waiting");
}

#[tokio::test]
async fn a_call_waits_for_as_long_as_its_visitor_was_told_to() {
    // In a slow line, pages are told to come back later than `claim_within`: a call must not run out before.
    let claim = "claim_within = \"5s\"";
    let scene = Scene::shop(&format!("release_per_minute = 6\nburst = 1\n{claim}")).await;
    scene.visitor("first").await.walk_in().await;
    for name in ["a", "b", "c", "d"] {
        scene.visitor(name).await.join().await;
    }
    let mut visitor = scene.visitor("ann").await;
    let told = visitor.join().await.poll_after_seconds;
    let asks = Instant::now() + Duration::from_secs(told.into());
    assert!(told > 5, "the line is not slow enough to show anything: {told} s");
    scene.change(&format!("{FAST}\n{claim}")).await;
    sleep_until(asks).await;
    let status = visitor.poll().await;
    assert_eq!(status.state, "called", "told to come back after {told} s, and came: {status:?}");
    // Called a second time, a visitor costs the line two places, and waits for the second one where places are short.
    let calls = scene.node.metrics().await.line("called_last_minute_visitors", "shop");
    assert_eq!(calls, 6.0, "six visitors, told to come back after {told} s, and one of them came");
}
