//! Row "POST, PUT, PATCH, DELETE": never redirected, never stored, and the connection goes on behind the body.

use std::time::Duration;

use super::{assert_page, assert_parked, assert_problem, one_seat, parked};
use crate::support::{Connection, HOST, Protocol, Request, Response, Scene, client::on_every_protocol};

const JSON: &str = "application/json";

async fn assert_goes_on(connection: &mut Connection, response: &Response) {
    assert!(!response.closes(), "{response:?}");
    assert!(connection.is_usable().await, "the connection did not survive {response:?}");
}

async fn a_request_that_may_change_something_gets_a_problem(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_problem(&parked(&scene, &Request::fetch(method, "/cart").body(JSON, "{}")).await);
        assert_problem(&parked(&scene, &Request::fetch(method, "/cart")).await);
    }
}

#[tokio::test]
async fn a_body_in_chunks_is_read_away() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut connection = scene.node.connect().await;
    let head =
        format!("POST /cart HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {JSON}\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.send(head).await;
    connection.send("5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n").await;
    let problem = connection.response("POST").await;
    assert_parked(&problem);
    assert_problem(&problem);
    assert_goes_on(&mut connection, &problem).await;
}

#[tokio::test]
async fn a_body_that_comes_late_is_read_away() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut connection = scene.node.connect().await;
    let request = Request::fetch("POST", "/cart").body(JSON, vec![b'x'; 100_000]).bytes();
    let (first, rest) = request.split_at(request.len() / 2);
    connection.send(first).await;
    // Until something has come in, there is nothing to wait for: the first half is on its way.
    scene.node.until_metrics("the request is under way", |m| m.sum("requests_in_flight", &[]) >= 1.0).await;
    connection.send(rest).await;
    let problem = connection.response("POST").await;
    assert_problem(&problem);
    assert_goes_on(&mut connection, &problem).await;
}

#[tokio::test]
async fn an_answer_does_not_wait_for_a_body_that_has_not_come() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut connection = scene.node.connect().await;
    let request = Request::fetch("POST", "/cart").body(JSON, "{}").bytes();
    let (head, body) = request.split_at(request.len() - 2);
    connection.send(head).await;
    let problem = connection.response("POST").await;
    assert_problem(&problem);
    connection.send(body).await;
    assert_goes_on(&mut connection, &problem).await;
}

#[tokio::test]
async fn a_body_of_a_megabyte_is_answered_and_not_waited_for() {
    // Longer than what is worth reading away: the answer says that the connection ends, and it does.
    let (scene, _inside) = Scene::one_seat().await;
    let mut connection = scene.node.connect().await;
    let head =
        format!("POST /cart HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {JSON}\r\nContent-Length: 1048576\r\n\r\n");
    connection.send(head).await;
    let problem = connection.response("POST").await;
    assert_parked(&problem);
    assert_problem(&problem);
    assert!(problem.closes(), "{problem:?}");
    connection.closed().await;
}

#[tokio::test]
async fn a_head_that_promises_a_body_but_waits_is_answered_at_once() {
    // Whoever expects "100 Continue" is answered with no body sent. It may send it all the same (RFC 9110, 10.1.1),
    // so where the next request would begin is in doubt: the one case in which the connection ends, and says so.
    let (scene, _inside) = Scene::one_seat().await;
    let mut connection = scene.node.connect().await;
    let head = format!(
        "POST /cart HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\nContent-Type: {JSON}\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    connection.send(head).await;
    let problem = connection.response("POST").await;
    assert_parked(&problem);
    assert_problem(&problem);
    assert!(problem.closes(), "{problem:?}");
    connection.closed().await;
}

#[tokio::test]
async fn a_visitor_inside_who_expects_100_continue_gets_it_and_the_body_goes_through() {
    let (scene, mut inside) = Scene::one_seat().await;
    // Once the pass has come back no renewal is due, which pingora would put into the interim answer as well.
    assert!(inside.open("/").await.is_from_origin());
    let mut connection = scene.node.connect().await;
    let request = inside.browser.dress(Request::fetch("POST", "/cart").header("Expect", "100-continue"));
    let request = request.body(JSON, "{\"basket\":7}").bytes();
    let (head, body) = request.split_at(request.len() - "{\"basket\":7}".len());
    connection.send(head).await;
    connection.text_with("HTTP/1.1 100 Continue\r\n\r\n").await;
    connection.send(body).await;
    let answer = connection.response("POST").await;
    assert!(answer.is_from_origin(), "{answer:?}");
    assert_eq!(scene.origin.last_hit().body, "{\"basket\":7}");
    // Here, too, the connection may end, but not without saying so.
    match answer.closes() {
        true => connection.closed().await,
        false => assert_goes_on(&mut connection, &answer).await,
    }
}

#[tokio::test]
async fn two_requests_sent_in_one_go_get_two_answers() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut connection = scene.node.connect().await;
    let post = Request::fetch("POST", "/cart").body(JSON, "{}").bytes();
    connection.send([post, Request::navigation("/").bytes()].concat()).await;
    assert_problem(&connection.response("POST").await);
    let page = connection.response("GET").await;
    assert_page(&page, 503);
    assert_goes_on(&mut connection, &page).await;
}

#[tokio::test]
async fn a_connection_stays_open_between_two_polls() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut visitor = scene.visitor("ann").await;
    visitor.join().await;
    let mut connection = scene.node.connect().await;
    connection.ask(&visitor.browser.poll()).await;
    assert!(connection.stays_open_for(Duration::from_millis(1_500)).await);
    connection.ask(&visitor.browser.poll()).await;
}

on_every_protocol!(a_request_that_may_change_something_gets_a_problem);
