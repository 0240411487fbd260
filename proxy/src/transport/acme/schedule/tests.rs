#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const HOST: &str = "shop.example.com";
const DAYS_90: Life = Life { not_before_s: 0, not_after_s: 90 * DAY_S, spread: 0 };

/// A schedule of one host that has no certificate, and is known to have none.
fn bare() -> Schedule {
    let mut schedule = Schedule::new(0);
    schedule.want([HOST], false);
    schedule.looked(0);
    schedule
}

fn holding(life: Life) -> Schedule {
    let mut schedule = bare();
    schedule.holds(HOST, Some(life));
    schedule
}

/// Tries whenever it may, from this moment on for so long, and always fails so. The moments of the tries.
fn keeps_failing(schedule: &mut Schedule, failed: Failed, from_s: u64, for_s: u64) -> Vec<u64> {
    let mut tried = Vec::new();
    for now_s in (from_s..from_s + for_s).step_by(10) {
        if schedule.next(now_s) == Some(HOST) {
            let before = schedule.tries(HOST);
            schedule.begins(HOST, now_s, 0);
            schedule.failed(HOST, failed, before, now_s);
            tried.push(now_s);
        }
    }
    tried
}

fn most_in_an_hour(tried: &[u64]) -> usize {
    tried.iter().map(|from| tried.iter().filter(|at| (*from..from + HOUR_S).contains(at)).count()).max().unwrap_or(0)
}

#[test]
fn a_host_without_a_certificate_is_due_once_it_is_known_that_there_is_none() {
    let mut schedule = Schedule::new(6);
    schedule.want([HOST], false);
    assert_eq!(schedule.next(1_000), None, "not looked yet");
    schedule.looked(1_000);
    assert_eq!(schedule.next(1_005), None, "another node may be about to bring it");
    assert_eq!(schedule.next(1_006), Some(HOST));
    schedule.holds(HOST, Some(DAYS_90));
    assert_eq!(schedule.next(1_006), None);
}

#[test]
fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
    assert_eq!(holding(DAYS_90).next(60 * DAY_S - 1), None);
    assert_eq!(holding(DAYS_90).next(60 * DAY_S), Some(HOST));
    // Those that were issued together are spread over three days.
    let last = holding(Life { spread: u16::MAX, ..DAYS_90 });
    assert_eq!((last.next(63 * DAY_S - 1), last.next(63 * DAY_S)), (None, Some(HOST)));
    let short = holding(Life { not_after_s: 6, ..DAYS_90 });
    assert_eq!((short.next(3), short.next(4)), (None, Some(HOST)), "six seconds are a life as well");
}

#[test]
fn the_authoritys_advice_brings_a_renewal_forward_and_never_puts_it_off() {
    let mut schedule = holding(Life { spread: u16::MAX / 2, ..DAYS_90 });
    assert_eq!(schedule.needs_advice(0), Some(HOST));
    schedule.advised(HOST, (DAY_S, 3 * DAY_S), 6 * HOUR_S, 0);
    assert_eq!(schedule.needs_advice(6 * HOUR_S - 1), None);
    assert_eq!(schedule.needs_advice(6 * HOUR_S), Some(HOST));
    assert_eq!(schedule.next(2 * DAY_S - 60), None, "the middle of the range");
    assert_eq!(schedule.next(2 * DAY_S), Some(HOST));
    schedule.advised(HOST, (80 * DAY_S, 89 * DAY_S), 6 * HOUR_S, 0);
    assert_eq!(schedule.next(63 * DAY_S), Some(HOST));
    schedule.gives_no_advice();
    assert_eq!(schedule.needs_advice(90 * DAY_S), None);
}

#[test]
fn the_advice_for_an_old_certificate_is_none_for_a_new_one() {
    let mut schedule = holding(DAYS_90);
    schedule.advised(HOST, (0, 0), HOUR_S, 0);
    assert_eq!(schedule.next(DAY_S - 1), None, "what was issued today is not asked for again today");
    assert_eq!(schedule.next(DAY_S), Some(HOST));
    schedule.holds(HOST, Some(Life { not_before_s: DAY_S, not_after_s: 91 * DAY_S, spread: 1 }));
    assert_eq!(schedule.next(2 * DAY_S), None);
    assert_eq!(schedule.needs_advice(2 * DAY_S), Some(HOST));
}

#[test]
fn a_host_that_keeps_failing_is_tried_three_times_an_hour_at_most_and_ever_more_seldom() {
    let tried = keeps_failing(&mut bare(), Failed::Host { retry_after_s: None }, 0, 30 * DAY_S);
    assert_eq!(most_in_an_hour(&tried), 3, "the first hour is used");
    let pauses: Vec<_> = tried.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert_eq!(*pauses.last().unwrap(), DAY_S, "and it is never given up");
}

#[test]
fn a_try_that_ends_with_the_process_counts() {
    let mut tried = Vec::new();
    let mut kept = Tries::default();
    for now_s in (0..DAY_S).step_by(10) {
        // A process that is started every ten seconds, and killed in the middle of each try.
        let mut schedule = bare();
        schedule.heard(HOST, kept);
        if schedule.next(now_s) == Some(HOST) {
            kept = schedule.begins(HOST, now_s, 0);
            tried.push(now_s);
        }
    }
    assert_eq!(most_in_an_hour(&tried), 3);
}

#[test]
fn what_one_node_has_tried_counts_at_all_of_them() {
    let (mut one, mut other) = (bare(), bare());
    other.heard(HOST, one.begins(HOST, 0, 0));
    assert_eq!(other.next(PAUSES_S[0] - 1), None);
    assert_eq!(other.begins(HOST, PAUSES_S[0], 0).begun, 2);
    // What is heard late takes nothing back.
    let tries = other.tries(HOST);
    other.heard(HOST, one.tries(HOST));
    assert_eq!(other.tries(HOST), tries);
}

#[test]
fn what_the_authority_asks_for_is_obeyed_up_to_a_bound() {
    let mut schedule = bare();
    let tried = keeps_failing(&mut schedule, Failed::Host { retry_after_s: Some(3 * DAY_S) }, 0, 10 * DAY_S);
    assert_eq!(tried, [0, 3 * DAY_S, 6 * DAY_S, 9 * DAY_S]);
    let mut schedule = bare();
    keeps_failing(&mut schedule, Failed::Host { retry_after_s: Some(u64::MAX) }, 0, 10);
    assert_eq!(schedule.next(RETRY_AFTER_S_MAX), Some(HOST));
}

#[test]
fn a_host_over_the_authoritys_bound_waits_and_the_others_wait_for_minutes() {
    let mut schedule = Schedule::new(0);
    schedule.want(["a", "b"], false);
    schedule.looked(0);
    let before = schedule.tries("a");
    schedule.begins("a", 0, 0);
    schedule.failed("a", Failed::RateLimited { retry_after_s: Some(7 * DAY_S) }, before, 0);
    assert_eq!(schedule.next(OTHERS_WAIT_S_MAX - 1), None);
    assert_eq!(schedule.next(OTHERS_WAIT_S_MAX), Some("b"));
    schedule.holds("b", Some(Life { not_after_s: 900 * DAY_S, ..DAYS_90 }));
    assert_eq!((schedule.next(7 * DAY_S - 1), schedule.next(7 * DAY_S)), (None, Some("a")));
}

#[test]
fn an_authority_that_is_unavailable_is_no_failure_of_a_host() {
    let mut schedule = bare();
    let unavailable = Failed::Unavailable { retry_after_s: None };
    let tried = keeps_failing(&mut schedule, unavailable, 0, DAY_S);
    let pauses: Vec<_> = tried.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted() && pauses[0] == MINUTE_S && *pauses.last().unwrap() == HOUR_S, "{pauses:?}");
    assert_eq!(schedule.tries(HOST), Tries::default());
}

#[test]
fn a_host_is_passed_over_while_another_node_asks_for_it() {
    let mut schedule = Schedule::new(0);
    schedule.want(["a", "b"], false);
    schedule.looked(0);
    schedule.busy("a", 0);
    assert_eq!(schedule.next(0), Some("b"));
    schedule.busy("b", 0);
    assert_eq!((schedule.next(0), schedule.next(BUSY_S)), (None, Some("a")));
}

#[test]
fn a_new_certificate_ends_all_tries_and_a_host_that_has_none_goes_first() {
    let mut schedule = Schedule::new(0);
    schedule.want(["a", "b"], false);
    schedule.looked(0);
    schedule.begins("a", 0, 0);
    schedule.holds("a", Some(DAYS_90));
    assert_eq!(schedule.tries("a"), Tries::default());
    assert_eq!(schedule.next(80 * DAY_S), Some("b"));
    schedule.want(["a"], false);
    assert_eq!(schedule.next(80 * DAY_S), Some("a"), "b is not wanted any more");
}

proptest! {
    #[test]
    fn in_no_hour_is_a_host_tried_more_than_three_times(
        events in prop::collection::vec((0u64..2_000, 0u8..4, any::<u16>(), 0u64..10_000), 1..200),
    ) {
        let mut schedule = bare();
        let (mut now_s, mut tried) = (0, Vec::new());
        for (later_s, how, roll, retry_after_s) in events {
            now_s += later_s;
            if schedule.next(now_s) != Some(HOST) {
                continue;
            }
            let before = schedule.tries(HOST);
            let kept = schedule.begins(HOST, now_s, roll);
            let retry_after_s = Some(retry_after_s).filter(|after_s| *after_s > 0);
            match how {
                0 => schedule.failed(HOST, Failed::Host { retry_after_s }, before, now_s),
                1 => schedule.failed(HOST, Failed::RateLimited { retry_after_s }, before, now_s),
                2 => {
                    schedule = bare();
                    schedule.heard(HOST, kept);
                }
                _ => {}
            }
            tried.push(now_s);
        }
        prop_assert!(most_in_an_hour(&tried) <= 3, "{:?}", tried);
    }
}

/// An authority may be unavailable for one host alone, which must not keep the others from theirs.
#[test]
fn a_host_for_which_the_authority_is_unavailable_lets_the_others_go_first() {
    let mut schedule = Schedule::new(0);
    schedule.want([HOST, "other.example.com"], false);
    schedule.looked(0);
    let first = schedule.next(0).unwrap().to_owned();
    let before = schedule.tries(&first);
    schedule.begins(&first, 0, 0);
    schedule.failed(&first, Failed::Unavailable { retry_after_s: None }, before, 0);
    assert!(schedule.next_try_s(&first) >= UNAVAILABLE_S, "the log says when it is asked again");
    let next = (0..).find_map(|now_s| schedule.next(now_s)).unwrap();
    assert_ne!(next, first);
}

/// The fleet's certificate is sealed with a secret that this node does not have: it has just been replaced, or for good.
#[test]
fn what_is_of_no_use_is_left_to_the_others_for_ten_minutes_by_a_node_that_has_none() {
    assert!(leaves_to_others(false, None, 0));
    assert!(leaves_to_others(false, Some(1_000), 1_599));
    assert!(!leaves_to_others(false, Some(1_000), 1_600));
    assert!(leaves_to_others(true, Some(1_000), 1_000_000), "its own does for now");
}
