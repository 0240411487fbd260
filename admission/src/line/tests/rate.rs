use proptest::prelude::*;

use super::{super::queue::rate::Rate, super::rules::Rules, rules};

fn run(rules: &Rules, from_ms: u64, seconds: u64, rate: &mut Rate) -> Vec<(u64, u32)> {
    let mut calls = Vec::new();
    let mut now_ms = from_ms;
    while now_ms < from_ms + seconds * 1_000 {
        let k = rate.allowed(rules, now_ms, 0).min(rules.burst);
        rate.book(k, now_ms);
        calls.push((now_ms, k));
        now_ms += rules.tick_ms();
    }
    calls
}

fn total(calls: &[(u64, u32)]) -> u64 {
    calls.iter().map(|c| u64::from(c.1)).sum()
}

proptest! {
    /// P4: whoever stands in line sees the whole rate, whatever the rate and the burst.
    #[test]
    fn a_standing_line_gets_the_whole_rate(release_per_minute in 1..100_000u32, burst in 1..100_000u32, start in 0..100u64) {
        let rules = Rules { release_per_minute, burst: burst.min(release_per_minute), ..rules() };
        // A burst that is earned faster than the shortest tick cannot be called in full.
        prop_assume!(u64::from(rules.burst) * 60_000 / u64::from(release_per_minute) >= 2 * Rules::TICK_MS_MIN);
        let start_ms = 1_000_000 + start;
        let calls = run(&rules, start_ms, 600, &mut Rate::full(&rules, start_ms));
        let allowed = u64::from(release_per_minute) * 10;
        prop_assert!(total(&calls) * 100 + 200 >= allowed * 99, "{} of {allowed}", total(&calls));
    }

    /// P2: no window of 60 s, wherever it begins, holds more than the rate.
    #[test]
    fn no_window_holds_more_than_the_rate(release_per_minute in 1..5_000u32, burst in 1..5_000u32, idle_s in 0..90u64) {
        let rules = Rules { release_per_minute, burst: burst.min(release_per_minute), ..rules() };
        let mut rate = Rate::full(&rules, 1_000_000);
        let mut calls = run(&rules, 1_000_000, 90, &mut rate);
        calls.extend(run(&rules, 1_090_000 + idle_s * 1_000, 90, &mut rate));
        for (i, &(from, _)) in calls.iter().enumerate() {
            let window = calls[i..].iter().take_while(|c| c.0 < from + 60_000);
            let window: u64 = window.map(|c| u64::from(c.1)).sum();
            prop_assert!(window <= u64::from(release_per_minute));
        }
    }
}

#[test]
fn after_a_burst_the_line_never_stands_still() {
    let rules = Rules { release_per_minute: 600, burst: 100, ..rules() };
    let calls = run(&rules, 1_000_000, 180, &mut Rate::full(&rules, 1_000_000));
    let mut last_ms = 1_000_000;
    for &(at_ms, k) in &calls {
        if k > 0 {
            last_ms = at_ms;
        }
        assert!(at_ms - last_ms < 1_500, "stood still for {} ms", at_ms - last_ms);
    }
    assert!((590..=600).contains(&total(&run(&rules, 1_180_000, 60, &mut Rate::full(&rules, 1_180_000)))));
}

#[test]
fn a_lower_rate_counts_the_calls_of_the_higher_one() {
    let mut rate = Rate::full(&Rules { release_per_minute: 600, burst: 100, ..rules() }, 1_000_000);
    let fast = Rules { release_per_minute: 600, burst: 100, ..rules() };
    run(&fast, 1_000_000, 60, &mut rate);
    let slow = Rules { release_per_minute: 60, burst: 10, ..rules() };
    assert_eq!(rate.allowed(&slow, 1_060_000, 0), 0);
}

/// P2: a step of the wall clock moves the line's clock by no more than the slack, and that is allowed for.
#[test]
fn a_clock_that_is_moved_by_its_slack_lets_nobody_in_early() {
    const SLACK_MS: u64 = 100;
    let rules = Rules { release_per_minute: 60, burst: 60, ..rules() };
    let mut rate = Rate::full(&rules, 1_000_000);
    assert_eq!(rate.allowed(&rules, 1_000_099, SLACK_MS), 60);
    rate.book(60, 1_000_099);
    // 60 s later by the world's clock, when the line's has been moved ahead; and when the tenth is over.
    assert_eq!(rate.allowed(&rules, 1_060_099 + SLACK_MS, SLACK_MS), 0);
    assert!(rate.allowed(&rules, 1_060_100 + SLACK_MS, SLACK_MS) > 0);
}
