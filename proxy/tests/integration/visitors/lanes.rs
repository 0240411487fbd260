//! Lanes of a queue, as clients, a trusted proxy in front and the origin see them.

use crate::support::{HOST, Request, Scene, Setup, node};

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

/// The two lanes, and rules that lead into the second one.
fn with_rules() -> String {
    let rule = "[[queue.rule]]\nname = \"club\"\nwhen = { path = \"/club/*\", headers = { x-code = \"7f3c\" } }\n\
                action = \"lane\"\nlane = \"members\"\n";
    two_lanes() + rule
}

fn club(code: &str) -> Request {
    Request::navigation("/club/sale").header("X-Code", code)
}

#[tokio::test]
async fn a_rule_puts_those_into_a_lane_who_take_their_numbers_through_it() {
    let scene = Scene::new(|shop| shop.queue("shop", &with_rules())).await;
    let mut first = scene.visitor("first").await;
    assert!(first.ask(Request::navigation("/")).await.is_from_origin());
    // Numbers of the members' lane begin at 1; in the other the visitor inside has it.
    for (name, request, number) in
        [("a", Request::navigation("/"), 2), ("b", club("7f3c"), 1), ("c", club("guess"), 3), ("d", club("7f3c"), 2)]
    {
        let mut visitor = scene.visitor(name).await;
        assert!(!visitor.ask(request).await.is_from_origin());
        // The page's polls go to a path that no rule covers: the slip says the lane.
        assert_eq!(visitor.poll().await.number, Some(number), "{name}");
        // And what is asked for later moves nobody.
        for request in [Request::navigation("/"), club("7f3c")] {
            assert!(!visitor.ask(request).await.is_from_origin());
            assert_eq!(visitor.poll().await.number, Some(number), "{name}");
        }
    }
    let metrics = scene.node.metrics().await;
    let waiting = |lane| metrics.sum("lane_waiting_visitors", &[("queue", "shop"), ("lane", lane)]);
    assert_eq!((waiting("general"), waiting("members")), (2.0, 2.0));
}

#[tokio::test]
async fn a_slip_keeps_the_lane_of_the_rule_on_other_pages() {
    let scene = Scene::new(|shop| shop.queue("shop", &with_rules())).await;
    let mut first = scene.visitor("first").await;
    assert!(first.ask(Request::navigation("/")).await.is_from_origin());
    let mut visitor = scene.visitor("second").await;
    assert!(!visitor.ask(club("7f3c")).await.is_from_origin());
    assert!(!visitor.ask(Request::navigation("/")).await.is_from_origin(), "the slip becomes a number here");
    assert_eq!(visitor.poll().await.number, Some(1), "of the members' lane");
}

#[tokio::test]
async fn explain_shows_the_lane_and_what_says_it() {
    let scene = Scene::set_up(|shop| shop.queue("shop", &with_rules()), trusting).await;
    let folder = scene.node.folder.path().to_str().unwrap();
    let explained = |path: &str, headers: &[&str], from: &str| {
        let url = format!("http://{HOST}{path}");
        let headers = headers.iter().flat_map(|header| ["-H", *header]);
        let args = ["explain", "--config", folder, &url, "--from", from].into_iter().chain(headers);
        String::from_utf8(node::run(&args.collect::<Vec<_>>()).stdout).unwrap()
    };
    let (stranger, proxy) = ("192.0.2.1", "127.0.0.9");
    for (path, headers, from, expected) in [
        ("/", &[][..], stranger, "lane     general (the first, as nothing names another)"),
        ("/club/sale", &["X-Code: 7f3c"], stranger, "lane     members (by the rule)"),
        ("/", &["Sluice-Lane: members"], stranger, "lane     general (the first, as nothing names another)"),
        ("/", &["Sluice-Lane: members"], proxy, "lane     members (by Sluice-Lane of a trusted proxy)"),
        ("/club/sale", &["X-Code: 7f3c", "Sluice-Lane: general"], proxy, "lane     general (by Sluice-Lane"),
    ] {
        let said = explained(path, headers, from);
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let said = explained("/club/sale", &["X-Code: 7f3c"], stranger);
    assert!(said.contains("rule     1 \"club\" (lane): decides"), "{said}");
}

#[tokio::test]
async fn check_refuses_a_rule_that_names_a_lane_which_the_queue_does_not_have() {
    let scene = Scene::new(|shop| shop.queue("shop", &with_rules())).await;
    let folder = scene.node.folder.path();
    let file = folder.join("tenants/shop.toml");
    let wrong = std::fs::read_to_string(&file).unwrap().replace("lane = \"members\"", "lane = \"staff\"");
    std::fs::write(&file, &wrong).unwrap();
    let out = node::run(&["check", "--config", folder.to_str().unwrap()]);
    let said = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
    let line = 1 + wrong.lines().position(|line| line == "lane = \"staff\"").unwrap();
    assert!(!out.status.success(), "{said}");
    for expected in [&format!("shop.toml:{line}:8"), "no lane \"staff\"", "\"general\" or \"members\""] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
