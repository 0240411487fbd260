//! Which limits were in force when, as far as that can be known from outside.

use std::iter::once;

use super::Limits;
use crate::attack::clock::Us;

/// Limits that took each other's place. A change is made at some moment between its request and its answer, so until then
/// both the old and the new limits may be in force.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    earlier: Vec<Spell>,
    now: Limits,
    /// The earliest moment from which they can have been in force.
    since_us: Us,
}

/// When limits can have been in force.
#[derive(Clone, Copy, Debug)]
struct Spell {
    limits: Limits,
    from_us: Us,
    until_us: Us,
}

/// The least and the most of each limit within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) least: Limits,
    pub(crate) most: Limits,
}

impl InForce {
    /// They never change.
    pub(crate) fn always(limits: Limits) -> Self {
        Self { earlier: Vec::new(), now: limits, since_us: 0 }
    }

    /// Others took their place, by a change that was asked for and answered at these moments.
    pub(crate) fn change(&mut self, to: Limits, asked_us: Us, answered_us: Us) {
        self.earlier.push(Spell { limits: self.now, from_us: self.since_us, until_us: answered_us });
        (self.now, self.since_us) = (to, asked_us);
    }

    /// What can have been in force at any moment from this one to that one.
    pub(crate) fn within(&self, from_us: Us, until_us: Us) -> Bounds {
        let last = Spell { limits: self.now, from_us: self.since_us, until_us: Us::MAX };
        let spells = self.earlier.iter().copied().chain(once(last));
        let meets = |spell: &Spell| spell.from_us <= until_us && spell.until_us >= from_us;
        spells.filter(meets).map(|spell| Bounds::of(spell.limits)).reduce(Bounds::and).unwrap_or(Bounds::of(self.now))
    }

    /// The same of so many steps of time of this length, from the opening on.
    pub(crate) fn steps(&self, step_us: Us, count: usize) -> Vec<Bounds> {
        (0..count as u64).map(|at| self.within(at * step_us, (at + 1) * step_us)).collect()
    }

    /// Whether they changed in this time, or may have.
    pub(crate) fn change_within(&self, from_us: Us, until_us: Us) -> bool {
        let Bounds { least, most } = self.within(from_us, until_us);
        least != most
    }
}

impl Bounds {
    fn of(limits: Limits) -> Self {
        Self { least: limits, most: limits }
    }

    fn and(self, other: Self) -> Self {
        let with = |one: Limits, other: Limits, pick: fn(u32, u32) -> u32| Limits {
            release_per_minute: pick(one.release_per_minute, other.release_per_minute),
            burst: pick(one.burst, other.burst),
            seats: pick(one.seats, other.seats),
            ..one
        };
        Self { least: with(self.least, other.least, u32::min), most: with(self.most, other.most, u32::max) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Limits = Limits {
        release_per_minute: 600,
        burst: 10,
        seats: 100,
        weights: None,
        session_idle_s: 10,
        claim_within_s: 30,
        heard_within_us: 250_000,
    };

    #[test]
    fn between_request_and_answer_both_may_be_in_force() {
        let slower = Limits { release_per_minute: 480, ..PLAN };
        let mut in_force = InForce::always(PLAN);
        in_force.change(slower, 50, 60);
        in_force.change(Limits { burst: 5, seats: 80, ..slower }, 70, 80);
        let rates = |from_us, until_us| {
            let Bounds { least, most } = in_force.within(from_us, until_us);
            (least.release_per_minute, most.release_per_minute)
        };
        assert_eq!(
            (rates(0, 49), rates(0, 50), rates(60, 60), rates(61, 90)),
            ((600, 600), (480, 600), (480, 600), (480, 480))
        );
        // Each limit by itself.
        let Bounds { least, most } = in_force.within(0, 100);
        assert_eq!((least.burst, least.seats, most.burst, most.seats), (5, 80, 10, 100));
        assert!(in_force.change_within(49, 50) && in_force.change_within(61, 75) && !in_force.change_within(61, 69));
        assert_eq!(in_force.steps(50, 3).len(), 3);
    }
}
