//! Which share of those who wait look at another tab: their pages ask once a minute, so the head passes them, and they
//! come first when they ask.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::estimate::HIDDEN_HOLD_MS;

/// One number in this many is looked at, by a hash of it.
const ONE_IN: u64 = 4;
/// Most numbers looked at; more are not.
const NUMBERS_MAX: usize = 8_192;
/// Who waits has asked within this time, hidden or not.
const ASKS_WITHIN: Duration = Duration::from_millis(HIDDEN_HOLD_MS as u64);
/// How often the share is worked out.
const EVERY: Duration = Duration::from_secs(1);

/// Measures the share at one node.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// When each last asked, and whether hidden.
    asked: BTreeMap<u64, (Instant, bool)>,
    share: f64,
    worked_out: Option<Instant>,
}

impl Hidden {
    pub(super) fn asked(&mut self, number: u64, at: Instant, hidden: bool) {
        let hash = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        if hash.is_multiple_of(ONE_IN) && (self.asked.len() < NUMBERS_MAX || self.asked.contains_key(&number)) {
            self.asked.insert(number, (at, hidden));
        }
    }

    /// The share, 0 to 1.
    pub(super) fn share(&mut self, now: Instant) -> f64 {
        if self.worked_out.is_none_or(|at| now.saturating_duration_since(at) >= EVERY) {
            self.worked_out = Some(now);
            self.asked.retain(|_, (at, _)| now.saturating_duration_since(*at) <= ASKS_WITHIN);
            let hidden = self.asked.values().filter(|(_, hidden)| *hidden).count();
            self.share = hidden as f64 / (self.asked.len() as f64).max(1.0);
        }
        self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_numbers_and_not_of_polls() {
        let (mut hidden, start) = (Hidden::default(), Instant::now());
        for second in 0..60 {
            for number in 0..1_000 {
                let is_hidden = number % 4 == 0;
                if !is_hidden && second % 2 == 0 || is_hidden && second == number % 60 {
                    hidden.asked(number, start + Duration::from_secs(second), is_hidden);
                }
            }
        }
        let share = hidden.share(start + Duration::from_secs(60));
        assert!((0.2..=0.3).contains(&share), "{share}");
        assert_eq!(hidden.share(start + Duration::from_secs(200)), 0.0, "they have gone");
    }
}
