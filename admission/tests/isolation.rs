//! Two lines in one store: whatever happens to the one, the other answers as if it were alone.
//!
//! The same history of line B is lived twice: in a store of its own, and in one that it shares with a line A which is
//! flooded, reset, closed, given useless rules, or whose state is damaged. Every outcome must be the same, to the bit.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use proptest::prelude::*;
use sluice_admission::{
    line::{Ask, Batch, Known, LaneId, Newcomer, Outcome, Rules, Seen},
    store::{Embedded, LineId, Store, StoreError},
};
use sluice_config::{Mode, Name};

/// What happens to one line. Numbers and slips are few, so that those that are named are often those that exist.
#[derive(Clone, Debug)]
enum Deed {
    Join { first_id: u64, count: u64, walk_in: bool, enter: bool },
    Poll { numbers: u64 },
    Ask { number: u64, enter: bool },
    Browse { number: u64 },
    Leave { number: u64 },
    Reset,
    Rules(Rules),
}

/// What happens, in the order in which it does.
#[derive(Clone, Debug)]
enum Event {
    ToA(Deed),
    ToB(Deed),
    Pass {
        ms: u64,
    },
    /// The process dies and comes back, perhaps to a state of A that is not what it was.
    Restart {
        state_of_a: Damage,
    },
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    None,
    Gone,
    Torn,
    Flipped,
    Unreadable,
}

fn deed(rules: impl Strategy<Value = Rules>, most_at_once: u64) -> impl Strategy<Value = Deed> {
    let number = 1..40u64;
    prop_oneof![
        4 => (0..60u64, 1..most_at_once, any::<bool>(), any::<bool>())
            .prop_map(|(first_id, count, walk_in, enter)| Deed::Join { first_id, count, walk_in, enter }),
        3 => number.clone().prop_map(|numbers| Deed::Poll { numbers }),
        3 => (number.clone(), any::<bool>()).prop_map(|(number, enter)| Deed::Ask { number, enter }),
        1 => number.clone().prop_map(|number| Deed::Browse { number }),
        1 => number.prop_map(|number| Deed::Leave { number }),
        1 => Just(Deed::Reset),
        1 => rules.prop_map(Deed::Rules),
    ]
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![3 => Just(Mode::Auto), 1 => Just(Mode::Hold), 1 => Just(Mode::Closed), 1 => Just(Mode::Drain)]
}

fn sound_rules() -> impl Strategy<Value = Rules> {
    (1..600u32, 1..50u32, proptest::option::of(1..40u32), mode(), 5..200u32).prop_map(
        |(release_per_minute, burst, max_active, mode, max_waiting)| Rules {
            release_per_minute,
            burst: burst.min(release_per_minute),
            max_active,
            max_waiting,
            mode,
            claim_within_ms: 10_000,
            return_within_ms: 60_000,
            seat_ms: 30_000,
            lanes: Vec::new(),
        },
    )
}

/// Sound ones, and such as no config would let through.
fn any_rules() -> impl Strategy<Value = Rules> {
    let extreme = prop_oneof![Just(0), Just(1), Just(u32::MAX)];
    let extreme_ms = prop_oneof![Just(0), Just(u64::MAX >> 12)];
    let extremes = ([extreme.clone(), extreme.clone(), extreme], [extreme_ms.clone(), extreme_ms.clone(), extreme_ms]);
    let senseless = (extremes, mode()).prop_map(|(([release, burst, waiting], [claim, back, seat]), mode)| Rules {
        release_per_minute: release,
        burst,
        max_active: Some(waiting),
        max_waiting: waiting,
        mode,
        claim_within_ms: claim,
        return_within_ms: back,
        seat_ms: seat,
        lanes: Vec::new(),
    });
    prop_oneof![sound_rules(), senseless]
}

fn event() -> impl Strategy<Value = Event> {
    let damage = [Damage::None, Damage::Gone, Damage::Torn, Damage::Flipped, Damage::Unreadable];
    let damage = prop::sample::select(damage.to_vec());
    prop_oneof![
        // A is flooded: many times what a line may hold here.
        6 => deed(any_rules(), 2_000).prop_map(Event::ToA),
        6 => deed(sound_rules(), 30).prop_map(Event::ToB),
        3 => prop_oneof![0..500u64, 0..20_000u64, 0..120_000u64].prop_map(|ms| Event::Pass { ms }),
        1 => damage.prop_map(|state_of_a| Event::Restart { state_of_a }),
    ]
}

/// Names that are alike where it could matter: in keys, and in names of files.
fn two_lines() -> impl Strategy<Value = [LineId; 2]> {
    let line = |tenant, queue| LineId { tenant: Name::new(tenant).unwrap(), queue: Name::new(queue).unwrap() };
    prop_oneof![
        Just([line("shop", "sale"), line("shop", "vip")]),
        Just([line("shop", "sale"), line("club", "sale")]),
        Just([line("shop-a", "b"), line("shop", "a-b")]),
        Just([line("shop", "sale-1"), line("shop", "sale-10")]),
        Just([line("shop", "sale-10"), line("shop", "sale-1")]),
    ]
}

/// One line as the node knows it.
struct Side {
    line: LineId,
    rules: Rules,
    known: Known,
}

impl Side {
    fn new(line: LineId) -> Self {
        let rules = Rules {
            release_per_minute: 60,
            burst: 5,
            max_active: None,
            max_waiting: 100,
            mode: Mode::Auto,
            claim_within_ms: 10_000,
            return_within_ms: 60_000,
            seat_ms: 30_000,
            lanes: Vec::new(),
        };
        Self { line, rules, known: Known::default() }
    }

    async fn does(&mut self, deed: &Deed, store: &Embedded) -> Result<Outcome, StoreError> {
        let mut batch = Batch { known: self.known.clone(), ..Batch::default() };
        match deed {
            Deed::Join { first_id, count, walk_in, enter } => {
                let ids = *first_id..first_id + count;
                let newcomer = |id| Newcomer {
                    id,
                    hold_ms: 20_000,
                    enter: *enter,
                    walk_in: *walk_in,
                    lane: LaneId::FIRST,
                    arrived_ms: 0,
                };
                batch.newcomers = ids.map(newcomer).collect();
            }
            Deed::Poll { numbers } => {
                batch.seen = (1..=*numbers).map(|number| Seen { number, hold_ms: 20_000 }).collect();
            }
            Deed::Ask { number, enter } => {
                batch.asks = vec![Ask { number: *number, hold_ms: 4_000, enter: *enter }];
            }
            Deed::Browse { number } => batch.inside = vec![*number],
            Deed::Leave { number } => (batch.away, batch.ended) = (vec![*number], vec![*number]),
            Deed::Reset => batch.known.epoch += 1,
            Deed::Rules(rules) => self.rules = rules.clone(),
        }
        let outcome = store.sync(&self.line, &self.rules, &batch).await?;
        let summary = &outcome.summary;
        self.known = Known {
            epoch: summary.epoch,
            lanes: summary.known_lanes(),
            clock_ms: Some(summary.now_ms),
            steps: summary.steps,
            life: summary.life,
            ..Known::default()
        };
        Ok(outcome)
    }
}

/// What B was answered in such a history.
async fn answers_to_b(lines: &[LineId; 2], history: &[Event]) -> Vec<Outcome> {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
    let open = || {
        let clock = clock.clone();
        Embedded::with_clock(dir.path(), move || clock.load(Ordering::SeqCst)).unwrap()
    };
    let mut store = open();
    let [mut a, mut b] = lines.clone().map(Side::new);
    let mut answers = Vec::new();
    for event in history {
        match event {
            Event::ToA(deed) => drop(a.does(deed, &store).await),
            Event::ToB(deed) => answers.push(b.does(deed, &store).await.unwrap()),
            Event::Pass { ms } => drop(clock.fetch_add(*ms, Ordering::SeqCst)),
            Event::Restart { state_of_a } => {
                drop(store);
                damage(dir.path(), &a.line, *state_of_a);
                [a.known, b.known] = [Known::default(), Known::default()];
                store = open();
            }
        }
    }
    answers
}

fn damage(dir: &Path, line: &LineId, damage: Damage) {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let of_line = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{line}."));
    for file in files.filter(|path| of_line(path) && path.is_file()) {
        match damage {
            Damage::None => {}
            Damage::Gone => fs::remove_file(file).unwrap(),
            Damage::Torn => {
                let bytes = fs::read(&file).unwrap();
                fs::write(file, &bytes[..bytes.len() * 2 / 3]).unwrap();
            }
            Damage::Flipped => {
                let mut bytes = fs::read(&file).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                fs::write(file, bytes).unwrap();
            }
            Damage::Unreadable => {
                fs::remove_file(&file).unwrap();
                fs::create_dir(file).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_line_answers_as_if_it_were_alone(lines in two_lines(), history in prop::collection::vec(event(), 1..50)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let alone: Vec<_> = history.iter().filter(|event| !matches!(event, Event::ToA(_))).cloned().collect();
        let alone = runtime.block_on(answers_to_b(&lines, &alone));
        let together = runtime.block_on(answers_to_b(&lines, &history));
        for (nth, (alone, together)) in alone.iter().zip(&together).enumerate() {
            prop_assert_eq!(alone, together, "answer {} to B", nth);
        }
        prop_assert_eq!(alone.len(), together.len());
    }
}
