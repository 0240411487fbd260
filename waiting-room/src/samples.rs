//! Standings for this crate's own tests.

use sluice_admission::standing::{Reason, Standing, State, WaitRange};

/// Every state. A state missing here still cannot go without words: they are looked up by an
/// exhaustive match.
pub(crate) const STATES: [State; 7] =
    [State::Joining, State::Waiting, State::Called, State::Admitted, State::Held, State::Closed, State::Full];

/// The example of the interface description.
pub(crate) const WAITING: Standing = Standing {
    state: State::Waiting,
    number: Some(4711),
    ahead: Some(812),
    behind: Some(90),
    wait: Some(WaitRange { low_s: 70, high_s: 110 }),
    progress: Some(0.42),
    poll_after_s: 8,
    reason: None,
    server_time_s: 1_763_712_000,
    enter_within_s: None,
    opens_at_s: None,
};

/// A plausible standing for each state.
pub(crate) fn standing(state: State) -> Standing {
    let unnumbered = Standing { state, number: None, ahead: None, behind: None, wait: None, progress: None, ..WAITING };
    match state {
        State::Waiting => WAITING,
        State::Held => Standing { state, wait: None, reason: Some(Reason::Paused), ..WAITING },
        State::Called | State::Admitted => {
            Standing { ahead: Some(0), progress: Some(1.0), wait: None, state, ..WAITING }
        }
        State::Closed => Standing { reason: Some(Reason::Closed), ..unnumbered },
        State::Full => Standing { reason: Some(Reason::LineFull), ..unnumbered },
        State::Joining => unnumbered,
    }
}
