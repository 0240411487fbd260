//! Has this state been lost and found? How a line notices that its store went back in time.
//!
//! Three things prove that the state was lost (there is none) or replaced by an older copy: a node remembers more
//! steps than the state has made; a visitor holds a number that it never handed out; or the store is another
//! server, or has been started anew, since the last step, and what it did last may not have survived.
//!
//! The line then begins a new *life*. For a moment it calls nobody, then no more than the rate allows from here on,
//! since a burst may have been called that nobody remembers; and since every node learns of the new life
//! with its next step, each sends along all it knows: calls of the last minute and seats. What one node alone
//! remembers is thus not overlooked. And it skips numbers: those that were handed out after the copy was made are
//! not known to it, and no number may be given twice.

use serde::{Deserialize, Serialize};

use crate::line::Known;

/// How long a line that was lost waits for what the nodes know: several ticks of each.
pub(in crate::line) const HEAL_MS: u64 = 2_000;
/// More numbers than may have been handed out unknown to the copy. Bits are cheap.
pub const SKIP: u64 = 1 << 17;

/// Most numbers between the base of the bitmaps and the last one handed out: 8 MB for each bitmap. No honest line is
/// as long; a number that lies further off proves that everything below was lost.
pub(in crate::line) const REACH_MAX: u64 = 1 << 26;
/// How many of the last numbers are kept then.
pub(in crate::line) const REACH_KEPT: u64 = 1 << 22;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Lives {
    steps: u64,
    life: u64,
    began_ms: u64,
    /// Until when no number is called, so that all nodes can say what they know.
    quiet_until_ms: u64,
    /// Which run of the store made the last step; 0: it did not tell.
    run: u64,
}

impl Lives {
    /// Counts a step in this run of the store (0: not told). True: the state may be an old copy.
    pub(in crate::line) fn step(&mut self, run: u64) -> bool {
        self.steps += 1;
        let moved = self.run != 0 && run != 0 && run != self.run;
        if run != 0 {
            self.run = run;
        }
        moved
    }

    /// Compares with what a node remembers; called after [`Self::step`]. True: steps are missing.
    pub(in crate::line) fn compare(&mut self, known: &Known) -> bool {
        let lost = known.steps >= self.steps;
        if lost {
            self.steps = known.steps + 1;
            self.life = self.life.max(known.life);
        }
        lost
    }

    pub(in crate::line) fn begin(&mut self, now_ms: u64) {
        self.life += 1;
        self.began_ms = now_ms;
        self.listen(now_ms);
    }

    /// Waits for what the nodes have to say, in the same life.
    pub(in crate::line) fn listen(&mut self, now_ms: u64) {
        self.quiet_until_ms = self.quiet_until_ms.max(now_ms + HEAL_MS);
    }

    pub(in crate::line) fn is_healing(&self, now_ms: u64) -> bool {
        now_ms < self.quiet_until_ms
    }

    pub(in crate::line) fn quiet_until_ms(&self) -> u64 {
        self.quiet_until_ms
    }

    pub(in crate::line) fn steps(&self) -> u64 {
        self.steps
    }

    pub(in crate::line) fn life(&self) -> u64 {
        self.life
    }

    pub(in crate::line) fn began_ms(&self) -> u64 {
        self.began_ms
    }
}
