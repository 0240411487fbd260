//! What a line calls that always has somebody to call, by the rate that is in force over time.
//!
//! The rate of a moment is no measure of what is called in it: the calls of the minute before count towards it. After a
//! rate was lowered, nobody may be called until as many of the calls of the higher one are a minute old. And no line can
//! know that its rate will be raised: it goes no faster than it could go on, without a stop, if the rate stayed as it is
//! (admission/README.md, "Why it is exact").

/// Steps of a tenth of a second in the rate's window.
pub(super) const STEPS_A_MINUTE: usize = 600;
/// By how much of the rate, and at least how many visitors, a line may go faster than it can go on: so it is not slowed by
/// the steps in which it calls.
const AHEAD: (f64, f64) = (0.01, 1.0);

/// The calls of each step, by the rate that is in force in it.
pub(super) fn calls(rates: impl IntoIterator<Item = u32>) -> Vec<f64> {
    let mut calls: Vec<f64> = Vec::new();
    let mut within_a_minute = 0.0;
    for rate in rates.into_iter().map(f64::from) {
        let at = calls.len();
        // The minute ends with this step.
        if let Some(old) = at.checked_sub(STEPS_A_MINUTE) {
            within_a_minute -= calls[old];
        }
        let first = (at + 1).saturating_sub(STEPS_A_MINUTE);
        let room = f64::max(rate - within_a_minute, 0.0);
        // What may be called until a step leaves the minute, if the rate stays as it is.
        let mut free = room + (rate * AHEAD.0).max(AHEAD.1);
        let mut pace = rate / STEPS_A_MINUTE as f64;
        for (before, called) in calls[first..].iter().enumerate() {
            let leaves_in = first + before + STEPS_A_MINUTE - at;
            pace = pace.min(free / leaves_in as f64);
            free += called;
        }
        let called = pace.min(room);
        within_a_minute += called;
        calls.push(called);
    }
    calls
}

#[cfg(test)]
mod tests {
    use std::iter::repeat_n;

    use super::*;

    fn sum(calls: &[f64]) -> f64 {
        calls.iter().sum()
    }

    #[test]
    fn a_rate_that_stays_is_called_evenly() {
        let calls = calls(repeat_n(1_200, 2_000));
        assert!(calls.iter().all(|called| (called - 2.0).abs() < 1e-6), "{calls:?}");
    }

    #[test]
    fn a_rate_that_is_lowered_has_been_used_up_by_the_higher_one() {
        let calls = calls(repeat_n(1_200, 1_000).chain(repeat_n(900, 1_000)));
        // A quarter of the minute's calls must be a minute old first.
        assert!(sum(&calls[1_000..1_149]) < 1.0, "{}", sum(&calls[1_000..1_149]));
        assert!((sum(&calls[1_150..1_950]) - 1_200.0).abs() < 15.0, "{}", sum(&calls[1_150..1_950]));
        for end in STEPS_A_MINUTE..=calls.len() {
            let rate = if end > 1_150 { 900.0 } else { 1_200.0 };
            assert!(sum(&calls[end - STEPS_A_MINUTE..end]) < rate + 1e-6, "{end}");
        }
    }

    #[test]
    fn a_rate_that_is_raised_is_called_at_once() {
        let calls = calls(repeat_n(900, 1_000).chain(repeat_n(1_200, 1_000)));
        assert!((sum(&calls[1_000..]) - 2_000.0).abs() < 1.0, "{}", sum(&calls[1_000..]));
    }
}
