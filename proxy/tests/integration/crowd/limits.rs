//! What the settings of a queue promise, and how it is counted from outside.

use std::time::Duration;

use tokio::time::Instant;

/// What the window is long.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// The bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) release_per_minute: u32,
    pub(crate) burst: u32,
    /// `max_active`.
    pub(crate) seats: u32,
    pub(crate) session_idle: Duration,
    pub(crate) claim_within: Duration,
    /// How long ago it may be that a node has heard from the line; nothing if the line is in the node itself.
    pub(crate) heard_within: Duration,
}

/// A stretch of time in which more were called than in any other, measured by what was allowed in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fullest {
    pub(crate) called: usize,
    pub(crate) allowed: f64,
    pub(crate) within: Duration,
}

impl Limits {
    /// As an operator would write them.
    pub(crate) fn settings(&self) -> String {
        let Self { release_per_minute, burst, seats, .. } = self;
        let (idle, claim) = (self.session_idle.as_secs(), self.claim_within.as_secs());
        format!(
            "release_per_minute = {release_per_minute}\nburst = {burst}\nmax_active = {seats}\n\
             session_idle = \"{idle}s\"\nclaim_within = \"{claim}s\"\n"
        )
    }

    pub(crate) fn per_second(&self) -> f64 {
        f64::from(self.release_per_minute) / 60.0
    }

    /// How many may be called within so long, wherever that begins.
    pub(crate) fn allowed_within(&self, time: Duration) -> f64 {
        let bucket = self.per_second() * time.as_secs_f64() + f64::from(self.burst);
        if time <= MINUTE { bucket.min(f64::from(self.release_per_minute)) } else { bucket }
    }

    /// The most that were called in any minute, of those known to have been.
    pub(crate) fn most_in_a_minute(&self, calls: &[(Instant, Instant)]) -> usize {
        let within = |from: Instant| calls.iter().filter(|call| call.0 >= from && call.1 <= from + MINUTE).count();
        calls.iter().map(|call| within(call.0)).max().unwrap_or(0)
    }

    /// The stretch of time that comes nearest to what is allowed, or is farthest beyond it. Of each call it is known
    /// after and before what moment it was made, so only those count that were made in it without any doubt.
    pub(crate) fn fullest(&self, calls: &[(Instant, Instant)]) -> Fullest {
        let none = Fullest { called: 0, allowed: f64::from(self.burst), within: Duration::ZERO };
        let mut fullest = none;
        for &(from, _) in calls {
            let mut ends: Vec<_> = calls.iter().filter(|call| call.0 >= from).map(|call| call.1).collect();
            ends.sort_unstable();
            for (at, end) in ends.into_iter().enumerate() {
                let within = end - from;
                let here = Fullest { called: at + 1, allowed: self.allowed_within(within), within };
                if here.beyond() > fullest.beyond() {
                    fullest = here;
                }
            }
        }
        fullest
    }
}

impl Fullest {
    /// How many too many; below 0: how many more might have been.
    pub(crate) fn beyond(&self) -> f64 {
        self.called as f64 - self.allowed
    }
    /// Whole visitors beyond what was allowed.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts from floats saturate")]
    pub(crate) fn too_many(&self) -> usize {
        self.beyond().ceil() as usize
    }
}
