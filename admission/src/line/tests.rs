//! The line against a plain list of visitors, and single behaviours.
#![allow(clippy::unwrap_used)]

mod away;
mod bench;
mod control;
mod histories;
mod hush;
mod lanes;
mod model;
mod rate;
mod reports;
mod single;
mod stand_still;

use sluice_config::Mode;

use super::Rules;

/// Rules that let short histories reach every corner.
pub(crate) fn rules() -> Rules {
    Rules {
        release_per_minute: 60,
        burst: 5,
        max_active: None,
        max_waiting: 1_000,
        mode: Mode::Auto,
        claim_within_ms: 10_000,
        return_within_ms: 120_000,
        seat_ms: 30_000,
        lanes: Vec::new(),
    }
}
