//! The script against the pure line: the same random histories, and no difference in any outcome.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "redis/servers.rs"]
mod servers;
#[path = "redis/twins.rs"]
mod twins;

use std::num::NonZeroU32;

use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence, TestRunner},
};
use sluice_admission::line::{Ask, Batch, Change, Known, LaneId, Newcomer, Override, Revision, Rules, Seen};
use sluice_config::Mode;
use twins::{Bench, Twins, rules};

/// One thing that happens between two looks at the line. Numbers are wild, see [`World::number`].
#[derive(Clone, Debug)]
enum Event {
    /// A step with anything in it.
    Step(Box<Wild>),
    /// The last batch once more.
    Retry,
    /// Time goes by, for everybody.
    Pass {
        ms: u64,
    },
    /// The same, and the line is asked all along.
    Live {
        steps: u64,
    },
    /// The server's wall clock is set.
    WallClockSteps {
        ms: i64,
    },
    /// A node starts anew and knows nothing, or wakes with what it knew long ago.
    Restart,
    Rules(Rules),
    /// An operator sets something, perhaps without having heard of the last change, or sends an earlier change once more.
    Change {
        set: Box<Override>,
        for_ms: Option<u32>,
        from: u8,
        again: bool,
    },
    /// Everything in the store is gone.
    Lose,
    /// The server is started anew, with all that it had.
    Move,
    Reset,
}

/// What a batch is made of.
#[derive(Clone, Debug)]
struct Wild {
    newcomers: Vec<(u8, u32, bool, bool)>,
    /// How long ago they came, for some.
    arrived: Option<u32>,
    admitted: Vec<u32>,
    away_since: Option<u32>,
    seen: Vec<(u32, u32)>,
    all_seen: Option<u32>,
    asks: Vec<(u32, bool)>,
    all_ask: bool,
    away: Vec<u32>,
    inside: Vec<u32>,
    ended: Vec<u32>,
    known: Remembers,
}

/// What a node has in mind.
#[derive(Clone, Copy, Debug)]
enum Remembers {
    Nothing,
    /// The last outcome.
    Last,
    /// All it can know, to heal a line with.
    Everything,
    /// Everything of an earlier moment, with some of it made up.
    Earlier(u8, u8),
}

fn hold() -> impl Strategy<Value = u32> {
    prop_oneof![3 => 0..14_000u32, 1 => 0..80_000u32, 1 => Just(4_000), 1 => Just(u32::MAX)]
}

fn wild() -> impl Strategy<Value = Wild> {
    let some = |most| prop::collection::vec(any::<u32>(), 0..most);
    let newcomer = (0..40u8, hold(), any::<bool>(), prop::bool::weighted(0.3));
    let remembers = prop_oneof![
        1 => Just(Remembers::Nothing),
        6 => Just(Remembers::Last),
        1 => Just(Remembers::Everything),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(when, what)| Remembers::Earlier(when, what)),
    ];
    let newcomers = prop_oneof![
        2 => Just(Vec::new()),
        2 => prop::collection::vec(newcomer, 0..6),
        // A rush of the same kind.
        1 => (hold(), any::<bool>(), 0..90usize).prop_map(|(h, enter, n)| vec![(u8::MAX, h, enter, false); n]),
    ];
    (
        newcomers,
        prop::collection::vec((any::<u32>(), hold()), 0..6),
        prop::option::weighted(0.3, hold()),
        prop::collection::vec((any::<u32>(), any::<bool>()), 0..6),
        prop::bool::weighted(0.1),
        some(3),
        some(4),
        some(3),
        remembers,
        (prop::option::of(0..60_000u32), prop::option::weighted(0.1, 0..60_000u32), some(3)),
    )
        .prop_map(|(newcomers, seen, all_seen, asks, all_ask, away, inside, ended, known, cut_off)| Wild {
            arrived: cut_off.0,
            away_since: cut_off.1,
            admitted: cut_off.2,
            newcomers,
            seen,
            all_seen,
            asks,
            all_ask,
            away,
            inside,
            ended,
            known,
        })
}

fn event() -> impl Strategy<Value = Event> {
    let pass = prop_oneof![3 => 0..500u64, 3 => 0..20_000u64, 1 => 0..200_000u64];
    prop_oneof![
        14 => wild().prop_map(|w| Event::Step(Box::new(w))),
        2 => Just(Event::Retry),
        9 => pass.prop_map(|ms| Event::Pass { ms }),
        3 => (1..30u64).prop_map(|steps| Event::Live { steps }),
        1 => (-700_000..700_000i64).prop_map(|ms| Event::WallClockSteps { ms }),
        1 => Just(Event::Restart),
        2 => some_rules().prop_map(Event::Rules),
        3 => (some_override(), prop::option::of(0..60_000u32), 0..8u8, prop::bool::weighted(0.1))
            .prop_map(|(set, for_ms, from, again)| Event::Change { set: Box::new(set), for_ms, from, again }),
        1 => Just(Event::Lose),
        1 => Just(Event::Move),
        1 => Just(Event::Reset),
    ]
}

fn some_override() -> impl Strategy<Value = Override> {
    let some = |most: u32| prop::option::of((1..most).prop_map(|n| NonZeroU32::new(n).unwrap()));
    let modes = [Mode::Auto, Mode::Open, Mode::Hold, Mode::Closed, Mode::Drain];
    let mode = prop::option::weighted(0.3, prop::sample::select(modes.to_vec()));
    let message = prop::option::of("\\PC{1,40}");
    (some(6_000), some(300), some(90), some(400), mode, message).prop_map(
        |(release_per_minute, burst, max_active, max_waiting, mode, message)| Override {
            release_per_minute,
            burst,
            max_active,
            max_waiting,
            mode,
            message,
            until_ms: None,
        },
    )
}

fn some_rules() -> impl Strategy<Value = Rules> {
    let mode = prop_oneof![
        6 => Just(Mode::Auto), 1 => Just(Mode::Open), 1 => Just(Mode::Hold), 1 => Just(Mode::Closed), 1 => Just(Mode::Drain),
    ];
    let times = (1_000..20_000u64, 10_000..300_000u64, 2_000..100_000u64);
    (1..6_000u32, 1..300u32, prop::option::of(1..90u32), mode, 5..400u32, times).prop_map(
        |(release_per_minute, burst, max_active, mode, max_waiting, (claim_within_ms, return_within_ms, seat_ms))| {
            Rules {
                release_per_minute,
                burst: burst.min(release_per_minute),
                max_active,
                max_waiting,
                mode,
                claim_within_ms,
                return_within_ms,
                seat_ms,
                lanes: Vec::new(),
            }
        },
    )
}

struct World<'a> {
    twins: Twins<'a>,
    /// Real time gone by, and the server's error.
    real_ms: u64,
    wall_off_ms: i64,
    /// The line's clock as the node last heard it, and when.
    anchor: Option<(u64, u64)>,
    last_known: Known,
    memories: Vec<Known>,
    last: Batch,
    ids: u64,
    /// The last few, so that some are sent once more.
    changes: Vec<Change>,
}

impl<'a> World<'a> {
    fn new(bench: &'a Bench, name: &str, rules: Rules) -> Self {
        Self {
            twins: Twins::new(bench, name, rules),
            real_ms: twins::START_MS,
            wall_off_ms: 0,
            anchor: None,
            last_known: Known::default(),
            memories: Vec::new(),
            last: Batch::default(),
            ids: 0,
            changes: Vec::new(),
        }
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Step(wild) => {
                let batch = self.batch(wild);
                self.step(batch);
            }
            Event::Retry => self.step(self.last.clone()),
            Event::Pass { ms } => self.real_ms += ms,
            Event::Live { steps } => {
                for _ in 0..*steps {
                    self.real_ms += 1_900;
                    let known = self.remembered(Remembers::Last);
                    self.step(Batch { known, ..Batch::default() });
                }
            }
            Event::WallClockSteps { ms } => self.wall_off_ms += ms,
            Event::Restart => {
                self.anchor = None;
                self.last_known = Known::default();
            }
            Event::Rules(rules) => self.twins.rules = rules.clone(),
            Event::Change { again: true, .. } if !self.changes.is_empty() => {
                let changes = self.changes.clone();
                self.step(Batch { changes, ..Batch::default() });
            }
            Event::Change { set, for_ms, from, .. } => {
                self.ids += 1;
                let known = self.remembered(Remembers::Last);
                let in_force = self.twins.known().revision;
                let from = match from {
                    0 => Revision::default(),
                    1 => Revision { id: in_force.id + 1, ..in_force },
                    2 => known.revision,
                    _ => in_force,
                };
                let until_ms = for_ms.map(|ms| self.twins.known().clock_ms.unwrap_or(0) + u64::from(ms));
                let set = Override { until_ms, ..Override::clone(set) };
                let (reason, actor) = (format!("reason {}", self.ids), "anna".to_owned());
                let change = Change { id: ((self.ids % 7) << 40) | self.ids, from, set, reason, actor };
                self.changes.push(change.clone());
                self.changes.drain(..self.changes.len().saturating_sub(3));
                self.step(Batch { known, changes: vec![change], ..Batch::default() });
            }
            Event::Lose => {
                self.memories.push(self.twins.known());
                self.twins.lose();
            }
            Event::Move => self.twins.run += 1,
            Event::Reset => {
                self.set_wall();
                self.twins.reset();
            }
        }
    }

    fn set_wall(&mut self) {
        self.twins.wall_ms = self.real_ms.saturating_add_signed(self.wall_off_ms);
    }

    fn step(&mut self, batch: Batch) {
        self.set_wall();
        let outcome = self.twins.step(&batch);
        self.anchor.get_or_insert((outcome.summary.now_ms, self.real_ms));
        let s = &outcome.summary;
        self.last_known = Known {
            epoch: s.epoch,
            lanes: s.known_lanes(),
            steps: s.steps,
            life: s.life,
            ended_ms: outcome.ended.last().map(|ended| ended.1).or(batch.known.ended_ms).or(Some(0)),
            revision: s.revision,
            ..Known::default()
        };
        if self.memories.len() < 50 {
            self.memories.push(self.twins.known());
        }
        self.last = batch;
    }

    /// A number: mostly one that exists, often near the head or the end, now and then 0 or one nobody has yet.
    fn number(&self, wild: u32) -> u64 {
        let known = self.twins.known();
        let step = u64::from(wild >> 4);
        match wild % 8 {
            0 => known.lanes[0].issued.saturating_sub(step % 10),
            1 | 2 => (known.lanes[0].head + 5).saturating_sub(step % 20),
            3 => known.lanes[0].floor + step % 5,
            4 => step % (known.lanes[0].issued + 3),
            _ => step % known.lanes[0].issued.max(1) + 1,
        }
    }

    fn batch(&mut self, wild: &Wild) -> Batch {
        let now_ms = self.twins.known().clock_ms.unwrap_or(0);
        let ago = |ms: Option<u32>| ms.map_or(0, |ms| now_ms.saturating_sub(u64::from(ms)));
        let (arrived_ms, away_since_ms) = (ago(wild.arrived), ago(wild.away_since));
        let newcomers = wild.newcomers.iter().map(|&(id, hold_ms, enter, walk_in)| {
            self.ids += 1;
            // Mostly new ids, random as real ones are; sometimes one that came before.
            let back = u64::from(id).checked_sub(30).filter(|&back| back < 10).map(|back| back * back);
            let id = self.ids.saturating_sub(back.unwrap_or(0));
            Newcomer {
                id: id.wrapping_mul(0x9E37_79B9_7F4A_7C15),
                hold_ms,
                enter,
                walk_in,
                lane: LaneId::FIRST,
                arrived_ms: arrived_ms.saturating_sub(id % 7 * 500),
            }
        });
        let newcomers = newcomers.collect();
        let issued = self.twins.known().lanes[0].issued;
        // After a loss numbers are skipped; those who stand at the end are everybody who matters.
        let everybody = issued.saturating_sub(300).max(1)..=issued;
        let mut seen: Vec<_> = wild.seen.iter().map(|s| Seen { number: self.number(s.0), hold_ms: s.1 }).collect();
        seen.extend(
            wild.all_seen.into_iter().flat_map(|hold_ms| everybody.clone().map(move |number| Seen { number, hold_ms })),
        );
        let ask = |number, enter| Ask { number, hold_ms: 4_000, enter };
        let mut asks: Vec<_> = wild.asks.iter().map(|a| ask(self.number(a.0), a.1)).collect();
        if wild.all_ask {
            asks.extend(everybody.map(|number| ask(number, true)));
        }
        let numbers = |wild: &[u32]| wild.iter().map(|&w| self.number(w)).collect();
        let (away, inside, ended) = (numbers(&wild.away), numbers(&wild.inside), numbers(&wild.ended));
        // Some of them twice, and some that end in this very batch.
        let admitted = numbers(&wild.admitted);
        let known = self.remembered(wild.known);
        Batch { known, seen, away, inside, ended, admitted, away_since_ms, newcomers, asks, changes: Vec::new() }
    }

    fn remembered(&self, how: Remembers) -> Known {
        let clock_ms = self.anchor.map(|(line_ms, at_ms)| line_ms + (self.real_ms - at_ms));
        match how {
            Remembers::Nothing => Known::default(),
            Remembers::Last => Known { clock_ms, ..self.last_known.clone() },
            Remembers::Everything => Known { clock_ms, ..self.memories.last().cloned().unwrap_or_default() },
            Remembers::Earlier(when, what) => {
                let count = self.memories.len().max(1);
                let mut known = self.memories.get(usize::from(when) % count).cloned().unwrap_or_default();
                if let Some(control) = known.control.as_deref_mut().filter(|_| what > 200) {
                    control.revision.number += u64::from(what % 3);
                    control.revision.id += u64::from(what % 2);
                    known.revision = control.revision;
                }
                match what % 8 {
                    0 => known.epoch += 1,
                    1 => known.lanes[0].head += u64::from(what),
                    2 => known.lanes[0].floor += u64::from(what),
                    3 => known.steps += u64::from(what),
                    4 => known
                        .inside
                        .push((known.lanes[0].issued + u64::from(what), known.clock_ms.unwrap_or(0) + 50_000)),
                    5 => known.due.push((known.lanes[0].issued + u64::from(what), known.clock_ms.unwrap_or(0) + 5_000)),
                    6 => known.calls.push((known.clock_ms.unwrap_or(0) / 100 + 3, u32::from(what))),
                    _ => known.clock_ms = clock_ms,
                }
                known.calls.sort_unstable();
                known
            }
        }
    }
}

/// So many histories, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 600;
/// At least so many steps in total.
const STEPS_MIN: usize = 10_000;

#[test]
fn every_history_has_the_same_outcomes() {
    let bench = Bench::default();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/redis_differential.proptest-regressions"
        )))),
        ..Config::default()
    });
    let history = (some_rules(), prop::collection::vec(event(), 1..150));
    let (case, steps) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let run = runner.run(&history, |(first_rules, events)| {
        let first_rules = Rules { return_within_ms: rules().return_within_ms, ..first_rules };
        case.set(case.get() + 1);
        let mut world = World::new(&bench, &format!("q{}", case.get()), first_rules);
        for event in &events {
            world.happen(event);
        }
        world.twins.compare_counts();
        steps.set(steps.get() + world.twins.steps);
        Ok(())
    });
    run.unwrap_or_else(|e| panic!("{e}"));
    assert!(steps.get() >= STEPS_MIN || cases < CASES, "only {} steps", steps.get());
}
