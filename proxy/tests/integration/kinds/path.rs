//! Row "a path that is ambiguous after normalising": 400, for everybody, and no way round a queue.

use super::assert_goes_on;
use crate::support::{Request, Scene, scene::FAST};

/// Two readings, each of them.
const AMBIGUOUS: [&str; 14] = [
    "/a%2fb",
    "/a%2Fb",
    "/a%5cb",
    "/a\\b",
    "/./a",
    "/a/../b",
    "/a/%2e%2e/b",
    "/a/%2E/b",
    "/a/..;x=1/b",
    "/a%252fb",
    "/a%00b",
    "/a%0d%0ab",
    "/%zz",
    "//a",
];

/// Spellings that some origin takes for `/checkout`.
const SPELLINGS: [&str; 7] =
    ["/checkout", "/check%6fut", "/%63heckout", "/checkout;v=1", "/checkout/", "/checkout/pay", "/checkout?x=/"];

#[tokio::test]
async fn an_ambiguous_path_is_refused_and_the_connection_goes_on() {
    let scene = Scene::shop(FAST).await;
    let mut connection = scene.node.connect().await;
    for path in AMBIGUOUS {
        let refused = connection.ask(&Request::navigation(path)).await;
        assert_eq!(refused.status, 400, "{path}: {refused:?}");
        assert_eq!(refused.header("cache-control"), Some("no-store, private"), "{path}");
        assert_eq!(refused.header("x-robots-tag"), Some("noindex"), "{path}");
        assert_goes_on(&mut connection, &refused).await;
    }
    assert_eq!(scene.origin.hit_count(), 0);
}

#[tokio::test]
async fn a_script_is_told_of_an_ambiguous_path_in_json() {
    let scene = Scene::shop(FAST).await;
    let refused = scene.node.ask(&Request::fetch("GET", "/a/../b")).await;
    assert_eq!((refused.status, refused.header("content-type")), (400, Some("application/problem+json")));
    assert_eq!(refused.json()["status"], 400);
}

#[tokio::test]
async fn a_refused_path_does_not_come_back_in_the_answer() {
    let scene = Scene::shop(FAST).await;
    for request in [Request::navigation("/<script>alert(1)</script>/../x"), Request::fetch("GET", "/%22quote%22/../x")]
    {
        let refused = scene.node.ask(&request).await;
        assert_eq!(refused.status, 400);
        assert!(!refused.text().contains("alert") && !refused.text().contains("quote"), "{refused:?}");
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_is_a_way_round_its_queue() {
    let scene =
        Scene::new(|shop| shop.queue("sale", "paths = [\"/checkout\"]\nrelease_per_minute = 1\nmode = \"hold\"")).await;
    for path in SPELLINGS {
        let parked = scene.node.ask(&Request::navigation(path)).await;
        assert_eq!((parked.status, parked.header("sluice-state")), (503, Some("held")), "{path}: {parked:?}");
    }
    for path in ["/", "/check", "/checkouts", "/a/checkout"] {
        assert!(scene.node.ask(&Request::navigation(path)).await.is_from_origin(), "{path} has no queue");
    }
}

#[tokio::test]
async fn the_origin_gets_the_path_as_it_was_spelt() {
    let scene = Scene::shop(FAST).await;
    for path in ["/%63af%C3%A9;v=1?q=%2F%2e", "/a//b/", "/~user/$x"] {
        scene.node.ask(&Request::navigation(path)).await;
        assert_eq!(scene.origin.last_hit().target, path);
    }
}

#[tokio::test]
async fn the_longest_prefix_wins() {
    let scene = Scene::new(|shop| {
        let hold = "release_per_minute = 1\nmode = \"hold\"";
        shop.queue("all", &format!("paths = [\"/\"]\n{FAST}"))
            .queue("sale", &format!("paths = [\"/sale\"]\n{hold}"))
            .queue("news", &format!("paths = [\"/sale/news\"]\n{FAST}"))
    });
    let scene = scene.await;
    assert!(scene.node.ask(&Request::navigation("/salesman")).await.is_from_origin());
    assert_eq!(scene.node.ask(&Request::navigation("/sale/shoes")).await.status, 503);
    assert!(scene.node.ask(&Request::navigation("/sale/news")).await.is_from_origin());
}
