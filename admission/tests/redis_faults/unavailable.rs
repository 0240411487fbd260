//! A server that is unavailable, frozen or has forgotten, and comes back.

use std::{sync::Arc, time::Instant};

use sluice_admission::{line::Batch, store::Redis};

use super::{
    BACK_WITHIN, assert_fails_at_once, away,
    conformance::{join, line},
    servers::{self, Reserved, Server},
    step, when_back,
};

#[tokio::test]
async fn a_store_that_is_away_fails_at_once_and_comes_back_by_itself() {
    let server = Server::start();
    let (port, store) = (server.reserved(), Redis::new(&server.settings()));
    step(&store, &join(0..5)).await.unwrap();
    drop(server);
    away(step(&store, &Batch::default()).await);
    assert_fails_at_once(&store);
    let _server = Server::on(port, &[]);
    assert_eq!(
        when_back(&store, &line("sale"), BACK_WITHIN).await.summary.lanes[0].issued,
        0,
        "the new server is empty"
    );
    assert_eq!(store.away(), None);
}

#[tokio::test]
async fn a_store_that_was_never_there_is_away_and_found_later() {
    let reserved = Arc::new(Reserved::new());
    let port = reserved.port();
    let node = sluice_config::RedisNode { host: "127.0.0.1".to_owned(), port };
    let store = Redis::new(&servers::settings(sluice_config::RedisTopology::Single, vec![node]));
    let why = away(step(&store, &Batch::default()).await);
    assert!(why.contains(&format!("127.0.0.1:{port}")) && why.contains("refused"), "{why}");
    assert_fails_at_once(&store);
    let _server = Server::on(reserved, &[]);
    when_back(&store, &line("sale"), BACK_WITHIN).await;
}

#[tokio::test]
async fn a_frozen_server_costs_one_timeout() {
    let server = Server::start();
    let settings = server.settings();
    let store = Redis::new(&settings);
    step(&store, &join(0..5)).await.unwrap();
    server.freeze();
    let began = Instant::now();
    let why = away(step(&store, &join(5..6)).await);
    assert!(why.contains("no answer within 2000 ms"), "{why}");
    assert!(began.elapsed() < settings.response_timeout * 2, "{:?}", began.elapsed());
    assert_fails_at_once(&store);
    server.thaw();
    // The step that was given up runs now, late; made again it changes nothing.
    when_back(&store, &line("sale"), BACK_WITHIN).await;
    assert_eq!(step(&store, &join(5..6)).await.unwrap().newcomers[0].0, 6);
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_script_is_given_it_again() {
    let server = Server::start();
    let store = Redis::new(&server.settings());
    for n in 0..3 {
        assert_eq!(step(&store, &join(n..n + 1)).await.unwrap().newcomers[0].0, n + 1);
        server.command::<()>(&["SCRIPT", "FLUSH"]);
    }
}
