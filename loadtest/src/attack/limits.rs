//! What the settings of the stormed queue promise, and how it is counted from outside.

pub(crate) mod in_force;

use serde::Serialize;

use super::clock::{SECOND_US, Us};
use crate::attack::people::browser::MEMBER;

/// What the rate's window is long, in seconds.
pub(crate) const WINDOW_S: u64 = 60;
/// A tick of the line (at most 100 ms) and the time after which a node that has no answer from its store says that it
/// is held (`response_timeout`, 500 ms by default): a node that still answers "wait" has heard from the line within so
/// long, and the line hears of a poll within so long.
const HEARD_WITHIN_FLEET_US: Us = 600_000;
/// The same where the line is in the node itself: a tick, on a busy machine.
const HEARD_WITHIN_ALONE_US: Us = 250_000;

/// The bounds of the queue, as the judge knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Limits {
    pub(crate) release_per_minute: u32,
    pub(crate) burst: u32,
    /// `max_active`.
    pub(crate) seats: u32,
    /// The weights of everybody's lane and of the members'; `None`: all stand in one.
    pub(crate) weights: Option<[u32; 2]>,
    pub(crate) session_idle_s: u32,
    pub(crate) claim_within_s: u32,
    /// How long ago it may be that a node has heard from the line, or the line of a poll.
    pub(crate) heard_within_us: Us,
}

impl Limits {
    pub(crate) fn heard_within_us(shared_store: bool) -> Us {
        if shared_store { HEARD_WITHIN_FLEET_US } else { HEARD_WITHIN_ALONE_US }
    }

    pub(crate) fn per_second(&self) -> f64 {
        f64::from(self.release_per_minute) / WINDOW_S as f64
    }

    pub(crate) fn session_idle_us(&self) -> Us {
        u64::from(self.session_idle_s) * SECOND_US
    }

    /// The lanes, and a rule that leads members into theirs, as an operator would write them: tables, which come last.
    pub(crate) fn lanes(&self) -> String {
        let Some([general, members]) = self.weights else { return String::new() };
        format!(
            "[[queue.lane]]\nname = \"general\"\nweight = {general}\n[[queue.lane]]\nname = \"members\"\nweight = \
             {members}\n[[queue.rule]]\nname = \"members\"\nwhen = {{ headers = {{ {MEMBER} = \"yes\" }} }}\naction = \
             \"lane\"\nlane = \"members\"\n"
        )
    }

    /// As an operator would write them.
    pub(crate) fn settings(&self) -> String {
        let Self { release_per_minute, burst, seats, session_idle_s, claim_within_s, .. } = self;
        format!(
            "release_per_minute = {release_per_minute}\nburst = {burst}\nmax_active = {seats}\nsession_idle = \
             \"{session_idle_s}s\"\nclaim_within = \"{claim_within_s}s\"\n"
        )
    }
}
