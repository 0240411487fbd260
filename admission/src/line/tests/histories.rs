//! Thousands of random histories; a failing one is shrunk and printed.

use std::num::NonZeroU32;

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use sluice_config::{Mode, Name};

use super::{
    super::{Ask, Batch, Change, Known, LaneId, LaneRule, Line, Newcomer, Override, Reading, Revision, Rules, Seen},
    model::Model,
};

/// One thing that happens. Visitors are named by a wild index, taken modulo those there are.
#[derive(Clone, Debug)]
enum Event {
    Arrive {
        lane: u8,
        count: u8,
        enter: bool,
        hold_ms: u32,
    },
    WalkIn {
        lane: u8,
        count: u8,
    },
    /// Slips of walk-ins come back, in any order and perhaps again, with a walk-in between any two of them.
    SlipsReturn {
        lane: u8,
        which: Vec<usize>,
        enter: bool,
        hold_ms: u32,
    },
    Poll {
        who: usize,
        hold_ms: u32,
    },
    PollAll {
        hold_ms: u32,
    },
    Ask {
        who: usize,
        enter: bool,
    },
    EnterAll,
    Away {
        who: usize,
    },
    Browse {
        who: usize,
    },
    End {
        who: usize,
    },
    /// Time goes by, and the line is asked all along.
    Pass {
        ms: u32,
    },
    /// Time goes by, and the line is not asked.
    Silence {
        ms: u32,
    },
    Retry,
    /// All have asked lately; then a node notices a hush, and time goes by until it shows what it was. The one before is over, or
    /// perhaps not.
    Hush {
        hold_ms: u32,
        back: bool,
        over: bool,
    },
    WallClockSteps {
        ms: i64,
    },
    Restart,
    Rules(Rules),
    /// An operator sets something for a while or for good, perhaps without having heard of the last change.
    Change {
        set: Box<Override>,
        for_ms: Option<u32>,
        up_to_date: bool,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let hold = prop_oneof![3 => 0..14_000u32, 1 => 0..80_000u32];
    let who = any::<usize>();
    prop_oneof![
        6 => (0..4u8, 1..30u8, any::<bool>(), hold.clone())
            .prop_map(|(lane, count, enter, hold_ms)| Event::Arrive { lane, count, enter, hold_ms }),
        3 => (0..4u8, 1..10u8).prop_map(|(lane, count)| Event::WalkIn { lane, count }),
        3 => (0..4u8, prop::collection::vec(who, 1..8), any::<bool>(), hold.clone())
            .prop_map(|(lane, which, enter, hold_ms)| Event::SlipsReturn { lane, which, enter, hold_ms }),
        4 => (who, hold.clone()).prop_map(|(who, hold_ms)| Event::Poll { who, hold_ms }),
        4 => hold.prop_map(|hold_ms| Event::PollAll { hold_ms }),
        4 => (who, any::<bool>()).prop_map(|(who, enter)| Event::Ask { who, enter }),
        2 => Just(Event::EnterAll),
        1 => who.prop_map(|who| Event::Away { who }),
        2 => who.prop_map(|who| Event::Browse { who }),
        1 => who.prop_map(|who| Event::End { who }),
        6 => prop_oneof![0..500u32, 0..20_000u32, 0..200_000u32].prop_map(|ms| Event::Pass { ms }),
        2 => prop_oneof![0..5_000u32, 0..200_000u32].prop_map(|ms| Event::Silence { ms }),
        2 => Just(Event::Retry),
        8 => (0..9_000u32, prop::bool::weighted(0.3), prop::bool::weighted(0.7))
            .prop_map(|(hold_ms, back, over)| Event::Hush { hold_ms, back, over }),
        1 => (-700_000..700_000i64).prop_map(|ms| Event::WallClockSteps { ms }),
        1 => Just(Event::Restart),
        1 => changed_rules().prop_map(Event::Rules),
        4 => (overrides(), proptest::option::of(0..100_000u32), any::<bool>())
            .prop_map(|(set, for_ms, up_to_date)| Event::Change { set: Box::new(set), for_ms, up_to_date }),
    ]
}

/// A lane of those that a file may name in a history.
fn lane(which: u8) -> LaneId {
    match which {
        0 => LaneId::FIRST,
        which => LaneId::named(&Name::new(&format!("lane{which}")).unwrap()),
    }
}

/// None, or the first and some of three others.
fn lanes() -> impl Strategy<Value = Vec<LaneRule>> {
    let weight = || prop_oneof![1..4u32, 1..=100u32];
    let others = prop::collection::btree_map(1..4u8, weight(), 0..=3);
    let some = (weight(), others).prop_map(|(first, others)| {
        let others = others.into_iter().map(|(which, weight)| LaneRule { lane: lane(which), weight });
        std::iter::once(LaneRule { lane: LaneId::FIRST, weight: first }).chain(others).collect()
    });
    prop_oneof![1 => Just(Vec::new()), 2 => some]
}

fn overrides() -> impl Strategy<Value = Override> {
    let some = |most: u32| proptest::option::of((1..most).prop_map(|n| NonZeroU32::new(n).unwrap()));
    let modes = [Mode::Auto, Mode::Hold, Mode::Closed, Mode::Drain];
    let mode = proptest::option::weighted(0.3, prop::sample::select(modes.to_vec()));
    (some(600), some(50), some(40), some(200), mode).prop_map(
        |(release_per_minute, burst, max_active, max_waiting, mode)| Override {
            release_per_minute,
            burst,
            max_active,
            max_waiting,
            mode,
            ..Override::default()
        },
    )
}

fn changed_rules() -> impl Strategy<Value = Rules> {
    let mode =
        prop_oneof![4 => Just(Mode::Auto), 1 => Just(Mode::Hold), 1 => Just(Mode::Closed), 1 => Just(Mode::Drain)];
    let max_active = proptest::option::of(1..40u32);
    let times = (1_000..20_000u64, 30_000..300_000u64, 2_000..60_000u64);
    (1..600u32, 1..50u32, max_active, mode, 5..200u32, times, lanes()).prop_map(
        |(
            release_per_minute,
            burst,
            max_active,
            mode,
            max_waiting,
            (claim_within_ms, return_within_ms, seat_ms),
            lanes,
        )| Rules {
            release_per_minute,
            burst: burst.min(release_per_minute),
            max_active,
            max_waiting,
            mode,
            claim_within_ms,
            return_within_ms,
            seat_ms,
            lanes,
        },
    )
}

struct World {
    rules: Rules,
    line: Line,
    model: Model,
    real_ms: u64,
    wall_off_ms: i64,
    /// Where this node last saw the line's clock, and when.
    anchor: Option<(u64, u64)>,
    known: Known,
    last: Batch,
    ids: u64,
    /// What walk-ins were handed, or would have been had the answer reached them.
    slips: Vec<u64>,
}

impl World {
    fn new(rules: Rules) -> Self {
        let real_ms = 1_700_000_000_000;
        let line = Line::new(&rules, Reading { wall_ms: real_ms, slack_ms: 0, run: 0 }, &Known::default());
        Self {
            rules,
            line,
            model: Model::begin(real_ms),
            real_ms,
            wall_off_ms: 0,
            anchor: None,
            known: Known::default(),
            last: Batch::default(),
            ids: 0,
            slips: Vec::new(),
        }
    }

    fn happen(&mut self, event: &Event) {
        let numbers = self.model.numbers();
        let somebody = |who: usize| numbers.get(who % numbers.len().max(1)).copied();
        let mut batch = Batch::default();
        match event {
            Event::Arrive { lane, count, enter, hold_ms } => {
                batch.newcomers = self.newcomers(*count, |id| Newcomer {
                    id,
                    hold_ms: *hold_ms,
                    enter: *enter,
                    walk_in: false,
                    lane: self::lane(*lane),
                    arrived_ms: 0,
                });
            }
            Event::WalkIn { lane, count } => {
                batch.newcomers = self.walk_ins(*lane, *count);
            }
            Event::SlipsReturn { lane, which, enter, hold_ms } => {
                let slips: Vec<u64> =
                    which.iter().filter_map(|n| self.slips.get(n % self.slips.len().max(1))).copied().collect();
                for id in slips {
                    batch.newcomers.push(Newcomer {
                        id,
                        hold_ms: *hold_ms,
                        enter: *enter,
                        walk_in: false,
                        lane: self::lane(*lane),
                        arrived_ms: 0,
                    });
                    batch.newcomers.extend(self.walk_ins(*lane, 1));
                }
            }
            Event::Poll { who, hold_ms } => {
                batch.seen.extend(somebody(*who).map(|number| Seen { number, hold_ms: *hold_ms }));
            }
            Event::PollAll { hold_ms } => {
                batch.seen.extend(numbers.iter().map(|&number| Seen { number, hold_ms: *hold_ms }));
            }
            Event::Ask { who, enter } => {
                batch.asks.extend(somebody(*who).map(|number| Ask { number, hold_ms: 4_000, enter: *enter }));
            }
            Event::EnterAll => {
                batch.asks.extend(numbers.iter().map(|&number| Ask { number, hold_ms: 4_000, enter: true }));
            }
            Event::Away { who } => batch.away.extend(somebody(*who)),
            Event::Browse { who } => {
                // Only who holds a pass that has not run out makes requests inside; the pass ends before the seat.
                let inside = self.model.inside();
                let number = (!inside.is_empty()).then(|| inside[who % inside.len()]);
                let until_ms = |n| {
                    let due = self.line.due.get(n).map(|seat| seat.until_ms);
                    self.line.inside.get(n).map_or(due.unwrap_or_default(), |seat| seat.until_ms)
                };
                batch.inside.extend(number.filter(|&n| until_ms(n) > self.line.clock.now_ms));
            }
            Event::End { who } => {
                // Only who holds a pass can end a visit.
                let inside = self.model.inside();
                batch.ended.extend((!inside.is_empty()).then(|| inside[who % inside.len()]));
            }
            Event::Pass { ms } => self.pass(u64::from(*ms)),
            Event::Silence { ms } => self.real_ms += u64::from(*ms),
            Event::Retry => batch = std::mem::take(&mut self.last),
            Event::Hush { hold_ms, back, over } => {
                if *over {
                    self.pass(28_001);
                }
                let seen: Vec<_> = numbers.iter().map(|&number| Seen { number, hold_ms: *hold_ms }).collect();
                self.step(Batch { seen: seen.clone(), ..Batch::default() });
                self.step(Batch { hush: true, ..Batch::default() });
                batch.seen = if *back { seen } else { Vec::new() };
                for _ in 0..5 {
                    self.step(std::mem::take(&mut batch));
                    self.real_ms += 1_650;
                }
            }
            Event::WallClockSteps { ms } => self.wall_off_ms += ms,
            Event::Restart => self.restart(),
            Event::Rules(rules) => self.rules = rules.clone(),
            Event::Change { set, for_ms, up_to_date } => {
                self.ids += 1;
                let until_ms = for_ms.map(|ms| self.line.clock.now_ms + u64::from(ms));
                let from = if *up_to_date { self.line.controlled.revision() } else { Revision::default() };
                let set = Override { until_ms, ..Override::clone(set) };
                batch.changes.push(Change { id: self.ids, from, set, ..Change::default() });
            }
        }
        self.step(batch);
    }

    fn pass(&mut self, ms: u64) {
        let last = std::mem::take(&mut self.last);
        let end_ms = self.real_ms + ms;
        while self.real_ms + 1_900 < end_ms {
            self.real_ms += 1_899;
            self.step(Batch::default());
        }
        (self.real_ms, self.last) = (end_ms, last);
    }

    fn newcomers(&mut self, count: u8, newcomer: impl Fn(u64) -> Newcomer) -> Vec<Newcomer> {
        let first = self.ids;
        self.ids += u64::from(count);
        (first..self.ids).map(newcomer).collect()
    }

    fn walk_ins(&mut self, lane: u8, count: u8) -> Vec<Newcomer> {
        let walk_ins = self.newcomers(count, |id| Newcomer {
            id,
            hold_ms: 5_000,
            enter: true,
            walk_in: true,
            lane: self::lane(lane),
            arrived_ms: 0,
        });
        self.slips.extend(walk_ins.iter().map(|newcomer| newcomer.id));
        walk_ins
    }

    fn step(&mut self, mut batch: Batch) {
        // No two steps in one millisecond, so that the model can tell from the clock whether a step was a tick.
        self.real_ms += 1;
        batch.known = self.known.clone();
        batch.known.clock_ms = self.anchor.map(|(line_ms, at_ms)| line_ms + (self.real_ms - at_ms));
        let wall_ms = self.real_ms.saturating_add_signed(self.wall_off_ms);
        let outcome = self.line.sync(&self.rules, Reading { wall_ms, slack_ms: 0, run: 0 }, &batch);
        self.model.follow(&self.line, &self.rules, &batch, &outcome, self.real_ms);
        self.anchor.get_or_insert((outcome.summary.now_ms, self.real_ms));
        let Known { epoch, lanes, steps, life, revision, .. } = self.line.known();
        self.known = Known { epoch, lanes, steps, life, revision, ..Known::default() };
        // A browser that has ended its visit does not browse on in a retried batch.
        batch.inside.clear();
        self.last = batch;
    }

    /// The node dies and comes back: the state is read back, what was in memory is gone.
    fn restart(&mut self) {
        let bytes = postcard::to_allocvec(&self.line).unwrap();
        self.line = postcard::from_bytes(&bytes).unwrap();
        self.anchor = None;
        self.known = Known::default();
        // Bring the wall clock's reading up to date, so that a later step of it is seen as a step.
        self.step(Batch::default());
    }
}

fn history() -> impl Strategy<Value = (Rules, Vec<Event>)> {
    (changed_rules(), prop::collection::vec(event(), 1..80))
}

fn live(rules: Rules, events: &[Event]) -> World {
    let mut world = World::new(rules);
    for event in events {
        world.happen(event);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn every_history_agrees_with_a_plain_list((rules, events) in history()) {
        live(rules, &events);
    }
}

/// Or the test above would show little. Always the same histories, so that this cannot fail by chance.
#[test]
fn histories_hold_newcomers_of_every_sort_in_numbers() {
    const HISTORIES: u64 = 300;
    let mut runner = TestRunner::deterministic();
    let mut counts = [0; 11];
    for _ in 0..HISTORIES {
        let (rules, events) = history().new_tree(&mut runner).unwrap().current();
        let came = live(rules, &events).model.came;
        let of_one = [
            came.turned_away,
            came.walked_in,
            came.out_of_turn,
            came.refused,
            came.changed,
            came.conflicts,
            came.overridden,
            came.in_turn,
            came.retired,
            came.hushes.0,
            came.hushes.1,
        ];
        counts.iter_mut().zip(of_one).for_each(|(all, one)| *all += one);
    }
    assert!(counts.iter().all(|&count| count >= HISTORIES), "{counts:?} in {HISTORIES} histories");
}

/// A line of one who has left falls silent for a minute, twice.
#[test]
fn who_has_left_a_line_that_falls_silent_is_forgotten_by_line_and_list_alike() {
    let rules = Rules {
        release_per_minute: 2,
        burst: 2,
        max_active: Some(1),
        max_waiting: 11,
        mode: Mode::Auto,
        claim_within_ms: 1_000,
        return_within_ms: 46_477,
        seat_ms: 2_000,
        lanes: Vec::new(),
    };
    let events = [
        Event::Pass { ms: 4_064 },
        Event::Arrive { lane: 0, count: 1, enter: false, hold_ms: 12_001 },
        Event::Away { who: 0 },
        Event::Arrive { lane: 0, count: 11, enter: false, hold_ms: 0 },
        Event::Pass { ms: 27_930 },
        Event::PollAll { hold_ms: 32_000 },
        Event::Ask { who: 9_085_637_606_718_764_928, enter: true },
        Event::Pass { ms: 26_184 },
        Event::Silence { ms: 51_813 },
        Event::Pass { ms: 69_813 },
    ];
    live(rules, &events);
}
