//! What a line knows of one number, for those who help its visitor. Changes nothing.

use serde::{Deserialize, Serialize};

use crate::line::{Line, queue::seats::Claim};

/// What is known of a number, as of the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// Where its visitor is.
    pub place: Whereabouts,
    /// When it was handed out, on the line's clock, if that is known: too early by at most a second or, if it is more, a
    /// 64th of the time since.
    pub numbered_ms: Option<u64>,
    /// Whether its visitor was there at the last step, as far as calls are concerned.
    pub present: bool,
    /// Whether it was seen waiting within the last 90 s.
    pub counted: bool,
}

/// Where the visitor with a number is. Times are on the line's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whereabouts {
    /// Nowhere: the number was not handed out.
    Unknown,
    /// In line.
    Waiting,
    /// Called, and not inside yet.
    Called {
        /// Until when the seat is kept.
        until_ms: u64,
        /// Whether the visitor has heard of the call.
        heard: bool,
    },
    /// Inside. A visitor who has walked in is not, until the pass has come back.
    Inside {
        /// Since when.
        since_ms: u64,
        /// Until when the seat is kept, unless the visitor is seen.
        until_ms: u64,
    },
    /// Was called and did not enter; will be called again after a page load.
    Lapsed,
    /// Its visit was ended, by the visitor, the site or an operator, and a pass may still be around.
    Ended,
    /// Of no use any more.
    Spent,
}

impl Line {
    /// What is known of a number.
    pub fn find(&self, number: u64) -> Lookup {
        let lane = self.lane(number);
        let was_issued = lane.is_some_and(|lane| lane.was_issued(number));
        let place = if let Some(seat) = self.inside.get(number) {
            Whereabouts::Inside { since_ms: seat.since_ms, until_ms: seat.until_ms }
        } else if let Some(seat) = self.due.get(number) {
            Whereabouts::Called { until_ms: seat.until_ms, heard: seat.of != Claim::Open }
        } else if !was_issued {
            Whereabouts::Unknown
        } else if self.ended.contains(number) {
            Whereabouts::Ended
        } else if !self.is_gone(number) {
            Whereabouts::Waiting
        } else if lane.is_some_and(|lane| lane.has_lapsed(number)) {
            Whereabouts::Lapsed
        } else {
            Whereabouts::Spent
        };
        let present = lane.is_some_and(|lane| lane.present_until_ms(number) > 0);
        let counted = lane.is_some_and(|lane| lane.is_counted(number));
        let is_known = place != Whereabouts::Unknown;
        let numbered_ms = lane.filter(|_| is_known).and_then(|lane| lane.issues.at(number));
        Lookup { place, numbered_ms, present, counted }
    }
}
