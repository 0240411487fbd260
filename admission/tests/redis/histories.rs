//! Random histories of a line: what may happen between two looks at it.
#![allow(unreachable_pub, reason = "a module of a test")]

use std::num::NonZeroU32;

use proptest::prelude::*;
use sluice_admission::line::{LaneId, LaneRule, Override, Rules};
use sluice_config::{Mode, Name};

/// One thing that happens between two looks at the line. Numbers are wild, see [`World::number`].
#[derive(Clone, Debug)]
pub enum Event {
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
    /// All have asked lately; then a node notices a hush, and time goes by until it shows what it was.
    Hush {
        hold_ms: u32,
        back: bool,
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
pub struct Wild {
    pub newcomers: Vec<(u8, u32, bool, bool)>,
    /// The lane of the first newcomer; the others go to it or to those after it.
    pub lane: u8,
    /// How long ago they came, for some.
    pub arrived: Option<u32>,
    pub admitted: Vec<u32>,
    pub away_since: Option<u32>,
    pub hush: bool,
    pub seen: Vec<(u32, u32)>,
    pub all_seen: Option<u32>,
    pub asks: Vec<(u32, bool)>,
    pub all_ask: bool,
    pub away: Vec<u32>,
    pub inside: Vec<u32>,
    pub ended: Vec<u32>,
    pub known: Remembers,
}

/// What a node has in mind.
#[derive(Clone, Copy, Debug)]
pub enum Remembers {
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
        (newcomers, 0..10u8),
        prop::collection::vec((any::<u32>(), hold()), 0..6),
        prop::option::weighted(0.3, hold()),
        prop::collection::vec((any::<u32>(), any::<bool>()), 0..6),
        prop::bool::weighted(0.1),
        some(3),
        some(4),
        some(3),
        remembers,
        (prop::option::of(0..60_000u32), prop::option::weighted(0.1, 0..60_000u32), some(3), prop::bool::weighted(0.1)),
    )
        .prop_map(|((newcomers, lane), seen, all_seen, asks, all_ask, away, inside, ended, known, cut_off)| Wild {
            arrived: cut_off.0,
            away_since: cut_off.1,
            admitted: cut_off.2,
            hush: cut_off.3,
            newcomers,
            lane,
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

pub fn event() -> impl Strategy<Value = Event> {
    let pass = prop_oneof![3 => 0..500u64, 3 => 0..20_000u64, 1 => 0..200_000u64];
    prop_oneof![
        14 => wild().prop_map(|w| Event::Step(Box::new(w))),
        2 => Just(Event::Retry),
        1 => (0..9_000u32, prop::bool::weighted(0.3)).prop_map(|(hold_ms, back)| Event::Hush { hold_ms, back }),
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

pub fn some_rules() -> impl Strategy<Value = Rules> {
    let mode = prop_oneof![
        6 => Just(Mode::Auto), 1 => Just(Mode::Open), 1 => Just(Mode::Hold), 1 => Just(Mode::Closed), 1 => Just(Mode::Drain),
    ];
    let times = (1_000..20_000u64, 10_000..300_000u64, 2_000..100_000u64);
    (1..6_000u32, 1..300u32, prop::option::of(1..90u32), mode, 5..400u32, times, some_lanes()).prop_map(
        |(
            release_per_minute,
            burst,
            max_active,
            mode,
            max_waiting,
            (claim_within_ms, return_within_ms, seat_ms),
            lanes,
        )| {
            Rules {
                release_per_minute,
                burst: burst.min(release_per_minute),
                max_active,
                max_waiting,
                mode,
                claim_within_ms,
                return_within_ms,
                seat_ms,
                lanes,
            }
        },
    )
}

/// The first lane, and others with names of their own; more than a line may have, over a whole history.
pub fn lane(which: u8) -> LaneId {
    match which % 12 {
        0 => LaneId::FIRST,
        which => LaneId::named(&Name::new(&format!("lane{which}")).unwrap()),
    }
}

/// The lanes of a file: mostly none, or a few of those that there ever are.
fn some_lanes() -> impl Strategy<Value = Vec<LaneRule>> {
    let weight = || prop_oneof![1..4u32, 1..=100u32];
    let others = prop::collection::btree_map(1..12u8, weight(), 0..=7);
    let lanes = (weight(), others).prop_map(|(first, others)| {
        let others = others.into_iter().map(|(which, weight)| LaneRule { lane: lane(which), weight });
        std::iter::once(LaneRule { lane: LaneId::FIRST, weight: first }).chain(others).collect()
    });
    let few = (weight(), weight()).prop_map(|(first, second)| {
        vec![LaneRule { lane: LaneId::FIRST, weight: first }, LaneRule { lane: lane(1), weight: second }]
    });
    prop_oneof![4 => Just(Vec::new()), 4 => few, 1 => lanes]
}
