//! A server short of memory, and lines of which a part is gone.

use std::time::{Duration, Instant};

use sluice_admission::{
    line::{Batch, Known, SKIP, Verdict},
    store::{Redis, Store, StoreError},
};

use super::{
    away,
    conformance::{self, Clock, ask, join, line, rules},
    known,
    servers::{self, Server},
    step,
};

#[tokio::test]
async fn a_server_without_memory_is_away_and_spoils_nothing() {
    let (server, clock) = (Server::start(), Clock::default());
    let store = Redis::with_clock(&server.settings(), {
        let clock = clock.clone();
        move || clock.now_ms()
    });
    let refuses_all = async |of: &str| {
        let digest = || server.command::<String>(&["DEBUG", "DIGEST"]);
        let before = digest();
        server.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
        // Calls that free more than they take are refused with the others.
        let left = Batch { ended: (1..=20).collect(), ..Batch::default() };
        for batch in [join(20..30), left, Batch::default()] {
            let why = away(step(&store, &batch).await);
            assert!(why.contains("OOM"), "{of}: {why}");
        }
        let reset = store.reset(&line("sale"), &rules()).await;
        assert!(matches!(&reset, Err(StoreError::Away(why)) if why.contains("OOM")), "{of}: {reset:?}");
        assert_eq!(digest(), before, "{of}");
        server.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    };
    refuses_all("a line that is not there yet").await;
    step(&store, &join(0..20)).await.unwrap();
    step(&store, &ask(1, true)).await.unwrap();
    refuses_all("a line of which nothing has lapsed").await;
    // Marks, slips and seats: the next step begins with removing them.
    clock.pass_ms(10 * 60_000);
    refuses_all("a line of which everything has lapsed").await;
    assert_eq!(step(&store, &join(20..30)).await.unwrap().newcomers[0].0, 21, "with memory it goes on");
    server.command::<()>(&["DEL", "sluice:{shop.sale}:gone"]);
    refuses_all("a line that was lost").await;
}

#[tokio::test]
async fn a_line_that_an_evicting_server_has_cut_is_said_to_be() {
    let server = Server::start();
    let store = Redis::new(&server.settings());
    let last = step(&store, &join(0..20)).await.unwrap().summary;
    server.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    for key in 0..100 {
        server.command::<()>(&["SETRANGE", &format!("other{key}"), "100000", "x"]);
    }
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "4mb"]);
    servers::wait_until("it evicts", || {
        let _ = server.try_command::<redis::Value>(&["SET", "one", "more"]);
        server.info("evicted_keys").is_some_and(|keys| keys != "0")
    });
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    server.command::<()>(&["DEL", "sluice:{shop.sale}:gone"]);
    let healed = step(&store, &Batch { known: known(&last), ..Batch::default() }).await.unwrap().summary;
    assert!(healed.life > 0);
    let began = Instant::now();
    while store.condition().evictions == 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "it is not noticed");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_line_of_which_a_part_is_missing_is_healed_as_one_that_was_lost() {
    for part in ["gone", "due", "inside", "line"] {
        let server = Server::start();
        let store = Redis::new(&server.settings());
        step(&store, &join(0..20)).await.unwrap();
        let last = step(&store, &ask(1, true)).await.unwrap().summary;
        server.command::<()>(&["DEL", &format!("sluice:{{shop.sale}}:{part}")]);
        let healed = step(&store, &Batch { known: known(&last), ..join(20..21) }).await.unwrap();
        assert_eq!((healed.summary.life, healed.newcomers[0].0, healed.called), (1, 21 + SKIP, 0), "without {part}");
        assert!(healed.summary.lanes[0].head >= last.lanes[0].head, "without {part}");
    }
}

/// A server short of memory drops keys, one here and one there. The line mends what it can, begins a new life if it
/// cannot, and goes on.
#[tokio::test]
async fn a_line_goes_on_whatever_part_of_it_is_dropped() {
    let server = Server::start();
    let clock = Clock::default();
    let wall = clock.clone();
    let store = Redis::with_clock(&server.settings(), move || wall.now_ms());
    let rules = conformance::rules();
    let mut parts: Vec<String> = Vec::new();
    for round in 0..40 {
        let id = line(&format!("q{round}"));
        let sync = async |batch: &Batch| store.sync(&id, &rules, batch).await;
        sync(&join(0..20)).await.unwrap();
        sync(&ask(1, true)).await.unwrap();
        sync(&ask(2, false)).await.unwrap();
        let known = known(&sync(&Batch { ended: vec![3], ..Batch::default() }).await.unwrap().summary);
        // Number 2 lapses.
        for _ in 0..8 {
            clock.pass_ms(1_900);
            let seen = (4..=20).map(conformance::see).collect();
            sync(&Batch { seen, inside: vec![1], ..Batch::default() }).await.unwrap();
        }
        let tag = format!("sluice:{{{id}}}:");
        parts = server.command(&["KEYS", &format!("{tag}*")]);
        parts.sort();
        let Some(part) = parts.get(round) else { break };
        server.command::<()>(&["DEL", part]);
        for _ in 0..3 {
            clock.pass_ms(1_000);
            let seen = (4..=20).map(conformance::see).collect();
            let known = Known { clock_ms: None, ..known.clone() };
            let batch = Batch { known, seen, inside: vec![1], ended: vec![3], ..ask(1, true) };
            let outcome = sync(&batch).await.unwrap_or_else(|error| panic!("without {part}: {error}"));
            assert!(matches!(outcome.asks[0], Verdict::Inside { .. }), "without {part}: {:?}", outcome.asks);
            sync(&ask(2, true)).await.unwrap();
        }
    }
    assert!(parts.len() > 8, "{parts:?}");
}
