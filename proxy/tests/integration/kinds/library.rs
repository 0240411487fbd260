//! Rows of libraries that fetch pages with scripts, and of programs that ask for a whole site: what each gets when it has
//! to wait, as `waiting-room/README.md` says.

use super::{assert_problem, one_seat, parked, shop};
use crate::support::{Protocol, Request, Scene, client::on_every_protocol, scene::FAST};

async fn each_library_gets_what_makes_it_load_the_page(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let script = || Request::fetch("GET", "/part?x=1");
    let htmx = parked(&scene, &script().header("HX-Request", "true")).await;
    assert_problem(&htmx);
    assert_eq!(htmx.header("hx-refresh"), Some("true"));
    let inertia = script().header("X-Inertia", "true").header("X-Requested-With", "XMLHttpRequest");
    let inertia = parked(&scene, &inertia).await;
    assert_eq!((inertia.status, inertia.header("x-inertia-location")), (409, Some("/part?x=1")));
    let frame = parked(&scene, &script().header("Accept", "text/html").header("Turbo-Frame", "cart")).await;
    assert_eq!(frame.status, 429);
    assert!(frame.text().contains("turbo-visit-control"), "{frame:?}");
    // What is not theirs makes these load the page by themselves.
    for request in [script().header("RSC", "1"), script().header("Accept", "text/html, application/xhtml+xml")] {
        assert_problem(&parked(&scene, &request).await);
    }
}

async fn what_a_library_loads_ahead_takes_no_number(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    for (name, value) in [("Next-Router-Prefetch", "1"), ("X-Sec-Purpose", "prefetch"), ("Purpose", "prefetch")] {
        let answer = scene.ask(&Request::fetch("GET", "/").header("RSC", "1").header(name, value)).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (503, None), "{name}: {answer:?}");
    }
}

async fn a_service_worker_gets_the_page_for_its_visitor_and_no_new_self(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let preload = Request::navigation("/").header("Service-Worker-Navigation-Preload", "true");
    assert_eq!(parked(&scene, &preload).await.status, 503);
    let passed_on = Request::new("GET", "/").header("Accept", "*/*").header("Sec-Fetch-Mode", "navigate");
    assert_eq!(parked(&scene, &passed_on.header("Sec-Fetch-Dest", "empty")).await.status, 503);
    let script =
        Request::new("GET", "/sw.js").header("Service-Worker", "script").header("Sec-Fetch-Mode", "same-origin");
    assert_problem(&parked(&scene, &script.header("Sec-Fetch-Dest", "serviceworker")).await);
}

async fn a_preview_of_a_link_waits_like_any_program(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    let bot = Request::new("GET", "/").header("User-Agent", "facebookexternalhit/1.1").header("Accept", "*/*");
    assert_problem(&parked(&scene, &bot).await);
}

async fn what_programs_read_of_a_whole_site_waits_in_no_line(protocol: Protocol) {
    let (scene, _inside) = one_seat(protocol).await;
    for path in ["/robots.txt", "/.well-known/acme-challenge/a-b_C9"] {
        assert!(scene.ask(&Request::new("GET", path)).await.is_from_origin(), "{path}");
        assert!(!scene.ask(&Request::fetch("POST", path)).await.is_from_origin(), "{path}");
    }
    for path in ["/robots.txt/x", "/robots.txt;x", "/ROBOTS.txt", "/.well-known/acme-challenge/a/b", "/.well-known/x"] {
        assert!(!scene.ask(&Request::new("GET", path)).await.is_from_origin(), "{path}");
    }
    let own = shop(protocol, &format!("paths = [\"/\", \"/robots.txt\"]\n{FAST}\nmode = \"hold\"")).await;
    assert!(!own.ask(&Request::new("GET", "/robots.txt")).await.is_from_origin(), "a queue names it");
}

/// A renewed pass waits for the next page or call: what is kept by caches is left as it is.
async fn an_asset_keeps_its_own_caching(protocol: Protocol) {
    let furnish = |shop: crate::support::Tenant| shop.queue("shop", &format!("{FAST}\nsession_idle = \"8s\""));
    let scene = Scene::speaking(protocol, furnish, |setup| setup).await;
    let mut visitor = scene.visitor("ann").await;
    visitor.walk_in().await;
    visitor.open("/").await;
    let start = tokio::time::Instant::now();
    let mut beat = tokio::time::interval(std::time::Duration::from_millis(100));
    while start.elapsed() < std::time::Duration::from_millis(1_300) {
        beat.tick().await;
        let asset =
            Request::new("GET", "/logo.png").header("Sec-Fetch-Dest", "image").header("Sec-Fetch-Mode", "no-cors");
        for request in [asset, Request::navigation("/status/304"), Request::fetch("GET", "/kept")] {
            let answer = visitor.ask(request).await;
            assert_eq!(answer.header_values("set-cookie").next(), None, "{answer:?}");
            assert_ne!(answer.header("cache-control"), Some("no-store, private"), "{answer:?}");
        }
    }
    let page = visitor.open("/").await;
    assert!(page.token("pass").is_some(), "an eighth of its life has gone by: {page:?}");
    assert_eq!(page.header("cache-control"), Some("no-store, private"));
}

on_every_protocol!(
    each_library_gets_what_makes_it_load_the_page,
    what_a_library_loads_ahead_takes_no_number,
    a_service_worker_gets_the_page_for_its_visitor_and_no_new_self,
    a_preview_of_a_link_waits_like_any_program,
    what_programs_read_of_a_whole_site_waits_in_no_line,
    an_asset_keeps_its_own_caching,
);
