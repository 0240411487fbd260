//! How long a visit lasts: the one place where pass expiry and seat expiry are tied together.
//!
//! A pass that is used is minted anew, and the seat behind it extended, only once an eighth of
//! `session_idle` has gone by since it was last minted. The pass itself remembers when that was, so no node
//! needs a table of visitors, and a busy visitor costs the line one mark per eighth, not one per request.
//!
//! For this to be exact for the visitor, a pass must live an eighth longer than `session_idle`: whoever made
//! a request less than `session_idle` ago always holds a valid one.

use std::time::Duration;

/// How long a pass is valid after it was minted: `session_idle` and an eighth.
pub fn pass_life(session_idle: Duration) -> Duration {
    session_idle + renew_after(session_idle)
}

/// A pass older than this is minted anew when it is used.
pub fn renew_after(session_idle: Duration) -> Duration {
    session_idle / 8
}

/// How long the seat is held after the line heard of the visitor: a little longer than the pass, for the
/// way from the node to the line. A valid pass must never be without a seat.
pub fn seat_life(session_idle: Duration) -> Duration {
    pass_life(session_idle) + Duration::from_secs(2)
}
