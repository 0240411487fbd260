//! Was anybody who was present overtaken?
//!
//! A visitor is present for as long as it asks again as it was told. When exactly somebody was called cannot be seen
//! from outside, but it can be bounded: after the last request that was answered "wait", and before the first answer
//! that said otherwise. Somebody was overtaken, without any doubt, if a higher number is known to be called while the
//! lower one, present all the time in which that call can have been made, still asks in vain.

use std::time::Duration;

use tokio::time::Instant;

use super::{journey::Story, judge::Judge};

/// How long after its time somebody may ask and still count as present: the line's grace.
const GRACE: Duration = Duration::from_secs(2);
/// How long it may take until a first poll is known to the line: a tick, on a busy machine.
const HEARD_WITHIN: Duration = Duration::from_millis(250);
/// How much later than its next poll a called visitor may reach the origin.
const ENTERS_WITHIN: Duration = Duration::from_secs(1);
/// The longest pause that a visitor makes after a request that got no answer.
const RETRY_MAX: Duration = Duration::from_millis(1_500);

/// A time in which the node was away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    pub(super) from: Instant,
    pub(super) until: Instant,
}

/// From when to when a visitor was present and in line.
#[derive(Clone, Copy, Debug)]
struct Present {
    from: Instant,
    /// The last request that was answered "wait" by a node that reached the line.
    until: Instant,
    /// When it was to ask again after that.
    told: Duration,
}

fn presences(story: &Story, heard_within: Duration) -> Vec<Present> {
    let mut all: Vec<Present> = Vec::new();
    let mut due = None;
    for wait in &story.waits {
        match all.last_mut() {
            Some(present) if due.is_some_and(|due| wait.asked <= due) => {
                if !wait.held {
                    (present.until, present.told) = (wait.asked, wait.told);
                }
            }
            _ => all.push(Present { from: wait.answered + heard_within, until: wait.asked, told: wait.told }),
        }
        due = Some(wait.answered + wait.told + GRACE);
    }
    all
}

impl Judge {
    fn presences(&self, story: &Story) -> Vec<Present> {
        presences(story, self.limits.heard_within.max(HEARD_WITHIN))
    }

    pub(super) fn nobody_was_overtaken(&self) {
        let overtaken = self.overtaken();
        assert!(overtaken.is_empty(), "{} were overtaken, such as {:?}", overtaken.len(), overtaken[0]);
    }

    /// Visitors reached the origin in the order of their numbers, but for what polling and an outage explain.
    pub(super) fn the_origin_saw_the_order(&self) {
        let late = self.late_at_the_origin(true);
        assert!(late.is_empty(), "{} reached the origin out of order, such as {:?}", late.len(), late[0]);
    }

    pub(super) fn tell_of_order(&self) {
        let waited = self.stories.iter().filter(|story| !story.waits.is_empty());
        let steady = waited.clone().filter(|story| self.presences(story).len() == 1).count();
        eprintln!(
            "{} waited, {steady} of them present all the time; {} overtaken, {} out of order at the origin",
            waited.clone().count(),
            self.overtaken().len(),
            self.late_at_the_origin(true).len(),
        );
        if let Some(outage) = self.outage {
            eprintln!(
                "away for {:?}: {} learned of their call across it, {} pairs out of order but for that",
                outage.until - outage.from,
                waited.filter(|story| self.outage_in_between(story).is_some()).count(),
                self.late_at_the_origin(false).len(),
            );
        }
    }

    /// The outage, if a visitor learned of the call across it: the node was away at some time between the last request
    /// that was answered "wait" and the first one that reached the origin.
    fn outage_in_between(&self, story: &Story) -> Option<Outage> {
        let (outage, last, entry) = (self.outage?, story.waits.last()?, self.entry(story)?);
        (last.asked <= outage.until && entry >= outage.from).then_some(outage)
    }

    /// How much later than its next poll a visitor may learn of a call because of the outage. The poll that would have
    /// told of it, or the claim, got no answer and was made again after a pause, on a connection that may turn out to
    /// be dead as well. Who neither polled nor claimed meanwhile, and whoever was called before or after, has lost
    /// nothing and gets nothing.
    fn lost_to_outage(&self, story: &Story) -> Duration {
        let lost = |outage: Outage| outage.until - outage.from + RETRY_MAX * story.retries;
        self.outage_in_between(story).filter(|_| story.retries > 0).map_or(Duration::ZERO, lost)
    }

    /// Pairs of numbers: the one that was overtaken, and by whom.
    pub(crate) fn overtaken(&self) -> Vec<(u64, u64)> {
        self.pairs(|present, _, later| {
            let called_by = later.called_by?;
            let until = present.until - self.limits.heard_within;
            (present.from < self.called_after(later) && called_by < until).then_some(())
        })
    }

    /// What the first who was overtaken saw, and who overtook; in seconds from some moment on.
    pub(crate) fn tell_of_overtaken(&self, from: Instant) -> Option<String> {
        let (number, later) = self.overtaken().into_iter().next()?;
        let at = |instant: Instant| {
            let before = from.saturating_duration_since(instant).as_secs_f64();
            instant.saturating_duration_since(from).as_secs_f64() - before
        };
        let tell = |number: u64| {
            let story = self.stories.iter().find(|story| story.numbers.first() == Some(&number))?;
            let waits = story.waits.iter().rev().take(8).rev();
            let waits: Vec<_> = waits
                .map(|wait| {
                    let held = if wait.held { ", held" } else { "" };
                    format!("{:.2} to {:.2}: {} s{held}", at(wait.asked), at(wait.answered), wait.told.as_secs())
                })
                .collect();
            let [called, entered] = [story.called_by, self.entry(story)].map(|instant| instant.map(at));
            Some(format!(
                "{number} was told to wait {waits:?}, called by {called:.2?}, at the origin at {entered:.2?}\n"
            ))
        };
        Some(tell(number)? + &tell(later)?)
    }

    /// The same by the origin's log. A call is learned of at the next poll, so only an order that this does not explain
    /// counts; nor can anybody learn of it from an answer that was lost.
    fn late_at_the_origin(&self, outage_explains: bool) -> Vec<(u64, u64)> {
        self.pairs(|present, story, later| {
            let lost = if outage_explains { self.lost_to_outage(story) } else { Duration::ZERO };
            let learns_by = present.told.mul_f64(1.1) + ENTERS_WITHIN + lost;
            let was_present =
                present.from < self.called_after(later) && later.called_by? < present.until + present.told;
            (was_present && self.entry(story)? > self.entry(later)? + learns_by).then_some(())
        })
    }

    /// All pairs of a presence and a later number of which something is true.
    fn pairs(&self, is: impl Fn(&Present, &Story, &Story) -> Option<()>) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        for (at, story) in self.stories.iter().enumerate() {
            for present in self.presences(story) {
                for later in &self.stories[at + 1..] {
                    if is(&present, story, later).is_some() {
                        found.extend(story.numbers.first().copied().zip(later.numbers.first().copied()));
                    }
                }
            }
        }
        found
    }
}
