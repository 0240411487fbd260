//! Whose visit has ended: their passes are void, although they have not expired.
//!
//! A pass is checked by the node alone, so a client that kept a copy could go on using it, and its mark would take a
//! seat again. The line remembers such numbers for as long as a pass lives, and tells every node of them.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// Most numbers remembered; beyond, those go that ended first.
pub(in crate::line) const ENDED_MAX: usize = 1_000_000;
/// Most of them in one answer; the next step gives the rest.
pub(crate) const ENDED_TOLD_MAX: usize = 1_000;

/// Numbers by the time at which their visit ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Ended {
    /// When, and whether the line has yet to count that it was called.
    by_number: HashMap<u64, (u64, bool)>,
    by_time: BTreeMap<u64, u64>,
    /// The last time given out. No two are the same, so that one of them says how many a node knows of.
    last_ms: u64,
    dropped: u64,
}

impl Ended {
    pub(in crate::line) fn contains(&self, number: u64) -> bool {
        self.by_number.contains_key(&number)
    }

    /// The first time counts. `uncounted`: the line has not called the number, so a node let it in, and will tell.
    pub(in crate::line) fn add(&mut self, number: u64, now_ms: u64, uncounted: bool) {
        if self.contains(number) {
            return;
        }
        self.last_ms = now_ms.max(self.last_ms + 1);
        self.by_number.insert(number, (self.last_ms, uncounted));
        self.by_time.insert(self.last_ms, number);
        while self.by_time.len() > ENDED_MAX {
            self.dropped += 1;
            self.pop();
        }
    }

    /// Whether a number has yet to be counted as called; after this it has not.
    pub(in crate::line) fn count(&mut self, number: u64) -> bool {
        self.by_number.get_mut(&number).is_some_and(|(_, uncounted)| std::mem::take(uncounted))
    }

    /// A node knows of ends up to this time, perhaps from a state that was lost.
    pub(in crate::line) fn learn(&mut self, told_ms: u64) {
        self.last_ms = self.last_ms.max(told_ms);
    }

    /// Forgets those that ended `keep_ms` ago.
    pub(in crate::line) fn expire(&mut self, now_ms: u64, keep_ms: u64) {
        while self.by_time.first_key_value().is_some_and(|(&ended_ms, _)| ended_ms + keep_ms <= now_ms) {
            self.pop();
        }
    }

    /// Numbers that have ended after this time, and when, the first of them first.
    pub(in crate::line) fn after(&self, told_ms: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.by_time.range(told_ms + 1..).take(ENDED_TOLD_MAX).map(|(&ended_ms, &number)| (number, ended_ms))
    }

    /// Numbers that had to be forgotten before their passes expired.
    pub(in crate::line) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn pop(&mut self) {
        if let Some((_, number)) = self.by_time.pop_first() {
            self.by_number.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_bound_those_go_that_ended_first_and_are_counted() {
        let mut ended = Ended::default();
        for number in 0..ENDED_MAX as u64 + 3 {
            ended.add(number, 1_000, false);
        }
        assert_eq!((ended.contains(2), ended.contains(3), ended.dropped()), (false, true, 3));
    }

    #[test]
    fn a_node_is_told_of_all_of_them_however_many_end_at_once() {
        let mut ended = Ended::default();
        for number in 0..2_500 {
            ended.add(number, 1_000, false);
        }
        let (mut told_ms, mut told) = (0, Vec::new());
        for _ in 0..3 {
            let some: Vec<_> = ended.after(told_ms).collect();
            told_ms = some.last().map_or(told_ms, |&(_, ended_ms)| ended_ms);
            told.extend(some.into_iter().map(|(number, _)| number));
        }
        assert_eq!(told, (0..2_500).collect::<Vec<_>>());
        assert_eq!(ended.after(told_ms).count(), 0);
    }
}
