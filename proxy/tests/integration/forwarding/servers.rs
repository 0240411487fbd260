//! Origins of several servers: who gets which request, and what happens when there is no room.

mod deaths;
mod health;
mod names;
mod routes;

use std::path::Path;

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::site::{ADMITS, OPEN, Raw, Reply, Site};
use crate::support::{Origin, Protocol, Request, Tenant, client::on_every_protocol, until};

fn counts(servers: &[&Raw]) -> Vec<usize> {
    servers.iter().map(|server| server.heard().len()).collect()
}

async fn servers_are_asked_by_weight(protocol: Protocol) {
    let (one, two) = (Raw::start(|_| Reply::ok()).await, Raw::start(|_| Reply::ok()).await);
    let second = format!("{{ address = \"{}\", weight = 3 }}", two.addr());
    let tenant = Tenant::shop(one.addr()).server_as(&second).origin("balance = \"round_robin\"").queue("shop", OPEN);
    let site = Site::with(protocol, tenant).await;
    let mut client = site.client().await;
    for _ in 0..8 {
        assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 200);
    }
    assert_eq!(counts(&[&one, &two]), [2, 6]);
}

async fn a_server_on_a_unix_socket_is_one_like_any_other(protocol: Protocol) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.sock");
    let origin = Raw::start_on(&path, |_| Reply::ok());
    let tenant = Tenant::shop(([127, 0, 0, 1], 1).into()).only_server(&unix(&path)).queue("shop", OPEN);
    let site = Site::with(protocol, tenant).await;
    let mut client = site.client().await;
    for method in ["GET", "POST"] {
        let answer = client.ask(&Request::fetch(method, "/").body("text/plain", "x")).await;
        assert_eq!((answer.status, answer.text()), (200, "hello"));
    }
    assert!(origin.heard().iter().all(|heard| heard.connection == 0), "its connection is used again");
    drop(origin);
    until("it is down", async || (client.ask(&Request::fetch("GET", "/")).await.status == 502).then_some(())).await;
}

fn unix(path: &Path) -> String {
    format!("\"unix:{}\"", path.display())
}

async fn a_visitor_keeps_to_a_server(protocol: Protocol) {
    let (one, two) = (Raw::start(|_| Reply::ok()).await, Raw::start(|_| Reply::ok()).await);
    let tenant = Tenant::shop(one.addr()).server(two.addr()).origin("balance = \"sticky\"").queue("shop", ADMITS);
    let site = Site::with(protocol, tenant).await;
    for _ in 0..12 {
        let mut client = site.client().await;
        let pass = client.ask(&Request::navigation("/")).await.token("pass").unwrap().to_owned();
        let name = if protocol == Protocol::Http1 { "sluice_pass_shop" } else { "__Host-sluice_pass_shop" };
        let mut asked_before = counts(&[&one, &two]);
        let mut servers = std::collections::HashSet::new();
        for _ in 0..4 {
            client.ask(&Request::navigation("/").header("Cookie", format!("{name}={pass}"))).await;
            let asked = counts(&[&one, &two]);
            servers.insert(asked[0] > asked_before[0]);
            asked_before = asked;
        }
        assert_eq!(servers.len(), 1, "one visitor, one server");
    }
    assert!(counts(&[&one, &two]).iter().all(|&count| count > 0), "and visitors are spread");
}

async fn an_origin_without_room_is_a_503_that_keeps_the_place(protocol: Protocol) {
    let origin = Origin::start().await;
    let tenant = Tenant::shop(origin.addr()).queue("shop", ADMITS);
    let site = Site::with(protocol, tenant.origin("in_flight_max = 2\nconnect_timeout = \"300ms\"")).await;
    let mut slow = JoinSet::new();
    for _ in 0..2 {
        let mut client = site.client().await;
        slow.spawn(async move { client.ask(&Request::fetch("GET", "/slow")).await });
    }
    until("both are under way", async || (origin.hit_count() == 2).then_some(())).await;
    let mut client = site.client().await;
    let answer = client.ask(&Request::navigation("/")).await;
    assert!(answer.status == 503 && answer.text().contains("The site is not answering"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("2"));
    assert!(answer.token("pass").is_some(), "{answer:?}");
    assert_eq!(site.node.metrics().await.sum("origin_errors_total", &[("reason", "busy")]), 1.0);
    origin.go_on();
    while let Some(answer) = slow.join_next().await {
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!(client.ask(&Request::navigation("/")).await.status, 200);
}

on_every_protocol!(
    servers_are_asked_by_weight,
    a_server_on_a_unix_socket_is_one_like_any_other,
    a_visitor_keeps_to_a_server,
    an_origin_without_room_is_a_503_that_keeps_the_place,
);
