//! Puts into words, or rather into a [`Standing`], what the line knows of a visitor.

use sluice_admission::{
    estimate::{POLL_S_MAX, POLL_S_MIN},
    standing::{Reason, Standing, State},
    token::Ticket,
    usher::View,
};
use sluice_config::Queue;

/// How often a page asks again that only has a slip: soon, since the number is taken when it asks.
const JOIN_AFTER_S: u32 = 1;
/// How often a page asks again that has come while the line numbers those who came before.
const SETTLING_POLL_S: u32 = 2;
/// How often a visitor asks again while the queue is closed or full.
const SHUT_POLL_S: u32 = 30;

/// A visitor with a number who is not known to be called.
pub(super) fn in_line(queue: &Queue, view: &View, ticket: &Ticket) -> Standing {
    let summary = &view.summary;
    // A line that has been lost does not yet know who is there: what was shown goes on being shown.
    let ahead_now = if view.is_complete() { summary.ahead_of(ticket.number) } else { ticket.ahead_shown };
    let ahead = ahead_now.min(ticket.ahead_shown);
    let (state, reason) = state(view);
    let moving = state == State::Waiting;
    let way = ticket.ahead_first as f32;
    Standing {
        state,
        number: Some(ticket.number),
        ahead: Some(ahead),
        behind: Some(summary.waiting.saturating_sub(ahead_now + 1)),
        wait: if moving { view.speed.wait(ahead) } else { None },
        progress: Some(if ticket.ahead_first == 0 { 1.0 } else { 1.0 - ahead as f32 / way }),
        poll_after_s: if queue.mode == sluice_config::Mode::Closed {
            SHUT_POLL_S
        } else {
            spread(view.speed.poll_s(ahead), ticket.number)
        },
        reason,
        server_time_s: view.now_ms() / 1_000,
    }
}

/// A visitor who may enter.
pub(super) fn called(standing: &Standing) -> Standing {
    Standing {
        state: State::Called,
        ahead: Some(0),
        wait: None,
        progress: Some(1.0),
        poll_after_s: POLL_S_MIN,
        reason: None,
        ..*standing
    }
}

/// A visitor who is inside.
pub(super) fn admitted() -> Standing {
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
    }
}

/// A visitor with a slip: how long the wait will be if the number is taken now.
pub(super) fn joining(queue: &Queue, view: &View) -> Standing {
    let (state, reason) = state(view);
    match state {
        State::Closed => Standing { poll_after_s: SHUT_POLL_S, reason, ..waiting_unknown(view, State::Closed) },
        _ if queue.mode == sluice_config::Mode::Closed => waiting_unknown(view, State::Closed),
        // Whoever came while the line was away is numbered first.
        State::Waiting if view.summary.settling => Standing {
            poll_after_s: SETTLING_POLL_S,
            reason: Some(Reason::Recovering),
            ..waiting_unknown(view, State::Joining)
        },
        _ => Standing {
            wait: if state == State::Waiting { view.speed.wait(view.summary.waiting) } else { None },
            poll_after_s: if reason == Some(Reason::StoreAway) { POLL_S_MAX / 4 } else { JOIN_AFTER_S },
            reason,
            ..waiting_unknown(view, State::Joining)
        },
    }
}

/// A visitor for whom the line has no number left.
pub(super) fn full(view: &View) -> Standing {
    Standing { poll_after_s: SHUT_POLL_S, reason: Some(Reason::LineFull), ..waiting_unknown(view, State::Full) }
}

/// A visitor of whom nothing is known.
pub(super) fn waiting_unknown(view: &View, state: State) -> Standing {
    Standing { state, poll_after_s: POLL_S_MAX / 2, server_time_s: view.now_ms() / 1_000, ..admitted() }
}

/// What the line as a whole does, for everybody who waits in it.
fn state(view: &View) -> (State, Option<Reason>) {
    if !view.store_answers {
        return (State::Held, Some(Reason::StoreAway));
    }
    match view.summary.reason {
        Some(Reason::Closed) => (State::Closed, Some(Reason::Closed)),
        Some(r @ (Reason::Paused | Reason::StoreAway | Reason::Recovering)) => (State::Held, Some(r)),
        // For those in line a full line is no news.
        Some(Reason::LineFull) | None => (State::Waiting, None),
        Some(Reason::SeatsTaken) => (State::Waiting, Some(Reason::SeatsTaken)),
    }
}

/// Takes up to a fifth off a long pause, by number: those who came in one instant must not ask in one instant
/// for ever after.
fn spread(poll_s: u32, number: u64) -> u32 {
    let width = u64::from(poll_s / 5) + 1;
    let hash = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    poll_s - u32::try_from(hash % width).unwrap_or(0)
}
