//! The script against the pure line: the same random histories, and no difference in any outcome.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "redis/histories.rs"]
mod histories;
#[path = "redis/servers.rs"]
mod servers;
#[path = "redis/twins.rs"]
mod twins;

use histories::{Event, Remembers, Wild, event, lane, some_rules};
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence, TestRunner},
};
use sluice_admission::line::{
    Ask, Batch, Change, Known, KnownLane, Newcomer, Override, Revision, Rules, Seen, number_of, place_of,
};
use twins::{Bench, Twins, rules};

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
            Event::Hush { hold_ms, back } => {
                let seen = self.everybody().into_iter().map(|number| Seen { number, hold_ms: *hold_ms });
                let mut batch = Batch { seen: seen.collect(), ..Batch::default() };
                let after = Batch { seen: if *back { batch.seen.clone() } else { Vec::new() }, ..Batch::default() };
                for next in [Batch { hush: true, ..Batch::default() }, after]
                    .into_iter()
                    .chain((0..6).map(|_| Batch::default()))
                {
                    batch.known = self.remembered(Remembers::Last);
                    self.step(batch);
                    self.real_ms += if next.hush { 0 } else { 1_650 };
                    batch = next;
                }
                self.step(batch);
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

    /// A number: mostly one that exists, often near the head or the end of its lane, now and then 0 or one nobody has yet.
    fn number(&self, wild: u32) -> u64 {
        let known = self.twins.known();
        // Once in a while one of a lane that is not there.
        let slot = (wild >> 3) as usize % if wild.is_multiple_of(97) { 8 } else { known.lanes.len() };
        let step = u64::from(wild >> 6);
        let Some(lane) = known.lanes.get(slot) else { return number_of(slot, step % 5 + 1) };
        let places = place_of(lane.issued);
        let at = |from: u64, back: u64| number_of(slot, place_of(from).saturating_sub(back));
        match wild % 8 {
            0 => at(lane.issued, step % 10),
            1 | 2 => at(lane.head + 5, step % 20),
            3 => lane.floor + step % 5,
            4 => number_of(slot, step % (places + 3)),
            _ => number_of(slot, step % places.max(1) + 1),
        }
    }

    /// After a loss numbers are skipped; those who stand at the end of each lane are everybody who matters.
    fn everybody(&self) -> Vec<u64> {
        let known = self.twins.known();
        let lanes = known.lanes.iter().enumerate().flat_map(|(slot, lane)| {
            let last = place_of(lane.issued);
            (last.saturating_sub(300).max(1)..=last).map(move |place| number_of(slot, place))
        });
        lanes.collect()
    }

    fn batch(&mut self, wild: &Wild) -> Batch {
        let now_ms = self.twins.known().clock_ms.unwrap_or(0);
        let ago = |ms: Option<u32>| ms.map_or(0, |ms| now_ms.saturating_sub(u64::from(ms)));
        let (arrived_ms, away_since_ms) = (ago(wild.arrived), ago(wild.away_since));
        let newcomers = wild.newcomers.iter().map(|&(id, hold_ms, enter, walk_in)| {
            self.ids += 1;
            let lane = lane(wild.lane + u8::from(id.is_multiple_of(5)));
            // Mostly new ids, random as real ones are; sometimes one that came before.
            let back = u64::from(id).checked_sub(30).filter(|&back| back < 10).map(|back| back * back);
            let id = self.ids.saturating_sub(back.unwrap_or(0));
            Newcomer {
                id: id.wrapping_mul(0x9E37_79B9_7F4A_7C15),
                hold_ms,
                enter,
                walk_in,
                lane,
                arrived_ms: arrived_ms.saturating_sub(id % 7 * 500),
            }
        });
        let newcomers = newcomers.collect();
        let everybody = self.everybody();
        let mut seen: Vec<_> = wild.seen.iter().map(|s| Seen { number: self.number(s.0), hold_ms: s.1 }).collect();
        if let Some(hold_ms) = wild.all_seen {
            seen.extend(everybody.iter().map(|&number| Seen { number, hold_ms }));
        }
        let ask = |number, enter| Ask { number, hold_ms: 4_000, enter };
        let mut asks: Vec<_> = wild.asks.iter().map(|a| ask(self.number(a.0), a.1)).collect();
        if wild.all_ask {
            asks.extend(everybody.iter().map(|&number| ask(number, true)));
        }
        let numbers = |wild: &[u32]| wild.iter().map(|&w| self.number(w)).collect();
        let (away, inside, ended) = (numbers(&wild.away), numbers(&wild.inside), numbers(&wild.ended));
        // Some of them twice, and some that end in this very batch.
        let admitted = numbers(&wild.admitted);
        let known = self.remembered(wild.known);
        Batch {
            known,
            seen,
            away,
            inside,
            ended,
            admitted,
            away_since_ms,
            hush: wild.hush,
            newcomers,
            asks,
            changes: Vec::new(),
        }
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
                let slot = usize::from(what / 8) % known.lanes.len();
                let next = known.lanes.len();
                let lane = &mut known.lanes[slot];
                let clock = known.clock_ms.unwrap_or(0);
                match what % 10 {
                    0 => known.epoch += 1,
                    1 => lane.head += u64::from(what),
                    2 => lane.floor += u64::from(what),
                    3 => known.steps += u64::from(what),
                    4 => known.inside.push((lane.issued + u64::from(what), clock + 50_000)),
                    5 => known.due.push((lane.issued + u64::from(what), clock + 5_000)),
                    6 => known.calls.push((clock / 100 + 3, u32::from(what))),
                    7 if slot > 0 => lane.lane = self::lane(what),
                    8 if next < 8 => {
                        let (issued, head) = (number_of(next, what.into()), number_of(next, 0));
                        let lane = KnownLane { lane: self::lane(what), issued, head, floor: head, gaps: Vec::new() };
                        known.lanes.push(lane);
                    }
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
