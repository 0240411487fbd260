//! What operators do: the manual's setup, the doctor, resets, prefixes, versions.

use sluice_admission::{
    line::{Batch, Rules},
    store::{Note, Redis, Severity, Store, StoreError},
};
use sluice_config::RedisSettings;

use super::{
    conformance::{self, Clock, ask, join, line, rules},
    known,
    servers::{Server, logged_in},
    step,
};

/// A piece of the manual that a reader copies: the block with this line in it.
fn manual(line: &str) -> String {
    let manual = include_str!("../../../deploy/fleet.md");
    let found = manual.split("```").skip(1).step_by(2).find(|block| block.lines().any(|l| l.trim().starts_with(line)));
    found.unwrap().lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_manual_s_redis_starts_and_its_user_may_do_everything() {
    let dir = tempfile::tempdir().unwrap();
    let users = dir.path().join("users.acl");
    std::fs::write(&users, manual("user sluice on").replace("PASSWORD", "least")).unwrap();
    let config = manual("aclfile").replace("/etc/redis/users.acl", users.to_str().unwrap());
    let server = Server::with(&config.lines().collect::<Vec<_>>());
    let mut settings = logged_in(server.settings(), Some("sluice"), "least");
    settings.database = 3;
    let store = Redis::new(&settings);
    let rules = Rules { max_active: Some(3), ..rules() };
    let sale = line("sale");
    store.sync(&sale, &rules, &join(0..50)).await.unwrap();
    for n in 1..20 {
        let mut batch = ask(n, true);
        (batch.away, batch.ended, batch.inside) = (vec![n + 20], vec![n.saturating_sub(2)], vec![n]);
        batch.seen = (1..3_000).map(conformance::see).collect();
        store.sync(&sale, &rules, &batch).await.unwrap();
    }
    // A node is back that was cut off, and those who came meanwhile get their numbers.
    let (clock, late) = (Clock::default(), line("late"));
    let timed = Redis::with_clock(&settings, {
        let clock = clock.clone();
        move || clock.now_ms()
    });
    let cut_off = Batch { away_since_ms: clock.now_ms(), ..join(0..5) };
    let before = timed.sync(&late, &rules, &cut_off).await.unwrap();
    assert!(before.newcomers.iter().all(|answer| answer.0 == 0), "{before:?}");
    clock.pass_ms(60_000);
    let after = timed.sync(&late, &rules, &join(0..5)).await.unwrap();
    assert!(after.newcomers.iter().all(|answer| answer.0 > 0), "{after:?}");
    timed.forget(&late).await.unwrap();
    assert!(store.status(&sale, &rules).await.unwrap().is_some());
    let note = Note { name: "a".into(), text: "b".into(), keep: std::time::Duration::from_millis(1) };
    store.board("nodes", &[note], 5).await.unwrap();
    while !store.board("nodes", &[], 5).await.unwrap().notes.is_empty() {
        tokio::task::yield_now().await;
    }
    let checkup = store.doctor(std::slice::from_ref(&sale)).await;
    assert_eq!(checkup.findings, []);
    assert!(checkup.memory[0].1.is_some_and(|bytes| bytes > 500), "{checkup:?}");
    assert!(checkup.round_trip.is_some() && checkup.step.is_some());
    assert!(checkup.servers[0].1.starts_with("Redis "), "{checkup:?}");
    assert_eq!(store.reset(&sale, &rules).await.unwrap(), 2);
    store.forget(&sale).await.unwrap();
    assert_eq!(store.status(&sale, &rules).await.unwrap(), None);
    let everyone = redis::Client::open(format!("redis://sluice:least@127.0.0.1:{}/3", server.port)).unwrap();
    let info: String = redis::cmd("INFO").query(&mut everyone.get_connection().unwrap()).unwrap();
    assert!(!info.contains("db3:"), "something was left behind: {info}");
}

#[tokio::test]
async fn the_doctor_says_what_is_wrong() {
    let server = Server::with(&["user weak on >weak ~* -@all +ping"]);
    let says = async |store: &Redis, severity, text: &str| {
        let checkup = store.doctor(&[]).await;
        let found = checkup.findings.iter().any(|f| f.severity == severity && f.text.contains(text));
        assert!(found, "{text:?} is not among {:?}", checkup.findings);
    };
    let store = Redis::new(&server.settings());
    assert!(store.doctor(&[]).await.is_healthy());
    server.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    says(&store, Severity::Warning, "may evict a line").await;
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "1gb"]);
    says(&store, Severity::Fault, "set `noeviction`").await;
    let weak = Redis::new(&logged_in(server.settings(), Some("weak"), "weak"));
    says(&weak, Severity::Warning, "may not run INFO").await;
    says(&weak, Severity::Fault, "may not run the lines' script").await;
    drop(server);
    says(&store, Severity::Fault, "The store is unavailable").await;
}

#[tokio::test]
async fn prefixes_keep_fleets_apart() {
    let server = Server::start();
    let other = RedisSettings { key_prefix: "other:fleet".to_owned(), ..server.settings() };
    for settings in [server.settings(), other] {
        let outcome = step(&Redis::new(&settings), &join(0..1)).await.unwrap();
        assert_eq!(outcome.newcomers[0].0, 1);
    }
}

#[tokio::test]
async fn a_reset_begins_a_new_epoch_and_status_tells_it() {
    let server = Server::start();
    let store = Redis::new(&server.settings());
    let sale = line("sale");
    assert_eq!(store.status(&sale, &rules()).await.unwrap(), None);
    let last = step(&store, &join(0..9)).await.unwrap().summary;
    assert_eq!(store.status(&sale, &rules()).await.unwrap(), Some(last.clone()));
    assert_eq!(store.reset(&sale, &rules()).await.unwrap(), 2);
    let outcome = step(&store, &Batch { known: known(&last), ..join(20..21) }).await.unwrap();
    assert_eq!((outcome.summary.epoch, outcome.newcomers[0].0), (2, 1));
}

#[tokio::test]
async fn an_unknown_layout_is_left_alone() {
    let server = Server::start();
    let store = Redis::new(&server.settings());
    step(&store, &join(0..3)).await.unwrap();
    let key = "sluice:{shop.sale}:line";
    server.command::<()>(&["HSET", key, "layout", "99"]);
    let before: String = server.command(&["DEBUG", "DIGEST"]);
    for error in [step(&store, &join(3..4)).await.unwrap_err(), store.reset(&line("sale"), &rules()).await.unwrap_err()]
    {
        assert!(matches!(error, StoreError::Layout { found: 99, .. }), "{error}");
    }
    assert_eq!(server.command::<String>(&["DEBUG", "DIGEST"]), before);
}
