//! A hush: most visitors near the head who were to ask lately have not. Either the network has become slow for all, or they
//! look elsewhere. Which of the two it was shows once all who are there have had time to ask.
//!
//! - Until then no visitor's presence runs out, and calls go on in order. If the network is slow, those who would run out are
//!   there, and are not overtaken.
//! - If most are back by then, that was all. The next one begins when this one would have ended at the latest: whoever was kept
//!   present by it and has gone is forgotten before.
//! - If they are not, a mark that was made before the hush says little: nearly all whom the line still takes to be there are
//!   not. The head waits at a number that has not been seen since, until it asks or runs out. A visitor who asked in time is still not
//!   overtaken, and hardly a call comes to nothing. It lasts until all have been due to ask; who has not by then is not there.

use serde::{Deserialize, Serialize};

use crate::{
    line::{Line, lane::Lane},
    polls::{GRACE_MS_MAX, POLL_S_MAX, POLL_S_MIN, hold_ms},
};

/// How long it lasts at most: until all who are there must have asked.
pub(in crate::line) const HUSH_MS: u64 = hold_ms(POLL_S_MAX, GRACE_MS_MAX) as u64;
/// For how long no visitor's presence runs out: the shortest pause, and the longest grace.
pub(in crate::line) const HUSH_HOLD_MS: u32 = hold_ms(POLL_S_MIN, GRACE_MS_MAX);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Hush {
    /// When it ends at the latest, on the line's clock without the time for which it could not be asked; 0: there is none. None
    /// begins before.
    until_ms: u64,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// It does not show yet what it is.
    #[default]
    Open,
    /// Most have not come back: the head waits.
    Waits,
    /// Most have come back.
    Over,
}

impl Hush {
    /// Whether the head waits at a number that has not been seen since it began.
    pub(in crate::line) fn waits(&self) -> bool {
        self.stage == Stage::Waits
    }

    /// The line could not be asked for this long.
    pub(in crate::line) fn postpone(&mut self, silent_ms: u64) {
        if self.until_ms > 0 {
            self.until_ms += silent_ms;
        }
    }

    /// Whether it shows now what it was.
    fn shows(&self, now_ms: u64) -> bool {
        self.until_ms > 0 && self.stage == Stage::Open && now_ms + HUSH_MS >= self.until_ms + u64::from(HUSH_HOLD_MS)
    }
}

impl Line {
    /// A node has noticed a hush.
    pub(in crate::line) fn begin_hush(&mut self) {
        let now_ms = self.clock.now_ms;
        if self.hush.until_ms == 0 {
            self.hush = Hush { until_ms: now_ms + HUSH_MS, stage: Stage::Open };
            self.lanes.iter_mut().for_each(|lane| lane.presence.hush_begins(now_ms, HUSH_HOLD_MS));
        }
    }

    /// A hush shows what it was, or is over.
    pub(in crate::line) fn follow_hush(&mut self) {
        let now_ms = self.clock.now_ms;
        if self.hush.shows(now_ms) {
            let (heard, unheard) = self.lanes.iter().map(Lane::near).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
            self.hush.stage = if unheard > heard { Stage::Waits } else { Stage::Over };
            if self.hush.stage == Stage::Over {
                self.lanes.iter_mut().for_each(|lane| lane.presence.hush_ends());
            }
        }
        if self.hush.until_ms > 0 && self.hush.until_ms <= now_ms {
            self.hush = Hush::default();
            self.lanes.iter_mut().for_each(|lane| lane.presence.forget_unheard());
        }
    }
}
