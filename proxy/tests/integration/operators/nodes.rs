//! Nodes that share lines and do not go by the same files are seen.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{FAST, Operator};
use crate::{
    servers::Server,
    support::{Fleet, Node, Tenant, fleet, until},
};

async fn fleet(server: &Server, third_key: u8) -> Fleet {
    let queue = format!("{FAST}\non_store_loss = \"hold\"");
    let secret = BASE64_STANDARD.encode([third_key; 32]);
    let store = fleet::one(server);
    let fleet = Fleet::start(
        &store,
        |shop| shop.queue("shop", &queue),
        |at, setup| if at == 2 { setup.env("SLUICE_KEY", &secret).api("") } else { setup.api("") },
    );
    let fleet = fleet.await;
    fleet.until_whole().await;
    fleet
}

/// What a node has heard, once it has heard of three nodes and this many differences.
async fn heard(node: &Node, differences: usize) -> Value {
    let admin = Operator::new(node, "admin", &[]);
    until("the node has heard of the others", async || {
        let data = admin.get("/v1/nodes").await.json()["data"].clone();
        let count = |name: &str| data[name].as_array().unwrap().len();
        (count("nodes") == 3 && count("differences") == differences).then_some(data)
    })
    .await
}

async fn disagreements(node: &Node) -> Vec<String> {
    let body = node.admin("/health/ready").await;
    assert_eq!(body.status, 200, "which of them is right, no node can know");
    serde_json::from_value(body.json()["disagreements"].clone()).unwrap()
}

#[tokio::test]
async fn another_rate_is_named_everywhere_and_gone_when_it_is_mended() {
    let server = Server::start();
    let fleet = fleet(&server, 7).await;
    heard(&fleet.nodes[0], 0).await;
    assert_eq!(disagreements(&fleet.nodes[0]).await, [""; 0]);
    let odd = &fleet.nodes[1];
    let write = |rate: u32| {
        let settings = format!("release_per_minute = {rate}\nburst = 100\non_store_loss = \"hold\"");
        odd.folder.write_tenant(&Tenant::shop(fleet.origin.addr()).queue("shop", &settings));
    };
    write(300);
    odd.reload().await;
    for node in &fleet.nodes {
        let data = heard(node, 2).await;
        let said: Vec<String> = serde_json::from_value(data["words"].clone()).unwrap();
        let port = odd.http.port();
        assert!(said[0].starts_with("shop/shop: burst is 1000 at ") && said[0].contains(", 100 at "), "{said:?}");
        assert!(said[1].ends_with(&format!(":{port}")) && said[1].contains(", 300 at "), "{said:?}");
        assert_eq!(disagreements(node).await, said);
        let metrics = node.metrics().await;
        assert_eq!((metrics.line("differences", "shop"), metrics.sum("fleet_nodes", &[])), (2.0, 3.0));
        let viewer = Operator::new(node, "viewer", &[]);
        let queue = viewer.get("/v1/tenants/shop/queues/shop").await.json();
        assert_eq!(queue["data"]["disagreements"], json!(said));
        assert!(node.log().contains("nodes disagree"), "{}", node.log());
    }
    odd.folder
        .write_tenant(&Tenant::shop(fleet.origin.addr()).queue("shop", &format!("{FAST}\non_store_loss = \"hold\"")));
    odd.reload().await;
    heard(&fleet.nodes[2], 0).await;
    assert!(fleet.nodes[2].log().contains("nodes agree again"));
    assert_eq!(fleet.nodes[2].log().matches("nodes disagree").count(), 1, "once a minute at most");
}

#[tokio::test]
async fn other_keys_are_named_and_no_secret_is_told() {
    let server = Server::start();
    let fleet = fleet(&server, 8).await;
    let data = heard(&fleet.nodes[0], 1).await;
    let difference = &data["differences"][0];
    assert_eq!((&difference["setting"], &difference["lines"]), (&json!("keys"), &json!(["shop/shop"])));
    let nodes = |at: usize| difference["values"][at]["nodes"].as_array().unwrap().len();
    assert_eq!((nodes(0), nodes(1)), (2, 1));
    let text = data.to_string();
    assert!(!text.contains(&BASE64_STANDARD.encode([8; 32])) && !text.contains(&BASE64_STANDARD.encode([7; 32])));
}

/// A node that is gone is not counted for long.
#[tokio::test]
async fn a_node_that_ends_is_no_peer_any_more() {
    let server = Server::start();
    let mut fleet = fleet(&server, 7).await;
    heard(&fleet.nodes[0], 0).await;
    fleet.nodes[2].kill();
    fleet.nodes[0].until_metrics("it is gone", |metrics| metrics.sum("fleet_nodes", &[]) == 2.0).await;
}
