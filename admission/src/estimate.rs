//! How fast a line moves, how long a visitor will wait, when to ask again.
//!
//! Two things shorten a wait: visitors ahead are called, at `c` a second, and visitors ahead walk away, each
//! with a hazard of `h` a second. With `a` ahead, `da/dt = -c - h·a`, so the wait is
//! `T(a) = ln(1 + h·a/c) / h`, and `a/c` where nobody leaves. Both are measured, never configured.

use crate::{
    line::{Rules, Summary},
    standing::WaitRange,
};

/// Polls near the head are so far apart, in seconds.
pub const POLL_S_MIN: u32 = 2;
/// Polls far back are so far apart, in seconds.
pub const POLL_S_MAX: u32 = 20;
/// How long after the time it was told a visitor may ask and still count as present: the way through a mobile
/// network, and a timer that fires late.
pub const GRACE_MS: u32 = 2_000;
/// Calls are taken to run at the configured rate for this long until enough is measured, in seconds.
const PRIOR_S: f64 = 5.0;
/// How fast what was measured of leavers is forgotten, in seconds.
const LEAVERS_MEMORY_S: f64 = 120.0;

/// How long a visitor who was told to ask again after `poll_s` counts as present.
pub fn hold_ms(poll_s: u32) -> u32 {
    poll_s * 1_000 + GRACE_MS
}

/// What is measured of a line's speed. One per queue and node, fed with each summary.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed {
    /// Visitors called a second.
    calls_per_s: f64,
    /// Share of the waiting who leave, a second.
    leavers_per_s: f64,
    last: Last,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Last {
    now_ms: u64,
    issued: u64,
    called: u64,
    waiting: u64,
}

impl Speed {
    /// Takes in the next summary.
    pub fn observe(&mut self, rules: &Rules, summary: &Summary) {
        let rate = f64::from(rules.release_per_minute) / 60.0;
        self.calls_per_s = if summary.standing_since_ms == 0 {
            rate
        } else {
            // Over the last minute, or since the line began to stand; the prior fades within seconds.
            let stood_s = summary.now_ms.saturating_sub(summary.standing_since_ms) as f64 / 1e3;
            let calls = if stood_s >= 60.0 { summary.called_last_minute } else { summary.called_standing };
            let prior_s = (PRIOR_S - stood_s / 4.0).max(0.0);
            let span_s = stood_s.min(60.0) + prior_s;
            ((calls as f64 + rate * prior_s) / span_s.max(1.0)).min(rate)
        };
        let last = self.last;
        // Over a second at a time: the counts of a single tick are too few to tell anything.
        let gone_s = summary.now_ms.saturating_sub(last.now_ms) as f64 / 1e3;
        if last.now_ms == 0 || gone_s >= 1.0 {
            if last.waiting > 0 && gone_s < 60.0 {
                let came = summary.issued.saturating_sub(last.issued);
                let called = summary.called_total.saturating_sub(last.called);
                let left = (last.waiting + came).saturating_sub(called + summary.waiting) as f64;
                let share = gone_s / LEAVERS_MEMORY_S;
                let hazard = left / last.waiting.max(1) as f64 / gone_s;
                self.leavers_per_s += share.min(1.0) * (hazard - self.leavers_per_s);
            }
            self.last = Last {
                now_ms: summary.now_ms,
                issued: summary.issued,
                called: summary.called_total,
                waiting: summary.waiting,
            };
        }
    }

    /// The wait of a visitor with so many ahead; `None` while nobody is being called.
    pub fn wait(&self, ahead: u64) -> Option<WaitRange> {
        if self.calls_per_s <= 0.0 {
            return None;
        }
        let seconds = |leavers: f64| {
            let plain = ahead as f64 / self.calls_per_s;
            let x = leavers * plain;
            if x < 1e-6 { plain } else { x.ln_1p() / leavers }
        };
        let low = seconds(self.leavers_per_s) * 0.85 - 1.0;
        let high = seconds(self.leavers_per_s / 2.0) * 1.15 + 4.0;
        // Saturating casts: a wait of years is shown as what fits.
        Some(WaitRange { low_s: low.max(0.0).floor() as u32, high_s: high.ceil() as u32 })
    }

    /// When a visitor with so many ahead should ask again, in seconds: four times on the remaining way, and no
    /// more often than every 2 s.
    pub fn poll_s(&self, ahead: u64) -> u32 {
        match self.wait(ahead) {
            Some(wait) => (wait.low_s / 4).clamp(POLL_S_MIN, POLL_S_MAX),
            // Nothing moves: ask at an easy pace, but not so late that a line that moves again finds nobody.
            None => POLL_S_MAX / 2,
        }
    }
}
