//! What an operator sets, in single behaviours.

use std::num::NonZeroU32;

use sluice_config::Mode;

use super::{
    super::{Batch, Change, Changed, Known, LaneId, Line, Newcomer, Outcome, Override, Reading, Revision, Rules},
    rules,
};
use crate::line::Reason;

struct World {
    line: Line,
    now_ms: u64,
    revision: Revision,
}

impl World {
    /// A line of a hundred, of whom the first five have been called.
    fn new() -> Self {
        let now_ms = 1_000_000;
        let line = Line::new(&rules(), reading(now_ms), &Known::default());
        let mut world = Self { line, now_ms, revision: Revision::default() };
        let newcomer =
            |id| Newcomer { id, hold_ms: 74_000, enter: false, walk_in: false, lane: LaneId::FIRST, arrived_ms: 0 };
        world.step(Batch { newcomers: (1..=100).map(newcomer).collect(), ..Batch::default() });
        world
    }

    fn step(&mut self, batch: Batch) -> Outcome {
        self.line.sync(&rules(), reading(self.now_ms), &batch)
    }

    /// Sets something, as an operator who has heard of all changes.
    fn set(&mut self, set: Override) -> Outcome {
        let change = Change { id: self.revision.number + 100, from: self.revision, set, ..Change::default() };
        let outcome = self.step(Batch { changes: vec![change], ..Batch::default() });
        let [Changed::Accepted(revision)] = outcome.changes[..] else { panic!("{:?}", outcome.changes) };
        self.revision = revision;
        outcome
    }

    /// Time goes by while the line is asked. Gives how many it called.
    fn pass(&mut self, ms: u64) -> u32 {
        let mut called = 0;
        for _ in 0..ms / 100 {
            self.now_ms += 100;
            called += self.step(Batch::default()).called;
        }
        called
    }
}

fn reading(wall_ms: u64) -> Reading {
    Reading { wall_ms, slack_ms: 0, run: 1 }
}

fn some(number: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(number)
}

#[test]
fn it_takes_the_place_of_the_file_from_the_step_that_makes_it_until_it_ends() {
    let mut world = World::new();
    let until_ms = Some(world.now_ms + 10_000);
    let held = world.set(Override { mode: Some(Mode::Hold), until_ms, ..Override::default() });
    assert_eq!((held.summary.mode, held.summary.reason), (Some(Mode::Hold), Some(Reason::Paused)));
    assert_eq!(world.pass(9_900), 0);
    assert!(world.pass(2_000) > 0, "it has ended, and no node has said so");
    assert_eq!(world.line.summary().revision, world.revision, "which is no change");
}

#[test]
fn a_higher_rate_and_fewer_seats_hold_at_once_and_clearing_them_is_a_change() {
    let mut world = World::new();
    world.set(Override { release_per_minute: some(600), burst: some(50), ..Override::default() });
    let called = world.pass(3_000);
    assert!((25..=31).contains(&called), "{called}");
    let few = world.set(Override { release_per_minute: some(600), max_active: some(10), ..Override::default() });
    assert_eq!(few.summary.reason, Some(Reason::SeatsTaken));
    assert_eq!(world.pass(3_000), 0);
    world.set(Override::default());
    assert_eq!(world.revision.number, 3);
    assert_eq!(world.line.summary().reason, None, "the seats of the file are not bounded");
    let called = world.pass(10_000);
    assert!((5..=15).contains(&called), "{called} at the rate of the file");
}

#[test]
fn a_rate_below_the_burst_of_the_file_bounds_the_burst() {
    let set = Override { release_per_minute: some(3), ..Override::default() };
    let in_force = set.apply(&rules(), 1);
    assert_eq!((in_force.release_per_minute, in_force.burst), (3, 3));
    assert_eq!(set.apply(&Rules { burst: 2, ..rules() }, 1).burst, 2);
}

#[test]
fn it_outlives_a_reset_and_a_loss_of_the_line() {
    let mut world = World::new();
    world.set(Override { mode: Some(Mode::Closed), message: Some("Sold out".into()), ..Override::default() });
    world.line.reset(&rules());
    assert_eq!(world.line.summary().reason, Some(Reason::Closed));
    let known = world.line.known();
    assert_eq!(known.control.as_ref().unwrap().set.message.as_deref(), Some("Sold out"));

    // A node that knows heals it with its first step, and one that does not learns of it.
    let mut line = Line::new(&rules(), reading(world.now_ms), &known);
    let newcomer =
        Newcomer { id: 999, hold_ms: 4_000, enter: true, walk_in: false, lane: LaneId::FIRST, arrived_ms: 0 };
    let batch = Batch { known, newcomers: vec![newcomer], ..Batch::default() };
    let outcome = line.sync(&rules(), reading(world.now_ms), &batch);
    assert_eq!((outcome.summary.reason, outcome.newcomers[0].0), (Some(Reason::Closed), 0));
    let control = line.sync(&rules(), reading(world.now_ms), &Batch::default()).control.unwrap();
    assert_eq!((control.revision, control.set.message.as_deref()), (world.revision, Some("Sold out")));
}

/// P7: a copy of the line from before a change does not bring back what it said.
#[test]
fn of_two_memories_the_later_change_counts() {
    let mut world = World::new();
    world.set(Override { mode: Some(Mode::Hold), ..Override::default() });
    let before = world.line.known();
    world.set(Override { mode: Some(Mode::Drain), ..Override::default() });
    let after = world.line.known();
    for [first, second] in [[&before, &after], [&after, &before]] {
        let mut line = Line::new(&rules(), reading(world.now_ms), first);
        for known in [first, second] {
            line.sync(&rules(), reading(world.now_ms), &Batch { known: known.clone(), ..Batch::default() });
        }
        assert_eq!(line.summary().mode, Some(Mode::Drain));
    }
}

/// P2: while the store is unavailable it may end, and the minute then is one of the file's rate.
#[test]
fn a_head_that_goes_on_by_time_is_no_faster_than_with_or_without_it() {
    let set = Override { release_per_minute: some(600), max_active: some(7), ..Override::default() };
    let slower = |set: &Override| set.apply(&rules(), 1).slower(&rules());
    let of_set = slower(&set);
    assert_eq!((of_set.release_per_minute, of_set.burst, of_set.max_active), (60, 5, Some(7)));
    let modes = [(Mode::Hold, Mode::Auto, Mode::Hold), (Mode::Auto, Mode::Hold, Mode::Hold)];
    for (of_operator, of_file, expected) in modes {
        let (operator, file) = (Rules { mode: of_operator, ..rules() }, Rules { mode: of_file, ..rules() });
        assert_eq!(operator.slower(&file).mode, expected);
    }
}
