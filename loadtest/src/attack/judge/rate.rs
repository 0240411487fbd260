//! Were too many called, or too few?
//!
//! Of each call it is known after and before what moment it was made. Only those that were made in a stretch of time
//! without any doubt are counted as made in it.
//!
//! Limits may change meanwhile. A call is made only if it and those of the minute before it are no more than the rate that
//! is in force when it is made. So the last call of a stretch of a minute decides what is allowed in all of it, and of all
//! rates that can have been in force when it was made the highest counts.

use serde::Serialize;

use super::{
    Case, JUDGED_MIN,
    due::{self, STEPS_A_MINUTE},
};
use crate::attack::{
    clock::{SECOND_US, Us},
    limits::{WINDOW_S, in_force::InForce},
};

/// Stretches of time begin and end at whole steps of this.
const STEP_US: Us = 100_000;
const STEPS_A_SECOND: usize = 10;
/// How long after people began to stand, and seats were free, the origin sees the whole rate: a poll, and entering.
const SETTLES_STEPS: usize = 5 * STEPS_A_SECOND;
/// A line of so many seconds' worth of calls certainly stands.
const LINE_S: f64 = 3.0;
/// How long it takes on the whole until who was called comes to the origin: a poll, and entering.
const COMES_S: f64 = 2.0;
/// How far ahead somebody must be known to be there to count as standing: near the head one asks every 2 s.
const STANDS_US: Us = 2 * SECOND_US;

/// A stretch of time that comes nearest to what is allowed in it, or is farthest beyond it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Fullest {
    pub(crate) called: u64,
    pub(crate) allowed: f64,
    pub(crate) within_s: f64,
}

/// A tenth of a second: how many came to the origin in it, were certainly in line, and had a seat, as far as can be seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    entered: u64,
    standing: i64,
    inside: i64,
    /// Somebody was told that the line could not be asked.
    held: bool,
}

/// The same of a second.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Second {
    pub(crate) entered: u64,
    pub(crate) standing: i64,
    pub(crate) inside: i64,
}

/// Second by second.
pub(super) fn seconds(over_time: &[Step]) -> Vec<Second> {
    let second = |steps: &[Step]| Second {
        entered: steps.iter().map(|step| step.entered).sum(),
        standing: steps.iter().map(|step| step.standing).max().unwrap_or(0),
        inside: steps.iter().map(|step| step.inside).max().unwrap_or(0),
    };
    over_time.chunks(STEPS_A_SECOND).map(second).collect()
}

/// The most that came in any stretch beyond what was due in its steps.
fn beyond(over_time: &[Step], due: &[f64]) -> f64 {
    let grown = over_time.iter().zip(due).scan(0.0, |sum: &mut f64, (step, due)| {
        *sum = (*sum + step.entered as f64 - due).max(0.0);
        Some(*sum)
    });
    grown.fold(0.0, f64::max)
}

/// A call: after and before what moment it was made.
pub(super) type Call = (Us, Us);

/// A stretch of steps, and the calls that were certainly made in it.
struct Stretch {
    start: usize,
    length: usize,
    called: u64,
    /// The last of them was made in this step or later.
    last_after: usize,
}

/// What comes nearest to what is allowed, or is farthest beyond it, in stretches of a minute and less.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fullness {
    /// By burst and rate.
    pub(super) any: Fullest,
    /// By the rate of a minute alone.
    pub(super) minute: Fullest,
}

impl Fullness {
    pub(super) fn of(calls: &[Call], in_force: &InForce) -> Self {
        let last = calls.iter().map(|call| steps(call.1) + 1).max().unwrap_or(0);
        let most: Vec<_> = in_force.steps(STEP_US, last).into_iter().map(|bounds| bounds.most).collect();
        // By the rate of each step; whole numbers, which are exact.
        let earned: Vec<u64> = std::iter::once(0)
            .chain(most.iter().scan(0, |sum: &mut u64, limits| {
                *sum += u64::from(limits.release_per_minute);
                Some(*sum)
            }))
            .collect();
        let (mut fullness, mut burst) = (Self::default(), 0);
        stretches(calls, STEPS_A_MINUTE, |stretch| {
            let Stretch { start, length, called, last_after } = stretch;
            let end = start + length;
            // Stretches of one start follow each other, each a step longer.
            burst = if length == 1 { most[start].burst } else { most[end - 1].burst.max(burst) };
            let rate = most[last_after..end].iter().map(|limits| limits.release_per_minute).max().unwrap_or(0);
            let minute = f64::from(rate);
            let bucket = (earned[end] - earned[start]) as f64 / STEPS_A_MINUTE as f64 + f64::from(burst);
            let within_s = length as f64 / STEPS_A_SECOND as f64;
            fullness.any.or_fuller(Fullest { called, allowed: bucket.min(minute), within_s });
            fullness.minute.or_fuller(Fullest { called, allowed: minute, within_s });
        });
        fullness
    }
}

impl Fullest {
    fn or_fuller(&mut self, other: Self) {
        if self.within_s == 0.0 || other.called as f64 - other.allowed > self.called as f64 - self.allowed {
            *self = other;
        }
    }
}

/// The most that were made in any stretch of this length.
pub(super) fn most_called(calls: &[Call], within_us: Us) -> u64 {
    let mut most = 0;
    stretches(calls, steps(within_us), |stretch| most = most.max(stretch.called));
    most
}

/// Shows every stretch up to a length, in steps.
fn stretches(calls: &[Call], longest: usize, mut show: impl FnMut(Stretch)) {
    let mut by_start: Vec<(usize, usize)> =
        calls.iter().map(|&(after_us, by_us)| (steps(after_us), steps(by_us) + 1)).collect();
    by_start.sort_unstable();
    let last = by_start.iter().map(|call| call.1).max().unwrap_or(0);
    // Calls that began in this stretch or later, by the step in which they had been made, and the latest start of them.
    let mut made = vec![(0_u64, 0_usize); last + 1];
    while let Some(&(start, _)) = by_start.last() {
        while let Some((_, end)) = by_start.pop_if(|call| call.0 == start) {
            made[end] = (made[end].0 + 1, made[end].1.max(start));
        }
        let (mut called, mut last_after) = (0, start);
        for length in 1..=longest.min(last - start) {
            let (more, after) = made[start + length];
            (called, last_after) = (called + more, last_after.max(after));
            show(Stretch { start, length, called, last_after });
        }
    }
}

impl Case<'_> {
    pub(super) fn calls(&self) -> Vec<Call> {
        let call = |story: &&super::Story| Some((self.called_after_us(story), self.called_by_us(story)?));
        self.stories.iter().filter_map(call).map(|(after_us, by_us)| (after_us.min(by_us), by_us)).collect()
    }

    /// When visitors first reached the origin, one after the other.
    pub(super) fn entries(&self) -> Vec<Us> {
        let mut entries: Vec<_> = self.stories.iter().filter_map(|story| self.entry_us(story)).collect();
        entries.sort_unstable();
        entries
    }

    pub(super) fn most_entered(&self) -> u64 {
        most_within(&self.entries(), WINDOW_S * SECOND_US)
    }

    /// How it went, step by step.
    pub(super) fn steps(&self) -> Vec<Step> {
        let entries = self.entries();
        let Some(&last_us) = entries.last() else { return Vec::new() };
        let count = steps(last_us) + 1;
        let mut entered = vec![0_u64; count];
        for &entry_us in &entries {
            entered[steps(entry_us)] += 1;
        }
        let (standing, inside, held) = (self.standing(count), self.inside(count), self.held(count));
        let step = |at| Step { entered: entered[at], standing: standing[at], inside: inside[at], held: held[at] };
        (0..count).map(step).collect()
    }

    /// Share of the rate that reached the origin while a line certainly stood and seats were free; and how long that
    /// was, in seconds.
    pub(super) fn rate_used(&self, over_time: &[Step]) -> (Option<f64>, f64) {
        let bounds = self.in_force.steps(STEP_US, over_time.len());
        let due = due::calls(bounds.iter().map(|bounds| bounds.least.release_per_minute));
        let (mut came, mut allowed, mut demanded, mut since) = (0, 0.0, 0, 0);
        for (at, (step, bounds)) in over_time.iter().zip(&bounds).enumerate() {
            let (per_second, burst) = (bounds.most.per_second(), f64::from(bounds.most.burst));
            let line = per_second * LINE_S + burst;
            // Seats that are kept for those who were called and have not come yet cannot be seen.
            let free = f64::from(bounds.least.seats) - 2.0 * burst - per_second * COMES_S;
            let demands = step.standing as f64 >= line && (step.inside as f64) < free && !step.held;
            since = if demands { since + 1 } else { 0 };
            if since > SETTLES_STEPS {
                if since == SETTLES_STEPS + 1 {
                    // What came in a burst within the minute before leaves room for so much less in the one after it.
                    let before = at.saturating_sub(STEPS_A_MINUTE);
                    allowed -= beyond(&over_time[before..at], &due[before..at]).min(burst);
                }
                came += step.entered;
                allowed += due[at];
                demanded += 1;
            }
        }
        let judged = allowed >= JUDGED_MIN as f64;
        (judged.then(|| came as f64 / allowed), f64::from(demanded) / STEPS_A_SECOND as f64)
    }

    /// How many were present for a while from each step on.
    fn standing(&self, count: usize) -> Vec<i64> {
        let mut changes = vec![0; count + 1];
        for story in &self.stories {
            for present in super::order::presences(story, self.limits.heard_within_us) {
                let until_us = present.until_us.saturating_sub(STANDS_US);
                if present.from_us < until_us {
                    changes[steps(present.from_us).min(count)] += 1;
                    changes[steps(until_us).min(count)] -= 1;
                }
            }
        }
        running(changes)
    }

    /// In which steps somebody was told that the line could not be asked.
    fn held(&self, count: usize) -> Vec<bool> {
        let mut held = vec![false; count];
        for wait in self.stories.iter().flat_map(|story| &story.waits).filter(|wait| wait.held) {
            for step in steps(wait.asked_us)..=steps(wait.answered_us) {
                held.get_mut(step).into_iter().for_each(|held| *held = true);
            }
        }
        held
    }

    /// How many had a seat at each step, as far as it can be seen.
    fn inside(&self, count: usize) -> Vec<i64> {
        let mut changes = vec![0; count + 1];
        for seat in self.seats() {
            changes[steps(seat.from_us).min(count)] += 1;
            changes[steps(seat.until_us).min(count)] -= 1;
        }
        running(changes)
    }
}

fn running(mut changes: Vec<i64>) -> Vec<i64> {
    let mut sum = 0;
    for change in &mut changes {
        sum += *change;
        *change = sum;
    }
    changes
}

fn steps(us: Us) -> usize {
    usize::try_from(us / STEP_US).unwrap_or(usize::MAX)
}

/// The largest number of moments in any stretch of this length.
fn most_within(sorted: &[Us], within_us: Us) -> u64 {
    let mut from = 0;
    let mut most = 0;
    for (at, &us) in sorted.iter().enumerate() {
        while us - sorted[from] > within_us {
            from += 1;
        }
        most = most.max(at - from + 1);
    }
    most as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::attack::limits::Limits;

    const LIMITS: Limits = Limits {
        release_per_minute: 1_200,
        burst: 40,
        seats: 1_000,
        weights: None,
        session_idle_s: 10,
        claim_within_s: 30,
        heard_within_us: 250_000,
    };
    /// What the rate makes of a step.
    const A_STEP: u64 = 2;

    fn rate_used(over_time: &[Step]) -> f64 {
        used_of(&InForce::always(LIMITS), over_time)
    }

    fn used_of(in_force: &InForce, over_time: &[Step]) -> f64 {
        let case = Case { limits: LIMITS, in_force, stories: Vec::new(), visits: HashMap::new(), excused: &[] };
        case.rate_used(over_time).0.expect("long enough to be judged")
    }

    fn for_seconds(seconds: usize, inside: i64, entered: u64) -> Vec<Step> {
        vec![Step { entered, standing: 5_000, inside, held: false }; seconds * STEPS_A_SECOND]
    }

    #[test]
    fn what_came_in_a_burst_is_not_missed_a_minute_later() {
        let all_seats = for_seconds(20, 1_000, 0);
        let burst = for_seconds(2, 900, 2 * A_STEP);
        let (at_rate, echo) = (for_seconds(58, 500, A_STEP), for_seconds(2, 500, 0));
        let used = rate_used(&[all_seats, burst, at_rate.clone(), echo.clone(), at_rate.clone()].concat());
        assert!((used - 1.0).abs() < 0.001, "{used}");
        // Without the burst before it, it is missed.
        let used = rate_used(&[at_rate.clone(), at_rate.clone(), echo, at_rate].concat());
        assert!(used < 0.99, "{used}");
    }

    #[test]
    fn a_burst_makes_up_for_no_more_than_itself() {
        let (flood, slow) = (for_seconds(10, 900, 5 * A_STEP), for_seconds(60, 500, A_STEP - 1));
        let used = rate_used(&[flood, slow].concat());
        assert!(used < 0.6, "{used}");
    }

    #[test]
    fn what_must_come_goes_with_the_rate() {
        let minute_us = 60 * SECOND_US;
        let mut in_force = InForce::always(LIMITS);
        in_force.change(Limits { release_per_minute: 600, ..LIMITS }, minute_us, minute_us + 1);
        // Half of the minute's calls must be a minute old before anybody is called at the lower rate.
        let (before, none, after) = (for_seconds(60, 500, A_STEP), for_seconds(30, 500, 0), for_seconds(60, 500, 1));
        let used = used_of(&in_force, &[before.clone(), none.clone(), after].concat());
        assert!((used - 1.0).abs() < 0.005, "{used}");
        // Half of the lower rate is too little, as it is of any other.
        let every_other = |(at, step): (usize, &Step)| Step { entered: u64::from(at.is_multiple_of(2)), ..*step };
        let slow: Vec<_> = for_seconds(60, 500, 0).iter().enumerate().map(every_other).collect();
        let used = used_of(&in_force, &[before, none, slow].concat());
        assert!(used < 0.9, "{used}");
    }
}
