use proptest::prelude::*;

use super::*;
use crate::samples::STATES;

fn wait(low_s: u32, high_s: u32) -> String {
    ENGLISH.wait_range(WaitRange { low_s, high_s })
}

#[test]
fn waits_in_plain_words() {
    const HOUR: u32 = 3600;
    for (low_s, high_s, expected) in [
        (0, 0, "up to a minute"),
        (5, 40, "up to a minute"),
        (60, 60, "up to a minute"),
        (10, 61, "up to 2 minutes"),
        (70, 110, "about 1 to 2 minutes"),
        (120, 240, "about 2 to 4 minutes"),
        (180, 180, "about 3 minutes"),
        (17 * 60, 20 * 60, "about 17 to 20 minutes"),
        (18 * 60, 21 * 60, "about 18 to 25 minutes"),
        (23 * 60, 31 * 60, "about 20 to 35 minutes"),
        (HOUR, 2 * HOUR, "about 60 to 120 minutes"),
        (HOUR, 2 * HOUR + 1, "about 1 to 3 hours"),
        (HOUR - 1, 3 * HOUR, "up to 3 hours"),
        (5 * HOUR, 5 * HOUR, "about 5 hours"),
        (23 * HOUR, 30 * HOUR, "about 23 to 30 hours"),
        (24 * HOUR, 30 * HOUR, "more than a day"),
        (u32::MAX, u32::MAX, "more than a day"),
        // A range the wrong way round is the producer's fault, and still no reason to panic.
        (300, 60, "up to a minute"),
    ] {
        assert_eq!(wait(low_s, high_s), expected, "{low_s} to {high_s}");
    }
}

#[test]
fn digits_stand_in_groups_of_three() {
    for (n, expected) in [
        (0, "0"),
        (7, "7"),
        (812, "812"),
        (4711, "4,711"),
        (100_000, "100,000"),
        (1_234_567, "1,234,567"),
        (u64::MAX, "18,446,744,073,709,551,615"),
    ] {
        assert_eq!(ENGLISH.number(n), expected);
    }
}

/// The script looks words up by the names of the status document.
#[test]
fn the_script_finds_every_state_and_reason() {
    let words = serde_json::to_value(&ENGLISH).unwrap();
    for state in STATES {
        let said = ENGLISH.state(state);
        assert!(!said.heading.is_empty() && !said.text.is_empty());
        assert_eq!(words["states"][state.as_str()]["heading"], said.heading);
        assert_eq!(words["states"][state.as_str()]["text"], said.text);
    }
    for reason in Reason::ALL {
        assert_eq!(words["reasons"][reason.as_str()], ENGLISH.reason(reason));
    }
}

proptest! {
    /// P10: the words hold whenever the range does.
    #[test]
    fn the_words_are_never_narrower_than_the_range(
        low_s in 0_u32..100_000,
        length_s in 0_u32..100_000,
    ) {
        let high_s = low_s + length_s;
        let text = wait(low_s, high_s);
        let unit_s = if text.contains("hour") { 3600 } else { 60 };
        let numbers: Vec<u32> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
        let (low, high) = match numbers[..] {
            [low, high] => (low, high),
            [high] if text.starts_with("up to") => (0, high),
            [exact] => (exact, exact),
            _ if text == ENGLISH.wait.day => (24 * 60, u32::MAX / 60),
            _ => (0, 1),
        };
        prop_assert!(low * unit_s <= low_s, "{} for {} to {}", text, low_s, high_s);
        prop_assert!(high_s <= high * unit_s, "{} for {} to {}", text, low_s, high_s);
    }
}
