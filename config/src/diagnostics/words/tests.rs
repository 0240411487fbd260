use super::*;

#[test]
fn closest_forgives_slips_but_does_not_guess() {
    let keys = || ["burst", "mode", "max_active", "max_waiting"].into_iter();
    assert_eq!(closest("brust", keys()), Some("burst"));
    assert_eq!(closest("MODE", keys()), Some("mode"));
    assert_eq!(closest("max-active", keys()), Some("max_active"));
    assert_eq!(closest("maxwaiting", keys()), Some("max_waiting"));
    assert_eq!(closest("colour", keys()), None);
    assert_eq!(closest("", keys()), None);
    assert_eq!(closest(&"a".repeat(100_000), keys()), None);
}

#[test]
fn lists_and_numbers_are_words() {
    let list = |items: &[&str]| list(items.iter().map(|item| (*item).to_owned()), "or");
    assert_eq!(
        [list(&[]), list(&["a"]), list(&["a", "b"]), list(&["a", "b", "c"])],
        ["none", "a", "a or b", "a, b or c"]
    );
    assert_eq!([grouped(0), grouped(999), grouped(1000), grouped(10_000_000)], ["0", "999", "1,000", "10,000,000"]);
    assert_eq!(harmless("a\u{1b}[31m\u{202e}b"), "a?[31m?b");
    assert_eq!(harmless(&"é".repeat(101)), "é".repeat(100) + "…");
}

#[test]
fn of_many_the_first_few_are_shown() {
    let few = |count: usize| first((0..count).map(|nth| nth.to_string()), 2);
    assert_eq!([few(1), few(2), few(3)], ["0", "0 and 1", "0, 1 and 1 more"]);
}

#[test]
fn a_moment_is_written_in_utc_and_ends_with_the_year_9999() {
    assert_eq!(moment(1_780_272_061), "2026-06-01 00:01 UTC");
    assert_eq!(moment(0), "1970-01-01 00:00 UTC");
    assert_eq!(moment(u64::MAX), "9999-12-31 23:59 UTC");
}
