//! Holds the stories of a crowd against what was promised to it.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;

use super::{
    journey::Story,
    order::Outage,
    plan::Patience,
    watch::{Sample, Watch},
};
use crate::support::origin::Hit;

/// Everything there is to know of one run.
#[derive(Debug)]
pub(super) struct Judge {
    /// By number; those who were never told one come first.
    pub(super) stories: Vec<Story>,
    /// What reached the origin, by visitor.
    pub(super) visits: HashMap<usize, Vec<Hit>>,
    pub(super) samples: Vec<Sample>,
    /// When the node was away, if it was.
    pub(super) outage: Option<Outage>,
}

impl Judge {
    pub(super) fn new(mut stories: Vec<Story>, hits: Vec<Hit>, watch: Watch) -> Self {
        stories.sort_by_key(|story| story.numbers.first().copied());
        let mut visits: HashMap<usize, Vec<Hit>> = HashMap::new();
        for hit in hits {
            visits.entry(hit.visitor().unwrap().parse().unwrap()).or_default().push(hit);
        }
        Self { stories, visits, samples: watch.samples(), outage: None }
    }

    /// The figures, for whoever wants to see more than that a test has passed.
    pub(super) fn tell(&self) {
        let count = |which: &dyn Fn(&Story) -> bool| self.stories.iter().filter(|story| which(story)).count();
        let walked_away = count(&|s| s.entered.is_none());
        let late = count(&|s| matches!(s.plan.patience, Patience::ComesBackLate(_)));
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
        self.tell_of_order();
        self.tell_of_rate();
        self.tell_of_seats();
    }

    /// Nobody was ever told another number than the first, and no number was given twice.
    pub(super) fn places_were_kept(&self) {
        let changed: Vec<_> = self.stories.iter().filter(|story| story.numbers.len() > 1).collect();
        assert!(changed.is_empty(), "{} lost a place, such as {:?}", changed.len(), changed[0]);
        let mut given = HashSet::new();
        let twice: Vec<_> =
            self.stories.iter().flat_map(|s| s.numbers.first()).filter(|n| !given.insert(**n)).collect();
        assert!(twice.is_empty(), "given twice: {twice:?}");
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

    /// When a visitor first reached the origin.
    pub(super) fn entry(&self, story: &Story) -> Option<Instant> {
        Some(self.visits.get(&story.plan.visitor)?.first()?.at)
    }
}
