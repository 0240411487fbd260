//! The script against the pure line where short histories do not reach: long lines, bitmaps that grow and are
//! cut, numbers at the edges of bytes, words and blocks, batches that are split.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "redis/servers.rs"]
mod servers;
#[path = "redis/twins.rs"]
mod twins;

use sluice_admission::line::{Ask, Batch, Known, KnownLane, LaneId, Newcomer, Outcome, PerLane, Rules, Seen, Verdict};
use sluice_config::Mode;
use twins::{Bench, Twins, rules};

/// Scatters small numbers over all ids.
fn id(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn newcomers(ids: std::ops::Range<u64>, hold_ms: u32) -> Batch {
    let newcomer =
        |n| Newcomer { id: id(n), hold_ms, enter: false, walk_in: false, lane: LaneId::FIRST, arrived_ms: 0 };
    Batch { newcomers: ids.map(newcomer).collect(), ..Batch::default() }
}

fn seen(numbers: impl IntoIterator<Item = u64>, hold_ms: u32) -> Batch {
    Batch { seen: numbers.into_iter().map(|number| Seen { number, hold_ms }).collect(), ..Batch::default() }
}

fn asks(numbers: impl IntoIterator<Item = u64>, enter: bool) -> Batch {
    Batch {
        asks: numbers.into_iter().map(|number| Ask { number, hold_ms: 4_000, enter }).collect(),
        ..Batch::default()
    }
}

/// Makes a step some time later, as a node that knows the line.
fn after(twins: &mut Twins<'_>, ms: u64, batch: Batch) -> Outcome {
    twins.wall_ms += ms;
    let mut known = Known { calls: Vec::new(), due: Vec::new(), inside: Vec::new(), ..twins.known() };
    known.clock_ms = known.clock_ms.map(|now_ms| now_ms + ms);
    twins.step(&Batch { known, ..batch })
}

#[test]
fn a_line_of_a_hundred_thousand_moves_through() {
    let bench = Bench::default();
    let rules = Rules {
        release_per_minute: 100_000,
        burst: 16_000,
        max_waiting: 1_000_000,
        return_within_ms: 30_000,
        claim_within_ms: 5_000,
        ..rules()
    };
    let mut twins = Twins::new(&bench, "long", rules);
    for n in 0..30 {
        after(&mut twins, 100, newcomers(n * 10_000..(n + 1) * 10_000, 20_000));
    }
    let mut highest = 0;
    for n in 0..150 {
        let issued = twins.known().lanes[0].issued;
        // One in three walks away for good; polls come in waves.
        let polls = (1..=issued).filter(|number| number % 3 != 0 && number % 7 == n % 7);
        let outcome = after(&mut twins, 2_000, seen(polls, 22_000));
        let head = outcome.summary.lanes[0].head;
        after(&mut twins, 50, asks(head.saturating_sub(300)..head + 50, n % 2 == 0));
        highest = highest.max(outcome.summary.waiting);
    }
    assert!(highest > 150_000, "{highest} waited");
    let bytes: u64 = bench.server.command(&["STRLEN", "sluice:{shop.long}:gone"]);
    let issued = twins.known().lanes[0].issued;
    assert!(bytes * 8 + 100_000 < issued, "the bitmaps were never cut: {bytes} bytes for {issued} numbers");
}

#[test]
fn numbers_at_every_edge_are_told_apart() {
    let bench = Bench::default();
    let rules = Rules { release_per_minute: 600, burst: 7, max_waiting: 1_000_000, ..rules() };
    let edges = [8, 32, 64, 256, 512, 4_096, 8_192, 16_384, 32_768, 65_536, 100_000_u64];
    let near = |edge: u64| (edge - 2)..=(edge + 2);
    let mut twins = Twins::new(&bench, "edges", rules);
    for edge in edges {
        after(&mut twins, 300, seen(near(edge), 28_000));
    }
    for round in 0..40 {
        let outcome = after(&mut twins, 1_000, seen(edges.into_iter().flat_map(near), 5_000 + round * 500));
        let head = outcome.summary.lanes[0].head;
        let mut batch = asks(near(head.max(2)), round % 3 == 0);
        batch.away = vec![head + 1, 65_535];
        batch.ended = vec![head];
        after(&mut twins, 100, batch);
    }
}

#[test]
fn a_rush_fills_short_and_long_blocks() {
    let bench = Bench::default();
    let rules = Rules { mode: Mode::Hold, max_waiting: 1_000_000, ..rules() };
    let mut twins = Twins::new(&bench, "rush", rules);
    let mut ids = 0;
    for count in [1, 7, 8, 9, 63, 64, 65, 255, 256, 257, 8_191, 8_192, 8_193, 20_000, 50_000, 1] {
        // No time passes, so that most steps are no tick and newcomers are counted one by one.
        after(&mut twins, 0, newcomers(ids..ids + count, 9_000));
        ids += count;
    }
    let outcome = after(&mut twins, 250, Batch::default());
    assert_eq!(outcome.summary.waiting, ids);
    assert!(outcome.summary.lanes[0].blocks.counts.len() > 80);
}

#[test]
fn a_batch_that_is_split_is_still_one_step() {
    let bench = Bench::default();
    let rules = Rules { release_per_minute: 60_000, burst: 10_000, max_waiting: 1_000_000, ..rules() };
    let mut twins = Twins::new(&bench, "split", rules);
    for n in 0..5 {
        after(&mut twins, 250, newcomers(n * 10_000..(n + 1) * 10_000, 28_000));
    }
    for round in 0..6 {
        let head = twins.known().lanes[0].head;
        let mut batch = newcomers(100_000 + round * 2_000..100_000 + (round + 1) * 2_000, 9_000);
        // Far apart, so that they are sent one by one, and in disorder.
        batch.seen =
            (0..5_000).map(|n| Seen { number: (n * 7_919) % 500_000 + 1, hold_ms: (n % 9) as u32 * 3_000 }).collect();
        batch.inside = (1..=head).step_by(2).collect();
        batch.ended = (1..=head).step_by(3).collect();
        batch.away = (head..head + 3_000).rev().collect();
        batch.asks = (1..4_000).map(|number| Ask { number, hold_ms: 3_000, enter: number % 2 == 0 }).collect();
        let steps = twins.known().steps;
        let outcome = after(&mut twins, 300, batch);
        assert_eq!(outcome.summary.steps, steps + 1);
    }
}

#[test]
fn no_seats_are_looked_up_for_newcomers_who_are_refused() {
    let bench = Bench::default();
    let mut twins = Twins::new(&bench, "refused", rules());
    // The lowest numbers have seats.
    let outcome = after(&mut twins, 0, newcomers(0..10, 9_000));
    assert_eq!(outcome.summary.due, 5);
    twins.rules.mode = Mode::Closed;
    bench.server.command::<()>(&["CONFIG", "RESETSTAT"]);
    let outcome = after(&mut twins, 10, newcomers(100..1_100, 9_000));
    assert!(outcome.newcomers.iter().all(|&answer| answer == (0, Verdict::Refused)));
    assert_eq!(bench.server.info("cmdstat_zmscore"), None);
    // Those who have a number are looked up, or the line above would show nothing.
    after(&mut twins, 10, newcomers(0..2, 9_000));
    assert!(bench.server.info("cmdstat_zmscore").is_some());
}

#[test]
fn ten_thousand_seats_are_healed() {
    let bench = Bench::default();
    let rules =
        Rules { release_per_minute: 60_000, burst: 10_000, seat_ms: 300_000, max_waiting: 1_000_000, ..rules() };
    let mut twins = Twins::new(&bench, "seats", rules);
    after(&mut twins, 0, newcomers(0..20_000, 28_000));
    after(&mut twins, 1_000, asks(1..9_000, true));
    let known = twins.known();
    twins.lose();
    twins.wall_ms += 500;
    let clock_ms = known.clock_ms.map(|now_ms| now_ms + 500);
    let outcome = twins.step(&Batch { known: Known { clock_ms, ..known }, ..asks(1..3, false) });
    assert_eq!((outcome.summary.inside, outcome.summary.life, outcome.called), (8_999, 1, 0));
    assert!(matches!(outcome.asks[..], [Verdict::Inside { .. }, Verdict::Inside { .. }]));
    after(&mut twins, 3_000, seen(1..=20_000, 4_000));
}

/// A node knows of more seats than one call holds; the one with the highest number is in the last call.
#[test]
fn numbers_are_skipped_from_the_highest_seat_that_a_node_knows_of_in_whichever_call_it_is() {
    let bench = Bench::default();
    let rules = Rules { release_per_minute: 60_000, burst: 10_000, max_waiting: 1_000_000, ..rules() };
    let mut twins = Twins::new(&bench, "seats", rules);
    after(&mut twins, 0, newcomers(0..3_000, 28_000));
    let mut known = twins.known();
    let clock_ms = known.clock_ms.unwrap();
    known.due.push((known.lanes[0].issued + 75, clock_ms + 5_000));
    twins.lose();
    let outcome = twins.step(&Batch { known, ..Batch::default() });
    assert_eq!(outcome.summary.lanes[0].gaps, [(3_076, 3_075 + (1 << 17))]);
}

/// Seats that are kept for longer than the rules have it are cut in the next step.
#[test]
fn a_seat_that_the_first_call_of_a_step_has_merged_is_not_cut_by_the_second() {
    let bench = Bench::default();
    let rules = Rules { release_per_minute: 60_000, burst: 10_000, max_waiting: 1_000_000, ..rules() };
    let mut twins = Twins::new(&bench, "cut", rules);
    after(&mut twins, 0, newcomers(0..3_000, 28_000));
    after(&mut twins, 100, asks(1..2, true));
    let known = twins.known();
    twins.lose();
    twins.rules.seat_ms = 2_000;
    twins.step(&Batch { known, ..Batch::default() });
    let outcomes = [1_900, 1_900, 1_900].map(|ms| after(&mut twins, ms, Batch::default()).summary.inside);
    assert_eq!(outcomes, [1, 1, 0]);
}

#[test]
fn large_numbers_stay_exact() {
    let bench = Bench::default();
    let mut twins = Twins::new(&bench, "large", rules());
    let first = (1 << 50) - 1_000_000;
    let known = Known {
        epoch: 1 << 40,
        lanes: PerLane::one(KnownLane { issued: first, head: first, floor: first, ..KnownLane::default() }),
        ..Known::default()
    };
    let batch = newcomers(0..100, 9_000);
    twins.step(&Batch { known, ..batch });
    for _ in 0..20 {
        let head = twins.known().lanes[0].head;
        after(&mut twins, 1_000, asks(first..head + 10, true));
    }
    assert!(twins.known().lanes[0].head > first);
}

#[test]
fn a_great_rate_and_a_great_burst_round_alike() {
    let bench = Bench::default();
    for (release_per_minute, burst) in [(1_000_000, 1_000_000), (999_983, 13), (7, 1), (1, 1), (100_003, 99_991)] {
        let rules = Rules { release_per_minute, burst, max_waiting: 1_000_000, mode: Mode::Auto, ..rules() };
        let mut twins = Twins::new(&bench, &format!("rate{release_per_minute}"), rules);
        let mut ids = 0;
        for n in 0..90 {
            after(&mut twins, 37 + n * 13, newcomers(ids..ids + 200, 28_000));
            ids += 200;
        }
        // Longer than any window, and than any number of milliseconds that a bucket can take in.
        after(&mut twins, 40 * 365 * 86_400_000, newcomers(ids..ids + 5, 9_000));
        after(&mut twins, 10, Batch::default());
    }
}
