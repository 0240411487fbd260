//! Whose visits have ended, as one node knows it: their passes are void, although they have not expired.
//!
//! The line remembers such numbers and names those that are news to a node with each step; what this node ends itself
//! it knows at once. Every request with a pass is checked, so what is published must be read without a lock, and a step
//! must not copy all of it: numbers are kept in generations that are shared, and only the youngest is copied, when a
//! number is added. A generation is dropped whole when no pass of its numbers can be alive.

use std::{collections::HashSet, sync::Arc, time::Duration};

/// Most numbers in one generation: half a megabyte, which a step copies in less than 0.1 ms.
const GENERATION_MAX: usize = 32_768;
/// Most generations beside the youngest, so most lookups for one pass. A million numbers, as the line remembers: beyond,
/// those go that ended first. Their passes are good again until they expire; while the line remembers them they get no
/// seat.
const GENERATIONS_MAX: usize = 31;
/// A generation takes up numbers for this part of the time for which they are kept.
const PARTS: u64 = 4;
/// How much longer than a pass lives a number is kept: another node may hear of the end later by a step of an idle line,
/// and mint the pass anew until then.
const SLACK: Duration = Duration::from_secs(10);

/// Numbers whose visits have ended. A clone is cheap: it shares them.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    epoch: u64,
    life: u64,
    /// The last end of a visit that this node has heard of.
    told_ms: u64,
    young: Generation,
    /// The oldest first.
    old: Vec<Generation>,
}

#[derive(Clone, Debug, Default)]
struct Generation {
    numbers: Arc<HashSet<u64>>,
    /// When the first and the last number was added, on the line's clock.
    first_ms: u64,
    last_ms: u64,
}

impl Ended {
    /// Whether the visit of a number has ended, so that its pass is void.
    pub fn contains(&self, number: u64) -> bool {
        self.young.numbers.contains(&number) || self.old.iter().rev().any(|old| old.numbers.contains(&number))
    }

    /// The last end of a visit that this node has heard of; 0: of none.
    pub(in crate::usher) fn told_ms(&self) -> u64 {
        self.told_ms
    }

    /// A step of a line in this epoch and life. Numbers of another epoch mean others; a line that was lost may have put
    /// ends before those that this node has heard of, so that it begins at the first again.
    pub(in crate::usher) fn step(&mut self, epoch: u64, life: u64) {
        if self.epoch != 0 && self.epoch != epoch {
            *self = Self::default();
        }
        if self.life != life {
            self.told_ms = 0;
        }
        (self.epoch, self.life) = (epoch, life);
    }

    /// The line has told of ends up to this time.
    pub(in crate::usher) fn told(&mut self, told_ms: u64) {
        self.told_ms = self.told_ms.max(told_ms);
    }

    /// Adds a number, now on the line's clock. Seats last for `seat_ms`, and passes less.
    pub(crate) fn add(&mut self, number: u64, now_ms: u64, seat_ms: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        let young = &self.young;
        let is_full = young.numbers.len() >= GENERATION_MAX || young.first_ms + kept_ms(seat_ms) / PARTS <= now_ms;
        if is_full && !young.numbers.is_empty() {
            self.old.push(std::mem::take(&mut self.young));
            if self.old.len() > GENERATIONS_MAX {
                self.old.remove(0);
            }
        }
        let young = &mut self.young;
        if young.numbers.is_empty() {
            young.first_ms = now_ms;
        }
        young.last_ms = young.last_ms.max(now_ms);
        // Copies what readers share.
        Arc::make_mut(&mut young.numbers).insert(number)
    }

    /// Drops generations whose numbers have no pass that is alive.
    pub(in crate::usher) fn expire(&mut self, now_ms: u64, seat_ms: u64) {
        let lives = |generation: &Generation| generation.last_ms + kept_ms(seat_ms) > now_ms;
        self.old.retain(lives);
        if !lives(&self.young) {
            self.young = Generation::default();
        }
    }
}

fn kept_ms(seat_ms: u64) -> u64 {
    seat_ms + u64::try_from(SLACK.as_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAT_MS: u64 = 90_000;

    #[test]
    fn a_number_is_kept_for_as_long_as_a_pass_lives_and_then_dropped() {
        let mut ended = Ended::default();
        for number in 0..1_000 {
            ended.add(number, 1_000_000 + number * 1_000, SEAT_MS);
            ended.expire(1_000_000 + number * 1_000, SEAT_MS);
            assert!((number.saturating_sub(99)..=number).all(|recent| ended.contains(recent)));
            assert!(number < 130 || !ended.contains(number - 130), "a generation is a quarter of that time");
        }
        ended.expire(3_000_000, SEAT_MS);
        assert!(!ended.contains(999) && ended.old.is_empty());
    }

    #[test]
    fn what_was_published_stays_as_it_was_and_shares_what_does_not_change() {
        let mut ended = Ended::default();
        for number in 0..GENERATION_MAX as u64 + 5 {
            ended.add(number, 1_000, SEAT_MS);
        }
        let published = ended.clone();
        assert!(ended.add(1_000_000, 1_000, SEAT_MS) && !ended.add(7, 1_000, SEAT_MS));
        assert!(ended.contains(1_000_000) && !published.contains(1_000_000) && published.contains(7));
        assert!(Arc::ptr_eq(&ended.old[0].numbers, &published.old[0].numbers));
    }

    #[test]
    fn beyond_a_million_those_go_that_ended_first() {
        let mut ended = Ended::default();
        let most = (GENERATION_MAX * (GENERATIONS_MAX + 1)) as u64;
        for number in 0..=most {
            ended.add(number, 1_000, SEAT_MS);
        }
        assert!(most > 1_000_000 && ended.old.len() == GENERATIONS_MAX);
        assert!(!ended.contains(0) && ended.contains(GENERATION_MAX as u64) && ended.contains(most));
    }

    #[test]
    fn another_epoch_begins_with_none_and_another_life_is_asked_for_all() {
        let mut ended = Ended::default();
        ended.step(1, 0);
        ended.add(7, 1_000, SEAT_MS);
        ended.told(1_000);
        ended.step(1, 1);
        assert!(ended.contains(7) && ended.told_ms() == 0);
        ended.step(2, 1);
        assert!(!ended.contains(7));
    }
}
