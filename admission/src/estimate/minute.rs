//! How much later than at the rate the minute's window makes calls.
//!
//! No 60 s hold more calls than the rate. So what was called in a burst is missing until the burst has left the window: the
//! line goes on a little slower until then, and what comes after is later by what is missing.

use std::collections::VecDeque;

use crate::line::{Rules, Summary};

/// The window of the rate.
const WINDOW_MS: u64 = 60_000;

/// Calls that are later than at the rate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Delay {
    /// By how much at most, in seconds.
    pause_s: f64,
    /// After this many calls it is the whole pause, and before that in proportion.
    calls: f64,
}

impl Delay {
    /// How much later a visitor is called who has this many others in front, in seconds.
    pub(super) fn of(&self, calls: f64) -> f64 {
        if calls < self.calls { self.pause_s * calls / self.calls } else { self.pause_s }
    }
}

/// What was called within the last minute.
#[derive(Clone, Debug, Default)]
pub(super) struct Minute {
    /// Once a second: the time, and how many had been called in all by then; the first is as old as the window, or older.
    called: VecDeque<(u64, u64)>,
}

impl Minute {
    /// The line was lost: calls are counted anew.
    pub(super) fn forget(&mut self) {
        self.called.clear();
    }

    pub(super) fn watch(&mut self, summary: &Summary, every_ms: u64) {
        let now_ms = summary.now_ms;
        if self.called.back().is_none_or(|&(at_ms, _)| at_ms + every_ms <= now_ms) {
            self.called.push_back((now_ms, summary.called_total));
        }
        while self.called.get(1).is_some_and(|&(at_ms, _)| at_ms + WINDOW_MS <= now_ms) {
            self.called.pop_front();
        }
    }

    /// The longest delay by any of the calls that have yet to leave the window.
    pub(super) fn delay(&self, rules: &Rules, summary: &Summary) -> Delay {
        let per_minute = f64::from(rules.release_per_minute.max(1));
        // What is known in any case, by how many there were.
        let over = summary.called_last_minute as f64 / per_minute;
        let mut longest = Delay { pause_s: WINDOW_MS as f64 / 1e3 * (1.0 - 1.0 / over.max(1.0)), calls: 0.0 };
        // Those of this moment are the last ones: in the first seconds of a line they are most.
        let ends = self.called.iter().skip(1).map(|&(at_ms, _)| at_ms).chain([summary.now_ms]);
        for (&(_, before), at_ms) in self.called.iter().zip(ends) {
            let leave_s = (at_ms + WINDOW_MS).saturating_sub(summary.now_ms) as f64 / 1e3;
            // As many may be called before those of this second leave the window.
            let calls = (per_minute - summary.called_total.saturating_sub(before) as f64).max(0.0);
            let pause_s = leave_s - calls * 60.0 / per_minute;
            if pause_s > longest.pause_s {
                longest = Delay { pause_s, calls };
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::tests::rules;

    /// A number of calls at once, then a number a minute, in a line of 60 a minute; seen a number of seconds later.
    fn delay(burst: u64, per_minute: u64, seconds: u64) -> Delay {
        let rules = rules();
        let (mut minute, mut summary) = (Minute::default(), Summary::default());
        for second in 0..=seconds + 1 {
            summary.now_ms = 100_000 + second * 1_000;
            summary.called_total = if second == 0 { 0 } else { burst + per_minute * (second - 1) / 60 };
            minute.watch(&summary, 1_000);
        }
        minute.delay(&rules, &summary)
    }

    #[test]
    fn a_burst_counts_from_the_moment_in_which_it_is_called() {
        let (mut minute, mut summary) = (Minute::default(), Summary { now_ms: 100_000, ..Summary::default() });
        minute.watch(&summary, 1_000);
        (summary.now_ms, summary.called_total) = (100_300, 10);
        minute.watch(&summary, 1_000);
        let late_s = minute.delay(&rules(), &summary).of(200.0);
        assert!((9.0..11.0).contains(&late_s), "{late_s}");
    }

    #[test]
    fn an_even_line_is_hardly_late() {
        assert!(delay(0, 60, 200).of(1_000.0) <= 2.0, "{:?}", delay(0, 60, 200));
    }

    #[test]
    fn after_a_burst_a_tenth_of_the_minute_is_missing_until_it_has_left_the_window() {
        let delay = delay(10, 50, 5);
        let (near, far) = (delay.of(10.0), delay.of(200.0));
        assert!((1.0..3.0).contains(&near) && (9.0..11.5).contains(&far), "{near} {far}");
    }

    #[test]
    fn once_the_burst_has_left_the_line_is_as_fast_as_the_rate() {
        assert!(delay(10, 50, 64).of(200.0) <= 2.0, "{:?}", delay(10, 50, 64));
    }
}
