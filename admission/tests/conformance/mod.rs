//! The suite itself: behaviours written once, run over every store.
#![allow(dead_code, unreachable_pub, unused_macros, unused_imports, reason = "every test file uses a part")]

use std::{
    num::NonZeroU32,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sluice_admission::{
    line::{
        Ask, Batch, Change, Changed, Control, Known, KnownLane, LaneId, LaneRule, Lookup, Minute, Newcomer, Override,
        PerLane, Revision, Rules, Seen, Summary, Verdict, Whereabouts, number_of, place_of,
    },
    store::{LineId, Store},
};
use sluice_config::{Mode, Name};

/// A wall clock in the test's hand.
#[derive(Clone)]
pub struct Clock(Arc<AtomicU64>);

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(1_700_000_000_000)))
    }
}

impl Clock {
    pub fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
    pub fn pass_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

/// A place where a store can be opened, closed (dropped) and opened again.
pub trait World {
    type Store: Store;
    async fn new(clock: Clock) -> Self;
    async fn open(&self) -> Arc<Self::Store>;
}

pub fn rules() -> Rules {
    Rules {
        release_per_minute: 60,
        burst: 5,
        max_active: None,
        max_waiting: 1_000_000,
        mode: Mode::Auto,
        claim_within_ms: 10_000,
        return_within_ms: 120_000,
        seat_ms: 30_000,
        lanes: Vec::new(),
    }
}

pub fn line(queue: &str) -> LineId {
    LineId { tenant: Name::new("shop").unwrap(), queue: Name::new(queue).unwrap() }
}

pub fn join(ids: Range<u64>) -> Batch {
    let newcomers = ids
        .map(|id| Newcomer { id, hold_ms: 20_000, enter: false, walk_in: false, lane: LaneId::FIRST, arrived_ms: 0 })
        .collect();
    Batch { newcomers, ..Batch::default() }
}

pub fn see(number: u64) -> Seen {
    Seen { number, hold_ms: 20_000 }
}

pub fn ask(number: u64, enter: bool) -> Batch {
    Batch { asks: vec![Ask { number, hold_ms: 20_000, enter }], ..Batch::default() }
}

pub async fn numbers_go_up_and_lines_are_apart<W: World>() {
    let world = W::new(Clock::default()).await;
    let store = world.open().await;
    for queue in ["a", "b"] {
        let outcome = store.sync(&line(queue), &rules(), &join(0..3)).await.unwrap();
        assert_eq!(outcome.newcomers.iter().map(|n| n.0).collect::<Vec<_>>(), [1, 2, 3]);
        let outcome = store.sync(&line(queue), &rules(), &join(3..5)).await.unwrap();
        assert_eq!(outcome.newcomers.iter().map(|n| n.0).collect::<Vec<_>>(), [4, 5]);
    }
}

pub async fn a_batch_sent_twice_counts_once<W: World>() {
    let world = W::new(Clock::default()).await;
    let store = world.open().await;
    let first = store.sync(&line("a"), &rules(), &join(0..9)).await.unwrap();
    let second = store.sync(&line("a"), &rules(), &join(0..9)).await.unwrap();
    assert_eq!(first.newcomers, second.newcomers);
    assert_eq!(second.summary.lanes[0].issued, 9);
    let inside = store.sync(&line("a"), &rules(), &ask(1, true)).await.unwrap();
    let again = store.sync(&line("a"), &rules(), &ask(1, true)).await.unwrap();
    assert_eq!(inside.asks, again.asks);
    assert_eq!(again.summary.inside, 1);
}

pub async fn a_restart_loses_nothing<W: World>() {
    let clock = Clock::default();
    let world = W::new(clock.clone()).await;
    let store = world.open().await;
    let rules = Rules { max_active: Some(4), ..rules() };
    store.sync(&line("a"), &rules, &join(0..20)).await.unwrap();
    store.sync(&line("a"), &rules, &ask(2, true)).await.unwrap();
    let before = store.sync(&line("a"), &rules, &Batch::default()).await.unwrap();
    drop(store);
    let store = world.open().await;
    let after = store.sync(&line("a"), &rules, &Batch::default()).await.unwrap();
    let expected = sluice_admission::line::Summary { steps: before.summary.steps + 1, ..before.summary };
    assert_eq!(after.summary, expected);
    assert!(matches!(store.sync(&line("a"), &rules, &ask(1, false)).await.unwrap().asks[0], Verdict::Called { .. }));
    assert!(matches!(store.sync(&line("a"), &rules, &ask(2, false)).await.unwrap().asks[0], Verdict::Inside { .. }));
    assert_eq!(store.sync(&line("a"), &rules, &join(5..6)).await.unwrap().newcomers[0].0, 6, "a slip is remembered");
    assert_eq!(store.sync(&line("a"), &rules, &join(20..21)).await.unwrap().newcomers[0].0, 21);
}

pub async fn lanes_are_called_by_weight_and_survive_a_restart_and_a_file_without_them<W: World>() {
    let clock = Clock::default();
    let world = W::new(clock.clone()).await;
    let members = LaneId::named(&Name::new("members").unwrap());
    let lanes = [(LaneId::FIRST, 1), (members, 3)].map(|(lane, weight)| LaneRule { lane, weight });
    let rules = Rules { release_per_minute: 60, burst: 8, lanes: lanes.to_vec(), ..rules() };
    let store = world.open().await;
    let mut batch = join(0..40);
    batch.newcomers.iter_mut().skip(20).for_each(|newcomer| newcomer.lane = members);
    let outcome = store.sync(&line("a"), &rules, &batch).await.unwrap();
    assert_eq!(outcome.newcomers[20].0, number_of(1, 1));
    let heads = |summary: &Summary| [place_of(summary.lanes[0].head), place_of(summary.lanes[1].head)];
    assert_eq!((outcome.called, heads(&outcome.summary)), (8, [2, 6]));
    drop(store);
    let store = world.open().await;
    // The file names no lane any more, and this node knows of none: who waits in it is called all the same.
    let rules = Rules { lanes: Vec::new(), ..rules };
    for _ in 0..4 {
        clock.pass_ms(1_500);
        let known = Known::default();
        store.sync(&line("a"), &rules, &Batch { known, ..Batch::default() }).await.unwrap();
    }
    let summary = store.sync(&line("a"), &rules, &Batch::default()).await.unwrap().summary;
    let [first, other] = heads(&summary);
    assert!(first > 2 && other > 6 && (first - 2).abs_diff(other - 6) <= 1, "{first} {other}");
    assert_eq!(summary.lanes[1].lane, members);
}

pub async fn a_restart_does_not_forget_the_rate<W: World>() {
    let clock = Clock::default();
    let world = W::new(clock.clone()).await;
    let rules = Rules { release_per_minute: 60, burst: 60, ..rules() };
    let store = world.open().await;
    assert_eq!(store.sync(&line("a"), &rules, &join(0..200)).await.unwrap().called, 60);
    drop(store);
    let store = world.open().await;
    clock.pass_ms(30_000);
    let seen = Batch { seen: (1..=200).map(see).collect(), ..Batch::default() };
    assert_eq!(store.sync(&line("a"), &rules, &seen).await.unwrap().called, 0);
    clock.pass_ms(30_200);
    assert!(store.sync(&line("a"), &rules, &seen).await.unwrap().called > 0);
}

pub async fn a_lost_line_is_healed_by_what_a_node_knows<W: World>() {
    let world = W::new(Clock::default()).await;
    let store = world.open().await;
    let known = Known {
        epoch: 3,
        lanes: PerLane::one(KnownLane { issued: 500, head: 400, floor: 100, ..KnownLane::default() }),
        ..Known::default()
    };
    let outcome = store.sync(&line("a"), &rules(), &Batch { known, ..join(0..1) }).await.unwrap();
    let (s, lane) = (&outcome.summary, &outcome.summary.lanes[0]);
    assert_eq!((s.epoch, lane.issued, lane.head, lane.floor), (3, 501, lane.head.max(400), 100));
}

pub async fn seats_bound_the_line<W: World>() {
    let clock = Clock::default();
    let world = W::new(clock.clone()).await;
    let store = world.open().await;
    let rules = Rules { max_active: Some(2), ..rules() };
    let outcome = store.sync(&line("a"), &rules, &join(0..5)).await.unwrap();
    assert_eq!((outcome.called, outcome.summary.due), (2, 2));
    assert_eq!(outcome.summary.reason, Some(sluice_admission::standing::Reason::SeatsTaken));
    clock.pass_ms(1_000);
    let ended = Batch { ended: vec![1], seen: vec![see(3)], ..Batch::default() };
    assert_eq!(store.sync(&line("a"), &rules, &ended).await.unwrap().called, 1);
}

pub async fn what_an_operator_sets_is_in_force_until_it_ends_and_survives_a_restart<W: World>() {
    let clock = Clock::default();
    let world = W::new(clock.clone()).await;
    let store = world.open().await;
    store.sync(&line("a"), &rules(), &join(0..50)).await.unwrap();
    let set = Override {
        release_per_minute: NonZeroU32::new(600),
        burst: NonZeroU32::new(20),
        max_waiting: NonZeroU32::new(20),
        message: Some("Zwölf Minuten".to_owned()),
        until_ms: Some(clock.now_ms() + 10_000),
        ..Override::default()
    };
    let (reason, actor) = ("too slow".to_owned(), "anna".to_owned());
    let change = Change { id: 7, set: set.clone(), reason: reason.clone(), actor: actor.clone(), ..Change::default() };
    clock.pass_ms(1_000);
    let changes = Batch { changes: vec![change.clone(), Change { id: 8, ..change.clone() }], ..Batch::default() };
    let revision = Revision { number: 1, id: 7 };
    for _ in 0..2 {
        let outcome = store.sync(&line("a"), &rules(), &changes).await.unwrap();
        assert_eq!(outcome.changes, [Changed::Accepted(revision), Changed::Conflict(revision)], "also once more");
        let since_ms = clock.now_ms();
        let control = Control { revision, set: set.clone(), reason: reason.clone(), actor: actor.clone(), since_ms };
        assert_eq!(outcome.control.as_deref(), Some(&control));
    }
    drop(store);
    let store = world.open().await;
    clock.pass_ms(2_000);
    let informed = Batch { known: Known { revision, ..Known::default() }, ..join(50..60) };
    let outcome = store.sync(&line("a"), &rules(), &informed).await.unwrap();
    assert_eq!((outcome.control, outcome.summary.revision), (None, revision), "a node that knows is not told again");
    assert_eq!(outcome.called, 20, "the burst that is set");
    assert_eq!(outcome.summary.reason, None);
    assert_eq!(outcome.newcomers.iter().filter(|n| n.1 == Verdict::Refused).count(), 10, "the line is full");
    clock.pass_ms(7_000);
    let outcome = store.sync(&line("a"), &rules(), &join(60..70)).await.unwrap();
    assert!(outcome.newcomers.iter().all(|n| n.0 > 0), "it has ended");
    assert_eq!(outcome.summary.reason, None);
    let hold = Override { mode: Some(Mode::Hold), ..Override::default() };
    let change = Change { id: 9, from: revision, set: hold, ..Change::default() };
    let outcome = store.sync(&line("a"), &rules(), &Batch { changes: vec![change], ..Batch::default() }).await.unwrap();
    assert_eq!((outcome.called, outcome.summary.mode), (0, Some(Mode::Hold)));
    assert_eq!(outcome.summary.reason, Some(sluice_admission::standing::Reason::Paused));
}

pub async fn what_happens_is_counted_by_the_minute_and_once<W: World>() {
    let clock = Clock::default();
    let world = W::new(clock.clone()).await;
    let store = world.open().await;
    let minute = clock.now_ms() / 60_000;
    assert_eq!(store.counts(&line("a"), 0).await.unwrap(), [], "no such line");
    // The middle of a minute, so that none ends by chance.
    clock.pass_ms(90_000 - clock.now_ms() % 60_000);
    let rules = Rules { seat_ms: 8_000, ..rules() };
    let twice = async |batch: Batch| {
        for _ in 0..2 {
            store.sync(&line("a"), &rules, &batch).await.unwrap();
        }
    };
    twice(join(0..8)).await;
    twice(ask(1, true)).await;
    twice(ask(2, true)).await;
    clock.pass_ms(5_000);
    twice(Batch { ended: vec![1], ..Batch::default() }).await;
    let mut expected =
        Minute { minute: minute + 1, arrived: 8, numbered: 8, called: 8, entered: 2, ended: 1, ..Minute::default() };
    let counts = store.counts(&line("a"), 0).await.unwrap();
    let histogram = |of: &[(u8, u32)]| of.to_vec();
    let [Minute { waits, visits, .. }] = &counts[..] else { panic!("{counts:?}") };
    assert_eq!(waits.counts().collect::<Vec<_>>(), histogram(&[(0, 5), (5, 3)]));
    assert_eq!(visits.counts().collect::<Vec<_>>(), histogram(&[(5, 1)]));
    (expected.waits, expected.visits) = (waits.clone(), visits.clone());
    assert_eq!(counts, [expected.clone()]);

    clock.pass_ms(56_000);
    drop(store);
    let store = world.open().await;
    // Claims run while the line is asked.
    for _ in 0..60 {
        store.sync(&line("a"), &rules, &Batch::default()).await.unwrap();
        clock.pass_ms(1_000);
    }
    let counts = store.counts(&line("a"), minute + 1).await.unwrap();
    assert_eq!(counts[0], expected, "a minute that is over does not change");
    let later = &counts[1..];
    let sum = |of: fn(&Minute) -> u64| later.iter().map(of).sum::<u64>();
    assert_eq!(sum(|m| m.lapsed.into()), 6, "who was called did not come");
    assert_eq!((sum(|m| m.ended.into()), sum(|m| m.visits.total())), (1, 1), "the visit of 2 is over");
    assert_eq!(sum(|m| u64::from(m.entered + m.arrived + m.numbered)), 0);
    assert_eq!(store.counts(&line("a"), minute + 2).await.unwrap(), later);
    clock.pass_ms(121 * 60_000);
    store.sync(&line("a"), &rules, &Batch::default()).await.unwrap();
    assert_eq!(store.counts(&line("a"), 0).await.unwrap().len(), 0, "kept for two hours");
}

pub async fn what_is_known_of_a_number_is_found_and_nothing_is_changed<W: World>() {
    let clock = Clock::default();
    let world = W::new(clock.clone()).await;
    let store = world.open().await;
    assert_eq!(store.find(&line("a"), 1).await.unwrap(), None, "no such line");
    let rules = Rules { max_active: Some(3), ..rules() };
    let began_ms = clock.now_ms();
    store.sync(&line("a"), &rules, &join(0..8)).await.unwrap();
    clock.pass_ms(1_000);
    let asks = [ask(1, true).asks, ask(2, false).asks].concat();
    store.sync(&line("a"), &rules, &Batch { asks, away: vec![6], ..Batch::default() }).await.unwrap();
    let before = store.sync(&line("a"), &rules, &Batch::default()).await.unwrap().summary;
    let place = async |number: u64| store.find(&line("a"), number).await.unwrap().unwrap().place;
    let now_ms = clock.now_ms();
    assert_eq!(place(1).await, Whereabouts::Inside { since_ms: now_ms, until_ms: now_ms + rules.seat_ms });
    let called = place(2).await;
    assert!(matches!(called, Whereabouts::Called { heard: true, until_ms } if until_ms > now_ms), "{called:?}");
    assert_eq!(
        (place(4).await, place(0).await, place(9).await),
        (Whereabouts::Waiting, Whereabouts::Unknown, Whereabouts::Unknown)
    );
    let waiting = store.find(&line("a"), 5).await.unwrap().unwrap();
    let numbered_ms = Some(began_ms);
    assert_eq!(waiting, Lookup { place: Whereabouts::Waiting, numbered_ms, present: true, counted: true });
    let gone = store.find(&line("a"), 6).await.unwrap().unwrap();
    assert_eq!(gone, Lookup { place: Whereabouts::Waiting, numbered_ms, present: false, counted: false });
    let after = store.sync(&line("a"), &rules, &Batch::default()).await.unwrap().summary;
    assert_eq!(after, sluice_admission::line::Summary { steps: before.steps + 1, ..before }, "nothing was changed");
    clock.pass_ms(200);
    store.sync(&line("a"), &rules, &Batch { ended: vec![1], ..Batch::default() }).await.unwrap();
    assert_eq!(place(1).await, Whereabouts::Ended);
    let called = place(4).await;
    assert!(matches!(called, Whereabouts::Called { heard: false, .. }), "{called:?}");
    // None of those who were called comes in time; those who heard of it have lapsed.
    for _ in 0..40 {
        clock.pass_ms(1_000);
        store.sync(&line("a"), &Rules { mode: Mode::Hold, ..rules.clone() }, &Batch::default()).await.unwrap();
    }
    assert_eq!((place(2).await, place(4).await), (Whereabouts::Lapsed, Whereabouts::Waiting));
    assert_eq!(place(1).await, Whereabouts::Spent, "no pass of it can be alive");
}

/// Runs the suite over a [`World`].
macro_rules! suite {
    ($world:ty) => {
        $crate::conformance::suite!($world:
            numbers_go_up_and_lines_are_apart,
            a_batch_sent_twice_counts_once,
            a_restart_loses_nothing,
            a_restart_does_not_forget_the_rate,
            lanes_are_called_by_weight_and_survive_a_restart_and_a_file_without_them,
            a_lost_line_is_healed_by_what_a_node_knows,
            seats_bound_the_line,
            what_an_operator_sets_is_in_force_until_it_ends_and_survives_a_restart,
            what_happens_is_counted_by_the_minute_and_once,
            what_is_known_of_a_number_is_found_and_nothing_is_changed,
        );
    };
    ($world:ty: $($behaviour:ident,)*) => {
        $(#[tokio::test] async fn $behaviour() { $crate::conformance::$behaviour::<$world>().await; })*
    };
}
pub(crate) use suite;
