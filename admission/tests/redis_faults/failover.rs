//! Another server takes over: replicas, sentinels, clusters.

use std::time::{Duration, Instant};

use sluice_admission::{
    line::{Batch, SKIP},
    store::{LineId, Redis, Store, StoreError},
};

use super::{
    BACK_WITHIN, away,
    conformance::{join, line, rules},
    servers::{self, Cluster, Sentinels, Server},
    step, when_back,
};

#[tokio::test]
async fn a_server_that_became_a_replica_is_left() {
    let (old, new) = (Server::start(), Server::start());
    let store = Redis::new(&old.settings());
    step(&store, &join(0..1)).await.unwrap();
    old.command::<()>(&["REPLICAOF", "127.0.0.1", &new.port.to_string()]);
    let why = away(step(&store, &Batch::default()).await);
    assert!(why.contains("READONLY") || why.contains("MASTERDOWN"), "{why}");
    servers::wait_until("it follows", || old.info("master_link_status").as_deref() == Some("up"));
    let checkup = Redis::new(&old.settings()).doctor(&[]).await;
    assert!(checkup.findings.iter().any(|f| f.text.contains("is a replica")), "{checkup:?}");
    old.command::<()>(&["REPLICAOF", "NO", "ONE"]);
    when_back(&store, &line("sale"), BACK_WITHIN).await;
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_connected_to_at_growing_intervals() {
    let server = Server::start();
    let store = Redis::new(&server.settings());
    step(&store, &join(0..1)).await.unwrap();
    server.command::<()>(&["REPLICAOF", "127.0.0.1", "1"]);
    let mut own = 0;
    let mut connections = || {
        own += 1;
        server.info("total_connections_received").unwrap().parse::<u64>().unwrap() - own
    };
    let (before, began) = (connections(), Instant::now());
    // The pauses are at least 10, 20, 40, 80 and 160 ms, however slow the machine is.
    while connections() < before + 6 {
        away(step(&store, &Batch::default()).await);
        assert!(store.condition().read_only);
        assert!(began.elapsed() < Duration::from_secs(30), "it is connected to no more");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(310), "{:?}", began.elapsed());
    let why = away(step(&store, &Batch::default()).await);
    assert!(why.contains("is a replica") && why.contains("`url` must name the primary"), "{why}");
    server.command::<()>(&["REPLICAOF", "NO", "ONE"]);
    when_back(&store, &line("sale"), BACK_WITHIN).await;
    assert!(!store.condition().read_only);
}

#[tokio::test]
async fn a_failover_behind_sentinels_is_followed() {
    let sentinels = Sentinels::start();
    let store = Redis::new(&sentinels.settings());
    step(&store, &join(0..5)).await.unwrap();
    let in_step = || sentinels.replica.command::<i64>(&["EXISTS", "sluice:{shop.sale}:line"]) == 1;
    servers::wait_until("the replica has the line", in_step);
    sentinels.dead_after(Duration::from_millis(500));
    sentinels.primary.freeze();
    let outcome = when_back(&store, &line("sale"), Duration::from_secs(30)).await;
    // What the replica had not heard of must not be handed out again.
    assert_eq!(outcome.summary.lanes[0].issued, 5 + SKIP);
    // The old primary comes back, and for some seconds still believes that it is one.
    sentinels.primary.thaw();
    assert_eq!(sentinels.primary.info("role").as_deref(), Some("master"));
    assert_eq!(step(&store, &join(5..6)).await.unwrap().newcomers[0].0, 6 + SKIP);
}

/// Lines of which each of the three primaries has at least one.
fn lines_on_each(cluster: &Cluster) -> Vec<LineId> {
    let slot = |line: &LineId| -> u32 { cluster.primaries[0].command(&["CLUSTER", "KEYSLOT", &format!("{{{line}}}")]) };
    let on = |from: u32, to: u32| {
        (0..).map(|n| line(&format!("q{n}"))).find(|line| (from..=to).contains(&slot(line))).unwrap()
    };
    vec![on(0, 5_460), on(5_461, 10_922), on(10_923, 16_383)]
}

#[tokio::test]
async fn a_cluster_server_that_dies_stops_only_its_own_lines_and_is_replaced() {
    let cluster = Cluster::with_replicas(1);
    let settings = cluster.settings();
    let store = Redis::new(&settings);
    let lines = lines_on_each(&cluster);
    for line in &lines {
        store.sync(line, &rules(), &join(0..5)).await.unwrap();
    }
    let key = format!("sluice:{{{}}}:line", lines[0]);
    let replica = &cluster.replicas[0];
    servers::wait_until("the replica has the line", || {
        replica.command::<String>(&["DEBUG", "DIGEST"]) == cluster.primaries[0].command::<String>(&["DEBUG", "DIGEST"])
    });
    cluster.primaries[0].freeze();
    let began = Instant::now();
    loop {
        // Lines on the other servers go on as if nothing had happened, all the time.
        for line in &lines[1..] {
            let sent = Instant::now();
            let outcome = store.sync(line, &rules(), &Batch::default()).await;
            // A cluster refuses everything for the moment in which it has no majority or misses slots.
            if let Err(error) = outcome {
                assert!(error.to_string().contains("CLUSTERDOWN"), "{line}: {error}");
            }
            assert!(sent.elapsed() < settings.response_timeout, "{line} waited for {:?}", sent.elapsed());
        }
        if let Ok(outcome) = store.sync(&lines[0], &rules(), &Batch::default()).await {
            assert_eq!(outcome.summary.lanes[0].issued, 5 + SKIP, "{key}");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "no failover: {:?}", store.away());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cluster.primaries[0].thaw();
}

#[tokio::test]
async fn a_slot_that_moves_takes_its_line_along() {
    let cluster = Cluster::start();
    let store = Redis::new(&cluster.settings());
    let line = &lines_on_each(&cluster)[0];
    store.sync(line, &rules(), &join(0..50)).await.unwrap();
    let while_torn = async || {
        // While the keys are on two servers no step is made on either.
        let outcome = store.sync(line, &rules(), &Batch::default()).await;
        assert!(matches!(outcome, Err(StoreError::Away(_))), "{outcome:?}");
    };
    cluster.move_slot(cluster.slot(&line.to_string()), 0, 1, while_torn).await;
    assert_eq!(when_back(&store, line, BACK_WITHIN).await.summary.lanes[0].issued, 50 + SKIP);
}
