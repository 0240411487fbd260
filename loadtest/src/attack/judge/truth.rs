//! Do the waits that were shown hold?
//!
//! A change of the limits can be foreseen by nobody, so a wait that was shown before one and ended after it is not judged.

use serde::Serialize;

use super::{Case, JUDGED_MIN};
use crate::{
    attack::{
        clock::{SECOND_US, Us},
        people::story::{Story, Wait},
    },
    simulate::Quantiles,
};

/// Shown waits of those who always asked as told and got in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Shown {
    pub(crate) held: usize,
    /// The wait was shorter than shown.
    pub(crate) shorter: usize,
    pub(crate) longer: usize,
    /// Limits were changed meanwhile.
    pub(crate) unforeseen: usize,
}

impl Shown {
    pub(super) fn all(&self) -> usize {
        self.held + self.shorter + self.longer
    }

    pub(super) fn share(&self) -> Option<f64> {
        (self.all() >= JUDGED_MIN).then(|| self.held as f64 / self.all() as f64)
    }

    fn count(&mut self, wait: &Wait, entered_us: Us) {
        let Some((low_s, high_s)) = wait.shown_s else { return };
        let waited_us = entered_us.saturating_sub(wait.answered_us);
        if waited_us < Us::from(low_s) * SECOND_US {
            self.shorter += 1;
        } else if waited_us > Us::from(high_s) * SECOND_US {
            self.longer += 1;
        } else {
            self.held += 1;
        }
    }
}

impl Case<'_> {
    pub(super) fn first_shown(&self) -> Shown {
        self.shown(|story| story.waits.iter().find(|wait| wait.shown_s.is_some()).into_iter())
    }

    pub(super) fn every_shown(&self) -> Shown {
        self.shown(|story| story.waits.iter())
    }

    pub(super) fn shown<'b, I: Iterator<Item = &'b Wait>>(&'b self, of: impl Fn(&'b Story) -> I) -> Shown {
        let mut shown = Shown::default();
        for &story in self.stories.iter().filter(|story| story.steady) {
            let Some(entered_us) = story.entered_us else { continue };
            let (unforeseen, foreseen): (Vec<_>, Vec<_>) = of(story)
                .filter(|wait| wait.shown_s.is_some())
                .partition(|wait| self.in_force.change_within(wait.answered_us, entered_us));
            shown.unforeseen += unforeseen.len();
            foreseen.into_iter().for_each(|wait| shown.count(wait, entered_us));
        }
        shown
    }

    /// Seconds from the first answer that told a visitor to wait to its entry.
    pub(super) fn waits(&self) -> Quantiles {
        let waited = |story: &&Story| Some(story.entered_us?.saturating_sub(story.waits.first()?.answered_us));
        let mut waits: Vec<_> = self.stories.iter().filter_map(waited).collect();
        waits.sort_unstable();
        let at =
            |share: usize| waits.get(waits.len().saturating_sub(1) * share / 1_000).map_or(0.0, |&us| us as f64 / 1e6);
        Quantiles { median: at(500), p90: at(900), p99: at(990), worst: at(1_000) }
    }
}
