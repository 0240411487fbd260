//! Rows "navigation" and "prefetch", and what becomes of a visitor who is called.

use super::{assert_goes_on, assert_page, one_seat, one_seat_with, parked, shop};
use crate::support::{Protocol, Request, Scene, Status, client::on_every_protocol, scene::FAST};

async fn a_navigation_gets_the_waiting_page(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let page = parked(&scene, &Request::navigation("/")).await;
    assert_page(&page, 503);
    assert_eq!(Status::of(&page).unwrap().state, "joining");
    assert!(page.token("slip").is_some(), "{page:?}");
}

async fn a_browser_without_fetch_metadata_gets_the_page_as_well(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let request = Request::new("GET", "/").header("Accept", "text/html, */*;q=0.8");
    assert_page(&parked(&scene, &request).await, 503);
}

async fn the_status_of_the_waiting_page_is_the_operators_choice(protocol: Protocol) {
    for status in [200, 202, 429] {
        let (scene, _inside) = one_seat_with(protocol, &format!("wait_status = {status}")).await;
        assert_page(&parked(&scene, &Request::navigation("/")).await, status);
    }
}

async fn a_page_comes_in_the_encoding_that_the_browser_likes_best(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let plain = parked(&scene, &Request::navigation("/")).await;
    assert_eq!(
        (plain.header("content-encoding"), plain.header("vary")),
        (None, Some("Accept-Encoding, Accept-Language, Cookie"))
    );
    for (accepts, encoding) in [("gzip, deflate, br, zstd", "br"), ("gzip", "gzip")] {
        let page = parked(&scene, &Request::navigation("/").header("Accept-Encoding", accepts)).await;
        assert_page(&page, 503);
        assert_eq!(page.header("content-encoding"), Some(encoding));
        assert_eq!(page.header("content-length").unwrap().parse::<usize>().unwrap(), page.body.len());
        assert!(page.body.len() * 10 < plain.body.len() * 7, "{} of {} bytes", page.body.len(), plain.body.len());
    }
    let problem = Request::new("GET", "/").header("Accept-Encoding", "br");
    assert_eq!(parked(&scene, &problem).await.header("content-encoding"), None);
}

async fn a_page_speaks_the_language_that_was_chosen_else_the_browsers_else_the_tenants(protocol: Protocol) {
    let scene = Scene::speaking(
        protocol,
        |shop| shop.queue("shop", &format!("{FAST}\nmode = \"hold\"")).section("[page]\nlanguage = \"pl\""),
        |setup| setup,
    );
    let scene = scene.await;
    let mut client = scene.client().await;
    for (fields, lang) in [
        (&[][..], "lang=\"pl\" dir=\"ltr\""),
        (&[("Accept-Language", "fa-IR, en;q=0.5")], "lang=\"fa\" dir=\"rtl\""),
        (&[("Accept-Language", "fa-IR"), ("Cookie", "sluice_language=ja")], "lang=\"ja\" dir=\"ltr\""),
    ] {
        let request =
            fields.iter().fold(Request::navigation("/"), |request, (name, value)| request.header(name, *value));
        let page = client.ask(&request).await;
        assert!(page.text().contains(lang), "{fields:?}: {page:?}");
    }
}

async fn the_board_shows_the_line_to_everybody_and_takes_no_number(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let mut visitor = scene.visitor("ann").await;
    visitor.join().await;
    let mut client = scene.client().await;
    let issued = scene.node.metrics().await.line("issued_number", "shop");
    let board = client.ask(&Request::navigation("/.sluice/board/shop")).await;
    assert_page(&board, 200);
    assert!(board.text().contains("<p class=\"huge\">1</p>"), "{board:?}");
    assert!(board.header("set-cookie").is_none() && board.header("cache-control") == Some("no-store, private"));
    for path in ["/.sluice/board/", "/.sluice/board/other", "/.sluice/board/shop/"] {
        assert_eq!(client.ask(&Request::navigation(path)).await.status, 404, "{path}");
    }
    assert_eq!(client.ask(&Request::new("POST", "/.sluice/board/shop")).await.status, 405);
    assert_eq!(scene.node.metrics().await.line("issued_number", "shop"), issued);
    let (scene, _inside) = one_seat_with(protocol, "board = false").await;
    let off = scene.client().await.ask(&Request::navigation("/.sluice/board/shop")).await;
    assert_eq!(off.status, 404);
}

async fn a_head_request_gets_the_head_of_the_page_alone(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let request = Request::new("HEAD", "/").header("Accept", "text/html").header("Sec-Fetch-Mode", "navigate");
    let head = parked(&scene, &request).await;
    assert_eq!(head.status, 503);
    assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 1_000, "the length of the page");
}

async fn a_prefetch_is_refused_and_takes_no_number(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
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

async fn a_called_visitors_next_navigation_goes_straight_in(protocol: Protocol) {
    let (scene, mut inside) = one_seat(protocol).await;
    let mut visitor = scene.visitor("ann").await;
    visitor.join().await;
    inside.open("/end").await;
    let called = visitor.until_state("called").await;
    assert_eq!((called.number, called.ahead), (Some(2), Some(0)));

    let page = visitor.open("/checkout?basket=7").await;
    assert_eq!(page.status, 200, "no redirect: {page:?}");
    assert!(page.token("pass").is_some_and(|pass| !pass.is_empty()), "{page:?}");
    assert_eq!(page.token("ticket"), Some(""), "the ticket has done its service: {page:?}");
    assert_eq!(page.header("cache-control"), Some("no-store, private"), "nobody may keep somebody's pass");
    let hit = scene.origin.last_hit();
    assert_eq!((hit.target.as_str(), hit.visitor()), ("/checkout?basket=7", Some("ann")));
}

async fn a_call_can_be_learned_from_the_page_alone(protocol: Protocol) {
    // No script: the page reloads itself, and the reload goes in.
    let (scene, mut inside) = one_seat(protocol).await;
    let mut visitor = scene.visitor("ann").await;
    visitor.open("/").await;
    let page = visitor.open("/").await;
    assert_eq!(Status::of(&page).unwrap().number, Some(2), "the slip came back with the reload");
    inside.leave().await;
    crate::support::until("the reload goes in", async || visitor.open("/").await.is_from_origin().then_some(())).await;
}

async fn an_admitted_request_keeps_its_connection_as_well(protocol: Protocol) {
    let scene = shop(protocol, crate::support::scene::FAST).await;
    let mut connection = scene.client().await;
    let page = connection.ask(&Request::navigation("/")).await;
    assert!(page.is_from_origin());
    assert_goes_on(&mut connection, &page).await;
}

on_every_protocol!(
    a_navigation_gets_the_waiting_page,
    a_browser_without_fetch_metadata_gets_the_page_as_well,
    the_status_of_the_waiting_page_is_the_operators_choice,
    a_page_comes_in_the_encoding_that_the_browser_likes_best,
    a_page_speaks_the_language_that_was_chosen_else_the_browsers_else_the_tenants,
    the_board_shows_the_line_to_everybody_and_takes_no_number,
    a_head_request_gets_the_head_of_the_page_alone,
    a_prefetch_is_refused_and_takes_no_number,
    a_called_visitors_next_navigation_goes_straight_in,
    a_call_can_be_learned_from_the_page_alone,
    an_admitted_request_keeps_its_connection_as_well,
);
