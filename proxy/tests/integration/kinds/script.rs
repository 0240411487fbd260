//! Rows "fetch, XHR, app" and "preflight": what scripts and apps are told, and what a browser lets them read.

use super::{assert_goes_on, assert_problem, one_seat, parked, shop};
use crate::support::{Protocol, Request, Response, Scene, Tenant, client::on_every_protocol, scene::FAST};

const APP: &str = "https://app.example.com";

/// A shop with one seat that is taken, by a visitor from somewhere else, and one other origin whose scripts may read
/// answers.
async fn with_cors(protocol: Protocol) -> Scene {
    let scene = empty_with_cors(protocol).await;
    let from_elsewhere = Request::navigation("/").header("X-Forwarded-For", ELSEWHERE);
    assert!(scene.visitor("inside").await.ask(from_elsewhere).await.is_from_origin());
    scene
}

const ELSEWHERE: &str = "192.0.2.1";

/// The same before anybody has come.
async fn empty_with_cors(protocol: Protocol) -> Scene {
    let furnish = |shop: Tenant| {
        let cors = format!("[cors]\nallowed_origins = [\"{APP}\"]\nallow_credentials = true\nmax_age = \"5m\"");
        shop.section(&cors).queue("shop", &format!("{FAST}\nmax_active = 1"))
    };
    Scene::speaking(protocol, furnish, |setup| setup.server("trusted_proxies = [\"127.0.0.0/8\"]")).await
}

fn allowed_origin(response: &Response) -> Option<&str> {
    response.header("access-control-allow-origin")
}

fn preflight(origin: &str) -> Request {
    let request = Request::new("OPTIONS", "/cart").header("Origin", origin);
    request.header("Access-Control-Request-Method", "PUT").header("Access-Control-Request-Headers", "x-basket")
}

async fn a_fetch_gets_a_problem(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    assert_problem(&parked(&scene, &Request::fetch("GET", "/api")).await);
}

async fn an_app_gets_a_problem_and_its_token_in_a_header(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let problem = parked(&scene, &Request::app("GET", "/api")).await;
    assert_problem(&problem);
    assert!(problem.header("sluice-ticket").is_some(), "{problem:?}");
}

async fn whoever_names_no_html_gets_none(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    for accept in ["*/*", "application/json, text/html;q=0.1", "image/avif,image/webp,*/*;q=0.8", "text/html;q=0"] {
        assert_problem(&parked(&scene, &Request::new("GET", "/").header("Accept", accept)).await);
    }
    assert_problem(&parked(&scene, &Request::new("GET", "/")).await);
    // An image inside a page, though browsers accept anything for it.
    let image = Request::new("GET", "/a.png").header("Accept", "text/html").header("Sec-Fetch-Mode", "no-cors");
    assert_problem(&parked(&scene, &image).await);
}

async fn without_cors_no_other_origin_may_read_an_answer(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let problem = parked(&scene, &Request::fetch("GET", "/api").header("Origin", APP)).await;
    assert_eq!(allowed_origin(&problem), None);
}

async fn with_cors_the_named_origin_may_read_a_problem_and_no_other(protocol: Protocol) {
    let scene = with_cors(protocol).await;
    let problem = parked(&scene, &Request::fetch("GET", "/api").header("Origin", APP)).await;
    assert_problem(&problem);
    assert_eq!(allowed_origin(&problem), Some(APP));
    assert_eq!(problem.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(problem.header("vary"), Some("Origin"));
    let exposed = problem.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("Sluice-State") && exposed.contains("Retry-After"), "{exposed}");

    let other = parked(&scene, &Request::fetch("GET", "/api").header("Origin", "https://evil.example")).await;
    assert_eq!(allowed_origin(&other), None);
    assert_eq!(other.header("vary"), Some("Origin"), "a cache must keep the two apart");
}

async fn a_preflight_is_answered_so_that_the_request_itself_can_be(protocol: Protocol) {
    let scene = with_cors(protocol).await;
    let mut connection = scene.client().await;
    let answer = connection.ask(&preflight(APP)).await;
    assert_eq!(answer.status, 204);
    assert_eq!(allowed_origin(&answer), Some(APP));
    assert_eq!(answer.header("access-control-allow-methods"), Some("PUT"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("x-basket"));
    assert_eq!(answer.header("access-control-max-age"), Some("0"), "the next may be the origin's to answer");
    assert_eq!(answer.header("content-length"), None, "a 204 has none");
    assert_eq!(answer.header("set-cookie"), None, "a preflight is nobody's visit");
    assert_goes_on(&mut connection, &answer).await;

    let other = scene.ask(&preflight("https://evil.example")).await;
    assert_eq!((other.status, allowed_origin(&other)), (204, None));
}

async fn without_cors_a_preflight_allows_nothing(protocol: Protocol) {
    let scene = shop(protocol, &format!("{FAST}\nmode = \"hold\"")).await;
    let mut connection = scene.client().await;
    let answer = connection.ask(&preflight(APP)).await;
    assert_eq!((answer.status, allowed_origin(&answer)), (204, None));
    assert_goes_on(&mut connection, &answer).await;
}

async fn a_preflight_is_the_origins_while_no_line_stands(protocol: Protocol) {
    for scene in [empty_with_cors(protocol).await, shop(protocol, FAST).await] {
        for origin in [APP, "https://evil.example"] {
            let answer = scene.ask(&preflight(origin)).await;
            assert!(answer.is_from_origin() && allowed_origin(&answer).is_none(), "{answer:?}");
            assert_eq!(scene.origin.last_hit().method, "OPTIONS");
            assert_eq!(answer.header("set-cookie"), None, "a preflight is nobody's visit");
        }
    }
}

async fn a_preflight_of_a_visitor_inside_is_the_origins_while_others_wait(protocol: Protocol) {
    let scene = with_cors(protocol).await;
    let theirs = preflight("https://evil.example").header("X-Forwarded-For", ELSEWHERE);
    let answer = scene.ask(&theirs).await;
    assert!(answer.is_from_origin() && allowed_origin(&answer).is_none(), "{answer:?}");
    // Who comes from there and is not inside waits all the same.
    assert!(!scene.ask(&Request::fetch("GET", "/cart").header("X-Forwarded-For", ELSEWHERE)).await.is_from_origin());
    let (others, inside) = one_seat(protocol).await;
    let with_a_pass = inside.browser.dress(preflight(APP));
    assert!(others.ask(&with_a_pass).await.is_from_origin());
}

async fn the_status_document_can_be_read_by_the_named_origin(protocol: Protocol) {
    let scene = with_cors(protocol).await;
    let status = scene.ask(&Request::fetch("GET", "/.sluice/status?queue=shop").header("Origin", APP)).await;
    assert_eq!((status.status, allowed_origin(&status)), (200, Some(APP)));
    let asked = preflight(APP).header("X-Any", "1");
    assert_eq!(allowed_origin(&scene.ask(&asked).await), Some(APP));
}

on_every_protocol!(
    a_fetch_gets_a_problem,
    an_app_gets_a_problem_and_its_token_in_a_header,
    whoever_names_no_html_gets_none,
    without_cors_no_other_origin_may_read_an_answer,
    with_cors_the_named_origin_may_read_a_problem_and_no_other,
    a_preflight_is_answered_so_that_the_request_itself_can_be,
    without_cors_a_preflight_allows_nothing,
    a_preflight_is_the_origins_while_no_line_stands,
    a_preflight_of_a_visitor_inside_is_the_origins_while_others_wait,
    the_status_document_can_be_read_by_the_named_origin,
);
