//! `Sluice-State`: what each mode of a queue answers, and to whom.

use super::{assert_goes_on, assert_page, assert_parked, assert_problem, one_seat_with, shop};
use crate::support::{Protocol, Request, Response, Scene, Status, client::on_every_protocol, scene::FAST, until};

/// A page load and a fetch, of somebody who brings nothing.
async fn parked_in(scene: &Scene, state: &str) -> Status {
    let mut client = scene.client().await;
    let page = client.ask(&Request::navigation("/")).await;
    assert_parked(&page);
    assert_page(&page, 503);
    let problem = client.ask(&Request::fetch("GET", "/api")).await;
    assert_parked(&problem);
    assert_problem(&problem);
    for response in [&page, &problem] {
        assert_eq!(response.header("sluice-state"), Some(state), "{response:?}");
    }
    assert_goes_on(&mut client, &problem).await;
    assert_eq!(scene.origin.hit_count(), 0);
    Status::of(&page).unwrap()
}

async fn a_held_line_says_so_and_gives_numbers(protocol: Protocol) {
    let scene = shop(protocol, &format!("{FAST}\nmode = \"hold\"")).await;
    parked_in(&scene, "held").await;
    let mut visitor = scene.visitor("ann").await;
    let status = visitor.join().await;
    assert_eq!((status.state.as_str(), status.reason.as_deref()), ("held", Some("paused")));
    assert_eq!((status.number, status.ahead, status.wait_seconds), (Some(1), Some(0), None));
}

async fn a_closed_queue_says_so_and_gives_no_numbers(protocol: Protocol) {
    let scene = shop(protocol, &format!("{FAST}\nmode = \"closed\"")).await;
    let status = parked_in(&scene, "closed").await;
    assert_eq!((status.state.as_str(), status.reason.as_deref()), ("closed", Some("closed")));
    let mut visitor = scene.visitor("ann").await;
    visitor.open("/").await;
    let status = visitor.poll().await;
    assert_eq!((status.state.as_str(), status.number), ("closed", None));
    assert_eq!(scene.node.metrics().await.line("issued_number", "shop"), 0.0);
}

async fn a_full_line_says_so_and_lets_the_next_one_in_when_there_is_room(protocol: Protocol) {
    let (scene, _inside) = one_seat_with(protocol, "max_waiting = 1").await;
    let mut first = scene.visitor("first").await;
    first.join().await;
    let mut second = scene.visitor("second").await;
    second.open("/").await;
    let full: Response = until("the line is full", async || {
        let page = second.open("/").await;
        (page.header("sluice-state") == Some("full")).then_some(page)
    })
    .await;
    assert_parked(&full);
    assert_page(&full, 503);
    assert_eq!(Status::of(&full).unwrap().reason.as_deref(), Some("line_full"));
    assert!(second.browser.token("slip").is_some(), "the slip is kept for when there is room");
    first.leave().await;
    let status = second.until_state("waiting").await;
    assert_eq!(status.number, Some(3));
}

async fn an_open_queue_lets_everybody_pass_and_sets_no_cookie(protocol: Protocol) {
    let scene = shop(protocol, "release_per_minute = 1\nburst = 1\nmode = \"open\"").await;
    for visitor in 0..20 {
        let page = scene.visitor(&visitor.to_string()).await.walk_in().await;
        assert_eq!(page.header("set-cookie"), None);
    }
    assert_eq!(scene.node.metrics().await.requests("shop", "passed_freely"), 20.0);
}

async fn those_inside_stay_inside_when_a_queue_is_closed_or_held(protocol: Protocol) {
    let scene = shop(protocol, FAST).await;
    let mut inside = scene.visitor("inside").await;
    inside.walk_in().await;
    for mode in ["closed", "hold"] {
        scene.change(&format!("{FAST}\nmode = \"{mode}\"")).await;
        assert!(inside.open("/cart").await.is_from_origin(), "thrown out by {mode}");
    }
}

async fn a_drained_line_is_served_in_order_and_then_newcomers_go_in(protocol: Protocol) {
    let scene = shop(protocol, &format!("{FAST}\nmode = \"hold\"")).await;
    let mut visitor = scene.visitor("ann").await;
    visitor.join().await;
    scene.change(&format!("{FAST}\nmode = \"drain\"")).await;
    until("the visitor may enter", async || visitor.poll().await.may_enter().then_some(())).await;
    visitor.walk_in().await;
    until("newcomers go in", async || scene.ask(&Request::navigation("/")).await.is_from_origin().then_some(())).await;
}

async fn the_operators_message_is_shown_as_text(protocol: Protocol) {
    let (scene, _inside) = one_seat_with(protocol, "message = \"Until <b>midnight</b> & \\\"later\\\"\"").await;
    let mut visitor = scene.visitor("ann").await;
    let page = visitor.open("/").await;
    assert!(page.text().contains("Until &#60;b&#62;midnight"), "not escaped: {}", page.text());
    assert_eq!(visitor.poll().await.message.as_deref(), Some("Until <b>midnight</b> & \"later\""));
}

on_every_protocol!(
    a_held_line_says_so_and_gives_numbers,
    a_closed_queue_says_so_and_gives_no_numbers,
    a_full_line_says_so_and_lets_the_next_one_in_when_there_is_room,
    an_open_queue_lets_everybody_pass_and_sets_no_cookie,
    those_inside_stay_inside_when_a_queue_is_closed_or_held,
    a_drained_line_is_served_in_order_and_then_newcomers_go_in,
    the_operators_message_is_shown_as_text,
);
