//! What a number may do, and what becomes of a call that is not taken up.

mod find;

pub use self::find::{Lookup, Whereabouts};
use super::{
    Line, Rules, Verdict,
    queue::seats::{self, Claim, Seat},
};

impl Line {
    /// What a number may do. `is_back`: its visitor has shown that it keeps what it was given.
    pub(super) fn verdict(&mut self, rules: &Rules, number: u64, enter: bool, is_back: bool) -> Verdict {
        let inside =
            |seat: Seat<()>| Verdict::Inside { since_ms: seat.since_ms, until_ms: seat.until_ms, provisional: false };
        if let Some(seat) = self.inside.get(number) {
            return inside(seat);
        }
        if let Some(Seat { until_ms, of: claim, .. }) = self.due.get(number) {
            let now_ms = self.clock.now_ms;
            let walked_in_ms = until_ms.saturating_sub(seats::provisional_ms(rules)).min(now_ms);
            let since_ms = match claim {
                Claim::Provisional if is_back => walked_in_ms,
                Claim::Provisional => {
                    return Verdict::Inside { since_ms: walked_in_ms, until_ms, provisional: true };
                }
                Claim::Open | Claim::Notified if enter => now_ms,
                Claim::Open | Claim::Notified => {
                    self.due.notify(number);
                    return Verdict::Called { until_ms };
                }
            };
            return inside(self.enter(number, since_ms, now_ms + rules.seat_ms));
        }
        match self.lane(number) {
            _ if !self.is_gone(number) => Verdict::Waiting,
            Some(lane) if lane.has_lapsed(number) => Verdict::Lapsed,
            _ => Verdict::Spent,
        }
    }

    /// Whether a number has been called, or was passed over too long ago to be; no number of a lane that is not there was.
    pub(super) fn is_gone(&self, number: u64) -> bool {
        self.lane(number).is_some_and(|lane| lane.is_gone(number))
    }

    /// Numbers that are called are at or below the head.
    pub(super) fn set_called(&mut self, number: u64) {
        if let Some(lane) = self.lane_mut(number) {
            lane.set_called(number);
        }
    }

    /// As [`Self::set_called`], of a number that will not be called again.
    pub(super) fn set_spent(&mut self, number: u64) {
        if let Some(lane) = self.lane_mut(number) {
            lane.set_spent(number);
        }
    }

    /// As [`Self::take_in`], of a visitor who is seen inside; a visit that begins is counted.
    pub(super) fn enter(&mut self, number: u64, since_ms: u64, until_ms: u64) -> Seat<()> {
        self.minutes.now.entered += u32::from(self.inside.get(number).is_none());
        self.take_in(number, since_ms, until_ms)
    }

    /// Who is inside has been called, and has not lapsed.
    pub(super) fn take_in(&mut self, number: u64, since_ms: u64, until_ms: u64) -> Seat<()> {
        self.due.free(number);
        self.set_spent(number);
        self.inside.hold(number, since_ms, until_ms, ())
    }

    /// The page of a number that has lapsed was loaded: it may be called again.
    pub(super) fn reclaim(&mut self, number: u64) {
        if self.due.get(number).is_none()
            && let Some(lane) = self.lane_mut(number)
        {
            lane.reclaim(number);
        }
    }
}
