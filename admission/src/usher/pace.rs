//! When an usher makes its next step, how much it takes along, and how it reckons the line's clock between two steps.
//!
//! Pure, so that the crowd simulator's ushers keep the same pace in virtual time.

use std::time::{Duration, Instant};

use super::memory::Memory;
use crate::line::{Rules, Summary};

/// Least time between two steps: bounds the work of a queue whose newcomers come one by one.
pub const STEP_EVERY_MIN: Duration = Duration::from_millis(2);
/// Least time after a step that answered [`BUSY_FROM`] questions or more: in a rush many share a step, and none of
/// them notices the wait. Ten thousand newcomers a second over three nodes make 150 steps.
pub const STEP_EVERY_BUSY: Duration = Duration::from_millis(20);
/// So many questions in one step are a rush.
pub const BUSY_FROM: usize = 4;
/// How often a line is looked at in which no visitor waits and nothing happens, if no other node can change it.
pub const IDLE_EVERY: Duration = Duration::from_secs(5);
/// The same, of a line that other nodes have as well: what an operator sets through one of them holds at all of them
/// within a second.
pub const IDLE_EVERY_SHARED: Duration = Duration::from_millis(750);
/// How often marks are taken to a line in which nobody waits.
pub const MARKS_EVERY: Duration = Duration::from_secs(1);
/// Longest wait for one attempt; after that those who wait for its answer are let go.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(1);
/// Each attempt in vain gives the next one twice as long, up to this: a line that was lost is told of up to a million
/// seats in one step, and a store that is far away needs its time for that.
pub const PATIENCE_MAX: Duration = Duration::from_secs(64);
/// A line that was away for longer settles when it is back: newcomers have gathered meanwhile.
pub const SETTLE_AFTER: Duration = Duration::from_secs(2);
/// First and longest pause after a failed attempt.
pub const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Most newcomers and asks in one batch: bounds the time of one step.
pub const ANSWERS_MAX: usize = 10_000;
/// Most changes by operators in one batch.
pub const CHANGES_PER_ROUND: usize = 16;
/// Most marks in one batch.
pub const MARKS_PER_ROUND: usize = 200_000;

/// Least time from a step that answered so many questions to the next one.
pub fn step_every_min(questions: usize) -> Duration {
    if questions < BUSY_FROM { STEP_EVERY_MIN } else { STEP_EVERY_BUSY }
}

/// How long until the next look if nobody asks.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time between two looks.
    pub look_every: Duration,
    /// A line in which nothing happens is stepped once in so long.
    pub idle_every: Duration,
    /// Somebody waits, so each look is a step: it may be this node's turn to call.
    pub moving: bool,
}

impl Pace {
    /// A step is made after so long, whether there is something to say or not.
    pub fn at_once(every: Duration) -> Self {
        Self { look_every: every, idle_every: every, moving: true }
    }

    /// The pace after a step that left the line like this, for a node that remembers this much. `shared`: other nodes have
    /// the line as well.
    pub fn of(summary: &Summary, rules: &Rules, memory: &Memory, shared: bool) -> Self {
        if memory.is_news_to(summary.life) || memory.control().revision > summary.revision {
            // The line waits for what this node remembers.
            return Self::at_once(STEP_EVERY_MIN);
        }
        // A line that is lost learns of it in time, while somebody here would miss something.
        let idle_every = match memory.is_empty() {
            _ if shared => IDLE_EVERY_SHARED,
            true => IDLE_EVERY,
            false => MARKS_EVERY,
        };
        let moving = summary.waiting > 0 || summary.standing;
        let tick = Duration::from_millis(rules.tick_ms());
        Self { look_every: if moving { tick } else { MARKS_EVERY.min(idle_every) }, idle_every, moving }
    }
}

/// Where the line's clock was at one moment of this node's monotonic clock. It is kept for as long as the
/// line agrees with it: reckoning from the last answer instead would lose a fraction of a millisecond a step.
#[derive(Clone, Copy, Debug)]
pub struct Anchor {
    line_ms: u64,
    at: Instant,
}

impl Anchor {
    /// The line's clock stood at `line_ms` at that moment.
    pub fn new(line_ms: u64, at: Instant) -> Self {
        Self { line_ms, at }
    }

    /// The line's clock, in ms, as reckoned for that moment.
    pub fn reckon(&self, now: Instant) -> u64 {
        let gone = now.saturating_duration_since(self.at).as_millis();
        self.line_ms + u64::try_from(gone).unwrap_or(0)
    }

    /// The anchor after a step that was sent and answered at these times, and left the line's clock at `line_ms`.
    pub fn after(self, line_ms: u64, sent: Instant, answered: Instant) -> Self {
        if line_ms > self.reckon(answered) {
            Self { line_ms, at: answered }
        } else if line_ms < self.reckon(sent) {
            Self { line_ms, at: sent }
        } else {
            self
        }
    }
}
