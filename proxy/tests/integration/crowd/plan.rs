//! What each visitor of a crowd means to do. The same on every run.

use std::time::Duration;

use super::{ARRIVE_WITHIN, CROWD};
use crate::support::dice::Dice;

/// A visitor's intentions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Who it is.
    pub(crate) visitor: usize,
    /// When it comes, after the start.
    pub(crate) arrives: Duration,
    pub(crate) patience: Patience,
    /// How often a visitor with this number asks for something inside, a second apart.
    pub(crate) requests_inside: fn(u64) -> usize,
    pub(crate) visit: Visit,
    pub(crate) dice: Dice,
}

/// How a visitor waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Patience {
    /// Polls as told until called.
    Stays,
    /// Goes without a word when this share of the wait that was to be expected is over.
    WalksAway(f64),
    /// Is silent for so long beyond the time it was told, then comes back.
    ComesBackLate(Duration),
}

/// How a visit ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// With an answer of the origin that says so.
    Ends,
    /// Just stops.
    Idles,
}

/// A stay inside of the first visitors takes so long that they take every seat; those behind them are short, so that
/// from then on the rate is what limits.
const LONG_STAYS: u64 = 700;

impl Plan {
    /// A visitor of the crowd.
    pub(super) fn of(visitor: usize) -> Self {
        let mut dice = Dice(visitor as u64);
        let patience = match dice.roll() {
            p if p < 0.4 => Patience::WalksAway(dice.roll()),
            p if p < 0.5 => Patience::ComesBackLate(Duration::from_secs_f64(5.0 + 5.0 * dice.roll())),
            _ => Patience::Stays,
        };
        let visit = if dice.roll() < 0.9 { Visit::Ends } else { Visit::Idles };
        let arrives = ARRIVE_WITHIN.mul_f64(visitor as f64 / CROWD as f64);
        let requests_inside = |number| if number <= LONG_STAYS { 8 } else { 2 };
        Self { visitor, arrives, patience, requests_inside, visit, dice }
    }
}
