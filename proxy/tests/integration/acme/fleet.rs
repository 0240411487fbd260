//! Several nodes that share their certificates.

use super::{ISSUED_WITHIN, Manners, Pebble, authority::hosts, connected, setup};
use crate::{
    servers::{Reserved, Server},
    support::{Node, Origin, Setup, Tenant, fleet::one, scene::FAST, until_within},
};

const HOSTS: usize = 6;

/// The tenant of all nodes.
fn shop(origin: &Origin) -> Tenant {
    let hosts = hosts(HOSTS);
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    let shop = Tenant::new("shop", &hosts, origin.addr());
    shop.queue("shop", &format!("{FAST}\non_store_loss = \"hold\"")).section("[tls]\nacme = true")
}

fn node(pebble: &Pebble, origin: &Origin, server: &Server) -> Setup {
    setup(pebble, shop(origin)).store(&one(server))
}

/// Waits until a node presents a certificate for every host.
async fn presents_all(pebble: &Pebble, node: &Node) {
    let tls = pebble.client().await;
    for host in hosts(HOSTS) {
        connected(&tls, node, &host).await;
    }
}

#[tokio::test]
async fn of_three_nodes_one_asks_for_each_host_and_a_store_that_is_wiped_costs_no_order() {
    let (server, origin, http) = (Server::start(), Origin::start().await, Reserved::new());
    let pebble = Pebble::start(http.port(), Manners::default()).await;
    // Proofs are looked for at the first node, whichever of them has asked.
    let nodes = [
        node(&pebble, &origin, &server).at(http).start().await,
        node(&pebble, &origin, &server).start().await,
        node(&pebble, &origin, &server).start().await,
    ];
    for node in &nodes {
        presents_all(&pebble, node).await;
    }
    assert_eq!(pebble.issued(), HOSTS);
    let asked = async |node: &Node| node.metrics().await.sum("acme_orders_total", &[("outcome", "issued")]);
    let by_metrics = asked(&nodes[0]).await + asked(&nodes[1]).await + asked(&nodes[2]).await;
    assert_eq!(by_metrics, HOSTS as f64);

    let _: redis::Value = server.command(&["FLUSHALL"]);
    let key = |host: &str| format!("sluice:{{acme.certificate.{host}}}");
    until_within(ISSUED_WITHIN, "the store is filled again", async || {
        hosts(HOSTS).iter().all(|host| server.command::<bool>(&["EXISTS", &key(host)])).then_some(())
    })
    .await;
    // A node that has never heard of them takes them from there.
    let newcomer = node(&pebble, &origin, &server).start().await;
    presents_all(&pebble, &newcomer).await;
    assert_eq!(pebble.issued(), HOSTS);
}
