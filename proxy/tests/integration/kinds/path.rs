//! Row "a path that is ambiguous after normalising": 400, for everybody, and no way round a queue.

use super::{assert_goes_on, shop};
use crate::support::{Protocol, Request, Scene, Tenant, client::on_every_protocol, scene::FAST};

/// What no origin should have to read, whatever the queues are.
const REFUSED: [&str; 11] = [
    "/a\\b",
    "/./a",
    "/a/../b",
    "/a/%2e%2e/b",
    "/a/%2E/b",
    "/a/..;x=1/b",
    "/a/..%2fb",
    "/a%00b",
    "/a%0d%0ab",
    "/%zz",
    "/a%c0%afb",
];

/// What some origin takes for `/checkout`, and another does not.
const AMBIGUOUS: [&str; 14] = [
    "/checkout%2fpay",
    "/a/%2f/checkout%2F..",
    "/checkout%5cpay",
    "//checkout",
    "//x/checkout",
    "/%2563heckout",
    "/checkout%252fpay",
    "/checkout%3fx",
    "/checkout%23x",
    "/checkout%20",
    "/checkout.",
    "/%80checkout",
    "/check%c3%a9out",
    "/%EF%BD%83heckout",
];

/// What origins read in many ways, all of which lie in one queue, or in none.
const ODD: [&str; 10] = [
    "/api/v4/projects/group%2Fproject",
    "//wp-json/wp/v2/posts",
    "/job/feature%252Fx/",
    "/100%25acrylic",
    "/caf%c3%a9",
    "/caf%e9",
    "/wiki/Was%3F",
    "/a%5cb",
    "/file.%20",
    "/p?filter=%7B%22a%22:1%7D",
];

/// Spellings that some origin takes for `/checkout`.
const SPELLINGS: [&str; 9] = [
    "/checkout",
    "/Checkout",
    "/CHECK%4FUT/pay",
    "/check%6fut",
    "/%63heckout",
    "/checkout;v=1",
    "/checkout/",
    "/checkout/pay",
    "/checkout?x=/",
];

async fn a_path_that_no_origin_should_read_is_refused_and_the_connection_goes_on(protocol: Protocol) {
    let scene = shop(protocol, FAST).await;
    let mut connection = scene.client().await;
    for path in REFUSED {
        let refused = connection.ask(&Request::navigation(path)).await;
        assert_eq!(refused.status, 400, "{path}: {refused:?}");
        assert_eq!(refused.header("cache-control"), Some("no-store, private"), "{path}");
        assert_eq!(refused.header("x-robots-tag"), Some("noindex"), "{path}");
        assert_goes_on(&mut connection, &refused).await;
    }
    assert_eq!(scene.origin.hit_count(), 0);
}

async fn a_path_is_refused_where_origins_would_read_different_queues(protocol: Protocol) {
    let hold = "paths = [\"/checkout\"]\nrelease_per_minute = 1\nmode = \"hold\"";
    let scene = Scene::speaking(protocol, |shop| shop.queue("sale", hold), |setup| setup).await;
    let mut connection = scene.client().await;
    for path in AMBIGUOUS {
        let refused = connection.ask(&Request::navigation(path)).await;
        assert_eq!(refused.status, 400, "{path}: {refused:?}");
        assert_goes_on(&mut connection, &refused).await;
    }
    assert_eq!(scene.origin.hit_count(), 0);
}

async fn an_odd_path_is_forwarded_untouched_where_all_readings_meet_the_same(protocol: Protocol) {
    let hold = "paths = [\"/checkout\"]\nrelease_per_minute = 1\nmode = \"hold\"";
    let beside = Scene::speaking(protocol, |shop| shop.queue("sale", hold), |setup| setup).await;
    let within = shop(protocol, FAST).await;
    for path in ODD {
        for scene in [&beside, &within] {
            let answer = scene.ask(&Request::navigation(path)).await;
            assert!(answer.is_from_origin(), "{path}: {answer:?}");
            assert_eq!(scene.origin.last_hit().target, path);
        }
    }
}

async fn a_script_is_told_of_an_ambiguous_path_in_json(protocol: Protocol) {
    let scene = shop(protocol, FAST).await;
    let refused = scene.ask(&Request::fetch("GET", "/a/../b")).await;
    assert_eq!((refused.status, refused.header("content-type")), (400, Some("application/problem+json")));
    assert_eq!(refused.json()["status"], 400);
}

async fn a_refused_path_does_not_come_back_in_the_answer(protocol: Protocol) {
    let scene = shop(protocol, FAST).await;
    let mut paths = vec!["/%3cscript%3ealert(1)%3c/script%3e/../x", "/%22quote%22/../alert"];
    // No client library sends this on HTTP/2.
    paths.extend((protocol != Protocol::Http2).then_some("/<script>alert(1)</script>/../x"));
    for request in paths.iter().flat_map(|path| [Request::navigation(path), Request::fetch("GET", path)]) {
        let refused = scene.ask(&request).await;
        assert_eq!(refused.status, 400);
        assert!(!refused.text().contains("alert") && !refused.text().contains("quote"), "{refused:?}");
    }
}

async fn no_spelling_of_a_path_is_a_way_round_its_queue(protocol: Protocol) {
    let hold = "paths = [\"/checkout\"]\nrelease_per_minute = 1\nmode = \"hold\"";
    let scene = Scene::speaking(protocol, |shop| shop.queue("sale", hold), |setup| setup).await;
    for path in SPELLINGS {
        let parked = scene.ask(&Request::navigation(path)).await;
        assert_eq!((parked.status, parked.header("sluice-state")), (503, Some("held")), "{path}: {parked:?}");
    }
    for path in ["/", "/check", "/checkouts", "/a/checkout"] {
        assert!(scene.ask(&Request::navigation(path)).await.is_from_origin(), "{path} has no queue");
    }
}

async fn the_origin_gets_the_path_as_it_was_spelt(protocol: Protocol) {
    let scene = shop(protocol, FAST).await;
    for path in ["/%63af%C3%A9;v=1?q=%2F%2e", "/a//b/", "/~user/$x"] {
        scene.ask(&Request::navigation(path)).await;
        assert_eq!(scene.origin.last_hit().target, path);
    }
}

async fn the_longest_prefix_wins(protocol: Protocol) {
    let furnish = |shop: Tenant| {
        let hold = "release_per_minute = 1\nmode = \"hold\"";
        shop.queue("all", &format!("paths = [\"/\"]\n{FAST}"))
            .queue("sale", &format!("paths = [\"/sale\"]\n{hold}"))
            .queue("news", &format!("paths = [\"/sale/news\"]\n{FAST}"))
    };
    let scene = Scene::speaking(protocol, furnish, |setup| setup).await;
    assert!(scene.ask(&Request::navigation("/salesman")).await.is_from_origin());
    assert_eq!(scene.ask(&Request::navigation("/sale/shoes")).await.status, 503);
    assert!(scene.ask(&Request::navigation("/sale/news")).await.is_from_origin());
}

on_every_protocol!(
    a_path_that_no_origin_should_read_is_refused_and_the_connection_goes_on,
    a_path_is_refused_where_origins_would_read_different_queues,
    an_odd_path_is_forwarded_untouched_where_all_readings_meet_the_same,
    a_script_is_told_of_an_ambiguous_path_in_json,
    a_refused_path_does_not_come_back_in_the_answer,
    no_spelling_of_a_path_is_a_way_round_its_queue,
    the_origin_gets_the_path_as_it_was_spelt,
    the_longest_prefix_wins,
);
