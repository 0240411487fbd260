//! Lanes of a queue, as clients, a trusted proxy in front and the origin see them.

use crate::support::{Request, Scene, Setup};

const ONE_SEAT: &str = "release_per_minute = 6000\nburst = 1000\nmax_active = 1";

/// One seat, so that a line stands behind whoever is first.
fn two_lanes() -> String {
    let lane = |name: &str, weight: u32| format!("[[queue.lane]]\nname = \"{name}\"\nweight = {weight}\n");
    format!("{ONE_SEAT}\n{}{}", lane("general", 1), lane("members", 3))
}

fn trusting(setup: Setup) -> Setup {
    setup.server("trusted_proxies = [\"127.0.0.0/8\"]")
}

fn of_lane(target: &str, name: &str) -> Request {
    Request::navigation(target).header("Sluice-Lane", name)
}

#[tokio::test]
async fn a_trusted_proxy_says_the_lane_and_the_origin_hears_nothing_of_it() {
    let scene = Scene::set_up(|shop| shop.queue("shop", &two_lanes()), trusting).await;
    let mut first = scene.visitor("first").await;
    assert!(first.ask(of_lane("/", "members")).await.is_from_origin());
    assert_eq!(scene.origin.last_hit().header("sluice-lane"), None);
    for (name, lane, number) in [("a", None, 1), ("b", Some("members"), 2), ("c", Some("members"), 3)] {
        let mut visitor = scene.visitor(name).await;
        let page = |lane: Option<&str>| lane.map_or_else(|| Request::navigation("/"), |lane| of_lane("/", lane));
        assert!(!visitor.ask(page(lane)).await.is_from_origin());
        assert_eq!(visitor.poll().await.number, Some(number), "{name}");
    }
    let metrics = scene.node.metrics().await;
    let waiting = |lane| metrics.sum("lane_waiting_visitors", &[("queue", "shop"), ("lane", lane)]);
    assert_eq!((waiting("general"), waiting("members")), (1.0, 2.0));
    let board = scene.node.ask(&Request::navigation("/.sluice/board/shop?lane=members")).await;
    assert_eq!(board.status, 200);
}

#[tokio::test]
async fn a_client_cannot_choose_its_lane() {
    let scene = Scene::new(|shop| shop.queue("shop", &two_lanes())).await;
    let mut first = scene.visitor("first").await;
    assert!(first.ask(of_lane("/", "members")).await.is_from_origin());
    assert_eq!(scene.origin.last_hit().header("sluice-lane"), None);
    let mut visitor = scene.visitor("second").await;
    assert!(!visitor.ask(of_lane("/", "members")).await.is_from_origin());
    assert_eq!(visitor.poll().await.number, Some(2), "of the first lane, as the first visitor was");
}
