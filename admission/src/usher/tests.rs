//! The usher over the embedded store, on a paused clock.
#![allow(clippy::unwrap_used)]

mod apart;
mod control;
mod ended;
mod keepsake;
mod shown;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use sluice_config::{Mode, Name};
use tokio::time::{Instant, advance, sleep};

use super::{Mark, Unanswered, Usher, Word, now};
use crate::{
    line::{Ask, Batch, LaneId, Lookup, Minute, Newcomer, Outcome, Rules, Seen, Verdict},
    store::{Embedded, LineId, Store, StoreError},
};

/// The embedded store behind a switch, with a record of the batches it was sent.
struct Watched {
    inner: Mutex<Arc<Embedded>>,
    wall: Instant,
    dirs: Mutex<Vec<tempfile::TempDir>>,
    away: AtomicBool,
    /// As an usher is told when it begins.
    shared: AtomicBool,
    panics: AtomicBool,
    /// How long a step takes.
    step_ms: AtomicU64,
    lost_replies: AtomicU64,
    batches: Mutex<Vec<Batch>>,
}

impl Store for Watched {
    fn is_shared(&self) -> bool {
        self.shared.load(Ordering::SeqCst)
    }

    async fn sync(&self, line: &LineId, rules: &Rules, batch: &Batch) -> Result<Outcome, StoreError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Away("switched off".into()));
        }
        assert!(!self.panics.load(Ordering::SeqCst), "a step that panics, on purpose");
        if let step_ms @ 1.. = self.step_ms.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(step_ms)).await;
        }
        self.batches.lock().unwrap().push(batch.clone());
        let inner = self.inner.lock().unwrap().clone();
        let outcome = inner.sync(line, rules, batch).await?;
        let lost = self.lost_replies.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if lost.is_ok() { Err(StoreError::Away("reply lost".into())) } else { Ok(outcome) }
    }

    async fn counts(&self, line: &LineId, since_minute: u64) -> Result<Vec<Minute>, StoreError> {
        let inner = self.inner.lock().unwrap().clone();
        inner.counts(line, since_minute).await
    }

    async fn find(&self, line: &LineId, number: u64) -> Result<Option<Lookup>, StoreError> {
        let inner = self.inner.lock().unwrap().clone();
        inner.find(line, number).await
    }
}

impl Watched {
    fn new() -> Self {
        let (wall, dir) = (Instant::now(), tempfile::tempdir().unwrap());
        Self {
            inner: Mutex::new(Arc::new(open(&dir, wall))),
            wall,
            dirs: Mutex::new(vec![dir]),
            away: AtomicBool::new(false),
            shared: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            step_ms: AtomicU64::new(0),
            lost_replies: AtomicU64::new(0),
            batches: Mutex::default(),
        }
    }

    /// The store ends, the beginning of its state file is overwritten, and it begins again.
    fn damage(&self) {
        self.wipe();
        let dir = self.dirs.lock().unwrap().swap_remove(0);
        let files = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        for file in files.filter(|file| file.extension().is_some_and(|end| end == "journal")) {
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[..50].fill(0);
            std::fs::write(file, bytes).unwrap();
        }
        *self.inner.lock().unwrap() = Arc::new(open(&dir, self.wall));
        self.dirs.lock().unwrap().push(dir);
    }

    /// Everything is lost.
    fn wipe(&self) {
        let dir = tempfile::tempdir().unwrap();
        *self.inner.lock().unwrap() = Arc::new(open(&dir, self.wall));
        self.dirs.lock().unwrap().push(dir);
    }
}

fn open(dir: &tempfile::TempDir, wall: Instant) -> Embedded {
    let clock = move || 1_700_000_000_000 + u64::try_from(wall.elapsed().as_millis()).unwrap();
    Embedded::with_clock(dir.path(), clock).unwrap()
}

struct World {
    store: Arc<Watched>,
    usher: Arc<Usher>,
}

pub(crate) fn rules() -> Rules {
    Rules {
        release_per_minute: 60,
        burst: 1,
        max_active: None,
        max_waiting: 100_000,
        mode: Mode::Auto,
        claim_within_ms: 60_000,
        return_within_ms: 600_000,
        seat_ms: 600_000,
        lanes: Vec::new(),
    }
}

fn world(rules: Rules) -> World {
    let store = Arc::new(Watched::new());
    let name = |n| Name::new(n).unwrap();
    let line = LineId { tenant: name("shop"), queue: name("sale") };
    World { usher: Usher::start(line, rules, store.clone(), 1_700_000_000_000), store }
}

fn seen(number: u64, hold_ms: u32) -> Mark {
    mark(Word::Seen { seen: Seen { number, hold_ms }, told_ms: 0 })
}

/// Of whichever epoch.
fn mark(word: Word) -> Mark {
    Mark { epoch: 0, word }
}

fn slip(id: u64) -> Newcomer {
    Newcomer { id, hold_ms: 4_000, enter: false, walk_in: false, lane: LaneId::FIRST, arrived_ms: 0 }
}

fn walk_in(id: u64) -> Newcomer {
    Newcomer { id, hold_ms: 4_000, enter: true, walk_in: true, lane: LaneId::FIRST, arrived_ms: 0 }
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
    assert_eq!(world.usher.view().summary.lanes[0].issued, 2);
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
    world.usher.mark(seen(2, 20_000));
    world.usher.mark(mark(Word::Inside(1)));
    sleep(Duration::from_secs(5)).await;
    world.store.away.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(3)).await;
    assert!(world.usher.view().store_answers);
    let summary = world.usher.view().summary.clone();
    assert_eq!(summary.inside, 1);
    assert!(summary.lanes[0].head >= 2);
    // Slip 9 was on its way when the store went away: it is numbered with those who came meanwhile.
    assert_eq!(world.usher.join(slip(9)).await, Ok((0, Verdict::Refused)));
    assert!(world.usher.view().summary.settling);
    sleep(Duration::from_secs(8)).await;
    assert_eq!(world.usher.join(slip(9)).await.unwrap().0, 4);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_takes_longer_than_an_attempt_is_made_in_the_end() {
    let world = world(rules());
    world.usher.join(slip(0)).await.unwrap();
    world.store.step_ms.store(5_000, Ordering::SeqCst);
    assert_eq!(world.usher.join(slip(1)).await, Err(Unanswered), "nobody waits for so long");
    world.usher.mark(mark(Word::Inside(1)));
    sleep(Duration::from_secs(15)).await;
    assert_eq!(world.usher.view().summary.inside, 1);
    world.store.step_ms.store(0, Ordering::SeqCst);
    sleep(Duration::from_secs(15)).await;
    assert_eq!(world.usher.join(slip(1)).await.unwrap().0, 2);
}

#[tokio::test(start_paused = true)]
async fn who_was_on_the_way_when_the_store_went_away_is_numbered_before_who_came_meanwhile() {
    let world = world(rules());
    world.usher.join(slip(1)).await.unwrap();
    world.store.away.store(true, Ordering::SeqCst);
    let went_ms = world.usher.view().line_ms(now());
    assert_eq!(world.usher.join(slip(9)).await, Err(Unanswered));
    sleep(Duration::from_secs(20)).await;
    world.store.away.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(2)).await;
    assert!(world.usher.view().summary.settling);
    // Slip 9 has not asked again: all that the line knows of it is what was on the way.
    let meanwhile = Newcomer { arrived_ms: went_ms + 10_000, ..slip(8) };
    assert_eq!(world.usher.join(meanwhile).await, Ok((0, Verdict::Refused)));
    sleep(Duration::from_secs(8)).await;
    let numbers = (world.usher.join(slip(9)).await.unwrap().0, world.usher.join(slip(8)).await.unwrap().0);
    assert_eq!(numbers, (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_wiped_is_told_whom_it_has_called_though_nobody_else_knows() {
    let world = world(Rules { max_active: Some(2), burst: 2, ..rules() });
    for id in 0..6 {
        world.usher.join(Newcomer { enter: true, hold_ms: 22_000, ..slip(id) }).await.unwrap();
    }
    // One has left, and the third is called into the seat, but has not asked since.
    world.usher.mark(mark(Word::Ended(1)));
    sleep(Duration::from_secs(5)).await;
    let before = world.usher.view().summary.clone();
    assert_eq!((before.lanes[0].head, before.due, before.inside), (3, 1, 1));
    world.store.wipe();
    for number in 4..=6 {
        world.usher.mark(seen(number, 22_000));
    }
    sleep(Duration::from_secs(5)).await;
    let healed = world.usher.view().summary.clone();
    assert_eq!((healed.due, healed.inside, healed.called_total), (1, 1, 0));
    let ask = |number| world.usher.ask(Ask { number, hold_ms: 4_000, enter: true }, 0);
    assert!(matches!(ask(3).await, Ok(Verdict::Inside { .. })));
    assert_eq!(ask(4).await, Ok(Verdict::Waiting));
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_wiped_is_told_who_waits() {
    let world = world(rules());
    for id in 0..6 {
        world.usher.join(Newcomer { hold_ms: 22_000, ..slip(id) }).await.unwrap();
    }
    // The first was called; of the others only the last asks again before the line calls.
    world.store.wipe();
    world.usher.mark(seen(6, 22_000));
    sleep(Duration::from_millis(2_900)).await;
    let healed = world.usher.view().summary.clone();
    assert_eq!((healed.life, healed.called_total), (1, 1), "{healed:?}");
    let ask = |number| world.usher.ask(Ask { number, hold_ms: 4_000, enter: false }, 0);
    assert!(matches!(ask(2).await, Ok(Verdict::Called { .. })), "nobody overtakes who has not asked again yet");
    assert_eq!(ask(6).await, Ok(Verdict::Waiting));
}

#[tokio::test(start_paused = true)]
async fn marks_made_while_replies_are_lost_reach_the_line_all_the_same() {
    let world = world(rules());
    for id in 0..3 {
        world.usher.join(slip(id)).await.unwrap();
    }
    world.store.lost_replies.store(100, Ordering::SeqCst);
    assert_eq!(world.usher.join(slip(9)).await, Err(Unanswered));
    world.usher.mark(seen(2, 20_000));
    sleep(Duration::from_secs(3)).await;
    assert!(!world.usher.view().store_answers);
    let batches = world.store.batches.lock().unwrap();
    assert!(batches.last().unwrap().seen.iter().any(|seen| seen.number == 2), "{:?}", batches.last());
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_wiped_is_told_who_is_inside_and_who_was_called() {
    let world = world(Rules { release_per_minute: 60, burst: 3, max_active: Some(3), ..rules() });
    for id in 0..6 {
        world.usher.join(Newcomer { enter: id < 2, ..slip(id) }).await.unwrap();
    }
    let before = world.usher.view().summary.clone();
    assert_eq!((before.inside, before.due, before.called_last_minute), (2, 1, 3));
    world.store.wipe();
    sleep(Duration::from_millis(1_500)).await;
    let healing = world.usher.view().summary.clone();
    assert_eq!((healing.life, healing.inside, healing.due), (1, 2, 1));
    assert_eq!((healing.epoch, healing.called_last_minute), (before.epoch, 3));
    assert!(healing.lanes[0].issued > before.lanes[0].issued);
    for number in 4..=6 {
        world.usher.mark(seen(number, 20_000));
    }
    sleep(Duration::from_secs(5)).await;
    let healed = world.usher.view().summary.clone();
    assert_eq!((healed.inside + healed.due, healed.called_total), (3, 0), "every seat is taken, by the same visitors");
}

#[tokio::test(start_paused = true)]
async fn after_a_step_that_panicked_the_line_goes_on() {
    let world = world(rules());
    for id in 0..3 {
        world.usher.join(slip(id)).await.unwrap();
    }
    world.store.panics.store(true, Ordering::SeqCst);
    assert_eq!(world.usher.join(slip(9)).await, Err(Unanswered));
    world.store.panics.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(2)).await;
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
    assert_eq!(world.usher.view().summary.lanes[0].issued, 1);
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
            world.usher.mark(seen(number, 4_000));
        }
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(world.usher.view().summary.lanes[0].head, 10);
    let verdict = world.usher.ask(Ask { number: 10, hold_ms: 4_000, enter: true }, 0).await.unwrap();
    assert!(matches!(verdict, Verdict::Inside { .. }));
}

#[tokio::test(start_paused = true)]
async fn the_reckoned_clock_keeps_pace_over_many_short_steps() {
    let world = world(rules());
    world.usher.join(slip(0)).await.unwrap();
    let before = world.usher.view().line_ms(now());
    let start = Instant::now();
    for id in 1..2_000 {
        advance(Duration::from_micros(2_300)).await;
        world.usher.join(slip(id)).await.unwrap();
    }
    let gone = world.usher.view().line_ms(now()) - before;
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
    world.usher.mark(seen(1, 4_000));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.usher.view().summary.lanes[0].head, 1);
}
