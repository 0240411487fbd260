//! While the store is unavailable, the head goes on by time: number after number at the release rate.
//!
//! Every node reckons this from the last step it heard of, so all of them let in the same numbers, and together no
//! more than the rate allows, however many nodes there are and without a word between them. Nobody knows who is still
//! there, so a number whose holder has left costs its place: the line moves more slowly than with its store, never
//! faster.

use sluice_config::{Mode, limits::LANES_MAX};

use crate::line::{Reason, Rules, Summary};

/// The hard window of the rate.
const WINDOW_MS: u64 = 60_000;
/// Calls are known by tenth of a second.
const SLOT_MS: u64 = 100;

/// Which numbers are called while the store is unavailable, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trickle {
    lanes: [Lane; LANES_MAX],
    /// For so many there is a seat.
    seats: u64,
    /// When the first number after the heads is called, on the line's clock.
    from_ms: u64,
    per_minute: u64,
    claim_within_ms: u64,
}

/// One lane, its numbers as they are [shown](Summary::shown_number): without those that the line has skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lane {
    /// The head at the last step.
    head: u64,
    /// The last number handed out.
    last: u64,
    weight: u64,
}

impl Trickle {
    /// `None`: nobody may be called, for other reasons than the store.
    ///
    /// `calls` are those of the last minute by tenth of a second, as far as this node knows; those that only the
    /// summary knows of are taken to be its last.
    pub fn new(rules: &Rules, summary: &Summary, calls: impl Iterator<Item = (u64, u32)> + Clone) -> Option<Self> {
        let calls_by_itself = matches!(rules.mode, Mode::Auto | Mode::Drain);
        let called = matches!(summary.reason, None | Some(Reason::LineFull | Reason::RateUsed));
        if summary.epoch == 0 || summary.settling || !called || !calls_by_itself {
            return None;
        }
        let seats = match rules.max_active {
            Some(max) => u64::from(max).saturating_sub(summary.inside + summary.due),
            None => u64::MAX,
        };
        let per_minute = u64::from(rules.release_per_minute);
        let mut lanes = [Lane::default(); LANES_MAX];
        for (lane, told) in lanes.iter_mut().zip(summary.lanes.iter()) {
            let (head, last) = (told.shown_number(told.head), told.shown_number(told.issued));
            *lane = Lane { head, last, weight: rules.weight(told.lane).into() };
        }
        let from_ms = summary.now_ms + delay_ms(per_minute, summary, calls);
        Some(Self { lanes, seats, from_ms, per_minute, claim_within_ms: rules.claim_within_ms })
    }

    /// Whether a number, as shown, of the lane in a slot is called at this time of the line's clock: its turn has come, and
    /// has not run out.
    pub fn calls(&self, slot: usize, number: u64, now_ms: u64) -> bool {
        let Some(place) = self.place(slot, number).filter(|&place| place <= self.seats) else { return false };
        let Some(turn_ms) = (place * WINDOW_MS).div_ceil(self.per_minute.max(1)).checked_add(self.from_ms) else {
            return false;
        };
        self.per_minute > 0 && (turn_ms..turn_ms + self.claim_within_ms).contains(&now_ms)
    }

    /// As which one, of all lanes together, a number is called: lanes go on by their weights for as long as they have
    /// numbers. `None`: it was called before, or never handed out.
    fn place(&self, slot: usize, number: u64) -> Option<u64> {
        let own = self.lanes.get(slot)?;
        let nth = number.checked_sub(own.head).filter(|&nth| nth > 0 && number <= own.last)?;
        // The `n`-th of a lane with weight `w` comes at `n / w`; of two that come at once that of the lower slot is first.
        let before = |(other_slot, other): (usize, &Lane)| match nth.saturating_mul(other.weight) {
            _ if other_slot == slot => 0,
            reach if other_slot < slot => (reach / own.weight).min(other.last - other.head),
            reach => ((reach.saturating_sub(1)) / own.weight).min(other.last - other.head),
        };
        Some(nth + self.lanes.iter().enumerate().map(before).sum::<u64>())
    }
}

/// The shortest wait after which an even stream of calls, with those of the minute before it, never comes to more
/// than the rate in any minute: at each moment the stream may have come as far as old calls have left the window.
fn delay_ms(per_minute: u64, summary: &Summary, calls: impl Iterator<Item = (u64, u32)> + Clone) -> u64 {
    if per_minute == 0 {
        return 0;
    }
    let recent = calls.filter(|(slot, _)| (slot + 1) * SLOT_MS + WINDOW_MS > summary.now_ms);
    let known: u64 = recent.clone().map(|(_, count)| u64::from(count)).sum();
    let unknown = summary.called_last_minute.saturating_sub(known);
    let last = (summary.now_ms / SLOT_MS, u32::try_from(unknown).unwrap_or(u32::MAX));
    let mut in_window = known.max(summary.called_last_minute);
    let mut delay_ms = 0;
    for (slot, count) in recent.chain([last]).filter(|(_, count)| *count > 0) {
        // Until the end of this slot has left the window, so many calls are in it.
        let leaves_ms = ((slot + 1) * SLOT_MS + WINDOW_MS).saturating_sub(summary.now_ms);
        let room_ms = per_minute.saturating_sub(in_window) * WINDOW_MS / per_minute;
        delay_ms = delay_ms.max(leaves_ms.saturating_sub(room_ms));
        in_window = in_window.saturating_sub(u64::from(count));
    }
    delay_ms
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::line::{LaneId, LaneRule, LaneSummary, PerLane, number_of};

    const NOW_MS: u64 = 1_700_000_000_000;

    fn rules(release_per_minute: u32) -> Rules {
        Rules { release_per_minute, ..crate::usher::tests::rules() }
    }

    fn summary(called_last_minute: u64) -> Summary {
        let lane = LaneSummary { head: 1_000, issued: 9_000, ..LaneSummary::default() };
        let lanes = PerLane::one(lane);
        Summary { epoch: 1, lanes, now_ms: NOW_MS, called_last_minute, ..Summary::default() }
    }

    /// Numbers whose turn comes in each tenth of a second of the first five minutes.
    fn turns(trickle: &Trickle) -> Vec<u64> {
        let called_by =
            |ms: u64| (1_001..=9_000).take_while(|&n| trickle_turn(trickle, n) <= NOW_MS + ms).count() as u64;
        let by: Vec<u64> = (0..3_000).map(|tenth| called_by((tenth + 1) * 100 - 1)).collect();
        std::iter::once(by[0]).chain(by.windows(2).map(|pair| pair[1] - pair[0])).collect()
    }

    fn trickle_turn(trickle: &Trickle, number: u64) -> u64 {
        trickle.from_ms + ((number - trickle.lanes[0].head) * WINDOW_MS).div_ceil(trickle.per_minute)
    }

    #[test]
    fn the_head_goes_on_at_the_rate_and_turns_run_out() {
        let trickle = Trickle::new(&rules(60), &summary(0), std::iter::empty()).unwrap();
        assert!(!trickle.calls(0, 1_000, NOW_MS + 30_000), "called long ago");
        assert!(!trickle.calls(0, 1_001, NOW_MS + 999));
        assert!(trickle.calls(0, 1_001, NOW_MS + 1_000));
        assert!(trickle.calls(0, 1_001, NOW_MS + 60_999));
        assert!(!trickle.calls(0, 1_001, NOW_MS + 61_000));
        assert!(!trickle.calls(0, 1_030, NOW_MS + 29_999));
        assert!(trickle.calls(0, 1_030, NOW_MS + 30_000));
        assert!(!trickle.calls(0, 9_001, NOW_MS + 9_000_000), "never handed out");
    }

    #[test]
    fn the_head_steps_over_numbers_that_were_skipped() {
        let gaps = vec![(1_003, 1_002 + 131_072)];
        let mut summary = summary(0);
        (summary.lanes[0].gaps, summary.lanes[0].issued) = (gaps, 200_000);
        let trickle = Trickle::new(&rules(60), &summary, std::iter::empty()).unwrap();
        let calls = |number, seconds: u64| trickle.calls(0, summary.shown_number(number), NOW_MS + seconds * 1_000);
        assert!(calls(1_002, 2) && !calls(1_003 + 131_072, 2));
        assert!(calls(1_003 + 131_072, 3));
    }

    #[test]
    fn no_more_than_there_are_seats_for() {
        let rules = Rules { max_active: Some(10), ..rules(6_000) };
        let summary = Summary { inside: 5, due: 2, ..summary(0) };
        let trickle = Trickle::new(&rules, &summary, std::iter::empty()).unwrap();
        assert!(trickle.calls(0, 1_003, NOW_MS + 10_000));
        assert!(!trickle.calls(0, 1_004, NOW_MS + 10_000));
    }

    #[test]
    fn a_line_that_calls_nobody_does_not_begin_to() {
        for mode in [Mode::Hold, Mode::Closed, Mode::Open] {
            assert_eq!(Trickle::new(&Rules { mode, ..rules(60) }, &summary(0), std::iter::empty()), None);
        }
        let recovering = Summary { settling: true, ..summary(0) };
        assert_eq!(Trickle::new(&rules(60), &recovering, std::iter::empty()), None);
        let never_heard = Summary { epoch: 0, ..summary(0) };
        assert_eq!(Trickle::new(&rules(60), &never_heard, std::iter::empty()), None);
        let none = Trickle::new(&rules(0), &summary(0), std::iter::empty()).unwrap();
        assert!(!none.calls(0, 1_001, u64::MAX / 2));
    }

    #[test]
    fn after_even_calls_it_goes_on_at_once_and_after_a_burst_it_waits() {
        let even = (0..600).map(|tenth| (NOW_MS / 100 - 600 + tenth, 1));
        let at_once = Trickle::new(&rules(600), &summary(600), even).unwrap();
        assert!(at_once.from_ms - NOW_MS <= 200, "{} ms", at_once.from_ms - NOW_MS);
        // All of them in the last instant, whether this node knows so or not.
        for calls in [vec![(NOW_MS / 100, 600)], vec![]] {
            let late = Trickle::new(&rules(600), &summary(600), calls.into_iter()).unwrap();
            assert!((60_000..=60_100).contains(&(late.from_ms - NOW_MS)), "{} ms", late.from_ms - NOW_MS);
        }
    }

    /// Three lanes of weights 5, 1 and 2, the last of which runs out first.
    #[test]
    fn lanes_go_on_by_their_weights_and_give_away_what_they_cannot_use() {
        let ids = [0, 1, 2].map(LaneId::from_code);
        let weights = ids.into_iter().zip([5, 1, 2]).map(|(lane, weight)| LaneRule { lane, weight });
        let rules = Rules { lanes: weights.collect(), ..rules(60) };
        let mut summary = summary(0);
        for (slot, issued) in [(1, 700), (2, 20)] {
            let (head, issued) = (number_of(slot, 0), number_of(slot, issued));
            summary.lanes.push(LaneSummary { lane: ids[slot], head, issued, ..LaneSummary::default() });
        }
        let trickle = Trickle::new(&rules, &summary, std::iter::empty()).unwrap();
        let places = |slot, from: u64, to: u64| {
            let of_lane: Vec<u64> = (from..=to).map(|number| trickle.place(slot, number).unwrap()).collect();
            of_lane
        };
        let all = [places(0, 1_001, 9_000), places(1, 1, 700), places(2, 1, 20)];
        let mut sorted = all.concat();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(1..=8_720), "each place is one number's");
        let within =
            |lane: &[u64], places: std::ops::RangeInclusive<u64>| lane.iter().filter(|p| places.contains(p)).count();
        assert_eq!([0, 1, 2].map(|slot| within(&all[slot], 1..=80)), [50, 10, 20], "all three");
        assert_eq!([0, 1, 2].map(|slot| within(&all[slot], 81..=680)), [500, 100, 0], "the others");
        assert!(trickle.calls(2, 1, NOW_MS + 3_000) && !trickle.calls(2, 2, NOW_MS + 3_000));
    }

    proptest! {
        /// P3 across the loss: whatever was called in the minute before it, no minute sees more than the rate.
        #[test]
        fn no_minute_sees_more_than_the_rate(
            per_minute in 1_u32..1_200,
            weights in prop::collection::vec(0_u32..5, 600),
            known in 0_usize..600,
        ) {
            let mut room = per_minute;
            let calls: Vec<(u64, u32)> = weights.iter().enumerate().map(|(at, &weight)| {
                let count = weight.min(room);
                room -= count;
                (NOW_MS / 100 - 600 + at as u64, count)
            }).collect();
            let total: u64 = calls.iter().map(|(_, count)| u64::from(*count)).sum();
            // This node may have missed some.
            let seen = calls[600 - known..].iter().copied().filter(|(_, count)| *count > 0);
            let trickle = Trickle::new(&rules(per_minute), &summary(total), seen).unwrap();
            let all: Vec<u64> = calls.iter().map(|(_, count)| u64::from(*count)).chain(turns(&trickle)).collect();
            for window in all.windows(600) {
                prop_assert!(window.iter().sum::<u64>() <= u64::from(per_minute));
            }
        }
    }
}
