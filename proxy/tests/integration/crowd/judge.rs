//! Holds the stories of a crowd against what was promised to it.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use tokio::time::Instant;

use super::{journey::Story, limits::Limits, order::Outage, plan::Patience, watch::Sample};
use crate::support::origin::Hit;

/// Everything there is to know of one crowd.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) limits: Limits,
    /// By number; those who were never told one come first.
    pub(crate) stories: Vec<Story>,
    /// What reached the origin, by visitor.
    pub(super) visits: HashMap<usize, Vec<Hit>>,
    pub(super) samples: Vec<Sample>,
    /// When the node was away, if it was.
    pub(super) outage: Option<Outage>,
}

impl Judge {
    /// Of the hits only those of its own visitors are looked at.
    pub(crate) fn new(limits: Limits, mut stories: Vec<Story>, hits: &[Hit], samples: Vec<Sample>) -> Self {
        stories.sort_by_key(|story| story.numbers.first().copied());
        let mut visits: HashMap<usize, Vec<Hit>> = HashMap::new();
        let own: HashSet<_> = stories.iter().map(|story| story.plan.visitor).collect();
        for hit in hits {
            let visitor = hit.visitor().unwrap().parse().unwrap();
            if own.contains(&visitor) {
                visits.entry(visitor).or_default().push(hit.clone());
            }
        }
        Self { limits, stories, visits, samples, outage: None }
    }

    /// The figures, for whoever wants to see more than that a test has passed.
    pub(super) fn tell(&self) {
        let walked_away = self.count(|s| s.entered.is_none());
        let late = self.count(|s| matches!(s.plan.patience, Patience::ComesBackLate(_)));
        let retries: u32 = self.stories.iter().map(|s| s.retries).sum();
        let calls = self.samples.iter().map(|s| s.calls).max().unwrap_or(0);
        eprintln!(
            "{} visitors: {} got in, {walked_away} walked away, {late} came back late, {retries} requests retried",
            self.stories.len(),
            self.visits.len()
        );
        eprintln!(
            "{calls} calls, {} of them for visitors who had gone",
            calls.saturating_sub(self.visits.len() as u64)
        );
        let [back, taken] = [self.count(|s| s.fell_back > 0), self.count(|s| s.taken_back > 0)];
        eprintln!("{back} saw their position rise, {taken} were told to wait after they were called");
        self.tell_of_order();
        self.tell_of_rate();
        self.tell_of_seats();
    }

    /// Nobody was ever told another number than the first, and no number was given twice.
    pub(super) fn places_were_kept(&self) {
        let lost = self.lost_places();
        assert!(lost.is_empty(), "{} lost a place, such as {:?}", lost.len(), lost[0]);
        let twice = self.given_twice();
        assert!(twice.is_empty(), "given twice: {twice:?}");
    }

    pub(super) fn no_position_rose(&self) {
        let back: Vec<_> = self.stories.iter().filter(|story| story.fell_back > 0).collect();
        assert!(back.is_empty(), "{} saw their position rise, such as {:?}", back.len(), back[0]);
    }

    pub(super) fn everybody_who_stayed_got_in(&self) {
        let stayed = |s: &&Story| !matches!(s.plan.patience, Patience::WalksAway(_));
        let outside: Vec<_> = self.stories.iter().filter(stayed).filter(|s| self.entry(s).is_none()).collect();
        assert!(outside.is_empty(), "{} did not get in, such as {:?}", outside.len(), outside[0]);
    }

    pub(super) fn nobody_was_thrown_out(&self) {
        let out: Vec<_> = self.stories.iter().filter(|story| story.thrown_out).collect();
        assert!(out.is_empty(), "{} were thrown out, such as {:?}", out.len(), out[0]);
    }

    pub(crate) fn lost_places(&self) -> Vec<&Story> {
        self.stories.iter().filter(|story| story.lost || story.numbers.len() > 1).collect()
    }

    pub(crate) fn given_twice(&self) -> Vec<u64> {
        let mut given = HashSet::new();
        self.stories.iter().flat_map(|s| s.numbers.first()).copied().filter(|n| !given.insert(*n)).collect()
    }

    pub(crate) fn count(&self, which: impl Fn(&Story) -> bool) -> usize {
        self.stories.iter().filter(|story| which(story)).count()
    }

    /// When a visitor first reached the origin.
    pub(crate) fn entry(&self, story: &Story) -> Option<Instant> {
        Some(self.visits.get(&story.plan.visitor)?.first()?.at)
    }

    /// When visitors first reached the origin, one after the other.
    pub(crate) fn entries(&self) -> Vec<Instant> {
        let mut entries: Vec<_> = self.stories.iter().filter_map(|story| self.entry(story)).collect();
        entries.sort_unstable();
        entries
    }

    /// Visitors who asked to be let in, and were, all of it within this time. One who had asked before may have been let
    /// in before, and its request under way.
    pub(crate) fn let_in_within(&self, time: &Range<Instant>) -> usize {
        self.count(|story| {
            let entry = self.entry(story).filter(|at| time.contains(at));
            let asked = |entry| story.asked.iter().rev().find(|&&asked| asked <= entry);
            entry.and_then(asked).is_some_and(|asked| time.contains(asked))
        })
    }

    /// After and before what moment those were called who are known to have been.
    pub(crate) fn calls(&self) -> Vec<(Instant, Instant)> {
        self.stories.iter().filter_map(|story| Some((self.called_after(story), story.called_by?))).collect()
    }

    /// A node answers from what it has heard last, so "wait" says that nobody was called by then, not by now.
    pub(super) fn called_after(&self, story: &Story) -> Instant {
        story.called_after - self.limits.heard_within
    }
}
