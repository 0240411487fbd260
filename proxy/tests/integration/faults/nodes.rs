//! What may happen to the nodes themselves.

use std::time::Duration;

use super::{Sale, wall_clock::WallClock};
use crate::{
    servers::Server,
    support::{Setup, fleet},
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_killed() {
    let redis = Server::start();
    let mut sale = Sale::open_with(&fleet::one(&redis), |_, setup| setup.keeps_ports()).await;
    sale.now();
    sale.fleet.nodes[0].kill();
    sale.wait(8 * SECOND).await;
    sale.fleet.nodes[0].start().await;
    sale.over("one node of three killed, back after 8 s").await.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_and_the_store_are_killed_together() {
    // As the manual recommends it.
    let redis = Server::with(&["appendonly yes", "appendfsync everysec"]);
    all_are_killed(redis, "all nodes and Redis (`appendonly yes`) killed, back after 3 s").await;
}

/// Nothing is left but what the nodes have written down, and the visitors' cookies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_are_killed_and_the_store_is_lost() {
    all_are_killed(Server::start(), "all nodes and Redis killed, Redis back empty after 3 s").await;
}

async fn all_are_killed(mut redis: Server, fault: &'static str) {
    let mut sale = Sale::open_with(&fleet::one(&redis), |_, setup: Setup| setup.keeps_ports()).await;
    sale.now();
    redis.kill();
    for node in &mut sale.fleet.nodes {
        node.kill();
    }
    sale.without_store(3 * SECOND).await;
    redis.restart();
    for node in &mut sale.fleet.nodes {
        node.start().await;
    }
    sale.over(fault).await.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: ./x faults"]
async fn the_wall_clocks_of_two_nodes_are_wrong_and_step() {
    let (ahead, behind) = (WallClock::new(), WallClock::new());
    ahead.set_minutes(10);
    behind.set_minutes(-10);
    let redis = Server::start();
    let prepare = |node, setup: Setup| match node {
        0 => ahead.for_node(setup),
        1 => behind.for_node(setup),
        _ => setup,
    };
    let mut sale = Sale::open_with(&fleet::one(&redis), prepare).await;
    ahead.assert_said_in(&sale.fleet.nodes[0].log());
    behind.assert_said_in(&sale.fleet.nodes[1].log());
    sale.now();
    ahead.set_minutes(-10);
    behind.set_minutes(10);
    sale.wait(10 * SECOND).await;
    sale.over("wall clocks of two nodes 10 min ahead and behind, then the other way round").await.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: ./x faults"]
async fn the_wall_clock_of_the_store_steps() {
    let clock = WallClock::new();
    let redis = Server::with_env(&clock.env());
    let mut sale = Sale::open(&fleet::one(&redis)).await;
    sale.now();
    for minutes in [10, -10, 0] {
        clock.set_minutes(minutes);
        sale.wait(5 * SECOND).await;
        clock.assert_told_by(&redis);
    }
    sale.over("Redis' wall clock steps 10 min on, 20 back, 10 on").await.judge();
}
