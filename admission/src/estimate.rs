//! How fast a line moves, how long a visitor will wait, when to ask again.
//!
//! The line in front of a visitor gets shorter because somebody is called and because the call passes over those
//! who have left. Both show in one figure that can be measured: how many of those who were counted as waiting
//! behind the head no longer are. Whoever has `a` of them ahead waits about `a` divided by that.

use std::collections::VecDeque;

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
/// The line is taken to move at the configured rate for this long until enough is measured, in seconds.
const PRIOR_S: f64 = 5.0;
/// How far back is measured.
const MEMORY_MS: u64 = 30_000;
/// How far apart samples are.
const SAMPLE_MS: u64 = 1_000;

/// How long a visitor who was told to ask again after `poll_s` counts as present.
pub fn hold_ms(poll_s: u32) -> u32 {
    poll_s * 1_000 + GRACE_MS
}

/// How fast the line in front of a visitor gets shorter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed {
    passed_per_s: f64,
}

/// Measures the speed of a line. One per queue and node, fed with each summary.
#[derive(Clone, Debug, Default)]
pub struct Speedometer {
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    now_ms: u64,
    issued: u64,
    behind_head: u64,
}

impl Speedometer {
    /// Takes in the next summary and gives the speed.
    pub fn observe(&mut self, rules: &Rules, summary: &Summary) -> Speed {
        let rate = f64::from(rules.release_per_minute) / 60.0;
        if !summary.standing {
            // Nobody has to stand: what is measured is how many come, not how fast the line could move.
            self.samples.clear();
            return Speed { passed_per_s: rate };
        }
        let behind_head = summary.waiting - summary.late;
        let sample = Sample { now_ms: summary.now_ms, issued: summary.issued, behind_head };
        if self.samples.back().is_none_or(|last| last.now_ms + SAMPLE_MS <= sample.now_ms) {
            self.samples.push_back(sample);
        }
        while self.samples.front().is_some_and(|first| first.now_ms + MEMORY_MS < sample.now_ms) {
            self.samples.pop_front();
        }
        let Some(first) = self.samples.front() else { return Speed { passed_per_s: rate } };
        let span_s = (sample.now_ms - first.now_ms) as f64 / 1e3;
        let came = sample.issued.saturating_sub(first.issued);
        let passed = (first.behind_head + came).saturating_sub(behind_head) as f64;
        let prior_s = (PRIOR_S - span_s / 4.0).max(0.0);
        Speed { passed_per_s: (passed + rate * prior_s) / (span_s + prior_s).max(1.0) }
    }
}

impl Speed {
    /// The wait of a visitor with so many ahead; `None` while nobody is being called.
    pub fn wait(&self, ahead: u64) -> Option<WaitRange> {
        if self.passed_per_s <= 0.0 {
            return None;
        }
        let seconds = ahead as f64 / self.passed_per_s;
        let (low, high) = (seconds * 0.8 - 1.0, seconds * 1.25 + 4.0);
        Some(WaitRange { low_s: whole_seconds(low.floor()), high_s: whole_seconds(high.ceil()) })
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

/// A wait of years is shown as what fits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts from floats saturate")]
fn whole_seconds(seconds: f64) -> u32 {
    seconds as u32
}
