//! Sentinels and Clusters: the line goes on on another server.

use std::time::Duration;

use super::Sale;
use crate::{
    servers::{Cluster, Sentinels, Server, wait_until},
    support::until,
};

const SECOND: Duration = Duration::from_secs(1);
/// The line of the shop, as its keys name it.
const LINE: &str = "shop.shop.0";

fn addresses<'a>(servers: impl IntoIterator<Item = &'a Server>) -> String {
    let addresses: Vec<_> = servers.into_iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    addresses.join(",")
}

/// Changes with anything that a server holds.
fn digest(server: &Server) -> String {
    server.command(&["DEBUG", "DIGEST"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_loses_the_last_seconds() {
    const STALE: Duration = Duration::from_secs(10);
    let mut redis = Sentinels::start();
    // A replica that has been cut off for longer than ten times this is not elected.
    redis.dead_after(2 * SECOND);
    let store = format!("url = \"redis+sentinel://{}\"\nsentinel_master = \"lines\"", addresses(&redis.sentinels));
    let mut sale = Sale::open(&store).await;
    // The replica is cut off, and hears nothing of what follows.
    redis.primary.command::<()>(&["ACL", "SETUSER", "default", "-psync", "-sync", "-replconf"]);
    redis.primary.command::<i64>(&["CLIENT", "KILL", "TYPE", "replica"]);
    let stale = digest(&redis.replica);
    sale.wait(STALE).await;
    assert_eq!(digest(&redis.replica), stale);
    sale.now();
    redis.primary.kill();
    until("the replica is elected", async || redis.replica.is_primary().then_some(())).await;
    sale.over("Sentinel failover, 10 s of writes lost").await.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slot_of_a_line_moves() {
    let redis = Cluster::start();
    let mut sale = Sale::open(&format!("url = \"redis+cluster://{}\"", addresses(&redis.primaries))).await;
    let slot = redis.slot(LINE);
    let from = redis.first_owner(slot);
    sale.now();
    redis.move_slot(slot, from, (from + 1) % 3, async || sale.wait(SECOND / 10).await).await;
    sale.over("Cluster slot moved").await.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_server_of_a_line_dies() {
    let mut redis = Cluster::with_replicas(3);
    let mut sale = Sale::open(&format!("url = \"redis+cluster://{}\"", addresses(&redis.primaries))).await;
    let owner = redis.first_owner(redis.slot(LINE));
    sale.now();
    redis.primaries[owner].kill();
    let heir = &redis.replicas[owner];
    wait_until("its replica takes over", || heir.is_primary());
    sale.over("Cluster server killed, its replica takes over").await.judge();
}
