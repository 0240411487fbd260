//! How many may be called now: a token bucket inside a hard sliding window.
//!
//! The window is the promise: in no 60 s are more visitors called than `release_per_minute`. It is kept in
//! tenths of a second, and a call counts until the whole tenth it fell into is 60 s old, so the bound holds
//! for every window of 60 s, not only for aligned ones; at a steady rate that costs one part in 600. A step of the
//! wall clock may move the line's clock by the slack of a [reading](crate::line::Reading): a call counts for so much longer,
//! which is nothing inside one process, and one tenth more with a store that is shared.
//!
//! The bucket shapes the flow: at most `burst` at once. Filled at the plain rate it would, after a burst, run
//! into the window and stand still for the last seconds of each minute. So it is filled at the steepest rate
//! that the window can sustain for the next 60 s: after a burst of a sixth the line moves at five sixths of
//! the rate for one minute, and at the whole rate from then on.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::line::rules::{CREDIT_PER_VISITOR, Rules};

/// Length of a window slot.
pub(crate) const SLOT_MS: u64 = 100;
/// Slots that count where the clock cannot move by itself: the current one, and 60 s before it.
pub(crate) const SLOTS: u64 = 601;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Rate {
    /// In [`CREDIT_PER_VISITOR`] parts of a visitor.
    credit: u64,
    filled_ms: u64,
    /// Calls by slot, oldest first, only slots with calls.
    window: VecDeque<(u64, u32)>,
}

impl Rate {
    /// A full bucket: a line that starts has been idle before.
    pub(in crate::line) fn full(rules: &Rules, now_ms: u64) -> Self {
        Self { credit: cap(rules), filled_ms: now_ms, window: VecDeque::new() }
    }

    /// Nothing may be called at once: of what the bucket held nothing is known any more.
    pub(in crate::line) fn drain(&mut self, now_ms: u64) {
        self.credit = 0;
        self.filled_ms = now_ms;
    }

    /// Takes over calls that a node knows of and this store has lost: slot by slot, the larger count.
    pub(in crate::line) fn merge(&mut self, calls: &[(u64, u32)]) {
        for &(slot, count) in calls {
            match self.window.binary_search_by_key(&slot, |e| e.0) {
                Ok(i) => self.window[i].1 = self.window[i].1.max(count),
                Err(i) => self.window.insert(i, (slot, count)),
            }
        }
    }

    /// Fills the bucket up to `now_ms` and gives how many visitors may be called. The clock may have been moved by
    /// `slack_ms` since any call.
    pub(in crate::line) fn allowed(&mut self, rules: &Rules, now_ms: u64, slack_ms: u64) -> u32 {
        let (slot, slots) = (now_ms / SLOT_MS, SLOTS + slack_ms.div_ceil(SLOT_MS));
        while self.window.front().is_some_and(|&(s, _)| s + slots <= slot) {
            self.window.pop_front();
        }
        let room = u64::from(rules.release_per_minute).saturating_sub(self.in_window());
        let gone_ms = now_ms.saturating_sub(self.filled_ms);
        self.filled_ms = self.filled_ms.max(now_ms);
        let filled = self.sustainable(rules, room, now_ms, slots).saturating_mul(gone_ms);
        self.credit = self.credit.saturating_add(filled).min(cap(rules));
        // At most `burst`, so it fits.
        u32::try_from((self.credit / CREDIT_PER_VISITOR).min(room)).unwrap_or(rules.burst)
    }

    /// Books calls that [`Self::allowed`] permitted.
    pub(in crate::line) fn book(&mut self, count: u32, now_ms: u64) {
        if count == 0 {
            return;
        }
        self.credit = self.credit.saturating_sub(u64::from(count) * CREDIT_PER_VISITOR);
        let slot = now_ms / SLOT_MS;
        // Mostly the last slot, but nodes' calls may lie ahead of a clock that was lost with the state.
        match self.window.binary_search_by_key(&slot, |e| e.0) {
            Ok(i) => self.window[i].1 += count,
            Err(i) => self.window.insert(i, (slot, count)),
        }
    }

    /// Calls in the last 60 s.
    pub(in crate::line) fn in_window(&self) -> u64 {
        self.window.iter().map(|e| u64::from(e.1)).sum()
    }

    /// When the minute has room again, if its calls are used up; else 0.
    pub(in crate::line) fn used_until_ms(&self, rules: &Rules, slack_ms: u64) -> u64 {
        let slots = SLOTS + slack_ms.div_ceil(SLOT_MS);
        let Some(mut over) = self.in_window().checked_sub(u64::from(rules.release_per_minute)) else { return 0 };
        for &(slot, count) in &self.window {
            match over.checked_sub(u64::from(count)) {
                Some(left) => over = left,
                None => return (slot + slots) * SLOT_MS,
            }
        }
        0
    }

    pub(in crate::line) fn last(&self) -> (u64, u32) {
        self.window.back().copied().unwrap_or_default()
    }

    pub(in crate::line) fn calls(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.window.iter().copied()
    }

    /// The fill rate, in credit per millisecond (which is visitors per minute): the plain rate, or less where
    /// the window would run out before its next calls grow old. One percent of tolerance, at least one
    /// visitor, keeps an evenly running line from being slowed by its own granularity.
    fn sustainable(&self, rules: &Rules, room: u64, now_ms: u64, slots: u64) -> u64 {
        let plain = u64::from(rules.release_per_minute);
        let mut free = room + (plain / 100).max(1);
        let mut rate = plain;
        for &(slot, count) in &self.window {
            let leaves_ms = (slot + slots) * SLOT_MS;
            if let Some(ms) = leaves_ms.checked_sub(now_ms).filter(|&ms| ms > 0) {
                rate = rate.min(free * CREDIT_PER_VISITOR / ms);
            }
            free += u64::from(count);
        }
        rate
    }
}

fn cap(rules: &Rules) -> u64 {
    u64::from(rules.burst) * CREDIT_PER_VISITOR
}
