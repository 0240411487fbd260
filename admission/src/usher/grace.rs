//! How much later than told a queue's visitors ask: what they are given as grace.
//!
//! A visitor counts as present until the time at which it was told to ask again, and some grace for the way. On a slow
//! network a short grace makes those lapse who ask as told; a long one calls those who have left. So it is measured: of
//! a sample of visitors it is known when they were told to ask, and their next poll says how late that was.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::estimate::{GRACE_MS_MAX, GRACE_MS_MIN, GRACE_MS_PRIOR, jitter_ms};

/// Most visitors of whom a poll is awaited at once, by a hash of their numbers.
const SAMPLED_MAX: usize = 4_096;
/// Who is later than this was asleep, or has switched to something else: no network.
const LATE_MS_MAX: u64 = 10_000;
/// Lateness is counted in steps of this length.
const STEP_MS: u64 = 125;
const STEPS: usize = 1 + (LATE_MS_MAX / STEP_MS) as usize;
/// With fewer samples nothing is known.
const SAMPLES_MIN: u32 = 50;
/// With this many, older ones count half. That a network has become slow shows with the first few that are late.
const SAMPLES_MAX: u32 = 4_000;
/// A visitor whose pause is at most this is near the head.
const NEAR_TOLD_MS_MAX: u32 = 4_000;
/// One visitor in this many may be later than the grace.
const LATER: u32 = 500;
/// A network may get slower at any moment, and one that is slow by more: so much of what is measured is added, in
/// percent.
const MORE_PERCENT: u64 = 50;

/// Where visitors ask any node of a fleet, some have asked another one in between, and seem late by a whole pause. It
/// shows in this: the soonest of all, one in this many, come at once, while more than one in as many come that late.
const SOONEST: usize = 10;
const AT_ONCE: Duration = Duration::from_millis(500);
/// How many of the last ones near the head are looked at: a network that becomes slow shows among them at once.
const NEAR_SAMPLES: usize = 64;
/// Less late than this no visitor has asked elsewhere in between, or hardly any: two of the shortest pauses, less a tenth each, behind
/// one that was longer by a tenth are 1.4 s more. A bound of 1.4 s gave these fleets a shorter grace, and some four times as many
/// visitors were overtaken when their network became slow again and again.
const SURE_WITHIN: Duration = Duration::from_millis(1_800);

/// Measures the grace of one queue at one node.
#[derive(Debug)]
pub(super) struct Grace {
    awaited: Vec<Option<Awaited>>,
    all: Lateness,
    /// Of those who cannot have asked elsewhere in between.
    sure: Lateness,
    /// Of the last ones near the head, who alone may have asked elsewhere and seem but a little late.
    near: VecDeque<Duration>,
}

/// How late visitors were.
#[derive(Debug)]
struct Lateness {
    steps: [u32; STEPS],
    samples: u32,
}

#[derive(Clone, Copy, Debug)]
struct Awaited {
    number: u64,
    due: Instant,
    told_ms: u32,
}

impl Default for Grace {
    fn default() -> Self {
        Self { awaited: Vec::new(), all: Lateness::NONE, sure: Lateness::NONE, near: VecDeque::new() }
    }
}

impl Grace {
    /// A visitor has asked, and was told to ask again after `told_ms`; 0: whenever it can.
    pub(super) fn asked(&mut self, number: u64, at: Instant, told_ms: u32) {
        if self.awaited.is_empty() {
            self.awaited.resize(SAMPLED_MAX, None);
        }
        let hash = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let place = usize::try_from(hash).unwrap_or(0) % SAMPLED_MAX;
        let patience = Duration::from_millis(LATE_MS_MAX);
        let awaited = match self.awaited[place] {
            Some(awaited) if awaited.number == number => {
                // Another tab asks earlier than the page may, which says nothing of the network.
                let earliest = awaited.due - 2 * Duration::from_millis(jitter_ms(awaited.told_ms));
                if at >= earliest {
                    self.count(at.saturating_duration_since(awaited.due), awaited.told_ms);
                }
                true
            }
            Some(awaited) => at > awaited.due + patience,
            None => true,
        };
        if awaited {
            let told = Duration::from_millis(u64::from(told_ms) + jitter_ms(told_ms));
            self.awaited[place] = (told_ms > 0).then_some(Awaited { number, due: at + told, told_ms });
        }
    }

    fn count(&mut self, late: Duration, told_ms: u32) {
        self.all.count(late);
        if told_ms <= NEAR_TOLD_MS_MAX && late < Duration::from_millis(LATE_MS_MAX) {
            self.near.truncate(NEAR_SAMPLES - 1);
            self.near.push_front(late);
        }
        if late < SURE_WITHIN {
            self.sure.count(late);
        }
    }

    /// Half as much again as all but one in [`LATER`] need, in ms. `shared`: visitors may ask other nodes, too.
    pub(super) fn ms(&self, shared: bool) -> u32 {
        if self.all.samples < SAMPLES_MIN {
            return GRACE_MS_PRIOR;
        }
        let latest_ms = if shared && self.ask_elsewhere() { self.sure.latest_ms() } else { self.all.latest_ms() };
        let ms = latest_ms * (100 + MORE_PERCENT) / 100;
        u32::try_from(ms).unwrap_or(GRACE_MS_MAX).clamp(GRACE_MS_MIN, GRACE_MS_MAX)
    }

    /// Whether visitors ask any node of a fleet.
    fn ask_elsewhere(&self) -> bool {
        let share = |which: fn(&Duration) -> bool| self.near.iter().filter(|late| which(late)).count() * SOONEST;
        share(|late| *late >= SURE_WITHIN) > self.near.len() && share(|late| *late < AT_ONCE) > self.near.len()
    }
}

impl Lateness {
    const NONE: Self = Self { steps: [0; STEPS], samples: 0 };

    fn count(&mut self, late: Duration) {
        let step = usize::try_from(late.as_millis() / u128::from(STEP_MS)).unwrap_or(STEPS);
        let Some(count) = self.steps.get_mut(step) else { return };
        *count += 1;
        self.samples += 1;
        if self.samples >= SAMPLES_MAX {
            self.steps.iter_mut().for_each(|count| *count /= 2);
            self.samples = self.steps.iter().sum();
        }
    }

    /// The end of the step in which those are that all but one in [`LATER`] are not later than.
    fn latest_ms(&self) -> u64 {
        let mut later = self.samples / LATER;
        let step = self.steps.iter().rposition(|&count| match later.checked_sub(count) {
            Some(rest) => {
                later = rest;
                false
            }
            None => true,
        });
        (step.unwrap_or(0) as u64 + 1) * STEP_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Visitors who are told to ask after 2 s, and ask so much late.
    fn measured(late_ms: impl Fn(u64) -> u64) -> u32 {
        let (mut grace, start) = (Grace::default(), Instant::now());
        for number in 0..3_000 {
            grace.asked(number, start, 2_000);
            grace.asked(number, start + Duration::from_millis(2_200 + late_ms(number)), 0);
        }
        grace.ms(true)
    }

    #[test]
    fn while_nothing_is_known_visitors_are_given_time() {
        assert_eq!(Grace::default().ms(true), GRACE_MS_PRIOR);
    }

    #[test]
    fn on_a_fast_network_the_grace_is_short() {
        assert_eq!(measured(|number| number % 200), GRACE_MS_MIN);
    }

    #[test]
    fn on_a_slow_network_nearly_all_who_ask_as_told_are_within_it() {
        let grace = u64::from(measured(|number| number % 2_000));
        assert!((1_980..=3_250).contains(&grace), "{grace}");
    }

    #[test]
    fn who_was_asleep_is_no_measure_and_the_bound_holds() {
        assert_eq!(measured(|_| 60_000), GRACE_MS_PRIOR);
        assert_eq!(measured(|_| 9_500), GRACE_MS_MAX);
    }

    #[test]
    fn a_slow_minute_is_noticed_within_a_thousand_polls() {
        let slow = measured(|number| if number < 2_000 { 100 } else { 3_000 });
        assert!((4_500..=5_000).contains(&slow), "{slow}");
    }

    #[test]
    fn who_has_asked_another_node_in_between_is_not_taken_for_late() {
        // Two in three skip one to three pauses of 2 s.
        let grace = measured(|number| number % 200 + [0, 2_100, 4_200][usize::try_from(number % 3).unwrap_or(0)]);
        assert_eq!(grace, GRACE_MS_MIN);
    }

    #[test]
    fn at_one_node_alone_who_is_late_is_late() {
        let (mut grace, start) = (Grace::default(), Instant::now());
        for number in 0..3_000 {
            grace.asked(number, start, 2_000);
            let late_ms = if number % 5 == 0 { 3_000 } else { number % 200 };
            grace.asked(number, start + Duration::from_millis(2_200 + late_ms), 0);
        }
        assert!(grace.ask_elsewhere() && grace.ms(true) < 2_000);
        assert!((4_500..=5_000).contains(&grace.ms(false)), "{}", grace.ms(false));
    }

    #[test]
    fn a_network_that_becomes_slow_is_not_taken_for_visitors_who_ask_elsewhere() {
        let (mut grace, start) = (Grace::default(), Instant::now());
        for number in 0..3_000 {
            // Those far back were due before it became slow; those near the head ask late by now.
            let (told_ms, late_ms) = if number % 10 == 0 && number > 2_000 { (2_000, 3_000) } else { (15_000, 100) };
            grace.asked(number, start, told_ms);
            let told = Duration::from_millis(u64::from(told_ms) + jitter_ms(told_ms));
            grace.asked(number, start + told + Duration::from_millis(late_ms), 0);
        }
        assert!((4_500..=5_000).contains(&grace.ms(true)), "{}", grace.ms(true));
    }

    #[test]
    fn who_asks_a_little_early_is_in_time() {
        let (mut grace, start) = (Grace::default(), Instant::now());
        for number in 0..3_000 {
            grace.asked(number, start, 20_000);
            // Between 18 and 22 s by the page's own doing; one in fifty is 4 s late beyond that.
            let ms = 18_000 + number % 4_000 + if number % 50 == 0 { 4_000 } else { 100 };
            grace.asked(number, start + Duration::from_millis(ms), 0);
        }
        assert!(grace.ms(true) <= 6_000 && grace.all.samples > 900);
        assert!(!grace.ask_elsewhere());
    }
}
