//! When numbers were handed out, without a time for each: numbers of one second share one.
//!
//! What is older is kept more coarsely: stretches are put together while they last no more than a 64th of their age. So
//! a wait is counted too long by at most a second or a 64th of it, and a few hundred stretches reach back for days.

use serde::{Deserialize, Serialize};

/// How long a stretch is that is still written to.
pub(in crate::line) const STRETCH_MS: u64 = 1_000;
/// Old stretches last at most this part of their age.
pub(in crate::line) const AGE_PARTS: u64 = 64;
/// Most stretches kept; beyond, the oldest are forgotten.
pub(in crate::line) const STRETCHES_MAX: usize = 2_048;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Issues {
    /// Of numbers up to this one nothing is known.
    before: u64,
    /// When a stretch begins, and its last number.
    stretches: Vec<(u64, u64)>,
    /// When the stretch begins that is being written; 0: there is none. Its last number is the last one handed out.
    open_ms: u64,
}

impl Issues {
    /// Of a lane whose numbers are above this one.
    pub(in crate::line) fn after(origin: u64) -> Self {
        Self { before: origin, ..Self::default() }
    }

    /// A number will be handed out now; `issued` is the last one before.
    pub(in crate::line) fn note(&mut self, issued: u64, now_ms: u64) {
        if self.open_ms > 0 && now_ms < self.open_ms + STRETCH_MS {
            return;
        }
        if self.open_ms > 0 {
            self.stretches.push((self.open_ms, issued));
        }
        self.open_ms = now_ms.max(1);
    }

    /// Numbers up to this one were handed out, and it is not known when.
    pub(in crate::line) fn forget(&mut self, issued: u64) {
        *self = Self { before: issued, ..Self::default() };
    }

    /// When a number was handed out that has been; `None`: not known.
    pub(in crate::line) fn at(&self, number: u64) -> Option<u64> {
        let index = self.stretches.partition_point(|stretch| stretch.1 < number);
        let at_ms = self.stretches.get(index).map_or(self.open_ms, |stretch| stretch.0);
        (number > self.before && at_ms > 0).then_some(at_ms)
    }

    /// Forgets numbers up to the floor, and keeps old ones more coarsely.
    pub(in crate::line) fn thin(&mut self, floor: u64, now_ms: u64) {
        let mut kept: Vec<(u64, u64)> = Vec::with_capacity(self.stretches.len());
        for (i, &(from_ms, last)) in self.stretches.iter().enumerate() {
            if last <= floor {
                self.before = last;
                continue;
            }
            let ends_ms = self.stretches.get(i + 1).map_or(self.open_ms, |next| next.0);
            match kept.last_mut() {
                Some(older) if (ends_ms - older.0) * AGE_PARTS <= now_ms - older.0 => older.1 = last,
                _ => kept.push((from_ms, last)),
            }
        }
        let beyond = kept.len().saturating_sub(STRETCHES_MAX);
        if let Some(forgotten) = kept.drain(..beyond).next_back() {
            self.before = forgotten.1;
        }
        self.stretches = kept;
    }

    pub(in crate::line) fn check(&self, issued: u64, now_ms: u64) {
        let Self { before, stretches, open_ms } = self;
        let ordered = stretches.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1);
        assert!(ordered && stretches.first().is_none_or(|first| first.1 > *before), "{self:?} of {issued}");
        assert!(stretches.last().is_none_or(|last| last.1 < issued && last.0 < *open_ms), "{self:?} of {issued}");
        assert!(*open_ms <= now_ms.max(1) && *before <= issued, "{self:?} of {issued} at {now_ms}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// For days, at every pace.
        #[test]
        fn a_wait_is_too_long_by_a_second_or_a_64th_at_most(
            paces in prop::collection::vec((1..3_000u64, 1..600_000u64, 1..200u64), 1..12),
        ) {
            let (mut issues, mut truth, mut now_ms, mut minute) = (Issues::default(), Vec::new(), 1_000_000, 0);
            for (count, every_ms, at_once) in paces {
                for _ in 0..count.min(300_000_000 / every_ms / 10) {
                    now_ms += every_ms;
                    issues.note(truth.len() as u64, now_ms);
                    truth.extend(std::iter::repeat_n(now_ms, usize::try_from(at_once % 5 + 1).unwrap()));
                    if now_ms / 60_000 > minute {
                        minute = now_ms / 60_000;
                        issues.thin(0, now_ms);
                    }
                    issues.check(truth.len() as u64, now_ms);
                }
            }
            issues.thin(0, now_ms);
            prop_assert!(issues.stretches.len() < STRETCHES_MAX);
            for (i, &at_ms) in truth.iter().enumerate() {
                let told_ms = issues.at(i as u64 + 1).unwrap();
                let wait_ms = now_ms - at_ms;
                prop_assert!(told_ms <= at_ms);
                let off_ms = at_ms - told_ms;
                prop_assert!(off_ms < STRETCH_MS || off_ms * AGE_PARTS <= wait_ms + off_ms, "{off_ms} of {wait_ms}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let mut issues = Issues::default();
        assert_eq!(issues.at(1), None);
        issues.note(0, 5_000);
        issues.note(3, 9_000);
        assert_eq!([issues.at(1), issues.at(3), issues.at(4)], [Some(5_000), Some(5_000), Some(9_000)]);
        issues.thin(3, 9_000);
        assert_eq!([issues.at(3), issues.at(4)], [None, Some(9_000)]);
        issues.forget(100);
        assert_eq!([issues.at(100), issues.at(101)], [None, None]);
        issues.note(100, 20_000);
        assert_eq!([issues.at(100), issues.at(101)], [None, Some(20_000)]);
    }
}
