//! Rows "navigation" and "prefetch", and what becomes of a visitor who is called.

use super::{assert_goes_on, assert_page, parked};
use crate::support::{Request, Scene, Status};

#[tokio::test]
async fn a_navigation_gets_the_waiting_page() {
    let (scene, _inside) = Scene::one_seat().await;
    let page = parked(&scene, &Request::navigation("/")).await;
    assert_page(&page, 503);
    assert_eq!(Status::of(&page).unwrap().state, "joining");
    assert!(page.cookie("sluice_slip_shop").is_some(), "{page:?}");
}

#[tokio::test]
async fn a_browser_without_fetch_metadata_gets_the_page_as_well() {
    let (scene, _inside) = Scene::one_seat().await;
    let request = Request::new("GET", "/").header("Accept", "text/html, */*;q=0.8");
    assert_page(&parked(&scene, &request).await, 503);
}

#[tokio::test]
async fn the_status_of_the_waiting_page_is_the_operators_choice() {
    for status in [200, 202, 429] {
        let (scene, _inside) = Scene::one_seat_with(&format!("wait_status = {status}")).await;
        assert_page(&parked(&scene, &Request::navigation("/")).await, status);
    }
}

#[tokio::test]
async fn a_head_request_gets_the_head_of_the_page_alone() {
    let (scene, _inside) = Scene::one_seat().await;
    let request = Request::new("HEAD", "/").header("Accept", "text/html").header("Sec-Fetch-Mode", "navigate");
    let head = parked(&scene, &request).await;
    assert_eq!(head.status, 503);
    assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 1_000, "the length of the page");
}

#[tokio::test]
async fn a_prefetch_is_refused_and_takes_no_number() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut visitor = scene.visitor("ann").await;
    visitor.open("/").await;
    let issued = scene.node.metrics().await.line("issued_number", "shop");
    for purpose in ["prefetch", "prefetch;prerender"] {
        // With the slip along, which on any other request would take a number.
        let request = visitor.browser.dress(Request::navigation("/").header("Sec-Purpose", purpose));
        let refused = parked(&scene, &request).await;
        assert_eq!(refused.status, 503);
        assert!(refused.body.is_empty() && refused.header("set-cookie").is_none(), "{refused:?}");
    }
    assert_eq!(scene.node.metrics().await.line("issued_number", "shop"), issued);
    assert_eq!(visitor.poll().await.number, Some(2), "the slip is as good as before");
}

#[tokio::test]
async fn a_called_visitors_next_navigation_goes_straight_in() {
    let (scene, mut inside) = Scene::one_seat().await;
    let mut visitor = scene.visitor("ann").await;
    visitor.join().await;
    inside.open("/end").await;
    let called = visitor.until_state("called").await;
    assert_eq!((called.number, called.ahead), (Some(2), Some(0)));

    let page = visitor.open("/checkout?basket=7").await;
    assert_eq!(page.status, 200, "no redirect: {page:?}");
    assert!(page.cookie("sluice_pass_shop").is_some_and(|pass| !pass.is_empty()), "{page:?}");
    assert_eq!(page.cookie("sluice_ticket_shop"), Some(""), "the ticket has done its service: {page:?}");
    assert_eq!(page.header("cache-control"), Some("no-store, private"), "nobody may keep somebody's pass");
    let hit = scene.origin.last_hit();
    assert_eq!((hit.target.as_str(), hit.visitor()), ("/checkout?basket=7", Some("ann")));
}

#[tokio::test]
async fn a_call_can_be_learned_from_the_page_alone() {
    // No script: the page reloads itself, and the reload goes in.
    let (scene, mut inside) = Scene::one_seat().await;
    let mut visitor = scene.visitor("ann").await;
    visitor.open("/").await;
    let page = visitor.open("/").await;
    assert_eq!(Status::of(&page).unwrap().number, Some(2), "the slip came back with the reload");
    inside.leave().await;
    crate::support::until("the reload goes in", async || visitor.open("/").await.is_from_origin().then_some(())).await;
}

#[tokio::test]
async fn an_admitted_request_keeps_its_connection_as_well() {
    let scene = Scene::shop(crate::support::scene::FAST).await;
    let mut connection = scene.node.connect().await;
    let page = connection.ask(&Request::navigation("/")).await;
    assert!(page.is_from_origin());
    assert_goes_on(&mut connection, &page).await;
}
