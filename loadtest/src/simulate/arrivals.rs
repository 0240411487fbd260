//! When the visitors of a crowd come.

use super::{
    dice::{Dice, whole},
    scenario::{Arrive, Crowd},
};

/// How busy a site is in each hour of the day, beside its busiest: a shop's usual day.
const DAY: [f64; 24] = [
    0.30, 0.20, 0.14, 0.10, 0.08, 0.10, 0.18, 0.32, 0.48, 0.58, 0.64, 0.68, 0.70, 0.66, 0.62, 0.62, 0.66, 0.74, 0.84,
    0.94, 1.00, 0.96, 0.76, 0.50,
];

/// Times from the opening on, in ms, in their order.
pub(super) fn of(crowd: &Crowd, trace: Option<&Vec<u64>>, mut dice: Dice) -> Vec<u64> {
    if crowd.arrive == Arrive::Trace {
        return trace.into_iter().flatten().map(|t| crowd.from_ms + t).collect();
    }
    let share = |u: f64| match crowd.arrive {
        Arrive::Flash => u * u * u,
        Arrive::Ramp => u.sqrt(),
        Arrive::Daily => of_day(u),
        Arrive::Steady | Arrive::Trace => u,
    };
    let mut times: Vec<u64> =
        (0..crowd.visitors).map(|_| crowd.from_ms + whole(share(dice.unit()) * crowd.over_ms as f64)).collect();
    times.sort_unstable();
    times
}

/// The share of the day that is over when the share `u` of its visitors has come.
fn of_day(u: f64) -> f64 {
    let all: f64 = DAY.iter().sum();
    let mut left = u * all;
    for (hour, &weight) in DAY.iter().enumerate() {
        if left <= weight {
            return (hour as f64 + left / weight) / 24.0;
        }
        left -= weight;
    }
    1.0
}
