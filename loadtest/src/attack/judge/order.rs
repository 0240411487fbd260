//! Was anybody who was present overtaken?
//!
//! A visitor is present for as long as it asks again as it was told. When exactly somebody was called cannot be seen
//! from outside, but it can be bounded: after the last request that was answered "wait", and before the first answer
//! that said otherwise. Somebody was overtaken, without any doubt, if a higher number is known to be called while the
//! lower one, present all the time in which that call can have been made, still asks in vain.

use super::Case;
use crate::attack::{
    clock::{SECOND_US, Us},
    people::story::Story,
};

/// How long after its time somebody may ask and still be present to the line. Whoever asks later than this, less the time
/// in which the line hears of it, is not counted on: a tenth more than 20 s is too late.
const GRACE_US: Us = 1_500_000;
/// How much later than its next poll a called visitor may reach the origin, beside what its own story explains.
const ENTERS_WITHIN_US: Us = SECOND_US;

/// From when to when a visitor was present and in line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Present {
    pub(super) from_us: Us,
    /// The last request that was answered "wait" by a node that reached the line.
    pub(super) until_us: Us,
    /// When it was to ask again after that.
    told_us: Us,
}

/// All times in which a visitor was present, with the time that nodes and line may take to hear of it.
pub(super) fn presences(story: &Story, heard_within_us: Us) -> Vec<Present> {
    let mut all: Vec<Present> = Vec::new();
    let mut due_us = 0;
    for wait in &story.waits {
        let told_us = Us::from(wait.told_s) * SECOND_US;
        match all.last_mut() {
            Some(present) if wait.answered_us + heard_within_us <= due_us => {
                if !wait.held {
                    (present.until_us, present.told_us) = (wait.asked_us, told_us);
                }
            }
            _ => all.push(Present { from_us: wait.answered_us + heard_within_us, until_us: wait.asked_us, told_us }),
        }
        due_us = wait.asked_us + told_us + GRACE_US;
    }
    all
}

/// For each moment after which somebody was called: the earliest of a time of all who were called after it.
struct Earliest {
    after_us: Vec<Us>,
    /// A Fenwick tree over the moments from the last to the first, of minima.
    least: Vec<Option<(Us, u64)>>,
}

impl Earliest {
    fn new(mut after_us: Vec<Us>) -> Self {
        after_us.sort_unstable();
        after_us.dedup();
        let least = vec![None; after_us.len() + 1];
        Self { after_us, least }
    }

    fn add(&mut self, after_us: Us, time_us: Us, number: u64) {
        let mut at = self.after_us.len() - self.after_us.partition_point(|&us| us < after_us);
        while let Some(least) = self.least.get_mut(at).filter(|_| at > 0) {
            if least.is_none_or(|(us, _)| time_us < us) {
                *least = Some((time_us, number));
            }
            at += at & at.wrapping_neg();
        }
    }

    /// Of all that were added with a moment later than this.
    fn later_than(&self, us: Us) -> Option<(Us, u64)> {
        let mut at = self.after_us.len() - self.after_us.partition_point(|&after_us| after_us <= us);
        let mut least: Option<(Us, u64)> = None;
        while at > 0 {
            least = least.into_iter().chain(self.least.get(at).copied().flatten()).min();
            at &= at - 1;
        }
        least
    }
}

impl Case<'_> {
    fn presences(&self, story: &Story) -> Vec<Present> {
        presences(story, self.limits.heard_within_us)
    }

    pub(super) fn overtaken(&self) -> Vec<(u64, u64)> {
        self.passed_over(
            |later| self.called_by_us(later),
            |present, _| Some(present.until_us.saturating_sub(self.limits.heard_within_us)),
        )
    }

    /// The same by the origin's log. A call is learned of at the next poll, so only an order that this does not explain
    /// counts; nor can anybody learn of it while the line cannot be asked. Whoever never came is looked for elsewhere.
    pub(super) fn late_at_origin(&self) -> Vec<(u64, u64)> {
        self.passed_over(
            |later| self.entry_us(later),
            |present, story| {
                let entered_us = self.entry_us(story)?;
                let lost_us = self.excused_between(present.until_us, entered_us);
                let learns_within_us = present.told_us + present.told_us / 10;
                let enters_within_us = ENTERS_WITHIN_US + story.late_us + lost_us;
                Some(
                    (present.until_us + present.told_us)
                        .min(entered_us.saturating_sub(learns_within_us + enters_within_us)),
                )
            },
        )
    }

    /// How long something that was done to the fleet was in the way of whoever learned of a call between these moments.
    fn excused_between(&self, from_us: Us, until_us: Us) -> Us {
        let over = |&&(begins_us, ends_us): &&(Us, Us)| begins_us < until_us && ends_us > from_us;
        self.excused.iter().filter(over).map(|(begins_us, ends_us)| ends_us - begins_us).sum()
    }

    /// Visitors who were present all the time in which a higher number can have been called whose time is before theirs.
    fn passed_over(
        &self,
        time_us: impl Fn(&Story) -> Option<Us>,
        before_us: impl Fn(&Present, &Story) -> Option<Us>,
    ) -> Vec<(u64, u64)> {
        let nobody = || Earliest::new(self.stories.iter().map(|story| self.called_after_us(story)).collect());
        let (mut higher, mut lane) = (nobody(), None);
        let mut found = Vec::new();
        for story in self.stories.iter().rev() {
            let Some(number) = story.number() else { continue };
            // There is an order within a lane; the numbers of each stand together.
            if lane != story.lane() {
                (higher, lane) = (nobody(), story.lane());
            }
            let by = self.presences(story).into_iter().find_map(|present| {
                let (time_us, by) = higher.later_than(present.from_us)?;
                (time_us < before_us(&present, story)?).then_some(by)
            });
            found.extend(by.map(|by| (number, by)));
            if let Some(time_us) = time_us(story) {
                higher.add(self.called_after_us(story), time_us, number);
            }
        }
        found
    }

    /// The places of those who always asked as told, in the order in which they reached the origin, lane after lane.
    pub(super) fn order_of_entries(&self) -> Vec<u32> {
        let steady = self.stories.iter().filter(|story| story.steady && !story.waits.is_empty());
        let entry = |story: &&Story| Some((story.lane()?, self.entry_us(story)?, story.number()?));
        let mut entries: Vec<_> = steady.filter_map(entry).collect();
        entries.sort_unstable();
        // Only their order counts: a lane's places begin where those of the lane before have ended.
        let mut numbers: Vec<_> = entries.iter().map(|&(_, _, number)| number).collect();
        numbers.sort_unstable();
        let rank = |number| u32::try_from(numbers.partition_point(|&other| other < number)).unwrap_or(u32::MAX);
        entries.into_iter().map(|(_, _, number)| rank(number)).collect()
    }
}
