//! Leases in Redis: a name has one owner at a time, and only its owner writes under it.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "redis/servers.rs"]
mod servers;

use std::time::{Duration, Instant};

use servers::{Cluster, Server};
use sluice_admission::store::Redis;

const LONG: Duration = Duration::from_secs(60);

/// Waits until the lease of another one has run out.
async fn until_held(store: &Redis, name: &str, owner: &str) {
    let end = Instant::now() + LONG;
    while !store.hold(name, owner, LONG).await.unwrap() {
        assert!(Instant::now() < end, "the lease does not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_name_has_one_owner_until_it_is_given_back() {
    let server = Server::start();
    let (a, b) = (Redis::new(&server.settings()), Redis::new(&server.settings()));
    assert!(a.hold("x", "a", LONG).await.unwrap());
    assert!(a.hold("x", "a", LONG).await.unwrap(), "renewed");
    assert!(!b.hold("x", "b", LONG).await.unwrap());
    assert!(b.hold("y", "b", LONG).await.unwrap(), "another name");
    assert!(!b.free("x", "b").await.unwrap(), "it is not b's to give back");
    assert!(!b.hold("x", "b", LONG).await.unwrap());
    assert!(a.free("x", "a").await.unwrap());
    assert!(b.hold("x", "b", LONG).await.unwrap());
}

#[tokio::test]
async fn who_has_lost_the_lease_writes_nothing_and_takes_it_from_nobody() {
    let server = Server::start();
    let store = Redis::new(&server.settings());
    assert!(store.hold("x", "a", Duration::from_millis(20)).await.unwrap());
    until_held(&store, "x", "b").await;
    assert!(store.put_held("x", "b", b"by b", LONG).await.unwrap());
    assert!(!store.put_held("x", "a", b"late", LONG).await.unwrap());
    assert!(!store.free("x", "a").await.unwrap());
    assert_eq!(store.get("x").await.unwrap().unwrap(), b"by b");
    assert!(!store.put_held("y", "a", b"never held", LONG).await.unwrap());
}

#[tokio::test]
async fn it_works_in_a_cluster_and_after_scripts_were_flushed() {
    let cluster = Cluster::start();
    let store = Redis::new(&cluster.settings());
    for name in ["one", "two", "three", "four"] {
        assert!(store.hold(name, "a", LONG).await.unwrap());
        assert!(store.put_held(name, "a", name.as_bytes(), LONG).await.unwrap());
        assert_eq!(store.get(name).await.unwrap().unwrap(), name.as_bytes());
    }
    let server = Server::start();
    let store = Redis::new(&server.settings());
    assert!(store.hold("x", "a", LONG).await.unwrap());
    let _: redis::Value = server.command(&["SCRIPT", "FLUSH"]);
    assert!(!store.hold("x", "b", LONG).await.unwrap());
}
