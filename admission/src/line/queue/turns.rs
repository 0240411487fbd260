//! Which lane is called next: by weight, one call after the other.
//!
//! With each call every lane that has somebody to call gains its share of it by weight, and the one that has most in hand then
//! is called and pays for all of them. So while the same lanes stand, each is called by its weight, exactly over as many calls as
//! the weights add up to, and evenly in between. A lane with nobody to call gains nothing and pays nothing: its share goes to
//! the others at once, and it has no claim to it later. What a lane has in hand is counted in calls, so that it is worth the
//! same whichever lanes stand: were it counted in weights, one call would be worth many once a heavy lane has left.

/// What one call is worth: fine enough for shares of any weights, and exact in the script's doubles.
pub(in crate::line) const CALL: i64 = 1 << 32;

/// A lane that may be called.
#[derive(Clone, Copy, Debug)]
pub(in crate::line) struct Contender {
    pub(in crate::line) slot: usize,
    pub(in crate::line) weight: u32,
}

/// The slot whose turn it is, of contenders by slot; `in_hand` is what lanes have, by slot. Of two that have as much it is
/// the first.
pub(in crate::line) fn next(contenders: &[Contender], in_hand: &mut [i64]) -> Option<usize> {
    // One alone would gain what it pays.
    if let [one] = contenders {
        return Some(one.slot);
    }
    let total: i64 = contenders.iter().map(|contender| i64::from(contender.weight)).sum();
    let mut gained = 0;
    for contender in contenders {
        let share = CALL * i64::from(contender.weight) / total;
        in_hand[contender.slot] += share;
        gained += share;
    }
    let chosen = contenders.iter().rev().max_by_key(|contender| in_hand[contender.slot])?.slot;
    in_hand[chosen] -= gained;
    Some(chosen)
}

/// However lanes come and go, none has more in hand, or owes more, than one call.
pub(in crate::line) fn bound(in_hand: i64) -> i64 {
    in_hand.clamp(-CALL, CALL)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn contenders(weights: &[u32], stands: impl Fn(usize) -> bool) -> Vec<Contender> {
        let all = weights.iter().enumerate().map(|(slot, &weight)| Contender { slot, weight });
        all.filter(|contender| stands(contender.slot)).collect()
    }

    proptest! {
        /// Over one round of calls each lane gets its weight, wherever the round begins.
        #[test]
        fn each_lane_is_called_by_its_weight(weights in prop::collection::vec(1..=100u32, 1..=8), skipped in 0..300usize) {
            let (mut in_hand, all) = (vec![0; weights.len()], contenders(&weights, |_| true));
            for _ in 0..skipped {
                next(&all, &mut in_hand).unwrap();
            }
            let mut calls = vec![0; weights.len()];
            for _ in 0..weights.iter().sum() {
                calls[next(&all, &mut in_hand).unwrap()] += 1;
            }
            for (called, weight) in calls.iter().zip(&weights) {
                prop_assert!(called == weight || skipped > 0 && u32::abs_diff(*called, *weight) <= 1, "{calls:?}");
            }
        }

        /// Whichever lanes stand meanwhile: what a lane has in hand is bounded, so that it never waits for long.
        #[test]
        fn lanes_that_come_and_go_owe_little(
            weights in prop::collection::vec(1..=100u32, 2..=8),
            standing in prop::collection::vec(1..=255u8, 1..400),
        ) {
            let mut in_hand = vec![0; weights.len()];
            for who in standing {
                let some = contenders(&weights, |slot| who & (1 << slot) != 0);
                next(&some, &mut in_hand);
                prop_assert_eq!(in_hand.iter().sum::<i64>(), 0);
                prop_assert!(in_hand.iter().all(|&of| of.abs() <= 2 * CALL), "{in_hand:?}");
            }
        }
    }

    #[test]
    fn turns_are_spread_evenly() {
        let (all, mut in_hand) = (contenders(&[5, 1, 1], |_| true), [0; 3]);
        let turns: Vec<_> = (0..7).map(|_| next(&all, &mut in_hand).unwrap()).collect();
        assert_eq!(turns, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn a_lane_that_has_stood_alone_has_no_claim_and_owes_nothing() {
        let weights = [3, 1];
        let mut in_hand = [0; 2];
        for _ in 0..1_000 {
            assert_eq!(next(&contenders(&weights, |slot| slot == 1), &mut in_hand), Some(1));
        }
        assert_eq!(in_hand, [0, 0]);
        assert_eq!(next(&[], &mut in_hand), None);
        assert_eq!((bound(2 * CALL), bound(-2 * CALL), bound(3)), (CALL, -CALL, 3));
    }

    /// A lane of weight 1 was called while one of weight 100 stood, which leaves.
    #[test]
    fn a_lane_owes_one_call_and_no_more_when_a_heavy_lane_has_left() {
        let weights = [100, 1, 1];
        let (all, mut in_hand) = (contenders(&weights, |_| true), [0; 3]);
        while next(&all, &mut in_hand) != Some(1) {}
        let light = contenders(&weights, |slot| slot > 0);
        let calls: Vec<_> = (0..20).map(|_| next(&light, &mut in_hand).unwrap()).collect();
        assert!(calls.iter().filter(|&&slot| slot == 1).count() >= 9, "{calls:?}");
    }
}
