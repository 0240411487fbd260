//! Hosts, tenants, and what an origin gets to know.

use crate::{
    servers::Reserved,
    support::{
        Connection, HOST, Node, Origin, Request, Scene, Setup, Status, Tenant, Visitor, browser::Browser,
        chromium::Chromium, scene::FAST, until,
    },
};

const NEWS: &str = "news.example.org";
const ONE_SEAT: &str = "release_per_minute = 6000\nburst = 1000\nmax_active = 1";

/// The tenants `shop` and `news`, each with a queue `shop`, on one node.
async fn two_tenants(settings: &str) -> (Node, Origin, Origin) {
    let (shop, news) = (Origin::start().await, Origin::start().await);
    let setup = Setup::new(Tenant::shop(shop.addr()).queue("shop", settings))
        .tenant(Tenant::new("news", &[NEWS, "*.news.example.org"], news.addr()).queue("shop", settings));
    (setup.start().await, shop, news)
}

#[tokio::test]
async fn a_host_finds_its_tenant_by_name_or_wildcard() {
    let (node, shop, news) = two_tenants(FAST).await;
    for host in ["shop.example.com", "SHOP.example.COM", "shop.example.com:8080", "shop.example.com."] {
        assert!(node.ask(&Request::navigation("/").host(host)).await.is_from_origin(), "{host}");
    }
    assert_eq!((shop.hit_count(), news.hit_count()), (4, 0));
    for host in ["news.example.org", "a.news.example.org", "b.a.news.example.org"] {
        assert!(node.ask(&Request::navigation("/").host(host)).await.is_from_origin(), "{host}");
    }
    assert_eq!((shop.hit_count(), news.hit_count()), (4, 3));
}

#[tokio::test]
async fn an_unknown_host_is_421_and_the_connection_goes_on() {
    let (node, shop, news) = two_tenants(FAST).await;
    let mut connection = node.connect().await;
    for host in ["example.com", "a.shop.example.com", "example.org", "127.0.0.1", "shop.example.com.evil.example"] {
        let refused = connection.ask(&Request::navigation("/").host(host)).await;
        assert_eq!(refused.status, 421, "{host}: {refused:?}");
        assert_eq!(refused.header("cache-control"), Some("no-store, private"));
        assert!(!refused.closes());
    }
    let refused = connection.ask(&Request::fetch("GET", "/").host("example.com")).await;
    assert_eq!((refused.status, refused.header("content-type")), (421, Some("application/problem+json")));
    assert_eq!(shop.hit_count() + news.hit_count(), 0);
    assert_eq!(node.metrics().await.sum("requests_rejected_total", &[("reason", "unknown_site")]), 6.0);
}

#[tokio::test]
async fn tokens_of_one_tenant_are_worth_nothing_at_another() {
    let (node, shop, news) = two_tenants(ONE_SEAT).await;
    let mut inside = Visitor::new(&node, "inside").await;
    inside.walk_in().await;
    let mut waits = Visitor::new(&node, "waits").await;
    waits.join().await;
    // A full line at `news`, so that nobody walks in there.
    Visitor::with(&node, Browser::new("reader").at(NEWS, "shop")).await.walk_in().await;

    for kind in ["pass", "ticket"] {
        let thief = Browser::new("thief").at(NEWS, "shop");
        let holder = if kind == "pass" { &inside } else { &waits };
        thief.set_token(kind, &holder.browser.token(kind).unwrap());
        let page = node.ask(&thief.navigation("/")).await;
        assert_eq!(page.status, 503, "a {kind} of shop got into news: {page:?}");
        assert_eq!(Status::of(&page).unwrap().number, None);
        let refused = [("tenant", "news"), ("kind", kind), ("reason", "mac")];
        assert_eq!(node.metrics().await.sum("tokens_refused_total", &refused), 1.0);
    }
    assert_eq!((shop.hit_count(), news.hit_count()), (1, 1));
}

#[tokio::test]
async fn a_full_tenant_delays_no_other() {
    let (node, _shop, news) = two_tenants(ONE_SEAT).await;
    Visitor::new(&node, "inside").await.walk_in().await;
    for visitor in 0..50 {
        Visitor::new(&node, &visitor.to_string()).await.join().await;
    }
    Visitor::with(&node, Browser::new("reader").at(NEWS, "shop")).await.walk_in().await;
    assert_eq!(news.hit_count(), 1);
    let metrics = node.metrics().await;
    assert_eq!(metrics.sum("line_issued_number", &[("tenant", "shop")]), 51.0);
    assert_eq!(metrics.sum("line_issued_number", &[("tenant", "news")]), 1.0);
}

#[tokio::test]
async fn the_origin_learns_who_the_client_is_from_us_alone() {
    let scene = Scene::shop(FAST).await;
    let spoofed = Request::navigation("/")
        .header("X-Forwarded-For", "10.9.8.7")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Proto", "https")
        .header("Forwarded", "for=10.9.8.7")
        .header("X-Real-IP", "10.9.8.7")
        .header("X-Original-URL", "/admin")
        .header("Sluice-Pass", "mine");
    scene.node.ask(&spoofed).await;
    let hit = scene.origin.last_hit();
    assert_eq!(hit.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(hit.header("x-forwarded-host"), Some(HOST));
    assert_eq!(hit.header("x-forwarded-proto"), Some("http"));
    assert_eq!(hit.header("host"), Some(HOST));
    // Said once is enough: two fields that say the same may be taken for two different things.
    for name in ["forwarded", "x-real-ip", "x-original-url", "sluice-pass"] {
        assert_eq!(hit.header(name), None, "{name}");
    }
}

/// The browser is queued once, enters once and holds one seat.
#[tokio::test]
async fn a_browser_that_is_inside_on_one_host_of_a_tenant_is_inside_on_the_others() {
    let origin = Origin::start().await;
    let hosts = [HOST, "*.shop.example.com"];
    let node = Setup::new(Tenant::new("shop", &hosts, origin.addr()).queue("shop", ONE_SEAT)).start().await;
    let url = |host: &str, path: &str| format!("http://{host}:{}{path}", node.http.port());
    let goes_to = |next: &str| format!("<!doctype html><title>Shop</title><script>location = {next:?}</script>");
    origin.page("/first", goes_to(&url("www.shop.example.com", "/second")));
    origin.page("/second", goes_to(&url(HOST, "/third")));
    let mut inside = Visitor::new(&node, "inside").await;
    inside.walk_in().await;
    let _chromium = Chromium::open(&url(HOST, "/first"), node.http);
    node.until_metrics("the browser stands in line", |m| m.line("waiting_visitors", "shop") == 1.0).await;
    let mut waits = Visitor::new(&node, "waits").await;
    waits.join().await;
    inside.leave().await;
    let last =
        until("the browser has seen both hosts", async || origin.hits().into_iter().find(|hit| hit.target == "/third"));
    assert_eq!(last.await.header("cookie"), None);
    assert_eq!(waits.poll().await.state, "waiting");
    let metrics = node.metrics().await;
    assert_eq!((metrics.requests("shop", "entered"), metrics.line("inside_visitors", "shop")), (2.0, 1.0));
}

#[tokio::test]
async fn over_https_hosts_of_a_tenant_share_cookies_that_only_https_sets() {
    let origin = Origin::start().await;
    let shop = Tenant::new("shop", &["example.com", "www.example.com", "shop.example.net"], origin.addr());
    let setup = Setup::new(shop.queue("shop", ONE_SEAT)).server("trusted_proxies = [\"127.0.0.0/8\"]");
    let node = setup.start().await;
    let open = |host: &str| Request::navigation("/").host(host).header("X-Forwarded-Proto", "https");
    let page = node.ask(&open("example.com")).await;
    let cookie = page.header_values("set-cookie").find(|c| c.starts_with("__Secure-sluice_pass_shop=")).unwrap();
    assert!(cookie.contains("; Domain=example.com;") && cookie.ends_with("; Secure"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let elsewhere = node.ask(&open("www.example.com").header("Cookie", pair)).await;
    assert!(elsewhere.is_from_origin(), "{elsewhere:?}");
    assert_eq!(origin.last_hit().header("cookie"), None, "no token of ours reaches the origin");
    let apart = node.ask(&open("shop.example.net")).await;
    let slip = apart.header_values("set-cookie").next().unwrap();
    assert!(slip.starts_with("__Host-") && !slip.contains("Domain"), "{slip}");
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_and_https_gets_host_cookies() {
    let trusted = |setup: Setup| setup.server("trusted_proxies = [\"127.0.0.0/8\"]");
    let scene = Scene::set_up(|shop| shop.queue("shop", FAST), trusted).await;
    let request =
        Request::navigation("/").header("X-Forwarded-For", "203.0.113.7").header("X-Forwarded-Proto", "https");
    let page = scene.node.ask(&request).await;
    let cookie = page.header_values("set-cookie").find(|c| c.starts_with("__Host-sluice_pass_shop=")).unwrap();
    for attribute in ["; Path=/", "; HttpOnly", "; SameSite=None", "; Secure"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let hit = scene.origin.last_hit();
    assert_eq!(hit.header("x-forwarded-for"), Some("203.0.113.7, 127.0.0.1"));
    assert_eq!(hit.header("x-forwarded-proto"), Some("https"));
    let with_pass = Request::navigation("/").header("X-Forwarded-Proto", "https");
    let with_pass = with_pass.header("Cookie", cookie.split(';').next().unwrap());
    let renewed = scene.node.ask(&with_pass).await;
    let renewed = renewed.header_values("set-cookie").find(|c| c.starts_with("__Host-sluice_pass_shop=")).unwrap();
    assert_ne!(renewed, cookie, "the pass under this name is known, and has come back");
}

#[tokio::test]
async fn who_came_over_plain_http_keeps_place_and_pass_when_the_site_leads_them_to_https() {
    let trusted = |setup: Setup| setup.server("trusted_proxies = [\"127.0.0.0/8\"]");
    let scene = Scene::set_up(|shop| shop.queue("shop", ONE_SEAT), trusted).await;
    let over =
        |scheme| Request::navigation("/").header("X-Forwarded-For", "203.0.113.7").header("X-Forwarded-Proto", scheme);
    let mut inside = scene.visitor("inside").await;
    let mut waits = scene.visitor("waits").await;
    assert!(inside.ask(over("http")).await.is_from_origin());
    waits.ask(over("http")).await;
    assert_eq!(Status::of(&waits.ask(over("http")).await).unwrap().number, Some(2));

    let page = inside.ask(over("https")).await;
    assert!(page.is_from_origin(), "{page:?}");
    assert!(page.cookie("__Host-sluice_pass_shop").is_some_and(|pass| !pass.is_empty()), "{page:?}");
    assert_eq!(page.cookie("sluice_pass_shop"), Some(""), "{page:?}");
    let page = waits.ask(over("https")).await;
    assert_eq!(Status::of(&page).unwrap().number, Some(2));
    assert_eq!(page.cookie("sluice_ticket_shop"), Some(""), "{page:?}");
    // From then on they hold what HTTPS knows.
    assert_eq!(Status::of(&waits.ask(over("https")).await).unwrap().number, Some(2));
    assert!(inside.ask(over("https")).await.is_from_origin());
    assert_eq!(inside.ask(over("https")).await.header("set-cookie"), None);
}

#[tokio::test]
async fn an_origin_that_is_down_does_not_cost_the_place() {
    let reserved = Reserved::new();
    let node = Setup::new(Tenant::shop(reserved.addr()).queue("shop", ONE_SEAT)).start().await;
    let browser = Browser::new("ann");
    let mut connection = node.connect().await;
    let failed = connection.ask(&browser.navigation("/")).await;
    assert_eq!(failed.status, 502, "{failed:?}");
    assert_eq!(failed.header("cache-control"), Some("no-store, private"));
    browser.take_in(&failed);
    assert!(browser.token("pass").is_some(), "who was let in once is in: {failed:?}");
    assert!(!failed.closes() && connection.is_usable().await, "the request was whole: {failed:?}");
    assert_eq!(node.metrics().await.sum("origin_errors_total", &[("reason", "connect")]), 1.0);

    let origin = Origin::start_at(reserved.addr()).await;
    let page = node.ask(&browser.navigation("/")).await;
    assert!(page.is_from_origin(), "{page:?}");
    assert_eq!((origin.hit_count(), browser.number()), (1, Some(1)));
}

#[tokio::test]
async fn an_origin_that_breaks_off_is_502() {
    // Whatever it is that listens there: it takes a connection and says nothing sensible.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut tcp, b"220 mail.example.com ESMTP\r\n").await;
        }
    });
    let node = Setup::new(Tenant::shop(addr).queue("shop", FAST)).start().await;
    let failed = node.ask(&Request::navigation("/")).await;
    assert_eq!(failed.status, 502, "{failed:?}");
}

#[tokio::test]
async fn requests_of_a_client_that_is_gone_harm_nobody() {
    let scene = Scene::shop(FAST).await;
    let mut connections = Vec::new();
    for _ in 0..20 {
        let mut connection = Connection::open(scene.node.http).await;
        connection.send(Request::navigation("/slow").bytes()).await;
        connections.push(connection);
    }
    scene.node.until_metrics("all are in flight", |m| m.sum("requests_in_flight", &[]) == 20.0).await;
    drop(connections);
    scene.visitor("ann").await.walk_in().await;
    scene.origin.go_on();
    scene.node.until_metrics("nothing is in flight", |m| m.sum("requests_in_flight", &[]) == 0.0).await;
}
