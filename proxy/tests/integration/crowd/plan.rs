//! What each visitor of the crowd means to do. The same on every run.

use std::time::Duration;

use super::{ARRIVE_WITHIN, CROWD};

/// A visitor's intentions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Who it is.
    pub(super) visitor: usize,
    /// When it comes, after the start.
    pub(super) arrives: Duration,
    pub(super) patience: Patience,
    pub(super) visit: Visit,
    pub(super) dice: Dice,
}

/// How a visitor waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Patience {
    /// Polls as told until called.
    Stays,
    /// Goes without a word when this share of the wait that was to be expected is over.
    WalksAway(f64),
    /// Is silent for so long beyond the time it was told, then comes back.
    ComesBackLate(Duration),
}

/// What a visitor does inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visit {
    /// Ends with an answer of the origin that says so.
    Ends,
    /// Just stops.
    Idles,
}

/// A stay inside of the first visitors takes so long that they take every seat; those behind them are short, so that
/// from then on the rate is what limits.
const LONG_STAYS: u64 = 700;

impl Plan {
    pub(super) fn of(visitor: usize) -> Self {
        let mut dice = Dice(visitor as u64);
        let patience = match dice.roll() {
            p if p < 0.4 => Patience::WalksAway(dice.roll()),
            p if p < 0.5 => Patience::ComesBackLate(Duration::from_secs_f64(5.0 + 5.0 * dice.roll())),
            _ => Patience::Stays,
        };
        let visit = if dice.roll() < 0.9 { Visit::Ends } else { Visit::Idles };
        Self { visitor, arrives: ARRIVE_WITHIN.mul_f64(visitor as f64 / CROWD as f64), patience, visit, dice }
    }

    /// How often a visitor with this number asks for something inside, a second apart.
    pub(super) fn requests_inside(number: u64) -> usize {
        if number <= LONG_STAYS { 8 } else { 2 }
    }
}

/// A small generator of chance (splitmix64): a history that failed can be had again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Evenly from 0 to 1.
    pub(super) fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    }
}
