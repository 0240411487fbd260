//! Servers that fail are left out, and what is said of it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::net::TcpListener;

use super::super::site::{OPEN, Raw, Reply, Site};
use crate::support::{Protocol, Request, Tenant, metrics::Metrics, until};

/// Where no server listens.
async fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn of_server(metrics: &Metrics, name: &str, server: SocketAddr) -> f64 {
    metrics.sum(&format!("origin_server_{name}"), &[("server", &server.to_string())])
}

#[tokio::test]
async fn a_server_that_fails_is_ejected_logged_once_and_left_out_over_a_reload() {
    let (origin, dead) = (Raw::start(|_| Reply::ok()).await, dead().await);
    let tenant = Tenant::shop(dead).server(origin.addr()).origin("balance = \"round_robin\"").queue("shop", OPEN);
    let site = Site::with(Protocol::Http1, tenant).await;
    let mut client = site.client().await;
    for _ in 0..5 {
        // One of two meets the server that is down, and is answered by the other.
        for _ in 0..2 {
            assert_eq!(client.ask(&Request::fetch("POST", "/").body("text/plain", "x")).await.status, 200);
        }
    }
    let metrics = site.node.metrics().await;
    assert_eq!(of_server(&metrics, "up", dead), 0.0);
    assert_eq!(of_server(&metrics, "up", origin.addr()), 1.0);
    assert_eq!(of_server(&metrics, "ejections_total", dead), 1.0);
    assert_eq!(metrics.sum("origin_second_attempts_total", &[]), 5.0);
    assert_eq!(metrics.sum("origin_errors_total", &[]), 0.0, "every request was answered");
    site.node.reload().await;
    for _ in 0..10 {
        assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 200);
    }
    let failures = metrics.sum("origin_server_failures_total", &[("server", &dead.to_string()), ("reason", "connect")]);
    assert_eq!(failures, 5.0, "it was not asked again");
    let log = site.node.log();
    let told = log.lines().filter(|line| line.contains("a request failed at its origin")).collect::<Vec<_>>();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains(&dead.to_string()) && told[0].contains("refused"), "{told:?}");
    assert_eq!(log.matches("a server is ejected").count(), 1, "{log}");
}

#[tokio::test]
async fn errors_of_the_application_eject_nobody() {
    let bad = Raw::start(|_| Reply::keep("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")).await;
    let good = Raw::start(|_| Reply::ok()).await;
    let tenant = Tenant::shop(bad.addr()).server(good.addr()).origin("balance = \"round_robin\"").queue("shop", OPEN);
    let site = Site::with(Protocol::Http1, tenant).await;
    let mut client = site.client().await;
    for _ in 0..20 {
        client.ask(&Request::fetch("GET", "/")).await;
    }
    assert_eq!(bad.heard().len(), 10);
    assert_eq!(of_server(&site.node.metrics().await, "up", bad.addr()), 1.0);
}

#[tokio::test]
async fn a_server_is_down_and_up_by_its_checks() {
    let is_well = Arc::new(AtomicBool::new(true));
    let asked = is_well.clone();
    let checked = Raw::start(move |heard| match heard.head.starts_with("GET /health?deep HTTP/1.1\r\nHost: ") {
        true if !asked.load(Ordering::SeqCst) => Reply::close("HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"),
        true => Reply::close("HTTP/1.1 204 No Content\r\n\r\n"),
        false => Reply::ok(),
    })
    .await;
    let other = Raw::start(|_| Reply::close("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")).await;
    let health = "[origin.health]\npath = \"/health?deep\"\ninterval = \"1s\"\ntimeout = \"500ms\"";
    let tenant = Tenant::shop(checked.addr()).server(other.addr()).section(health).queue("shop", OPEN);
    let site = Site::with(Protocol::Http1, tenant).await;
    until("it is checked", async || (checked.heard().len() > 2).then_some(())).await;
    assert_eq!(of_server(&site.node.metrics().await, "up", checked.addr()), 1.0);
    is_well.store(false, Ordering::SeqCst);
    site.node.until_metrics("it is down", |m| of_server(m, "up", checked.addr()) == 0.0).await;
    let served = |raw: &Raw| raw.heard().iter().filter(|heard| heard.head.starts_with("GET / ")).count();
    let mut client = site.client().await;
    for _ in 0..10 {
        assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 200);
    }
    assert_eq!((served(&checked), served(&other)), (0, 10));
    is_well.store(true, Ordering::SeqCst);
    site.node.until_metrics("it is up", |m| of_server(m, "up", checked.addr()) == 1.0).await;
    // It is logged a moment behind.
    until("it is logged", async || site.node.log().contains("a server is up again").then_some(())).await;
    let log = site.node.log();
    assert!(log.contains("a server is down by its checks") && log.contains("status 500"), "{log}");
}

#[tokio::test]
async fn a_check_without_a_path_connects() {
    let (dead, origin) = (dead().await, Raw::start(|_| Reply::ok()).await);
    let tenant =
        Tenant::shop(dead).server(origin.addr()).section("[origin.health]\ninterval = \"1s\"").queue("shop", OPEN);
    let site = Site::with(Protocol::Http1, tenant).await;
    site.node.until_metrics("it is down", |m| of_server(m, "up", dead) == 0.0).await;
    assert_eq!(of_server(&site.node.metrics().await, "up", origin.addr()), 1.0);
    assert!(origin.heard().is_empty());
}

/// An only server that is down is asked twice for each request, as long as that is no storm.
#[tokio::test]
async fn second_attempts_are_bounded() {
    let site = Site::of(Protocol::Http1, dead().await, OPEN).await;
    let mut client = site.client().await;
    let began = std::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 502);
    }
    let seconds = u32::try_from(began.elapsed().as_secs() + 1).unwrap();
    let metrics = site.node.metrics().await;
    let (made, refused) =
        (metrics.sum("origin_second_attempts_total", &[]), metrics.sum("origin_second_attempts_refused_total", &[]));
    assert_eq!(made + refused, 100.0);
    // A fifth of the attempts of the busiest second at most.
    assert!(made <= f64::from(seconds) * 40.0, "{made} in {seconds} s");
    assert!(began.elapsed() > Duration::from_secs(2) || refused >= 40.0, "{refused}");
}
