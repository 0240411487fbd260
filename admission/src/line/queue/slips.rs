//! Which slip got which number, for ten minutes or more: who lost the answer gets the same number again.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// How long slips are remembered at least, while no more than [`SLIPS_MAX`] come meanwhile.
pub(in crate::line) const REMEMBER_MS: u64 = 600_000;
/// The same, however many come.
pub(in crate::line) const REMEMBER_MS_MIN: u64 = 60_000;
/// More than this many are remembered for a shorter time.
pub(in crate::line) const SLIPS_MAX: usize = 100_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Slips {
    /// Since when slips are written to `now`.
    since_ms: u64,
    now: HashMap<u64, u64>,
    before: HashMap<u64, u64>,
}

impl Slips {
    pub(in crate::line) fn expire(&mut self, now_ms: u64) {
        let remember_ms = if self.now.len() < SLIPS_MAX { REMEMBER_MS } else { REMEMBER_MS_MIN };
        if self.since_ms + remember_ms <= now_ms {
            self.before = std::mem::take(&mut self.now);
            self.since_ms = now_ms;
        }
    }

    pub(in crate::line) fn number(&self, id: u64) -> Option<u64> {
        self.now.get(&id).or_else(|| self.before.get(&id)).copied()
    }

    pub(in crate::line) fn remember(&mut self, id: u64, number: u64) {
        self.now.insert(id, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_remembered_for_ten_minutes_and_in_a_rush_for_one() {
        let mut slips = Slips::default();
        slips.expire(1_000_000);
        slips.remember(1, 1);
        slips.expire(1_599_999);
        slips.expire(2_199_999);
        assert_eq!(slips.number(1), Some(1));
        slips.expire(2_799_999);
        assert_eq!(slips.number(1), None);
        for id in 2..SLIPS_MAX as u64 + 10 {
            slips.remember(id, id);
        }
        for at_ms in [2_850_000, 2_859_998] {
            slips.expire(at_ms);
            assert!(slips.before.is_empty(), "not yet a minute");
        }
        slips.expire(2_859_999);
        assert_eq!((slips.number(5), slips.now.len()), (Some(5), 0));
    }
}
