//! Row "WebSocket upgrade, SSE, gRPC": refused before anything begins, and let through whole for who is inside.

use super::{assert_goes_on, assert_parked, assert_problem, parked};
use crate::support::{Request, Scene};

fn websocket() -> Request {
    let request = Request::new("GET", "/socket").header("Connection", "Upgrade").header("Upgrade", "websocket");
    request.header("Sec-WebSocket-Version", "13").header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

fn event_stream() -> Request {
    Request::new("GET", "/events").header("Accept", "text/event-stream").header("Sec-Fetch-Mode", "cors")
}

#[tokio::test]
async fn a_websocket_is_refused_before_the_upgrade() {
    let (scene, _inside) = Scene::one_seat().await;
    let problem = parked(&scene, &websocket()).await;
    assert_problem(&problem);
    assert_eq!(problem.header("upgrade"), None);
}

#[tokio::test]
async fn a_websocket_of_a_visitor_inside_carries_bytes_both_ways() {
    let (scene, inside) = Scene::one_seat().await;
    let mut connection = scene.node.connect().await;
    let answer = connection.ask(&inside.browser.dress(websocket())).await;
    assert_eq!(answer.status, 101, "{answer:?}");
    // Among them bytes that would be no request at all.
    let binary: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for frame in [&b"\x81\x05hello"[..], b"GET / HTTP/1.1\r\n\r\n", &binary] {
        connection.send(frame).await;
        assert!(connection.exactly(frame.len()).await == frame, "what came back is not what was sent");
    }
}

#[tokio::test]
async fn an_upgrade_to_something_else_is_a_request_like_any_other() {
    let (scene, inside) = Scene::one_seat().await;
    let other = Request::navigation("/").header("Connection", "Upgrade, HTTP2-Settings").header("Upgrade", "h2c");
    let other = other.header("HTTP2-Settings", "AAMAAABkAAQAAP__");
    assert_eq!(parked(&scene, &other).await.status, 503);
    let answer = scene.node.ask(&inside.browser.dress(other)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(scene.origin.last_hit().header("upgrade"), None, "h2c behind our back would be a tunnel");
}

#[tokio::test]
async fn an_event_stream_gets_a_problem() {
    let (scene, _inside) = Scene::one_seat().await;
    assert_problem(&parked(&scene, &event_stream()).await);
}

#[tokio::test]
async fn an_event_stream_of_a_visitor_inside_flows_as_it_is_written() {
    let (scene, inside) = Scene::one_seat().await;
    let mut connection = scene.node.connect().await;
    connection.send(inside.browser.dress(event_stream()).bytes()).await;
    // The origin never ends this answer, so what has come has not waited for the rest.
    let text = connection.text_with("data: hello").await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[tokio::test]
async fn grpc_gets_trailers_only() {
    let (scene, _inside) = Scene::one_seat().await;
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc-web+proto"] {
        let call = Request::new("POST", "/shop.Cart/Add").header("TE", "trailers").body(content_type, [0, 0, 0, 0, 0]);
        let answer = parked(&scene, &call).await;
        assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("14")), "{answer:?}");
        assert!(answer.header("grpc-message").is_some() && answer.body.is_empty(), "{answer:?}");
        assert!(answer.header("content-type").unwrap().starts_with("application/grpc"), "{answer:?}");
    }
}

#[tokio::test]
async fn options_for_the_server_itself_is_answered() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut connection = scene.node.connect().await;
    let answer = connection.ask(&Request::new("OPTIONS", "*")).await;
    assert_eq!(answer.status, 204);
    assert_goes_on(&mut connection, &answer).await;
}

#[tokio::test]
async fn options_that_is_no_preflight_waits_like_a_fetch() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut connection = scene.node.connect().await;
    let answer = connection.ask(&Request::fetch("OPTIONS", "/cart")).await;
    assert_parked(&answer);
    assert_problem(&answer);
    assert_goes_on(&mut connection, &answer).await;
}
