//! Were two lanes that stood at the same time called by their weights?
//!
//! From outside it cannot be seen when a lane stood, but it can be bounded: when a tenth of those who waited in a lane had
//! come in, it had been standing for a while, and until nine tenths had, enough of them still stood. In a time that is
//! within both, visitors of each lane must reach the origin by its weight.

use serde::Serialize;

use super::{Case, EDGES_S, JUDGED_MIN, Shown};
use crate::{
    attack::{
        clock::{SECOND_US, Us},
        people::story::Story,
    },
    simulate::percent,
};

/// The furthest that a lane may be from its share, beside what is not known exactly.
const SHARE_OFF_MAX: f64 = 0.01;

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Lanes {
    /// Visitors of each lane who reached the origin while both stood, and for how long they did.
    pub(crate) entered: [u64; 2],
    pub(crate) both_stood_s: f64,
    /// First waits that were shown in each lane.
    pub(crate) first_shown: [Shown; 2],
}

impl Lanes {
    /// How far the second lane was from its share of these weights; `None`: too few came while both stood.
    pub(super) fn share_off(&self, weights: [u32; 2]) -> Option<f64> {
        let all: u64 = self.entered.iter().sum();
        let due = f64::from(weights[1]) / f64::from(weights.iter().sum::<u32>().max(1));
        (all >= JUDGED_MIN as u64).then(|| (self.entered[1] as f64 / all as f64 - due).abs())
    }

    pub(super) fn may_be_off(&self) -> f64 {
        SHARE_OFF_MAX + EDGES_S / self.both_stood_s.max(1.0)
    }

    pub(super) fn in_words(&self, weights: [u32; 2]) -> String {
        let [first, second] = self.entered;
        match self.share_off(weights) {
            Some(off) => format!(
                "{first} and {second} within {:.0} s, {} off, {} may be",
                self.both_stood_s,
                percent(off),
                percent(self.may_be_off())
            ),
            None => format!("{first} and {second}: one lane was called after the other, or too few stood to judge"),
        }
    }
}

impl Case<'_> {
    pub(super) fn lanes(&self) -> Lanes {
        let in_lane = |story: &Story, lane: usize| story.lane() == Some(lane);
        let times = [0, 1].map(|lane| {
            let waited = self.stories.iter().filter(|story| in_lane(story, lane) && !story.waits.is_empty());
            let mut times: Vec<Us> = waited.filter_map(|story| self.entry_us(story)).collect();
            times.sort_unstable();
            times
        });
        let at = |lane: usize, tenths: usize| times[lane].get(times[lane].len() * tenths / 10).copied().unwrap_or(0);
        let (from_us, until_us) = (at(0, 1).max(at(1, 1)), at(0, 9).min(at(1, 9)));
        let entered = [0, 1].map(|lane| {
            let within = times[lane].iter().filter(|&&us| (from_us..until_us).contains(&us));
            within.count() as u64
        });
        let first_shown = [0, 1].map(|lane| {
            self.shown(|story| {
                let first = story.waits.iter().find(|wait| wait.shown_s.is_some());
                first.filter(|_| in_lane(story, lane)).into_iter()
            })
        });
        Lanes { entered, both_stood_s: until_us.saturating_sub(from_us) as f64 / SECOND_US as f64, first_shown }
    }
}
