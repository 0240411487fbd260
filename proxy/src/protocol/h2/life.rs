//! What becomes of a connection: what it has been asked, what happens on it, and how driving it ends.

use std::{sync::atomic::Ordering, time::Duration};

use h2::Reason;
use tokio::time::Instant;

use super::{
    super::{FIRST_REQUEST, KEEPALIVE},
    Begun, frames,
    shared::Shared,
};

/// A connection whose last answer was not taken, and on which nothing is under way, ends after this.
pub(super) const IDLE_NOT_TAKEN: Duration = Duration::from_secs(10);

/// Requests in a row, none of them [`RESTS_AFTER`](super::RESTS_AFTER) behind the one before, after which a table pays.
pub(super) const LIVELY: u32 = 4;

/// What a connection has been asked so far, however often it has rested.
pub(super) struct Life {
    pub(super) served: u32,
    pub(super) malformed: u32,
    pub(super) asked: Instant,
    /// Requests since it last had nothing to do.
    pub(super) in_a_row: u32,
    /// The client keeps no table of what it sends.
    pub(super) has_no_table: bool,
}

impl Life {
    /// It begins.
    pub(super) fn new() -> Self {
        Self { served: 0, malformed: 0, asked: Instant::now(), in_a_row: 0, has_no_table: false }
    }

    /// For how long nothing may be asked.
    pub(super) fn idles_for(&self, shared: &Shared) -> Duration {
        match self.served {
            0 => FIRST_REQUEST,
            _ if shared.not_taken.load(Ordering::Relaxed) > 0 => IDLE_NOT_TAKEN,
            _ => KEEPALIVE,
        }
    }
}

/// How driving a connection ends.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// There is nothing wrong with it.
    InOrder,
    /// The client is told this, and it is counted.
    Because(Reason, &'static str),
    /// Not the connection but its framing: it rests.
    Rests,
}

#[allow(clippy::large_enum_variant, reason = "made once for each request, and taken apart at once")]
pub(super) enum Event {
    /// It is the idlest of all connections, and another needs its place.
    NoRoom,
    Leave,
    Changed,
    /// The client has confirmed our settings.
    Confirmed,
    Excess(frames::Frame),
    /// Of all that has been read nothing is left to be accepted, or enough has been in a row.
    AllCame,
    /// `None`: the connection has ended.
    Accepted(Option<Result<Begun, h2::Error>>),
}

/// Settings of ours that the client has not confirmed yet.
#[derive(Clone, Copy)]
pub(super) struct Unconfirmed {
    /// How often it had confirmed some before.
    pub(super) acks: u32,
    /// They ask it to keep no table.
    pub(super) no_table: bool,
}
