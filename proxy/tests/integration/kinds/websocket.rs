//! Row "WebSocket upgrade": refused before anything begins, and let through whole for who is inside. Browsers open one on
//! HTTP/1.1, whatever they speak for the page beside it.

use super::{assert_problem, one_seat, parked, switch::event_stream};
use crate::support::{Protocol, Request, client::on_http1};

fn websocket() -> Request {
    let request = Request::new("GET", "/socket").header("Connection", "Upgrade").header("Upgrade", "websocket");
    request.header("Sec-WebSocket-Version", "13").header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

async fn a_websocket_is_refused_before_the_upgrade(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let problem = parked(&scene, &websocket()).await;
    assert_problem(&problem);
    assert_eq!(problem.header("upgrade"), None);
}

async fn a_websocket_of_a_visitor_inside_carries_bytes_both_ways(protocol: Protocol) {
    let (scene, inside) = one_seat(protocol).await;
    let mut connection = scene.http1().await;
    let answer = connection.ask(&inside.browser.dress(websocket())).await;
    assert_eq!(answer.status, 101, "{answer:?}");
    // Among them bytes that would be no request at all.
    let binary: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for frame in [&b"\x81\x05hello"[..], b"GET / HTTP/1.1\r\n\r\n", &binary] {
        connection.send(frame).await;
        assert!(connection.exactly(frame.len()).await == frame, "what came back is not what was sent");
    }
}

async fn an_upgrade_to_something_else_is_a_request_like_any_other(protocol: Protocol) {
    let (scene, inside) = one_seat(protocol).await;
    let other = Request::navigation("/").header("Connection", "Upgrade, HTTP2-Settings").header("Upgrade", "h2c");
    let other = other.header("HTTP2-Settings", "AAMAAABkAAQAAP__");
    assert_eq!(parked(&scene, &other).await.status, 503);
    let answer = scene.ask(&inside.browser.dress(other)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(scene.origin.last_hit().header("upgrade"), None, "h2c behind our back would be a tunnel");
}

async fn an_event_stream_of_a_visitor_inside_flows_as_it_is_written(protocol: Protocol) {
    let (scene, inside) = one_seat(protocol).await;
    let mut connection = scene.http1().await;
    connection.send(inside.browser.dress(event_stream()).bytes()).await;
    // The origin never ends this answer, so what has come has not waited for the rest.
    let text = connection.text_with("data: hello").await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

on_http1!(
    a_websocket_is_refused_before_the_upgrade,
    a_websocket_of_a_visitor_inside_carries_bytes_both_ways,
    an_upgrade_to_something_else_is_a_request_like_any_other,
    an_event_stream_of_a_visitor_inside_flows_as_it_is_written,
);
