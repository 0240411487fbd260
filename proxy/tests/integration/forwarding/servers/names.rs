//! Servers by their names: what DNS says is followed while the node runs, and kept while DNS says nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::super::site::{OPEN, Site};
use crate::support::{Origin, Protocol, Request, Resolver, Tenant, Zone, metrics::Metrics, resolver::Fault, until};

const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Two servers on one port, as those behind one name are.
async fn two() -> (Origin, Origin) {
    let first = Origin::start_at((FIRST, 0).into()).await;
    let second = Origin::start_at((SECOND, first.addr().port()).into()).await;
    (first, second)
}

/// A site whose servers have a name of their own.
async fn site(port: u16, resolver: &Resolver) -> Site {
    let tenant = Tenant::shop((FIRST, 1).into()).only_server(&format!("\"app.service.example:{port}\""));
    let lines = format!(
        "resolvers = [\"{}\"]\nresolve_every = \"1s\"\nidle_timeout = \"1s\"\nbalance = \"round_robin\"",
        resolver.addr
    );
    Site::with(Protocol::Http1, tenant.origin(&lines).queue("shop", OPEN)).await
}

/// The servers that the node knows.
fn servers(metrics: &Metrics, all: &[&Origin]) -> Vec<SocketAddr> {
    let is_known = |addr: &SocketAddr| metrics.sum("origin_server_up", &[("server", &addr.to_string())]) > 0.0;
    all.iter().map(|origin| origin.addr()).filter(is_known).collect()
}

/// Connections to a server that stand, as the system says.
fn connections_to(server: SocketAddr) -> usize {
    let IpAddr::V4(ip) = server.ip() else { panic!("{server}") };
    let there = format!("{:08X}:{:04X}", u32::from_le_bytes(ip.octets()), server.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let stand = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        words.get(2) == Some(&there.as_str()) && words.get(3) == Some(&"01")
    };
    table.lines().filter(|line| stand(line)).count()
}

#[tokio::test]
async fn servers_come_and_go_with_their_name() {
    let (first, second) = two().await;
    let resolver = Resolver::saying(Zone::of(&[FIRST]));
    let site = site(first.addr().port(), &resolver).await;
    let mut client = site.client().await;
    let get = Request::fetch("GET", "/");
    assert_eq!(client.ask(&get).await.status, 200);
    assert_eq!((first.hit_count(), second.hit_count()), (1, 0));

    resolver.says(Zone::of(&[FIRST, SECOND]));
    until("the new one is asked", async || {
        assert_eq!(client.ask(&get).await.status, 200);
        (second.hit_count() > 0).then_some(())
    })
    .await;

    // Requests are under way at both when the first one's address is taken away.
    let (asked, mut slow) = (first.hit_count(), tokio::task::JoinSet::new());
    for _ in 0..2 {
        let mut client = site.client().await;
        slow.spawn(async move { client.ask(&Request::fetch("GET", "/slow")).await.status });
    }
    until("both are busy", async || (first.hit_count() > asked).then_some(())).await;
    resolver.says(Zone::of(&[SECOND]));
    until("the first is known no more", async || {
        let metrics = site.node.metrics().await;
        (servers(&metrics, &[&first, &second]) == [second.addr()]).then_some(())
    })
    .await;
    let asked = first.hit_count();
    for _ in 0..20 {
        assert_eq!(client.ask(&get).await.status, 200);
    }
    assert_eq!(first.hit_count(), asked, "no more requests go there");
    first.go_on();
    second.go_on();
    while let Some(status) = slow.join_next().await {
        assert_eq!(status.unwrap(), 200, "what was under way ends as it would have");
    }
    until("its idle connections run out", async || (connections_to(first.addr()) == 0).then_some(())).await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve_keeps_its_last_servers() {
    let (first, second) = two().await;
    let resolver = Resolver::saying(Zone::of(&[FIRST]));
    let site = site(first.addr().port(), &resolver).await;
    let mut client = site.client().await;
    let mut unresolved = 0.0;
    for fault in Fault::ALL {
        resolver.fails(fault);
        let metrics = site
            .node
            .until_metrics("a look-up fails", |metrics| metrics.sum("origin_names_unresolved_total", &[]) > unresolved);
        unresolved = metrics.await.sum("origin_names_unresolved_total", &[]);
        assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 200, "{fault:?}");
    }
    assert_eq!(first.hit_count(), Fault::ALL.len());
    let log = site.node.log();
    assert_eq!(log.matches("does not resolve; its last addresses are kept").count(), 1, "once a minute: {log}");
    resolver.says(Zone::of(&[SECOND]));
    until("it resolves again", async || {
        assert_eq!(client.ask(&Request::fetch("GET", "/")).await.status, 200);
        (second.hit_count() > 0).then_some(())
    })
    .await;
}
