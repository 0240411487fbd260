//! Notices a hush: most visitors near the head who were to ask lately have not.
//!
//! Those near the head ask every few seconds. Of each it is known by when it should have asked; which share has by then is
//! measured all along, as on a slow network, or where visitors ask any node of a fleet, it is far from all. If it falls to
//! a fraction of what is usual, the network has become slow at once, or the visitors look elsewhere. Either way it shows
//! before the first of them stop counting as present.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::estimate::jitter_ms;

/// A visitor whose pause is at most this is near the head.
const NEAR_MS_MAX: u32 = 4_000;
/// A visitor who is later than this has not asked in time. Less than the shortest grace.
const IN_TIME_MS: u64 = 500;
const IN_TIME: Duration = Duration::from_millis(IN_TIME_MS);
/// Visitors are counted by the time at which they should have asked, in steps of this length.
const STEP_MS: u64 = 125;
/// Steps kept: half of them have gone by, and no visitor near the head is awaited for longer than the other half lasts.
const STEPS: usize = 128;
const _: () = assert!((NEAR_MS_MAX + NEAR_MS_MAX / 10) as u64 + IN_TIME_MS <= STEPS as u64 / 2 * STEP_MS);
/// How many of the last steps are judged at most: two seconds.
const JUDGED_MAX: u64 = 16;
/// At least this many must have been expected, by what is usual: of fewer, chance alone may keep all silent.
const EXPECTED_MIN: f64 = 12.0;
/// It is a hush if not even one in this many of them has asked.
const ONE_IN: f64 = 4.0;
/// What is usual is known from the first number of visitors on; above the second, older ones count half.
const USUAL_MIN: f64 = 50.0;
const USUAL_MAX: f64 = 1_000.0;
/// How long it takes after a hush to measure how late visitors are now.
const LATELY: Duration = Duration::from_secs(10);
/// Visitors who have left are counted as waiting for at most this long.
const COUNTED: Duration = Duration::from_secs(120);
/// For this long each batch reports it: an attempt may fail.
const TOLD: Duration = Duration::from_secs(1);
/// Most visitors awaited at once; more are not.
const AWAITED_MAX: usize = 4_096;

/// Measures at one node.
#[derive(Debug, Default)]
pub(super) struct Hush {
    began: Option<Instant>,
    /// By number: the step in which it should ask, and how long before its visitor may.
    awaited: HashMap<u64, Awaited>,
    /// By the last digits of the step.
    steps: Vec<Step>,
    /// The next step to be judged.
    next: u64,
    usual: Share,
    /// The last one.
    last: Option<Noticed>,
    /// The node loses its visitors to another one: their silence says nothing.
    is_left: bool,
    noticed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Noticed {
    at: Instant,
    /// Which share of those who should have asked had.
    share: f64,
    /// How many should ask each step, before it.
    due: f64,
    /// Once it can be seen: whether as many should ask again.
    are_back: Option<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Awaited {
    step: u64,
    earliest: Instant,
}

/// Who should have asked in one step, and who has in time.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    index: u64,
    due: u32,
    in_time: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    due: f64,
    in_time: f64,
}

impl Hush {
    /// A visitor has asked, and is to ask again after `told_ms`; 0: whenever it can.
    pub(super) fn asked(&mut self, number: u64, at: Instant, told_ms: u32) {
        let began = *self.began.get_or_insert(at);
        if let Some(awaited) = self.awaited.remove(&number) {
            let in_time = self.start_of(began, awaited.step + 1) + IN_TIME >= at;
            if at < awaited.earliest {
                // Another tab, or a page that was loaded anew: nothing is known of when the page would have asked.
                self.not_due(awaited.step);
            } else if in_time {
                self.step(awaited.step).in_time += 1;
            }
        }
        if self.is_left || told_ms == 0 || told_ms > NEAR_MS_MAX || self.awaited.len() >= AWAITED_MAX {
            return;
        }
        let jitter = Duration::from_millis(jitter_ms(told_ms));
        let told = Duration::from_millis(told_ms.into());
        let step = self.step_at(began, at + told + jitter);
        self.step(step).due += 1;
        self.awaited.insert(number, Awaited { step, earliest: at + told - jitter });
    }

    /// A visitor will not ask again: it is inside, or has gone.
    pub(super) fn is_done(&mut self, number: u64) {
        if let Some(awaited) = self.awaited.remove(&number) {
            self.not_due(awaited.step);
        }
    }

    fn not_due(&mut self, index: u64) {
        // Of a step that is long over nothing is kept.
        let place = usize::try_from(index % STEPS as u64).unwrap_or(0);
        if let Some(step) = self.steps.get_mut(place).filter(|step| step.index == index) {
            step.due = step.due.saturating_sub(1);
        }
    }

    /// The node's visitors go to another one from now on.
    pub(super) fn is_left(&mut self) {
        *self = Self { is_left: true, noticed: self.noticed, ..Self::default() };
    }

    /// All have other numbers now.
    pub(super) fn forget(&mut self) {
        *self = Self { is_left: self.is_left, noticed: self.noticed, ..Self::default() };
    }

    /// How many have been noticed since the last time.
    pub(super) fn take_noticed(&mut self) -> u64 {
        std::mem::take(&mut self.noticed)
    }

    /// Whether there was one lately: what was measured before may not hold any more.
    pub(super) fn was_lately(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.saturating_duration_since(last.at) < LATELY)
    }

    /// Which share is there, at least, of those who are counted as waiting: after a hush most may have gone, and are counted
    /// until they have not asked for longer than a hidden page does.
    pub(super) fn there_at_least(&mut self, now: Instant) -> f64 {
        let Some(last) = self.last.filter(|last| now.saturating_duration_since(last.at) < COUNTED) else { return 1.0 };
        if last.are_back.is_none() && !self.was_lately(now) {
            let are_back = self.due_per_step() * ONE_IN >= last.due;
            self.last = Some(Noticed { are_back: Some(are_back), ..last });
        }
        if self.last.is_some_and(|last| last.are_back == Some(true)) { 1.0 } else { last.share }
    }

    /// How many should have asked in each of the last steps.
    fn due_per_step(&mut self) -> f64 {
        let due: u32 = (self.next.saturating_sub(JUDGED_MAX)..self.next).map(|index| self.step(index).due).sum();
        f64::from(due) / JUDGED_MAX as f64
    }

    /// Whether there is a hush.
    pub(super) fn is_on(&mut self, now: Instant) -> bool {
        if let Some(share) = self.judge(now) {
            self.noticed += 1;
            self.last = Some(Noticed { at: now, share, due: self.due_per_step(), are_back: None });
            // What was usual is not any more, until it is seen again what is.
            self.usual = Share::default();
        }
        self.last.is_some_and(|last| now.saturating_duration_since(last.at) < TOLD)
    }

    /// Which share has asked of those who should have, if hardly any has.
    fn judge(&mut self, now: Instant) -> Option<f64> {
        let began = self.began?;
        let now_step = self.step_at(began, now.checked_sub(IN_TIME).unwrap_or(began));
        if self.next < now_step {
            let first = self.next.max(now_step.saturating_sub(STEPS as u64 / 2));
            for index in first..now_step {
                let Step { due, in_time, .. } = *self.step(index);
                self.usual.add(due, in_time);
            }
            self.next = now_step;
            self.awaited.retain(|_, awaited| awaited.step + STEPS as u64 / 2 > now_step);
        }
        if self.usual.due < USUAL_MIN {
            return None;
        }
        let usual = self.usual.in_time / self.usual.due;
        let (mut expected, mut in_time) = (0.0, 0.0);
        for index in (now_step.saturating_sub(JUDGED_MAX)..now_step).rev() {
            let step = *self.step(index);
            expected += f64::from(step.due) * usual;
            in_time += f64::from(step.in_time);
            if expected >= EXPECTED_MIN {
                return (in_time * ONE_IN < expected).then_some(in_time / expected);
            }
        }
        None
    }

    fn step_at(&self, began: Instant, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(began).as_millis()).unwrap_or(u64::MAX) / STEP_MS
    }

    fn start_of(&self, began: Instant, step: u64) -> Instant {
        began + Duration::from_millis(step * STEP_MS)
    }

    fn step(&mut self, index: u64) -> &mut Step {
        if self.steps.is_empty() {
            self.steps.resize(STEPS, Step::default());
        }
        let place = usize::try_from(index % STEPS as u64).unwrap_or(0);
        let step = &mut self.steps[place];
        if step.index != index {
            *step = Step { index, ..Step::default() };
        }
        step
    }
}

impl Share {
    fn add(&mut self, due: u32, in_time: u32) {
        self.due += f64::from(due);
        self.in_time += f64::from(in_time);
        if self.due > USUAL_MAX {
            self.due /= 2.0;
            self.in_time /= 2.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Visitors near the head who are told to ask every 2 s, and are so much late; `asks` says who asks this node, by
    /// number and second. Gives in which seconds there is a hush, and which share is there at least, by second.
    fn run(visitors: u64, late_ms: impl Fn(u64) -> u64, asks: impl Fn(u64, u64) -> bool) -> (Vec<u64>, Vec<f64>) {
        let (mut hush, start) = (Hush::default(), Instant::now());
        let mut next: Vec<u64> = (0..visitors).map(|number| number * 2_000 / visitors).collect();
        let (mut hushes, mut there) = (Vec::new(), vec![1.0; 60]);
        for ms in (0..60_000).step_by(25) {
            let (now, second) = (start + Duration::from_millis(ms), ms / 1_000);
            for number in 0..visitors {
                let at = usize::try_from(number).unwrap_or(0);
                if next[at] <= ms {
                    if asks(number, second) {
                        hush.asked(number, now, 2_000);
                    }
                    next[at] = ms + 1_900 + (number * 7 + second) % 200 + late_ms(second);
                }
            }
            if hush.is_on(now) {
                hushes.push(second);
            }
            there[usize::try_from(second).unwrap_or(0)] = hush.there_at_least(now);
        }
        hushes.dedup();
        (hushes, there)
    }

    fn heard(visitors: u64, late_ms: impl Fn(u64) -> u64, asks: impl Fn(u64, u64) -> bool) -> Vec<u64> {
        run(visitors, late_ms, asks).0
    }

    #[test]
    fn after_most_have_gone_it_is_known_that_they_may_be_counted_still() {
        let (_, there) = run(40, |_| 100, |number, second| second < 30 || number % 10 == 0);
        assert!(there[..30].iter().all(|&there| there == 1.0), "{there:?}");
        assert!(there[33..].iter().all(|&there| there <= 0.25), "{there:?}");
    }

    #[test]
    fn once_those_on_a_slow_network_are_back_all_are_taken_to_be_there() {
        let (_, there) = run(40, |second| if second < 30 { 100 } else { 3_000 }, |_, _| true);
        assert!(there[33] <= 0.25 && there[45..].iter().all(|&there| there == 1.0), "{there:?}");
    }

    #[test]
    fn visitors_who_ask_as_told_make_no_hush() {
        assert!(heard(40, |_| 100, |_, _| true).is_empty());
    }

    #[test]
    fn a_network_that_becomes_slow_is_noticed_before_anybody_runs_out() {
        let hushes = heard(40, |second| if second < 30 { 100 } else { 3_000 }, |_, _| true);
        assert!(hushes.first().is_some_and(|first| (32..=33).contains(first)), "{hushes:?}");
        assert!(hushes.len() <= 3, "once: {hushes:?}");
    }

    #[test]
    fn nine_in_ten_who_go_at_once_are_noticed_within_a_second_or_two() {
        let hushes = heard(40, |_| 100, |number, second| second < 30 || number % 10 == 0);
        assert!(hushes.first().is_some_and(|first| (30..=31).contains(first)), "{hushes:?}");
    }

    #[test]
    fn one_in_three_who_goes_is_no_hush() {
        assert!(heard(40, |_| 100, |number, second| second < 30 || number % 3 > 0).is_empty());
    }

    #[test]
    fn where_visitors_ask_any_node_the_share_that_is_usual_counts() {
        // One in three asks this node, each time another one.
        let here = |number: u64, second: u64| {
            let hash = (number * 100 + second).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            hash.is_multiple_of(3)
        };
        assert!(heard(240, |_| 100, here).is_empty());
        let hushes = heard(240, |_| 100, |number, second| here(number, second) && second < 30);
        assert!(hushes.first().is_some_and(|first| (30..=32).contains(first)), "{hushes:?}");
    }

    #[test]
    fn too_few_to_tell_make_no_hush() {
        assert!(heard(5, |_| 100, |_, second| second < 30).is_empty());
    }

    #[test]
    fn a_visitor_who_is_inside_is_not_awaited() {
        let (mut hush, start) = (Hush::default(), Instant::now());
        for number in 0..2_000 {
            let at = start + Duration::from_millis(number * 10);
            hush.asked(number, at, 2_000);
            hush.is_done(number);
            assert!(!hush.is_on(at));
        }
        assert!(hush.awaited.is_empty());
    }
}
