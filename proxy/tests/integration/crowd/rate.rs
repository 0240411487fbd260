//! Were too many called, or too few?

use std::time::Duration;

use tokio::time::Instant;

use super::{
    judge::Judge,
    limits::{Fullest, MINUTE},
};

const WINDOWS_S: [u64; 7] = [1, 2, 5, 10, 20, 30, 60];
/// Calls that are still to come when there is certainly a line.
const LINE_MIN: u64 = 150;

impl Judge {
    /// In no time were more called than the rate and one burst allow, and in no minute more than the rate.
    pub(super) fn the_rate_was_kept(&self) {
        // By the visitors: those who were called in a window without any doubt.
        let fullest = self.limits.fullest(&self.calls());
        let Fullest { called, allowed, within } = fullest;
        assert!(fullest.beyond() <= 0.0, "{called} called within {within:?}, {allowed} allowed");
        // By the metrics, which know of those as well who had gone.
        for (at, earlier) in self.samples.iter().enumerate() {
            for later in &self.samples[at..] {
                // The earlier look may have shown what the node had heard a while before.
                let within = later.answered - earlier.asked + self.limits.heard_within;
                let (called, allowed) = (later.calls.saturating_sub(earlier.calls), self.limits.allowed_within(within));
                assert!(called as f64 <= allowed, "{called} called within {within:?}, {allowed} allowed");
            }
        }
        // By the origin, which sees them when they have heard of it.
        assert!(most_within(&self.entries(), MINUTE) <= self.limits.release_per_minute as usize);
    }

    /// While a line stood and there were seats, at least 99 % of those were called who might have been.
    pub(super) fn the_rate_was_used(&self) {
        let share = self.share_used();
        assert!(share >= 0.99, "{:.2} % of the allowed rate", share * 100.0);
    }

    pub(super) fn tell_of_rate(&self) {
        let entries = self.entries();
        for window_s in WINDOWS_S {
            let most = most_within(&entries, Duration::from_secs(window_s));
            eprintln!("at most {most} new visitors at the origin within {window_s} s");
        }
        eprintln!("{:.2} % of the allowed rate was used while a line stood", self.share_used() * 100.0);
    }

    fn share_used(&self) -> f64 {
        let (mut called, mut allowed) = (0, 0.0);
        for [earlier, later] in self.limited_by_rate() {
            called += later.0 - earlier.0;
            allowed += (later.1 - earlier.1).as_secs_f64() * self.limits.per_second();
        }
        called as f64 / allowed
    }

    /// Neighbouring looks (calls, and when) between which the rate alone decided how many were called.
    fn limited_by_rate(&self) -> impl Iterator<Item = [(u64, Instant); 2]> {
        let last = self.samples.iter().map(|sample| sample.calls).max().unwrap_or(0).saturating_sub(LINE_MIN);
        let burst = u64::from(self.limits.burst);
        // Seats taken from which on it may be the seats, not the rate, that limit the next call.
        let seats_short = u64::from(self.limits.seats) - 2 * burst;
        self.samples.windows(2).filter_map(move |pair| {
            let line_stands = pair[0].calls >= burst && pair[1].calls <= last;
            let seats_free = pair.iter().all(|sample| sample.seats < seats_short);
            (line_stands && seats_free).then(|| [0, 1].map(|i| (pair[i].calls, pair[i].answered)))
        })
    }
}

/// The largest number of instants in any window of this length.
fn most_within(sorted: &[Instant], window: Duration) -> usize {
    let from = |at: usize| sorted[at..].iter().take_while(|&&instant| instant <= sorted[at] + window).count();
    (0..sorted.len()).map(from).max().unwrap_or(0)
}
