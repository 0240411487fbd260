//! Row "SSE, gRPC", and OPTIONS: refused before anything begins.

use super::{assert_goes_on, assert_parked, assert_problem, one_seat, parked};
use crate::support::{Protocol, Request, client::on_every_protocol};

pub(super) fn event_stream() -> Request {
    Request::new("GET", "/events").header("Accept", "text/event-stream").header("Sec-Fetch-Mode", "cors")
}

async fn an_event_stream_gets_a_problem(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    assert_problem(&parked(&scene, &event_stream()).await);
}

async fn grpc_gets_trailers_only(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc-web+proto"] {
        let call = Request::new("POST", "/shop.Cart/Add").header("TE", "trailers").body(content_type, [0, 0, 0, 0, 0]);
        let answer = parked(&scene, &call).await;
        assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("14")), "{answer:?}");
        assert!(answer.header("grpc-message").is_some() && answer.body.is_empty(), "{answer:?}");
        assert!(answer.header("content-type").unwrap().starts_with("application/grpc"), "{answer:?}");
    }
}

async fn options_for_the_server_itself_is_answered(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let mut connection = scene.client().await;
    let answer = connection.ask(&Request::new("OPTIONS", "*")).await;
    assert_eq!(answer.status, 204);
    assert_goes_on(&mut connection, &answer).await;
}

async fn options_that_is_no_preflight_waits_like_a_fetch(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let mut connection = scene.client().await;
    let answer = connection.ask(&Request::fetch("OPTIONS", "/cart")).await;
    assert_parked(&answer);
    assert_problem(&answer);
    assert_goes_on(&mut connection, &answer).await;
}

on_every_protocol!(
    an_event_stream_gets_a_problem,
    grpc_gets_trailers_only,
    options_for_the_server_itself_is_answered,
    options_that_is_no_preflight_waits_like_a_fetch,
);
