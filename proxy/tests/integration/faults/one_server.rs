//! One Redis for the whole fleet, and what may happen to it or to the way there.

use std::time::Duration;

use super::{Relay, Sale};
use crate::{
    servers::Server,
    support::{Setup, fleet},
};

const SECOND: Duration = Duration::from_secs(1);
const STORE_KEY: &str = "SLUICE_STORE_PASSWORD";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_is_killed_and_comes_back_empty() {
    let mut redis = Server::start();
    let mut sale = Sale::open(&fleet::one(&redis)).await;
    sale.now();
    redis.kill();
    sale.without_store(3 * SECOND).await;
    redis.restart();
    sale.over("Redis killed, back empty after 3 s").await.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_is_wiped_in_the_middle_of_a_sale() {
    let redis = Server::start();
    let mut sale = Sale::open(&fleet::one(&redis)).await;
    sale.now();
    redis.command::<()>(&["FLUSHALL"]);
    redis.command::<()>(&["SCRIPT", "FLUSH"]);
    sale.over("FLUSHALL and SCRIPT FLUSH").await.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: ./x faults"]
async fn the_store_comes_back_with_an_old_copy() {
    let mut redis = Server::start();
    let mut sale = Sale::open(&fleet::one(&redis)).await;
    redis.command::<()>(&["SAVE"]);
    sale.wait(30 * SECOND).await;
    sale.now();
    redis.kill();
    redis.restart();
    sale.over("Redis killed, back with a dump 30 s old").await.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_stands_still() {
    let redis = Server::start();
    let mut sale = Sale::open(&fleet::one(&redis)).await;
    sale.now();
    redis.freeze();
    sale.without_store(20 * SECOND).await;
    redis.thaw();
    sale.over("Redis stopped for 20 s").await.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_answers_too_late() {
    let redis = Server::start();
    let way = Relay::to(redis.port).await;
    let mut sale = Sale::open(&fleet::at(way.port())).await;
    sale.now();
    way.delay(SECOND / 2);
    sale.wait(15 * SECOND).await;
    way.delay(Duration::ZERO);
    sale.over("500 ms latency for 15 s").await.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: ./x faults"]
async fn the_store_answers_late_but_is_waited_for() {
    let redis = Server::start();
    let way = Relay::to(redis.port).await;
    let mut sale = Sale::open(&(fleet::at(way.port()) + "\nresponse_timeout = \"2s\"")).await;
    sale.now();
    way.delay(SECOND / 2);
    sale.wait(15 * SECOND).await;
    way.delay(Duration::ZERO);
    sale.over("500 ms latency for 15 s, `response_timeout` 2 s").await.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_the_store_break_all_the_time() {
    let redis = Server::start();
    let way = Relay::to(redis.port).await;
    let mut sale = Sale::open(&fleet::at(way.port())).await;
    sale.now();
    way.resets(true);
    sale.wait(15 * SECOND).await;
    way.resets(false);
    assert!(way.reset_count() > 5, "only {} were reset", way.reset_count());
    sale.over("30 % of connections reset, each second, for 15 s").await.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: ./x faults"]
async fn the_password_is_refused_for_a_minute() {
    let redis = Server::with(&["user sluice on >right ~* +@all"]);
    let store = format!("{}\nusername = \"sluice\"\npassword = {{ env = \"{STORE_KEY}\" }}", fleet::one(&redis));
    let mut sale = Sale::open_with(&store, |_, setup: Setup| setup.env(STORE_KEY, "right")).await;
    sale.now();
    redis.command::<()>(&["ACL", "SETUSER", "sluice", "resetpass", ">other"]);
    redis.command::<()>(&["CLIENT", "KILL", "USER", "sluice"]);
    sale.without_store(60 * SECOND).await;
    redis.command::<()>(&["ACL", "SETUSER", "sluice", "resetpass", ">right"]);
    sale.over("wrong password for a minute").await.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: ./x faults"]
async fn the_store_becomes_a_replica_for_a_while() {
    let redis = Server::start();
    let mut sale = Sale::open(&fleet::one(&redis)).await;
    sale.now();
    // Of nobody: it keeps what it has.
    redis.command::<()>(&["REPLICAOF", "127.0.0.1", "1"]);
    sale.without_store(15 * SECOND).await;
    redis.command::<()>(&["REPLICAOF", "NO", "ONE"]);
    sale.over("READONLY for 15 s").await.judge();
}
