//! Every kind of request that may not enter, and the answer it gets: the table of the design, row by row.
//!
//! Each row on every protocol, on raw keep-alive connections: after each answer the same connection must serve a second
//! request. What HTTP/1.1 alone can express stands in a test of its own.

mod body;
mod form;
mod library;
mod page;
mod path;
mod script;
mod state;
mod switch;
mod websocket;

use crate::support::{Client, Protocol, Request, Response, Scene, Visitor, scene::FAST};

/// A shop with one queue of these settings.
async fn shop(protocol: Protocol, settings: &str) -> Scene {
    Scene::speaking(protocol, |shop| shop.queue("shop", settings), |setup| setup).await
}

/// A shop with one seat and a visitor on it.
async fn one_seat(protocol: Protocol) -> (Scene, Visitor) {
    one_seat_with(protocol, "").await
}

/// As [`one_seat`], with further settings of the queue.
async fn one_seat_with(protocol: Protocol, settings: &str) -> (Scene, Visitor) {
    let scene = shop(protocol, &format!("{FAST}\nmax_active = 1\n{settings}")).await;
    let mut inside = scene.visitor("inside").await;
    inside.walk_in().await;
    (scene, inside)
}

/// Sends a request that may not enter, and checks what all answers have in common: the state, no cache, no search
/// engine, no place for the origin to hear of it, and a connection that goes on.
async fn parked(scene: &Scene, request: &Request) -> Response {
    let mut client = scene.client().await;
    let response = client.ask(request).await;
    let asked = scene.origin.hit_count();
    assert_parked(&response);
    assert_eq!(response.header("sluice-state"), Some("waiting"), "{response:?}");
    assert_goes_on(&mut client, &response).await;
    assert_eq!(scene.origin.hit_count(), asked, "the origin was asked");
    response
}

/// What every answer to a parked request has.
fn assert_parked(response: &Response) {
    assert!(!response.is_from_origin(), "let through: {response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store, private"), "{response:?}");
    assert_eq!(response.header("x-robots-tag"), Some("noindex"), "{response:?}");
    assert!(response.header("sluice-state").is_some(), "{response:?}");
    let retry_after: u32 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&retry_after), "{response:?}");
}

/// The connection is kept, as the answer says, and serves the next request.
async fn assert_goes_on(client: &mut Client, response: &Response) {
    assert!(!response.closes(), "{response:?}");
    assert!(client.is_usable().await, "the connection did not survive {response:?}");
}

/// A JSON problem, never HTML.
fn assert_problem(response: &Response) {
    assert_eq!(response.status, 429, "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    assert!(!response.text().contains("<html"), "{response:?}");
    let problem = response.json();
    assert_eq!(problem["status"], 429);
    assert!(problem["type"].as_str().unwrap().starts_with("urn:sluice:problem:"), "{problem}");
    assert_eq!(problem["sluice"]["queue"], "shop");
}

/// A page a person can read.
fn assert_page(response: &Response, status: u16) {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(response.header("content-security-policy").is_some(), "{response:?}");
}
