//! The usher over the embedded store, on a paused clock.
#![allow(clippy::unwrap_used)]

mod apart;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use sluice_config::{Mode, Name};
use tokio::time::{Instant, advance, sleep};

use super::{Unanswered, Usher};
use crate::{
    line::{Ask, Batch, Newcomer, Outcome, Rules, Verdict},
    store::{Embedded, LineId, Store, StoreError},
};

/// The embedded store behind a switch, with a record of the batches it was sent.
struct Watched {
    inner: Embedded,
    away: AtomicBool,
    lost_replies: AtomicU64,
    batches: Mutex<Vec<Batch>>,
}

impl Store for Watched {
    async fn sync(&self, line: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Away("switched off".into()));
        }
        self.batches.lock().unwrap().push(batch.clone());
        let outcome = self.inner.sync(line, rules, batch).await?;
        let lost = self.lost_replies.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if lost.is_ok() { Err(StoreError::Away("reply lost".into())) } else { Ok(outcome) }
    }
}

struct World {
    store: Arc<Watched>,
    usher: Arc<Usher>,
    _dir: tempfile::TempDir,
}

fn rules() -> Rules {
    Rules {
        release_per_minute: 60,
        burst: 1,
        max_active: None,
        max_waiting: 100_000,
        mode: Mode::Auto,
        claim_within_ms: 60_000,
        return_within_ms: 600_000,
        seat_ms: 600_000,
    }
}

fn world(rules: Rules) -> World {
    let dir = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let clock = move || 1_700_000_000_000 + u64::try_from(start.elapsed().as_millis()).unwrap();
    let inner = Embedded::with_clock(dir.path(), clock).unwrap();
    let store = Arc::new(Watched {
        inner,
        away: AtomicBool::new(false),
        lost_replies: AtomicU64::new(0),
        batches: Mutex::default(),
    });
    let name = |n| Name::new(n).unwrap();
    let line = LineId { tenant: name("shop"), queue: name("sale"), lane: 0 };
    World { usher: Usher::start(line, rules, store.clone(), 1_700_000_000_000), store, _dir: dir }
}

fn slip(id: u64) -> Newcomer {
    Newcomer { id, hold_ms: 4_000, enter: false, walk_in: false, arrived_ms: 0 }
}

fn walk_in(id: u64) -> Newcomer {
    Newcomer { id, hold_ms: 4_000, enter: true, walk_in: true, arrived_ms: 0 }
}

#[tokio::test(start_paused = true)]
async fn many_newcomers_share_a_step() {
    let world = world(rules());
    let joins: Vec<_> = (0..5_000)
        .map(|id| {
            let usher = world.usher.clone();
            tokio::spawn(async move { usher.join(slip(id)).await })
        })
        .collect();
    let mut numbers = Vec::new();
    for join in joins {
        numbers.push(join.await.unwrap().unwrap().0);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=5_000).collect::<Vec<_>>());
    let steps = world.store.batches.lock().unwrap().iter().filter(|b| !b.newcomers.is_empty()).count();
    assert!(steps <= 3, "{steps} steps");
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_gives_nobody_a_second_number() {
    let world = world(rules());
    world.usher.join(slip(1)).await.unwrap();
    world.store.lost_replies.store(1, Ordering::SeqCst);
    assert_eq!(world.usher.join(slip(2)).await, Err(Unanswered));
    // The page asks again, with the same slip.
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.usher.join(slip(2)).await.unwrap().0, 2);
    assert_eq!(world.usher.view().summary.issued, 2);
}

#[tokio::test(start_paused = true)]
async fn marks_made_while_the_store_is_away_are_not_lost() {
    let world = world(rules());
    for id in 0..3 {
        world.usher.join(slip(id)).await.unwrap();
    }
    world.store.away.store(true, Ordering::SeqCst);
    assert_eq!(world.usher.join(slip(9)).await, Err(Unanswered));
    assert!(!world.usher.view().store_answers);
    world.usher.seen(2, 20_000);
    world.usher.inside(1);
    sleep(Duration::from_secs(5)).await;
    world.store.away.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(3)).await;
    assert!(world.usher.view().store_answers);
    let summary = world.usher.view().summary.clone();
    assert_eq!(summary.inside, 1);
    assert!(summary.head >= 2);
    // Slip 9 was on its way when the store went away: its place is the one it had then.
    assert_eq!(world.usher.join(slip(9)).await.unwrap().0, 4);
}

#[tokio::test(start_paused = true)]
async fn walk_ins_beyond_a_burst_cost_the_line_nothing() {
    let world = world(rules());
    world.usher.join(slip(1)).await.unwrap();
    let walks: Vec<_> = (0..500)
        .map(|n| {
            let usher = world.usher.clone();
            tokio::spawn(async move { usher.join(walk_in(1_000 + n)).await })
        })
        .collect();
    for walk in walks {
        assert_eq!(walk.await.unwrap().unwrap(), (0, Verdict::Refused));
    }
    assert_eq!(world.usher.view().summary.issued, 1);
    let most = world.store.batches.lock().unwrap().iter().map(|b| b.newcomers.len()).max().unwrap();
    assert!(most <= 1, "{most} walk-ins in one batch");
}

#[tokio::test(start_paused = true)]
async fn an_idle_line_is_left_alone_and_a_waiting_one_is_served() {
    let world = world(rules());
    sleep(Duration::from_secs(60)).await;
    let idle = world.store.batches.lock().unwrap().len();
    assert!(idle <= 14, "{idle} steps in an idle minute");
    for id in 0..10 {
        world.usher.join(slip(id)).await.unwrap();
    }
    for _ in 0..11 {
        for number in 1..=10 {
            world.usher.seen(number, 4_000);
        }
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(world.usher.view().summary.head, 10);
    let verdict = world.usher.ask(Ask { number: 10, hold_ms: 4_000, enter: true }).await.unwrap();
    assert!(matches!(verdict, Verdict::Inside { .. }));
}

#[tokio::test(start_paused = true)]
async fn the_reckoned_clock_keeps_pace_over_many_short_steps() {
    let world = world(rules());
    world.usher.join(slip(0)).await.unwrap();
    let before = world.usher.view().now_ms();
    let start = Instant::now();
    for id in 1..2_000 {
        advance(Duration::from_micros(2_300)).await;
        world.usher.join(slip(id)).await.unwrap();
    }
    let gone = world.usher.view().now_ms() - before;
    let line_gone = world.usher.view().summary.now_ms - before;
    let real = u64::try_from(start.elapsed().as_millis()).unwrap();
    assert!(real > 4_000 && gone.abs_diff(real) <= 1, "{gone} reckoned in {real} ms");
    assert!(gone - line_gone <= 5, "the line lags {} ms behind", gone - line_gone);
}

#[tokio::test(start_paused = true)]
async fn new_rules_hold_from_the_next_step() {
    let world = world(Rules { mode: Mode::Hold, ..rules() });
    world.usher.join(slip(1)).await.unwrap();
    world.usher.set_rules(rules());
    world.usher.seen(1, 4_000);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.usher.view().summary.head, 1);
}
