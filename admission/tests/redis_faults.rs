//! What the Redis store does when the server does not do what it should.
#![allow(clippy::unwrap_used, missing_docs)]

mod conformance;
#[path = "redis/servers.rs"]
mod servers;

use std::{
    pin::pin,
    process::Command,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use conformance::{Clock, ask, join, line, rules};
use servers::{Cluster, Reserved, Sentinels, Server, logged_in};
use sluice_admission::{
    line::{Batch, Known, Outcome, SKIP, Summary, Verdict},
    store::{LineId, Redis, Severity, Store, StoreError},
};
use sluice_config::RedisSettings;

/// So long a test waits for a store to come back: its longest pause is a second, and the machine is busy.
const BACK_WITHIN: Duration = Duration::from_secs(30);

async fn step(store: &Redis, batch: &Batch) -> Result<Outcome, StoreError> {
    store.sync(&line("sale"), &rules(), batch).await
}

/// Tries until the store answers, for as long as it may take; returns the answer.
async fn when_back(store: &Redis, line: &LineId, within: Duration) -> Outcome {
    let end = Instant::now() + within;
    loop {
        match store.sync(line, &rules(), &Batch::default()).await {
            Ok(outcome) => return outcome,
            Err(error) => assert!(Instant::now() < end, "not back within {within:?}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Tries until the store says that it is not let in; returns what it says. Before that it may have lost a connection.
async fn when_refused(store: &Redis, within: Duration) -> String {
    let end = Instant::now() + within;
    loop {
        let why = away(step(store, &Batch::default()).await);
        if why.contains("refused user and password") {
            return why;
        }
        assert!(Instant::now() < end, "not refused within {within:?}: {why}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn known(s: &Summary) -> Known {
    let (epoch, issued, head, floor, steps, life) = (s.epoch, s.issued, s.head, s.floor, s.steps, s.life);
    Known { epoch, issued, head, floor, clock_ms: Some(s.now_ms), steps, life, ..Known::default() }
}

fn away(outcome: Result<Outcome, StoreError>) -> String {
    match outcome {
        Err(StoreError::Away(why)) => why,
        other => panic!("the store should be away: {other:?}"),
    }
}

/// A call to a store that is away has failed when it has begun: it waits for nothing.
fn assert_fails_at_once(store: &Redis) {
    let batch = Batch::default();
    let call = pin!(step(store, &batch));
    match call.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => drop(away(outcome)),
        Poll::Pending => panic!("the call waits for something"),
    }
    assert!(store.away().is_some());
}

#[tokio::test]
async fn a_store_that_is_away_fails_at_once_and_comes_back_by_itself() {
    let server = Server::start();
    let (port, store) = (server.reserved(), Redis::new(&server.settings()));
    step(&store, &join(0..5)).await.unwrap();
    drop(server);
    away(step(&store, &Batch::default()).await);
    assert_fails_at_once(&store);
    let _server = Server::on(port, &[]);
    assert_eq!(when_back(&store, &line("sale"), BACK_WITHIN).await.summary.issued, 0, "the new server is empty");
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

#[tokio::test]
async fn a_password_that_is_refused_for_a_while_is_no_end_and_is_never_told() {
    let server = Server::with(&["requirepass first-password"]);
    let port = server.reserved();
    let settings = logged_in(server.settings(), None, "first-password");
    let store = Redis::new(&settings);
    step(&store, &join(0..1)).await.unwrap();
    drop(server);
    let server = Server::on(port.clone(), &["requirepass second-password"]);
    let why = when_refused(&store, BACK_WITHIN).await;
    for shown in [why, format!("{store:?}"), format!("{:?}", store.doctor(&[]).await)] {
        assert!(!shown.contains("first-password"), "{shown}");
    }
    drop(server);
    let _server = Server::on(port, &["requirepass first-password"]);
    when_back(&store, &line("sale"), BACK_WITHIN).await;
}

#[tokio::test]
async fn a_server_without_auth_does_not_make_us_tell_the_password() {
    // It repeats what it was sent: `unknown command 'HELLO', with args beginning with: '3' 'AUTH' …`.
    let server = Server::with(&["rename-command HELLO \"\"", "rename-command AUTH \"\""]);
    let store = Redis::new(&logged_in(server.settings(), Some("somebody"), "my-password"));
    let why = away(step(&store, &Batch::default()).await);
    assert!(!why.contains("my-password") && why.contains("127.0.0.1"), "{why}");
}

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
    server.command::<()>(&["DEL", "sluice:{shop.sale.0}:gone"]);
    let healed = step(&store, &Batch { known: known(&last), ..Batch::default() }).await.unwrap().summary;
    assert!(healed.life > 0);
    let began = Instant::now();
    while store.condition().evictions == 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "it is not noticed");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_unknown_layout_is_left_alone() {
    let server = Server::start();
    let store = Redis::new(&server.settings());
    step(&store, &join(0..3)).await.unwrap();
    let key = "sluice:{shop.sale.0}:line";
    server.command::<()>(&["HSET", key, "layout", "99"]);
    let before: String = server.command(&["DEBUG", "DIGEST"]);
    for error in [step(&store, &join(3..4)).await.unwrap_err(), store.reset(&line("sale"), &rules()).await.unwrap_err()]
    {
        assert!(matches!(error, StoreError::Layout { found: 99, .. }), "{error}");
    }
    assert_eq!(server.command::<String>(&["DEBUG", "DIGEST"]), before);
}

#[tokio::test]
async fn a_line_of_which_a_part_is_missing_is_healed_as_one_that_was_lost() {
    for part in ["gone", "due", "inside", "line"] {
        let server = Server::start();
        let store = Redis::new(&server.settings());
        step(&store, &join(0..20)).await.unwrap();
        let last = step(&store, &ask(1, true)).await.unwrap().summary;
        server.command::<()>(&["DEL", &format!("sluice:{{shop.sale.0}}:{part}")]);
        let healed = step(&store, &Batch { known: known(&last), ..join(20..21) }).await.unwrap();
        assert_eq!((healed.summary.life, healed.newcomers[0].0, healed.called), (1, 21 + SKIP, 0), "without {part}");
        assert!(healed.summary.head >= last.head, "without {part}");
    }
}

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
    server.command::<()>(&["DEL", "sluice:{shop.sale.0}:gone"]);
    refuses_all("a line that was lost").await;
}

#[tokio::test]
async fn a_failover_behind_sentinels_is_followed() {
    let sentinels = Sentinels::start();
    let store = Redis::new(&sentinels.settings());
    step(&store, &join(0..5)).await.unwrap();
    let in_step = || sentinels.replica.command::<i64>(&["EXISTS", "sluice:{shop.sale.0}:line"]) == 1;
    servers::wait_until("the replica has the line", in_step);
    sentinels.dead_after(Duration::from_millis(500));
    sentinels.primary.freeze();
    let outcome = when_back(&store, &line("sale"), Duration::from_secs(30)).await;
    // What the replica had not heard of must not be handed out again.
    assert_eq!(outcome.summary.issued, 5 + SKIP);
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
            assert_eq!(outcome.summary.issued, 5 + SKIP, "{key}");
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
    assert_eq!(when_back(&store, line, BACK_WITHIN).await.summary.issued, 50 + SKIP);
}

/// A piece of the manual that a reader copies: the block with this line in it.
fn manual(line: &str) -> String {
    let manual = include_str!("../../deploy/fleet.md");
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
    let rules = sluice_admission::line::Rules { max_active: Some(3), ..rules() };
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
    assert_eq!(store.reset(&sale, &rules).await.unwrap(), 2);
    let checkup = store.doctor(std::slice::from_ref(&sale)).await;
    assert_eq!(checkup.findings, []);
    assert!(checkup.memory[0].1.is_some_and(|bytes| bytes > 100), "{checkup:?}");
    assert!(checkup.round_trip.is_some() && checkup.step.is_some());
    assert!(checkup.servers[0].1.starts_with("Redis "), "{checkup:?}");
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
    says(&store, Severity::Fault, "The store is away").await;
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
async fn tls_is_checked_against_the_given_authority() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let openssl = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .args(["-keyout", &file("key.pem"), "-out", &file("cert.pem")])
        .output();
    let made = openssl.unwrap_or_else(|e| panic!("openssl is not installed. This test needs it in PATH: {e}"));
    assert!(made.status.success(), "{made:?}");
    let reserved = Reserved::new();
    let tls_port = reserved.port();
    let _server = Server::with(&[
        &format!("tls-port {tls_port}"),
        &format!("tls-cert-file {}", file("cert.pem")),
        &format!("tls-key-file {}", file("key.pem")),
        "tls-auth-clients no",
    ]);
    let node = sluice_config::RedisNode { host: "127.0.0.1".to_owned(), port: tls_port };
    let pem = std::fs::read_to_string(file("cert.pem")).unwrap();
    let settings = servers::settings(sluice_config::RedisTopology::Single, vec![node]);
    let trusted = RedisSettings { tls: true, tls_ca_pem: Some(pem), ..settings.clone() };
    step(&Redis::new(&trusted), &join(0..1)).await.unwrap();
    let untrusted = RedisSettings { tls: true, ..settings };
    let why = away(step(&Redis::new(&untrusted), &join(0..1)).await);
    assert!(why.to_lowercase().contains("certificate"), "{why}");
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
