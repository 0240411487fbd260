//! A changed config is taken whole, or not at all.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::support::{
    Connection, Node, Request, Scene, Setup, Tenant, Visitor, browser::Browser, metrics::Metrics, node::server_file,
    scene::FAST, until,
};

const ONE_SEAT: &str = "release_per_minute = 6000\nburst = 1000\nmax_active = 1";

async fn refused(node: &Node, count: f64) {
    let of = |m: &Metrics, name: &str| m.sum(&format!("config_{name}"), &[]);
    let seen = |m: &Metrics| of(m, "reloads_refused_total") == count && of(m, "current") == 0.0;
    let metrics = node.until_metrics("the config is refused", seen).await;
    assert_eq!(of(&metrics, "reloads_total"), 0.0);
}

#[tokio::test]
async fn a_mistake_leaves_the_running_config_in_force() {
    let (scene, mut inside) = Scene::one_seat().await;
    let mut waits = scene.visitor("waits").await;
    waits.join().await;
    // Half of it would be good news: the mistake must keep out all of it.
    let wrong = Tenant::shop(scene.origin.addr()).queue("shop", "release_per_minute = 6000\nmode = \"opne\"");
    scene.node.folder.write_tenant(&wrong);
    scene.node.signal("HUP");
    refused(&scene.node, 1.0).await;
    let log = scene.node.log();
    assert!(log.contains("tenants/shop.toml:") && log.contains("\"opne\""), "{log}");
    assert!(log.contains("keeping the running config"), "{log}");
    assert!(inside.open("/").await.is_from_origin());
    assert_eq!(waits.poll().await.number, Some(2));

    scene.change(ONE_SEAT).await;
    assert_eq!(scene.node.metrics().await.sum("config_current", &[]), 1.0, "all is well again");
}

#[tokio::test]
async fn what_a_start_would_refuse_a_reload_refuses() {
    let (scene, mut inside) = Scene::one_seat().await;
    let (http, admin) = (scene.node.http, scene.node.admin);
    scene.node.folder.write("sluice.toml", &server_file(http, admin, "https = [\"127.0.0.1:0\"]\n"));
    scene.node.signal("HUP");
    refused(&scene.node, 1.0).await;
    assert!(scene.node.log().contains("no tenant has a certificate to present"), "{}", scene.node.log());
    assert!(inside.open("/").await.is_from_origin());
}

#[tokio::test]
async fn changed_files_are_noticed_without_a_signal() {
    let (scene, _inside) = Scene::one_seat().await;
    let shop = Tenant::shop(scene.origin.addr());
    scene.node.folder.write_tenant(&shop.clone().queue("shop", "release_per_minute = 0"));
    refused(&scene.node, 1.0).await;
    scene.node.folder.write_tenant(&shop.queue("shop", &format!("{ONE_SEAT}\nwait_status = 200")));
    scene.node.until_metrics("the config is taken", |m| m.sum("config_reloads_total", &[]) == 1.0).await;
    assert_eq!(scene.node.ask(&Request::navigation("/")).await.status, 200);
}

#[tokio::test]
async fn what_a_changed_config_hardly_means_is_logged() {
    let scene = Scene::shop(FAST).await;
    let certificate = scene.node.folder.write_certificate(&["localhost", "127.0.0.1", "shop.example.com"]);
    let shop = Tenant::shop(scene.origin.addr()).section(&format!("[tls]\ncertificates = [{certificate}]"));
    scene.node.folder.write_tenant(&shop.queue("shop", FAST));
    scene.node.reload().await;
    let noted = async || scene.node.log().contains("[tls] of shop does nothing").then_some(());
    until("the note is in the log", noted).await;
}

#[tokio::test]
async fn a_signal_without_a_change_changes_nothing() {
    let (scene, mut inside) = Scene::one_seat().await;
    let mut waits = scene.visitor("waits").await;
    waits.join().await;
    for _ in 0..3 {
        scene.node.reload().await;
    }
    assert!(inside.open("/").await.is_from_origin());
    assert_eq!(waits.poll().await.number, Some(2));
}

#[tokio::test]
async fn a_new_rate_holds_at_once_and_the_line_stays() {
    let scene = Scene::shop("release_per_minute = 1\nburst = 1").await;
    scene.visitor("first").await.walk_in().await;
    let mut waits = scene.visitor("waits").await;
    assert_eq!(waits.join().await.number, Some(2));
    scene.change(FAST).await;
    assert_eq!(scene.node.metrics().await.line("release_per_minute_visitors", "shop"), 6_000.0);
    assert_eq!(waits.until_state("called").await.number, Some(2));
}

#[tokio::test]
async fn fewer_seats_throw_nobody_out() {
    let scene = Scene::shop(&format!("{FAST}\nmax_active = 3")).await;
    let mut inside = Vec::new();
    for name in ["a", "b", "c"] {
        let mut visitor = scene.visitor(name).await;
        visitor.walk_in().await;
        inside.push(visitor);
    }
    scene.change(ONE_SEAT).await;
    for visitor in &mut inside {
        visitor.walk_in().await;
    }
    let mut waits = scene.visitor("waits").await;
    waits.join().await;
    for (left, visitor) in [2.0, 1.0].into_iter().zip(&mut inside) {
        visitor.leave().await;
        scene.node.until_metrics("the seat is free", |m| m.line("inside_visitors", "shop") == left).await;
        assert_eq!(waits.poll().await.state, "waiting", "{left} are inside");
    }
    inside[2].leave().await;
    waits.until_state("called").await;
}

#[tokio::test]
async fn a_tenant_comes_and_goes() {
    const NEWS: &str = "news.example.org";
    let (scene, mut inside) = Scene::one_seat().await;
    let request = Request::navigation("/").host(NEWS);
    assert_eq!(scene.node.ask(&request).await.status, 421);
    let mut kept = scene.node.connect().await;
    kept.ask(&Request::fetch("GET", "/.sluice/nothing")).await;

    scene.node.folder.write_tenant(&Tenant::new("news", &[NEWS], scene.origin.addr()).queue("news", FAST));
    scene.node.reload().await;
    let lets_in = async || scene.node.ask(&request).await.is_from_origin().then_some(());
    until("the new tenant is served", lets_in).await;
    assert!(kept.is_usable().await, "a reload closes no connection");

    scene.node.folder.remove("tenants/news.toml");
    scene.node.reload().await;
    assert_eq!(scene.node.ask(&request).await.status, 421);
    assert_eq!(scene.node.metrics().await.sum("line_issued_number", &[("tenant", "news")]), 0.0);
    assert!(inside.open("/").await.is_from_origin());
}

#[tokio::test]
async fn a_queue_that_is_taken_out_and_put_back_has_kept_its_line() {
    let (scene, mut inside) = Scene::one_seat().await;
    let mut waits = scene.visitor("waits").await;
    waits.join().await;
    let shop = Tenant::shop(scene.origin.addr());
    scene.node.folder.write_tenant(&shop.clone().queue("other", &format!("paths = [\"/other\"]\n{FAST}")));
    scene.node.reload().await;
    assert!(waits.open("/").await.is_from_origin(), "nothing stands before this path any more");
    assert_eq!(scene.node.metrics().await.line("issued_number", "shop"), 0.0, "a queue that is gone has no metrics");

    scene.node.folder.write_tenant(&shop.queue("shop", ONE_SEAT));
    scene.node.reload().await;
    let number = async || waits.poll().await.number;
    assert_eq!(until("the line answers", number).await, 2);
    assert!(inside.open("/").await.is_from_origin());
}

/// Tries what depends on how fast a new line answers: once might go well by chance.
const ROUNDS: usize = 10;

#[tokio::test]
async fn a_new_queue_lets_its_first_visitor_in() {
    let scene = Scene::shop(FAST).await;
    for round in 0..ROUNDS {
        let queue = format!("new-{round}");
        scene.node.folder.write_tenant(&Tenant::shop(scene.origin.addr()).queue(&queue, FAST));
        scene.node.reload().await;
        let page = scene.node.ask(&Request::navigation("/")).await;
        assert!(page.is_from_origin(), "round {round}: nobody waits, and the first visitor has to: {page:?}");
    }
}

#[tokio::test]
async fn a_queue_that_is_put_back_throws_nobody_out() {
    let (scene, mut inside) = Scene::one_seat().await;
    let shop = Tenant::shop(scene.origin.addr());
    let without = shop.clone().queue("other", &format!("paths = [\"/other\"]\n{FAST}"));
    let with = shop.queue("shop", ONE_SEAT);
    for round in 0..ROUNDS {
        scene.node.folder.write_tenant(&without);
        scene.node.reload().await;
        scene.node.folder.write_tenant(&with);
        scene.node.reload().await;
        let page = inside.open("/").await;
        assert!(page.is_from_origin(), "round {round}: a good pass is worth nothing: {page:?}");
    }
}

#[tokio::test]
async fn a_change_of_secrets_loses_nobody_until_the_old_one_is_gone() {
    let second = |setup: Setup| setup.env("SECOND_KEY", &BASE64_STANDARD.encode([8; 32]));
    let scene = Scene::set_up(|shop| shop.queue("shop", ONE_SEAT), second).await;
    let mut inside = scene.visitor("inside").await;
    inside.walk_in().await;
    // The pass has come back, so it is not minted anew with the next request.
    inside.walk_in().await;
    let mut waits = scene.visitor("waits").await;
    waits.join().await;
    let with_keys = async |keys: &str| {
        let server = format!("[server]\nhttp = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\n\n[keys]\n{keys}\n");
        scene.node.folder.write("sluice.toml", &server);
        scene.node.reload().await;
    };
    let old = "test = { env = \"SLUICE_KEY\" }";
    let new = "second = { env = \"SECOND_KEY\" }";
    with_keys(&format!("current = \"second\"\nsecrets = {{ {old}, {new} }}")).await;
    assert!(inside.open("/").await.is_from_origin());
    assert_eq!(waits.poll().await.number, Some(2));
    let mut later = scene.visitor("later").await;
    assert_eq!(later.join().await.number, Some(3));

    with_keys(&format!("current = \"second\"\nsecrets = {{ {new} }}")).await;
    assert_eq!(later.poll().await.number, Some(3), "signed with the secret that is left");
    assert!(!inside.open("/").await.is_from_origin(), "signed with the one that is gone");
}

#[tokio::test]
async fn another_server_section_waits_for_the_next_start() {
    let scene = Scene::shop(FAST).await;
    let (http, admin) = (scene.node.http, scene.node.admin);
    let other = crate::support::node::server_file("127.0.0.1:0".parse().unwrap(), admin, "threads = 1");
    scene.node.folder.write("sluice.toml", &other);
    scene.node.reload().await;
    let warned = || scene.node.log().matches("restart the node, or upgrade it, to apply it").count();
    assert_eq!(warned(), 1, "{}", scene.node.log());
    scene.node.folder.write("sluice.toml", &format!("{other}\n[tls]\nhandshake_timeout = \"3s\"\n"));
    scene.node.reload().await;
    assert!(scene.node.log().contains("[server], [tls] handshake_timeout"), "it still waits: {}", scene.node.log());
    assert_eq!(warned(), 2);
    Connection::open(http).await.ask(&Request::navigation("/")).await;
}

#[tokio::test]
async fn a_hangup_right_after_the_start_is_a_reload_and_no_end() {
    for _ in 0..5 {
        let mut scene = Scene::shop(FAST).await;
        scene.node.signal("HUP");
        scene.node.until_metrics("the config is taken", |m| m.sum("config_reloads_total", &[]) > 0.0).await;
        assert!(scene.node.is_running());
    }
}

#[tokio::test]
async fn a_reload_under_load_drops_no_request() {
    let scene = Scene::shop(FAST).await;
    let (mut visitors, over) = (Vec::new(), Arc::new(AtomicBool::new(false)));
    for visitor in 0..8 {
        let over = over.clone();
        let mut visitor = Visitor::with(&scene.node, Browser::new(&visitor.to_string())).await;
        visitor.walk_in().await;
        visitors.push(tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                assert!(visitor.open("/cart").await.is_from_origin());
            }
        }));
    }
    for _ in 0..10 {
        let served = scene.origin.hit_count();
        scene.node.reload().await;
        until("requests go on", async || (scene.origin.hit_count() > served + 100).then_some(())).await;
    }
    over.store(true, Ordering::Relaxed);
    for visitor in visitors {
        visitor.await.unwrap();
    }
}
