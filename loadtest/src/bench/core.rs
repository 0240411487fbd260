//! The core by itself: steps of a line, no disk, no network.

use std::time::Instant;

use sluice_admission::line::{Batch, HOLD_MS_MAX, Known, LaneId, Line, Newcomer, Reading, Rules, Seen};
use sluice_config::Mode;

use super::median_us;
use crate::kit::console::say;

const START_MS: u64 = 1_700_000_000_000;
const GOES: usize = 101;

pub(super) fn run() {
    say("\nThe core, microseconds a step (median; bar: below 1000)");
    let rules = Rules {
        release_per_minute: 6_000,
        burst: 1_000,
        max_active: None,
        max_waiting: 10_000_000,
        mode: Mode::Auto,
        claim_within_ms: 120_000,
        return_within_ms: 1_800_000,
        seat_ms: 700_000,
        lanes: Vec::new(),
    };
    let mut now_ms = START_MS;
    let mut line = Line::new(&rules, Reading { wall_ms: now_ms, slack_ms: 0, run: 0 }, &Known::default());
    let mut ids = 0;
    let mut join = |line: &mut Line, now_ms: u64, count: u64| {
        let newcomers = (ids..ids + count).map(|id| Newcomer {
            id,
            hold_ms: 20_000,
            enter: false,
            walk_in: false,
            lane: LaneId::FIRST,
            arrived_ms: 0,
        });
        ids += count;
        let batch = Batch { newcomers: newcomers.collect(), ..Batch::default() };
        let start = Instant::now();
        line.sync(&rules, Reading { wall_ms: now_ms, slack_ms: 0, run: 0 }, &batch);
        start.elapsed()
    };
    let us = median_us(GOES, || {
        now_ms += 250;
        join(&mut line, now_ms, 1_000)
    });
    say(format_args!("{:<44} {us:>8.0}", "(c) sync with 1,000 newcomers"));

    // Some are called meanwhile.
    while line.known().lanes[0].issued < 1_010_000 {
        now_ms += 1;
        join(&mut line, now_ms, 10_000);
    }
    // Everybody polls once, spread over several generations, so that every bitmap is as full as it gets.
    for part in 0..10 {
        now_ms += 2_000;
        let seen = (part * 101_000 + 1..=(part + 1) * 101_000).map(|number| Seen { number, hold_ms: HOLD_MS_MAX });
        let batch = Batch { seen: seen.collect(), ..Batch::default() };
        line.sync(&rules, Reading { wall_ms: now_ms, slack_ms: 0, run: 0 }, &batch);
    }
    let mut waiting = 0;
    // Few enough that nobody's presence runs out meanwhile.
    let us = median_us(21, || {
        now_ms += 250;
        let start = Instant::now();
        let outcome = line.sync(&rules, Reading { wall_ms: now_ms, slack_ms: 0, run: 0 }, &Batch::default());
        waiting = outcome.summary.waiting;
        start.elapsed()
    });
    say(format_args!("{:<44} {us:>8.0}", format!("(c) tick with {waiting} waiting")));
    let us = median_us(GOES, || {
        now_ms += 250;
        join(&mut line, now_ms, 1_000)
    });
    say(format_args!("{:<44} {us:>8.0}", "    sync with 1,000 newcomers behind them"));
}
