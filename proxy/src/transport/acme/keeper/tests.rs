//! A whole keeper in virtual time, before an authority that does as it is told.
#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use prometheus::{IntCounterVec, Opts};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use tokio::time::Instant;

use super::*;
use crate::{
    lines::{Lines, wrapping::tests::keyring},
    transport::acme::{Issued, record::Record},
};

const HOUR_S: u64 = 60 * 60;
const DAY_S: u64 = 24 * HOUR_S;
/// When the tests begin, in seconds since 1970.
const BEGIN_S: u64 = 1_780_272_000;
const HOST: &str = "shop.example.com";

/// What an authority does.
#[derive(Clone, Copy)]
enum Does {
    /// Issues certificates that are good for so many days.
    Issues(i64),
    Fails(Failed),
    /// Never answers.
    Hangs,
}

/// An authority, and when it was asked for what.
#[derive(Clone)]
struct Fake {
    does: Arc<Mutex<Does>>,
    asked: Arc<Mutex<Vec<u64>>>,
    begin: Instant,
}

impl Fake {
    fn new(does: Does) -> Self {
        Self { does: Arc::new(Mutex::new(does)), asked: Arc::default(), begin: Instant::now() }
    }

    fn now_s(&self) -> u64 {
        BEGIN_S + self.begin.elapsed().as_secs()
    }

    fn asked(&self) -> Vec<u64> {
        self.asked.lock().unwrap().clone()
    }
}

impl Authority for Fake {
    async fn order(&mut self, ask: Ask<'_>) -> Result<Record, Refusal> {
        self.asked.lock().unwrap().push(self.now_s());
        let does = *self.does.lock().unwrap();
        match does {
            Does::Issues(days) => Ok(issue(ask.settings.directory.url(), ask.host, self.now_s(), days)),
            Does::Fails(failed) => Err(Refusal { failed, why: "it was told to".into() }),
            Does::Hangs => std::future::pending().await,
        }
    }

    async fn advice(&mut self, _: Ask<'_>) -> Advice {
        Advice::Never
    }
}

fn issue(directory: &str, host: &str, now_s: u64, days: i64) -> Record {
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now_s);
    params.not_after = params.not_before + Duration::from_secs(u64::try_from(days).unwrap() * DAY_S);
    let key = KeyPair::generate().unwrap();
    let chain = params.self_signed(&key).unwrap().pem();
    Record { directory: directory.into(), chain, key: key.serialize_pem() }
}

/// A node with a config folder of its own, and what it presents.
struct World {
    dir: TempDir,
    shown: Arc<AtomicUsize>,
}

impl World {
    fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap(), shown: Arc::default() };
        world.directory("https://ca.example.com/dir");
        std::fs::create_dir(world.dir.path().join("tenants")).unwrap();
        let tenant = format!(
            "name = \"shop\"\nhosts = [\"{HOST}\"]\n[origin]\nservers = [\"127.0.0.1:9\"]\n[tls]\nacme = true\n\
             [[queue]]\nname = \"shop\"\nrelease_per_minute = 60\n"
        );
        std::fs::write(world.dir.path().join("tenants/shop.toml"), tenant).unwrap();
        world
    }

    /// The authority that the config names.
    fn directory(&self, url: &str) {
        let acme = format!("[acme]\naccept_terms = true\ndirectory = \"{url}\"\n");
        let text = format!("[server]\nhttps = [\"127.0.0.1:443\"]\n{acme}");
        std::fs::write(self.dir.path().join("sluice.toml"), text).unwrap();
    }

    fn acme(&self) -> Arc<Acme> {
        let state: &Path = &self.dir.path().join("state");
        let lines = Lines::open(&sluice_config::Store::Embedded { state_dir: state.to_owned() }).unwrap();
        let orders = IntCounterVec::new(Opts::new("orders", "orders"), &["outcome"]).unwrap();
        let acme = Arc::new(Acme::new(Arc::new(lines), "me".into(), orders));
        acme.take(&sluice_config::load(self.dir.path()).unwrap(), &keyring("a", &[("a", 1)]));
        acme.begin_asking();
        acme
    }

    /// Runs a node for so long, from its start to a sudden end. What it presented when it ended.
    async fn lives(&self, fake: &Fake, for_s: u64) -> Arc<Issued> {
        let (acme, shown, clock) = (self.acme(), self.shown.clone(), fake.clone());
        let show = move || {
            shown.fetch_add(1, Ordering::Relaxed);
        };
        let keeper = Keeper::new(acme.clone(), fake.clone(), move || clock.now_s(), show);
        let _ = timeout(Duration::from_secs(for_s), keeper.run()).await;
        acme.issued()
    }
}

fn most_in_an_hour(asked: &[u64]) -> usize {
    asked.iter().map(|from| asked.iter().filter(|at| (*from..from + HOUR_S).contains(at)).count()).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_asked_for_once_and_again_when_a_third_of_its_life_is_left() {
    let (world, fake) = (World::new(), Fake::new(Does::Issues(3)));
    let issued = world.lives(&fake, 2 * DAY_S - HOUR_S).await;
    assert!(issued.contains_key(HOST));
    assert_eq!(fake.asked().len(), 1);
    assert!(!world.lives(&fake, 5 * HOUR_S).await.is_empty());
    let asked = fake.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!((48 * HOUR_S..=51 * HOUR_S).contains(&(asked[1] - asked[0])));
    assert!(world.shown.load(Ordering::Relaxed) >= 3);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_never_reached_is_tried_three_times_an_hour_at_most_over_restarts_too() {
    let (world, fake) = (World::new(), Fake::new(Does::Fails(Failed::Host { retry_after_s: None })));
    for _ in 0..20 {
        world.lives(&fake, 300).await;
    }
    world.lives(&fake, DAY_S).await;
    let asked = fake.asked();
    assert_eq!(most_in_an_hour(&asked), 3, "{asked:?}");
    assert!(asked.len() <= 8, "ever more seldom: {asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_try_that_never_ends_is_ended_and_counts() {
    let (world, fake) = (World::new(), Fake::new(Does::Hangs));
    world.lives(&fake, 2 * HOUR_S).await;
    assert_eq!(most_in_an_hour(&fake.asked()), 3);
    // Killed in the middle of each one.
    let (world, fake) = (World::new(), Fake::new(Does::Hangs));
    for _ in 0..100 {
        world.lives(&fake, 60).await;
    }
    assert_eq!(most_in_an_hour(&fake.asked()), 3);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_cannot_be_renewed_is_used_to_its_end_and_no_longer() {
    let (world, fake) = (World::new(), Fake::new(Does::Issues(3)));
    world.lives(&fake, 60).await;
    *fake.does.lock().unwrap() = Does::Fails(Failed::Host { retry_after_s: None });
    assert!(!world.lives(&fake, 3 * DAY_S - HOUR_S).await.is_empty());
    assert!(world.lives(&fake, HOUR_S).await.is_empty());
    *fake.does.lock().unwrap() = Does::Issues(3);
    assert!(!world.lives(&fake, DAY_S).await.is_empty(), "and it is tried for ever");
}

#[tokio::test(start_paused = true)]
async fn another_authority_is_asked_at_once_and_the_old_certificate_is_used_until_it_has_answered() {
    let (world, fake) = (World::new(), Fake::new(Does::Issues(3)));
    let old = world.lives(&fake, 60).await[HOST].clone();
    world.directory("https://other.example.com/dir");
    *fake.does.lock().unwrap() = Does::Fails(Failed::Unavailable { retry_after_s: None });
    assert!(world.lives(&fake, 60).await[HOST] == old);
    *fake.does.lock().unwrap() = Does::Issues(1);
    assert!(world.lives(&fake, HOUR_S).await[HOST] != old, "although it ends sooner");
}

#[tokio::test(start_paused = true)]
async fn what_is_issued_for_another_host_is_not_used() {
    struct Wrong(Fake);
    impl Authority for Wrong {
        async fn order(&mut self, ask: Ask<'_>) -> Result<Record, Refusal> {
            self.0.asked.lock().unwrap().push(self.0.now_s());
            Ok(issue(ask.settings.directory.url(), "other.example.com", self.0.now_s(), 90))
        }
        async fn advice(&mut self, _: Ask<'_>) -> Advice {
            Advice::Unknown
        }
    }
    let (world, fake) = (World::new(), Fake::new(Does::Issues(3)));
    let (acme, clock) = (world.acme(), fake.clone());
    let keeper = Keeper::new(acme.clone(), Wrong(fake.clone()), move || clock.now_s(), || ());
    let _ = timeout(Duration::from_secs(DAY_S), keeper.run()).await;
    assert!(acme.issued().is_empty());
    assert_eq!(most_in_an_hour(&fake.asked()), 3, "it counts as failed");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_has_ended_its_duties_presents_what_there_is_and_asks_for_nothing() {
    let (world, fake) = (World::new(), Fake::new(Does::Issues(3)));
    world.lives(&fake, HOUR_S).await;
    let (acme, clock) = (world.acme(), fake.clone());
    acme.end_asking().await;
    let keeper = Keeper::new(acme.clone(), fake.clone(), move || clock.now_s(), || ());
    let _ = timeout(Duration::from_secs(2 * DAY_S + 12 * HOUR_S), keeper.run()).await;
    assert!(acme.issued().contains_key(HOST));
    assert_eq!(fake.asked().len(), 1, "not even when it is to be renewed");
}
