//! What a visitor is told, worked out from what one node knows of the line.
//!
//! Pure: the node's view comes in as a [`Look`], so that the proxy and the crowd simulator tell their visitors the same.

use std::time::{Duration, Instant};

use sluice_config::Mode;

use super::{Reason, Standing, State};
use crate::{
    estimate::{POLL_S_MAX, POLL_S_MIN, Speed},
    line::{LaneId, PerLane, Rules, Summary, slot_of},
    token::Ticket,
    usher::{Ended, View, trickle::Trickle},
};

/// How often a page asks again that only has a slip: soon, since the number is taken when it asks.
const JOIN_AFTER_S: u32 = 1;
/// How often a page asks again that has come while the line numbers those who came before.
const SETTLING_POLL_S: u32 = 2;
/// How often a visitor asks again while the queue is closed or full.
const SHUT_POLL_S: u32 = 30;
/// After so long everybody in a line that had been lost has asked again: the longest pause between two polls, and
/// time for the way.
const SEEN_AGAIN_MS: u64 = 30_000;

/// A line as one node sees it at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The line after the last step that this node made.
    pub summary: &'a Summary,
    /// How fast each lane moves, by slot.
    pub speeds: &'a PerLane<Speed>,
    /// Whether the last attempt reached the store.
    pub store_answers: bool,
    /// The line's clock now, as this node reckons it.
    pub now_ms: u64,
    /// What the queue does, by its file or an operator.
    pub mode: Mode,
    /// Time between two ticks of the line, in ms.
    pub tick_ms: u64,
    /// How much later than told visitors may ask and still count as present, in ms.
    pub grace_ms: u32,
    /// Whose visits have ended: their passes are void.
    pub ended: &'a Ended,
    /// For how long the line has answered without a break, in ms; 0 while it does not.
    pub answers_for_ms: u64,
    /// For how long the store has been away, in ms; 0 while it answers.
    pub away_ms: u64,
    /// Which numbers are called by time meanwhile, if the line calls at all.
    pub trickle: Option<Trickle>,
}

impl<'a> Look<'a> {
    /// At this moment, in a queue with these rules in its file.
    pub fn of(view: &'a View, file: &Rules, now: Instant) -> Self {
        let rules = view.rules(file, now);
        Self {
            summary: &view.summary,
            speeds: &view.speeds,
            store_answers: view.store_answers,
            now_ms: view.line_ms(now),
            mode: rules.mode,
            tick_ms: rules.tick_ms(),
            grace_ms: view.grace_ms,
            ended: &view.ended,
            answers_for_ms: ms(view.answers_for(now)),
            away_ms: ms(view.away_for(now)),
            trickle: view.trickle(),
        }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A visitor who may enter, for as long as is known.
pub fn called(standing: &Standing, enter_within_s: Option<u32>) -> Standing {
    Standing {
        enter_within_s,
        state: State::Called,
        ahead: Some(0),
        wait: None,
        progress: Some(1.0),
        poll_after_s: POLL_S_MIN,
        reason: None,
        ..*standing
    }
}

/// A visitor who was called and did not enter: may, by loading the page.
pub fn lapsed(standing: &Standing) -> Standing {
    Standing { reason: Some(Reason::Lapsed), ..called(standing, None) }
}

/// A visitor who is inside.
pub fn admitted() -> Standing {
    Standing {
        state: State::Admitted,
        number: None,
        ahead: None,
        behind: None,
        wait: None,
        progress: None,
        poll_after_s: POLL_S_MAX,
        reason: None,
        server_time_s: 0,
        enter_within_s: None,
        opens_at_s: None,
    }
}

impl Look<'_> {
    /// Whether a number is called by time alone, while the store is unavailable; see [`Trickle`].
    pub fn trickles_to(&self, number: u64) -> bool {
        let shown = self.summary.shown_number(number);
        self.trickle.is_some_and(|trickle| trickle.calls(slot_of(number), shown, self.now_ms))
    }

    /// How fast the lane of a number moves.
    pub fn speed_of(&self, number: u64) -> &Speed {
        // That of a lane of which this node has not heard yet is hardly another one.
        self.speeds.of(number).unwrap_or(&self.speeds[0])
    }

    /// Whether a client that has shown no cookie costs the line nothing at all: somebody stands in line, or nobody
    /// may be called.
    pub fn stands(&self) -> bool {
        let summary = self.summary;
        summary.standing || summary.settling || summary.waiting > 0 || summary.reason.is_some() || !self.store_answers
    }

    /// Whether what is counted over the whole line may be trusted: the line has been heard of, and has not lately
    /// begun a new life, in which it first has to see again who is there.
    pub fn is_complete(&self) -> bool {
        let summary = self.summary;
        summary.epoch > 0 && (summary.life == 0 || self.now_ms >= summary.life_began_ms + SEEN_AGAIN_MS)
    }

    /// A visitor with a number who is not known to be called.
    pub fn in_line(&self, ticket: &Ticket) -> Standing {
        let summary = self.summary;
        // A line that has been lost does not yet know who is there, or even that there is such a lane: what was shown goes
        // on being shown.
        let is_known = self.is_complete() && summary.lanes.of(ticket.number).is_some();
        let ahead_now = if is_known { summary.ahead_of(ticket.number) } else { ticket.ahead_shown };
        let ahead = ahead_now.min(ticket.ahead_shown);
        let (state, reason) = self.state();
        let moving = state == State::Waiting;
        let speed = self.speed_of(ticket.number);
        let way = ticket.ahead_first as f32;
        Standing {
            state,
            number: Some(summary.shown_ticket(ticket.number)),
            ahead: Some(ahead),
            behind: Some(summary.lane_of(ticket.number).waiting.saturating_sub(ahead_now + 1)),
            // The position shown never rises; the wait is of those who really are ahead.
            wait: if moving { speed.wait(ahead_now) } else { None },
            progress: Some(if ticket.ahead_first == 0 { 1.0 } else { 1.0 - ahead as f32 / way }),
            poll_after_s: match self.mode {
                Mode::Closed => SHUT_POLL_S,
                _ => spread(speed.poll_s(ahead), ticket.number),
            },
            reason,
            server_time_s: self.now_ms / 1_000,
            enter_within_s: None,
            opens_at_s: None,
        }
    }

    /// A visitor whose seat waits until then, by the line's clock. Rather too little is said than too much.
    pub fn called(&self, standing: &Standing, until_ms: u64) -> Standing {
        let left_s = until_ms.saturating_sub(self.now_ms) / 1_000;
        called(standing, Some(u32::try_from(left_s).unwrap_or(u32::MAX)))
    }

    /// A visitor with a slip: how long the wait will be if a number of this lane is taken now.
    pub fn joining(&self, lane: LaneId) -> Standing {
        let (state, reason) = self.state();
        let slot = self.summary.slot_for(lane);
        match state {
            State::Closed => Standing { poll_after_s: SHUT_POLL_S, reason, ..self.waiting_unknown(State::Closed) },
            _ if self.mode == Mode::Closed => self.waiting_unknown(State::Closed),
            // Whoever came while the line was away is numbered first.
            State::Waiting if self.summary.settling => Standing {
                poll_after_s: SETTLING_POLL_S,
                reason: Some(Reason::Recovering),
                ..self.waiting_unknown(State::Joining)
            },
            _ => Standing {
                wait: if state == State::Waiting {
                    self.speeds[slot].wait(self.summary.lanes[slot].waiting)
                } else {
                    None
                },
                poll_after_s: if reason == Some(Reason::StoreAway) { POLL_S_MAX / 4 } else { JOIN_AFTER_S },
                reason,
                ..self.waiting_unknown(State::Joining)
            },
        }
    }

    /// A visitor for whom the line has no number left.
    pub fn full(&self) -> Standing {
        Standing { poll_after_s: SHUT_POLL_S, reason: Some(Reason::LineFull), ..self.waiting_unknown(State::Full) }
    }

    /// A visitor whose place is on another device now, and who stands nowhere here.
    pub fn moved(&self) -> Standing {
        let nowhere = self.waiting_unknown(State::Joining);
        Standing { reason: Some(Reason::Moved), poll_after_s: POLL_S_MAX, ..nowhere }
    }

    /// A visitor of whom nothing is known.
    pub fn waiting_unknown(&self, state: State) -> Standing {
        Standing { state, poll_after_s: POLL_S_MAX / 2, server_time_s: self.now_ms / 1_000, ..admitted() }
    }

    /// What the line as a whole does, for everybody who waits in it.
    fn state(&self) -> (State, Option<Reason>) {
        if !self.store_answers {
            return (State::Held, Some(Reason::StoreAway));
        }
        match self.summary.reason {
            Some(Reason::Closed) => (State::Closed, Some(Reason::Closed)),
            Some(r @ (Reason::Paused | Reason::StoreAway | Reason::Recovering)) => (State::Held, Some(r)),
            // For those in line a full line is no news; it is visitors who lapse.
            Some(Reason::LineFull | Reason::Lapsed | Reason::Moved) | None => (State::Waiting, None),
            Some(r @ (Reason::SeatsTaken | Reason::RateUsed)) => (State::Waiting, Some(r)),
        }
    }
}

/// Takes up to a fifth off a long pause, by number: those who came in one instant must not ask in one instant
/// for ever after.
fn spread(poll_s: u32, number: u64) -> u32 {
    let width = u64::from(poll_s / 5) + 1;
    let hash = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    poll_s - u32::try_from(hash % width).unwrap_or(0)
}
