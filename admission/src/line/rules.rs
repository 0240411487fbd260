//! The part of a queue's settings that the line needs, in the line's own units.

use serde::{Deserialize, Serialize};
use sluice_config::{Lane, Mode, Queue};

use super::LaneId;

/// Fractions of a visitor in which rate credit is counted: one millisecond at one visitor per minute.
///
/// With this unit the refill of a bucket is a whole number for every whole release rate, so that two
/// implementations never differ by a rounding.
pub const CREDIT_PER_VISITOR: u64 = 60_000;

/// What the line must know of its queue. Passed with every step, so that a reload takes effect at once. What an operator
/// [sets](super::Override) takes the place of some of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Most visitors called in any 60 s.
    pub release_per_minute: u32,
    /// Most visitors called in one step.
    pub burst: u32,
    /// Most visitors called or inside at once; `None`: no bound.
    pub max_active: Option<u32>,
    /// Most visitors counted as waiting; at the bound newcomers get no number.
    pub max_waiting: u32,
    /// What the queue does now.
    pub mode: Mode,
    /// A called number that has not entered after this gives its seat back and may be called again.
    pub claim_within_ms: u64,
    /// How long after being passed over a number may still be called.
    pub return_within_ms: u64,
    /// How long a seat is held after its visitor was last marked as inside. Longer than the pass it stands for.
    pub seat_ms: u64,
    /// The lanes of its file, the first one first; none: there is one.
    pub lanes: Vec<LaneRule>,
}

/// A lane of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneRule {
    /// Which lane.
    pub lane: LaneId,
    /// While several lanes stand, they are called in this proportion.
    pub weight: u32,
}

impl LaneRule {
    /// The lanes of a queue; none if it has but one.
    fn of(queue: &Queue) -> Vec<Self> {
        if queue.lanes.len() < 2 {
            return Vec::new();
        }
        let rule = |(at, lane): (usize, &Lane)| Self { lane: LaneId::at(at, &lane.name), weight: lane.weight.get() };
        queue.lanes.iter().enumerate().map(rule).collect()
    }
}

impl Rules {
    /// Most milliseconds between two ticks.
    pub const TICK_MS_MAX: u64 = 100;
    /// Least milliseconds between two ticks.
    pub const TICK_MS_MIN: u64 = 10;

    /// The rules of a queue.
    pub fn of(queue: &Queue) -> Self {
        let ms = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX >> 12);
        Self {
            release_per_minute: queue.release_per_minute.get(),
            burst: queue.burst.get(),
            max_active: queue.max_active.map(std::num::NonZeroU32::get),
            max_waiting: queue.max_waiting.get(),
            mode: queue.mode,
            claim_within_ms: ms(queue.claim_within),
            return_within_ms: ms(queue.return_within),
            seat_ms: ms(crate::session::seat_life(queue.session_idle)),
            lanes: LaneRule::of(queue),
        }
    }

    /// The weight of a lane; that of one which is not in the file is 1.
    pub fn weight(&self, lane: LaneId) -> u32 {
        self.lanes.iter().find(|rule| rule.lane == lane).map_or(1, |rule| rule.weight)
    }

    /// Rules that call no visitor whom these or those would not call.
    pub(crate) fn slower(&self, other: &Self) -> Self {
        let calls = |rules: &Self| matches!(rules.mode, Mode::Auto | Mode::Drain);
        let max_active = self.max_active.into_iter().chain(other.max_active).min();
        Self {
            release_per_minute: self.release_per_minute.min(other.release_per_minute),
            burst: self.burst.min(other.burst),
            max_active,
            mode: if calls(self) { other.mode } else { self.mode },
            ..self.clone()
        }
    }

    /// Time between two ticks: a tenth of a second, or less where the burst would cap what a tenth of a second
    /// earns. A place that becomes free in the window is filled half a tick later, on the whole: with a quarter of a
    /// second a line lost 0.4 % of its rate, with a tenth 0.15 %. Half the time that it takes to earn one burst leaves room for a late timer.
    pub fn tick_ms(&self) -> u64 {
        let burst_ms = u64::from(self.burst) * CREDIT_PER_VISITOR / u64::from(self.release_per_minute.max(1));
        (burst_ms / 2).clamp(Self::TICK_MS_MIN, Self::TICK_MS_MAX)
    }
}
