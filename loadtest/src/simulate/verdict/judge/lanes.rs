//! Holds the lanes of a queue against what they promise each other.

use serde::Serialize;
use sluice_config::limits::LANES_MAX;

use super::{COVERED_MIN, DEMAND_MS_MIN, JUDGED_MIN, Promise, USED_MIN, holds, percent};
use crate::simulate::{verdict::facts::Facts, verdict::numbers::slot, visitor::NEVER};

/// The furthest that a lane's calls may be from its share, as a part of all calls.
const SHARE_OFF_MAX: f64 = 0.01;
/// The longest that a lane with somebody to call may go without a call, in rounds of all lanes. A turn comes once in a
/// round; lanes that come and go in between put it off by one round more, and a round begins somewhere.
const STARVED_ROUNDS_MAX: f64 = 3.0;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct LaneFigures {
    pub(crate) lanes: usize,
    /// Calls while the same lanes stood for long, and the furthest that a lane was from its share of them.
    pub(crate) shared_calls: u64,
    pub(crate) share_off: f64,
    /// The longest that a lane which stood was not called, in rounds.
    pub(crate) starved_rounds: f64,
    /// Share of the rate that was used while a lane had nobody to call; null if none was empty for long.
    pub(crate) rate_used_while_one_is_empty: Option<f64>,
    /// Share of visitors whose first shown range held, by slot; null where hardly anybody was shown one.
    pub(crate) range_first_held: Vec<Option<f64>>,
}

impl LaneFigures {
    /// `None`: the queue had one lane.
    pub(super) fn of(facts: &Facts) -> Option<Self> {
        let of = &facts.lanes;
        (of.lanes_max > 1).then(|| Self {
            lanes: of.lanes_max,
            shared_calls: of.shared_calls,
            share_off: of.share_off,
            starved_rounds: of.starved_rounds,
            rate_used_while_one_is_empty: (of.while_one_is_empty.ms >= DEMAND_MS_MIN)
                .then(|| of.while_one_is_empty.calls as f64 / of.while_one_is_empty.allowed.max(1e-9)),
            range_first_held: ranges(facts)[..of.lanes_max].to_vec(),
        })
    }

    pub(super) fn judge(&self) -> Vec<Promise> {
        let held = |name, held, found| Promise { name, held, found };
        let used = self.rate_used_while_one_is_empty;
        let covered = self.range_first_held.iter().flatten().copied().reduce(f64::min);
        vec![
            held(
                "lanes: each is called by its weight",
                self.share_off <= SHARE_OFF_MAX,
                format!("{} off at most, in {} calls", percent(self.share_off), self.shared_calls),
            ),
            held(
                "lanes: what one cannot use goes to the others at once",
                used.is_none_or(|used| used >= USED_MIN),
                used.map_or("none was empty for long".to_owned(), |used| format!("{} of the rate used", percent(used))),
            ),
            held(
                "lanes: none that stands goes without a call",
                self.starved_rounds <= STARVED_ROUNDS_MAX,
                format!("{:.1} rounds at most", self.starved_rounds),
            ),
            held(
                "lanes: the first shown wait holds in each",
                covered.is_none_or(|share| share >= COVERED_MIN),
                covered.map_or("hardly anybody had to wait".to_owned(), |share| {
                    format!("{} in the worst", percent(share))
                }),
            ),
        ]
    }
}

/// The share of visitors of each lane whose first range held.
fn ranges(facts: &Facts) -> [Option<f64>; LANES_MAX] {
    let mut counts = [(0_u64, 0_u64); LANES_MAX];
    for visitor in facts.visitors.iter().filter(|v| v.shown_ms != NEVER) {
        let (low_s, high_s) = visitor.shown_s;
        if let Some(order) = holds(facts, visitor, visitor.shown_ms, low_s, high_s) {
            let (held, all) = &mut counts[slot(visitor.number)];
            (*held, *all) = (*held + u64::from(order.is_eq()), *all + 1);
        }
    }
    counts.map(|(held, all)| (all >= JUDGED_MIN).then(|| held as f64 / all as f64))
}
