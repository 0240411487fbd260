//! What each visitor of the crowd means to do. The same seed gives the same crowd.

use std::net::Ipv4Addr;

use super::clock::{SECOND_US, Us};
use crate::simulate::{Dice, whole};

/// How long a sleeper is silent beyond the time it was told, in seconds.
const SLEEPS_S: (f64, f64) = (5.0, 20.0);
/// Requests inside are so far apart.
const REQUEST_EVERY_US: (Us, Us) = (SECOND_US, 2 * SECOND_US);
/// Share of visits that end by an answer of the origin; the others just stop.
const ENDS: f64 = 0.9;

/// Of what sorts of visitors a crowd consists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    pub(crate) no_shows: f64,
    pub(crate) sleepers: f64,
    pub(crate) reloaders: f64,
    /// Who keep their connection between requests.
    pub(crate) keepers: f64,
    /// Who speak HTTP/2.
    pub(crate) http2: f64,
    /// Who are members, and get into a lane of their own.
    pub(crate) members: f64,
    /// How long a visit takes on the whole.
    pub(crate) inside_us: Us,
}

/// A visitor's intentions.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) who: u32,
    /// When it comes.
    pub(crate) due_us: Us,
    pub(crate) patience: Patience,
    /// Loads the page now and then where others poll.
    pub(crate) reloads: bool,
    /// Keeps its connection between requests.
    pub(crate) keeps: bool,
    /// Speaks HTTP/2.
    pub(crate) http2: bool,
    pub(crate) member: bool,
    /// How long it is inside.
    pub(crate) inside_us: Us,
    /// Its visit ends by an answer of the origin.
    pub(crate) ends: bool,
    pub(crate) dice: Dice,
}

/// How a visitor waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Patience {
    /// Asks as it was told until it is called.
    Stays,
    /// Goes when this share of the wait that it was shown is over; with a word or without.
    WalksAway { share: f64, says_so: bool },
    /// Is silent once, for so long beyond the time it was told.
    Sleeps { beyond_us: Us },
}

impl Plan {
    pub(crate) fn new(who: u32, due_us: Us, shares: &Shares, mut dice: Dice) -> Self {
        let chance = dice.unit();
        let patience = if chance < shares.no_shows {
            Patience::WalksAway { share: dice.unit(), says_so: dice.unit() < 0.5 }
        } else if chance < shares.no_shows + shares.sleepers {
            let (least, most) = SLEEPS_S;
            Patience::Sleeps { beyond_us: whole((least + (most - least) * dice.unit()) * SECOND_US as f64) }
        } else {
            Patience::Stays
        };
        let reloads = dice.unit() < shares.reloaders;
        let keeps = dice.unit() < shares.keepers;
        let inside_us = dice.after_ms(shares.inside_us / 1_000) * 1_000;
        let ends = dice.unit() < ENDS;
        // Last, and only where there is a choice: a crowd that speaks HTTP/1.1 is the same as ever.
        let http2 = shares.http2 > 0.0 && dice.unit() < shares.http2;
        let member = shares.members > 0.0 && dice.unit() < shares.members;
        Self { who, due_us, patience, reloads, keeps, http2, member, inside_us, ends, dice }
    }

    /// The pause before the next request inside.
    pub(crate) fn pause_inside_us(&mut self) -> Us {
        let (least, most) = REQUEST_EVERY_US;
        least + self.dice.below(most - least)
    }

    /// A time as it was told, a tenth more or less, as the page's script does it.
    pub(crate) fn as_told_us(&mut self, told_s: u32) -> Us {
        whole(f64::from(told_s) * SECOND_US as f64 * (0.9 + self.dice.unit() / 5.0))
    }

    /// Where it comes from: an address of its own, as far as there are any.
    pub(crate) fn from(&self) -> Ipv4Addr {
        address(self.who, 16)
    }
}

/// A loopback address for one of many, in a part of 127.0.0.0/8.
pub(crate) fn address(which: u32, part: u8) -> Ipv4Addr {
    let [_, high, middle, low] = (which % (1 << 22)).to_be_bytes();
    Ipv4Addr::new(127, part.saturating_add(high), middle, low.clamp(1, 254))
}

/// A crowd that comes within a while, evenly by chance; in the order in which its visitors come.
pub(crate) fn crowd(visitors: u32, over_us: Us, shares: &Shares, first: Option<First>, seed: u64) -> Vec<Plan> {
    let mut dice = Dice::of(seed, u64::MAX);
    let mut times: Vec<Us> = (0..visitors).map(|_| whole(dice.unit() * over_us as f64)).collect();
    times.sort_unstable();
    let plan = |(who, due_us): (u32, Us)| {
        let mut plan = Plan::new(who, due_us, shares, Dice::of(seed, who.into()));
        if let Some(first) = first.filter(|first| who < first.visitors) {
            plan.inside_us = first.inside_us;
        }
        plan
    };
    (0..visitors).zip(times).map(plan).collect()
}

/// Those who come first, and how long they stay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First {
    pub(crate) visitors: u32,
    pub(crate) inside_us: Us,
}
