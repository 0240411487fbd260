//! What one client may take of a node, and one tenant of what all share.

use std::time::Duration;

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::support::{
    Connection, HOST, Protocol, Request, Scene, Setup, Tenant, client::on_every_protocol, metrics::Metrics,
    scene::FAST, until,
};

async fn limited(protocol: Protocol, queue: &str, limits: &str) -> Scene {
    let section = format!("[limits]\n{limits}");
    Scene::speaking(protocol, |shop| shop.queue("shop", queue).section(&section), |setup| setup).await
}

async fn reached(scene: &Scene, limit: &str) -> f64 {
    scene.node.metrics().await.sum("limits_reached_total", &[("limit", limit)])
}

/// Connections that say nothing take every place. Who comes then gets one of theirs, once they have been idle for a moment.
#[tokio::test]
async fn the_idlest_connection_makes_room_for_a_newcomer() {
    let prepare = |setup: Setup| setup.server("connections_max = 6\nthreads = 1");
    let scene = Scene::set_up(|shop| shop.queue("shop", FAST), prepare).await;
    let mut asked = scene.node.connect().await;
    assert_eq!(asked.ask(&Request::navigation("/")).await.status, 200);
    let mut busy = scene.node.connect().await;
    busy.send(Request::navigation("/slow").bytes()).await;
    until("the origin is asked", async || (scene.origin.hit_count() == 2).then_some(())).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(scene.node.connect().await);
    }
    scene.node.until_metrics("all places are taken", |m| m.sum("connections", &[]) == 6.0).await;
    assert_eq!(asked.ask(&Request::navigation("/")).await.status, 200);
    let ask = async || {
        let mut client = Connection::try_open(scene.node.http).await.ok()?;
        client.try_ask(&Request::navigation("/")).await.ok().map(|answer| (client, answer))
    };
    let mut newcomers = Vec::new();
    for _ in 0..4 {
        let (client, answer) = until("a newcomer is served", ask).await;
        assert_eq!(answer.status, 200);
        newcomers.push(client);
    }
    for connection in &mut silent {
        connection.closed().await;
    }
    assert!(asked.is_usable().await, "who has asked goes behind those who have not");
    scene.origin.go_on();
    assert_eq!(busy.response("GET").await.status, 200, "who is busy does not go");
    assert!(reached(&scene, "connection_idlest").await >= 4.0);
}

#[tokio::test]
async fn a_client_has_so_many_connections_and_another_has_its_own() {
    let prepare = |setup: Setup| {
        let lines = "trusted_proxies = [\"127.0.0.0/8\"]\nproxy_protocol = [\"127.0.0.1:0\"]";
        setup.server(lines).section("[limits]\nconnections_per_client_max = 3")
    };
    let scene = Scene::set_up(|shop| shop.queue("shop", FAST), prepare).await;
    let from = async |address: &str| {
        let mut client = scene.node.connect().await;
        client.send(format!("PROXY TCP4 {address} 198.51.100.1 1 2\r\n")).await;
        client.try_send(Request::navigation("/").bytes()).await;
        client.response_if_any("GET").await.map(|answer| (answer.status, client))
    };
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(from("192.0.2.1").await.expect("the client may have another"));
    }
    assert!(from("192.0.2.1").await.is_none());
    assert_eq!(from("192.0.2.2").await.unwrap().0, 200);
    assert_eq!(reached(&scene, "connections_per_client_max").await, 1.0);
    held.pop();
    until("a place is free again", async || from("192.0.2.1").await).await;
}

/// As many connections as there are places for handshakes, none of which goes on with its own.
#[tokio::test]
async fn a_client_that_finishes_no_handshake_keeps_no_other_client_out() {
    const PLACES: usize = 64;
    let prepare = |setup: Setup| {
        let lines = "trusted_proxies = [\"127.0.0.0/8\"]\nproxy_protocol = [\"127.0.0.1:0\"]";
        setup.server(&format!("{lines}\nconnections_max = {}\nthreads = 1", PLACES * 4))
    };
    let scene = Scene::speaking(Protocol::Http1Tls, |shop| shop.queue("shop", FAST), prepare).await;
    let from = async |address: &str| {
        let mut tcp = TcpStream::connect(scene.node.https()).await.unwrap();
        tcp.write_all(format!("PROXY TCP4 {address} 198.51.100.1 1 2\r\n").as_bytes()).await.unwrap();
        tcp
    };
    let mut silent = Vec::new();
    for _ in 0..PLACES {
        silent.push(from("192.0.2.1").await);
    }
    let refused = [("outcome", "refused")];
    let all_came = |metrics: &Metrics| {
        metrics.sum("connections", &[]) + metrics.sum("tls_handshakes_total", &refused) == PLACES as f64
    };
    scene.node.until_metrics("all have come", all_came).await;
    let tcp = from("192.0.2.2").await;
    let mut another = Connection::over(scene.tls().over(tcp, HOST).await.unwrap());
    assert!(another.ask(&Request::navigation("/")).await.is_from_origin());
    // While there is room, a client has all of it that it wants: half.
    assert_eq!(scene.node.metrics().await.sum("tls_handshakes_total", &refused), 31.0);
}

async fn a_tenant_has_so_many_requests_under_way_and_another_is_served(protocol: Protocol) {
    let other = Tenant::new("other", &["other.example.com"], "127.0.0.1:1".parse().unwrap()).queue("other", FAST);
    let scene = Scene::speaking(
        protocol,
        |shop| shop.queue("shop", FAST).section("[limits]\nrequests_max = 1"),
        |setup| if protocol == Protocol::Http1 { setup.tenant(other) } else { setup },
    )
    .await;
    let mut slow = scene.client().await;
    let asks = Request::fetch("GET", "/slow");
    let (held, refused) = tokio::join!(slow.ask(&asks), async {
        until("the origin is asked", async || (scene.origin.hit_count() == 1).then_some(())).await;
        let refused = scene.ask(&Request::fetch("GET", "/")).await;
        let poll = scene.ask(&Request::fetch("GET", "/.sluice/status?queue=shop")).await;
        assert_eq!(poll.status, 200, "who waits may always ask");
        if protocol == Protocol::Http1 {
            let of_other = scene.ask(&Request::fetch("GET", "/").host("other.example.com")).await;
            assert_eq!(of_other.status, 502, "its origin is asked, which is not there");
        }
        scene.origin.go_on();
        refused
    });
    assert_eq!((held.status, refused.status), (200, 503));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(reached(&scene, "tenant_requests_max").await, 1.0);
    // The answer is with the client a moment before the request is over.
    let ask = async || (scene.ask(&Request::fetch("GET", "/")).await.status == 200).then_some(());
    until("there is room again", ask).await;
}

async fn a_client_that_sends_too_many_requests_waits_and_may_always_poll(protocol: Protocol) {
    let limits = "requests_per_client = { count = 3, within = \"1h\" }";
    let scene = limited(protocol, "release_per_minute = 600\npaths = [\"/queued\"]", limits).await;
    let mut client = scene.client().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.ask(&Request::fetch("GET", "/")).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
    let refused = client.ask(&Request::fetch("GET", "/")).await;
    assert_eq!(refused.header("retry-after"), Some("1200"));
    assert_eq!(client.ask(&Request::fetch("GET", "/.sluice/status?queue=shop")).await.status, 200);
    assert_eq!((scene.origin.hit_count(), reached(&scene, "requests_per_client").await), (3, 2.0));
}

async fn a_body_that_is_too_long_is_refused_or_cut(protocol: Protocol) {
    let route = "[[route]]\npaths = [\"/up\"]\nbody_max = \"2KiB\"\n[route.origin]\nservers = [";
    let section = |shop: Tenant, addr: &str| {
        shop.queue("shop", FAST).section("[limits]\nbody_max = \"1KiB\"").section(&format!("{route}\"{addr}\"]"))
    };
    let route_origin = crate::support::Origin::start().await;
    let addr = route_origin.addr().to_string();
    let scene = Scene::speaking(protocol, |shop| section(shop, &addr), |setup| setup).await;
    let post = |path: &str, bytes: usize| Request::fetch("POST", path).body("text/plain", vec![b'x'; bytes]);
    for (path, bytes, expected) in
        [("/echo", 1024, 200), ("/echo", 1025, 413), ("/up", 1025, 200), ("/up", 2048, 200), ("/up", 2049, 413)]
    {
        assert_eq!(scene.ask(&post(path, bytes)).await.status, expected, "{path} {bytes}");
    }
    assert_eq!(reached(&scene, "body_max").await, 2.0);
    assert_eq!((scene.origin.hit_count(), route_origin.hit_count()), (1, 2), "the announced ones do not begin");
}

on_every_protocol!(
    a_tenant_has_so_many_requests_under_way_and_another_is_served,
    a_client_that_sends_too_many_requests_waits_and_may_always_poll,
    a_body_that_is_too_long_is_refused_or_cut,
);

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_where_it_becomes_too_long() {
    let scene = limited(Protocol::Http1, FAST, "body_max = \"1KiB\"").await;
    let mut client = scene.node.connect().await;
    let head = format!("POST /echo HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(head).await;
    for _ in 0..3 {
        client.try_send(format!("200\r\n{}\r\n", "x".repeat(512))).await;
    }
    assert_eq!(client.response_if_any("POST").await.map(|answer| answer.status), Some(413));
    client.closed().await;
    assert_eq!(reached(&scene, "body_max").await, 1.0);
}

#[tokio::test]
async fn a_tenant_has_so_many_connections() {
    let scene = limited(Protocol::Http1, FAST, "connections_max = 2").await;
    let mut held = [scene.node.connect().await, scene.node.connect().await];
    for client in &mut held {
        assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 200);
        assert_eq!(client.ask(&Request::fetch("GET", "/.sluice/status?queue=shop")).await.status, 200);
    }
    for request in [Request::fetch("GET", "/"), Request::fetch("GET", "/.sluice/status?queue=shop")] {
        let mut third = scene.node.connect().await;
        let answer = third.ask(&request).await;
        assert!(answer.status == 503 && answer.closes(), "{answer:?}");
        third.closed().await;
    }
    let [first, second] = held;
    drop(first);
    until("a place is free", async || (scene.ask(&Request::fetch("GET", "/")).await.status == 200).then_some(())).await;
    drop(second);
    assert!(reached(&scene, "tenant_connections_max").await >= 2.0);
}

/// The price of many numbers is time, and each visitor gets one in the end.
#[tokio::test]
async fn many_numbers_for_one_client_come_later_and_none_is_refused() {
    let queue = "release_per_minute = 600\nmode = \"hold\"";
    let scene = limited(Protocol::Http1, queue, "numbers_per_client = { count = 60, within = \"1m\" }").await;
    let join = async || {
        let mut client = scene.node.connect().await;
        let slip = client.ask(&Request::navigation("/")).await.token("slip").unwrap().to_owned();
        (client, slip)
    };
    let poll = |slip: &str| {
        Request::fetch("GET", "/.sluice/status?queue=shop").header("Cookie", format!("sluice_slip_shop={slip}"))
    };
    let mut late = None;
    for nth in 0..64 {
        let (mut client, slip) = join().await;
        let answer = client.ask(&poll(&slip)).await;
        let state = answer.json()["state"].as_str().unwrap().to_owned();
        if state == "joining" {
            late = Some((nth, client, slip));
            break;
        }
        assert!(answer.token("ticket").is_some(), "{answer:?}");
    }
    let (nth, mut client, slip) = late.expect("the bound was reached");
    assert!(nth > 60, "{nth}");
    let metrics = scene.node.metrics().await;
    assert!(metrics.sum("numbers_delayed_total", &[("queue", "shop")]) >= 1.0);
    // A second for each one beyond: what it costs has been paid by then.
    let begun = tokio::time::Instant::now();
    until("the number comes", async || client.ask(&poll(&slip)).await.token("ticket").map(str::to_owned)).await;
    assert!(begun.elapsed() < Duration::from_secs(15));
}
