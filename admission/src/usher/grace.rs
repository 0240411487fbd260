//! How much later than told a queue's visitors ask: what they are given as grace.
//!
//! A visitor counts as present until the time at which it was told to ask again, and some grace for the way. On a slow
//! network a short grace makes those lapse who ask as told; a long one calls those who have left. So it is measured: of
//! a sample of visitors it is known when they were told to ask, and their next poll says how late that was.

use std::time::{Duration, Instant};

use crate::estimate::{GRACE_MS_MAX, GRACE_MS_MIN, GRACE_MS_PRIOR, jitter_ms};

/// Most visitors of whom a poll is awaited at once, by a hash of their numbers.
const SAMPLED_MAX: usize = 4_096;
/// Who is later than this was asleep, or has switched to something else: no network.
const LATE_MS_MAX: u64 = 10_000;
/// Lateness is counted in steps of this length.
const STEP_MS: u64 = 125;
const STEPS: usize = 1 + (LATE_MS_MAX / STEP_MS) as usize;
/// With fewer samples nothing is known.
const SAMPLES_MIN: u32 = 100;
/// With so many, older ones count half: on a busy queue a slow minute is noticed within seconds.
const SAMPLES_MAX: u32 = 1_000;
/// One visitor in so many may be later than the grace.
const LATER: u32 = 100;
/// What a sample cannot show: the next poll may be a little later than any so far.
const MARGIN_MS: u64 = 250;

/// Measures the grace of one queue at one node.
#[derive(Debug)]
pub(super) struct Grace {
    awaited: Vec<Option<Awaited>>,
    late: [u32; STEPS],
    samples: u32,
}

#[derive(Clone, Copy, Debug)]
struct Awaited {
    number: u64,
    due: Instant,
}

impl Default for Grace {
    fn default() -> Self {
        Self { awaited: Vec::new(), late: [0; STEPS], samples: 0 }
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
                // Another tab asks earlier, which says nothing of the network.
                if at >= awaited.due {
                    self.count(at - awaited.due);
                }
                true
            }
            Some(awaited) => at > awaited.due + patience,
            None => true,
        };
        if awaited {
            let told = Duration::from_millis(u64::from(told_ms) + jitter_ms(told_ms));
            self.awaited[place] = (told_ms > 0).then_some(Awaited { number, due: at + told });
        }
    }

    fn count(&mut self, late: Duration) {
        let step = usize::try_from(late.as_millis() / u128::from(STEP_MS)).unwrap_or(STEPS);
        let Some(count) = self.late.get_mut(step) else { return };
        *count += 1;
        self.samples += 1;
        if self.samples >= SAMPLES_MAX {
            self.late.iter_mut().for_each(|count| *count /= 2);
            self.samples = self.late.iter().sum();
        }
    }

    /// The grace that all but one in [`LATER`] need, in ms.
    pub(super) fn ms(&self) -> u32 {
        if self.samples < SAMPLES_MIN {
            return GRACE_MS_PRIOR;
        }
        let mut later = self.samples / LATER;
        // From the latest down: the first step that more than the allowed share is as late as.
        let step = self.late.iter().rposition(|&count| match later.checked_sub(count) {
            Some(rest) => {
                later = rest;
                false
            }
            None => true,
        });
        let ms = (step.unwrap_or(0) as u64 + 1) * STEP_MS + MARGIN_MS;
        u32::try_from(ms).unwrap_or(GRACE_MS_MAX).clamp(GRACE_MS_MIN, GRACE_MS_MAX)
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
        grace.ms()
    }

    #[test]
    fn while_nothing_is_known_visitors_are_given_time() {
        assert_eq!(Grace::default().ms(), GRACE_MS_PRIOR);
    }

    #[test]
    fn on_a_fast_network_the_grace_is_short() {
        assert_eq!(measured(|number| number % 200), GRACE_MS_MIN);
    }

    #[test]
    fn on_a_slow_network_nearly_all_who_ask_as_told_are_within_it() {
        let grace = u64::from(measured(|number| number % 3_000));
        assert!((2_970..=3_400).contains(&grace), "{grace}");
    }

    #[test]
    fn who_was_asleep_is_no_measure_and_the_bound_holds() {
        assert_eq!(measured(|_| 60_000), GRACE_MS_PRIOR);
        assert_eq!(measured(|_| 9_500), GRACE_MS_MAX);
    }

    #[test]
    fn a_slow_minute_is_noticed_within_a_thousand_polls() {
        let slow = measured(|number| if number < 2_000 { 100 } else { 3_000 });
        assert!((3_000..=3_500).contains(&slow), "{slow}");
    }
}
