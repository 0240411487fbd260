//! Holds a run against what Sluice promises: by what the visitors were told and by the origin's log, by nothing else.

mod due;
mod lanes;
mod order;
mod rate;
mod seats;
#[cfg(test)]
mod tests;
mod truth;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use self::{
    lanes::Lanes,
    rate::{Fullest, Fullness, Second},
    seats::Crowded,
    truth::Shown,
};
use super::{
    clock::{SECOND_US, Us},
    ledger::{Mishap, by_kind},
    limits::{Limits, WINDOW_S, in_force::InForce},
    origin::{Hit, Page, Who},
    outlaws::{Trick, Tried},
};
use crate::{
    attack::people::story::Story,
    simulate::{Promise, Quantiles, percent, tau},
};

/// Least share of the rate that must be used while people stand and seats are free.
const USED_MIN: f64 = 0.99;
/// Least share of shown waits that must hold.
const COVERED_MIN: f64 = 0.80;
/// How exactly the time is known in which the whole rate should come to the origin: how long after their calls visitors come
/// differs by a fraction of a poll's time, at its beginning and at its end.
const EDGES_S: f64 = 0.5;
/// How long the whole rate should have been used, before its use is judged; in seconds.
const DEMAND_S_MIN: f64 = 20.0;
/// Fewest of anything of which a share is judged.
const JUDGED_MIN: usize = 100;

/// Everything there is to know of a run.
#[derive(Debug)]
pub(crate) struct Evidence {
    /// Those of the file.
    pub(crate) limits: Limits,
    /// Those that were in force over time.
    pub(crate) in_force: InForce,
    pub(crate) stories: Vec<Story>,
    pub(crate) hits: Vec<Hit>,
    pub(crate) tried: Tried,
    pub(crate) mishaps: Vec<Mishap>,
    /// When something was done to the fleet that explains what goes wrong: from, until.
    pub(crate) excused: Vec<(Us, Us)>,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) came: usize,
    pub(crate) waited: usize,
    pub(crate) entered: usize,
    pub(crate) walked_away: usize,
    pub(crate) sent_home: usize,
    /// Pairs of numbers: who was overtaken, and by whom; of each who was overtaken one.
    pub(crate) overtaken: Vec<(u64, u64)>,
    pub(crate) late_at_origin: Vec<(u64, u64)>,
    /// What the first of them saw, and who passed them by; and what those saw who were thrown out.
    pub(crate) witnesses: Vec<Story>,
    /// Kendall's tau between numbers and entries, of all who always asked as told, and pairs the wrong way round.
    pub(crate) tau_steady: f64,
    pub(crate) inversions_steady: u64,
    /// Calls that were made within one minute without any doubt.
    pub(crate) most_called_in_60_s: u64,
    /// New visitors at the origin within one minute.
    pub(crate) most_entered_in_60_s: u64,
    /// The minute, and the time of any length, that came nearest to what is allowed in it.
    pub(crate) fullest_minute: Fullest,
    pub(crate) fullest: Fullest,
    pub(crate) crowded: Crowded,
    /// Share of the rate that reached the origin while people stood and seats were free, and for how long they did.
    pub(crate) rate_used: Option<f64>,
    pub(crate) demand_s: f64,
    pub(crate) first_shown: Shown,
    pub(crate) every_shown: Shown,
    pub(crate) position_rises: u64,
    pub(crate) places_lost: Vec<u32>,
    pub(crate) numbers_given_twice: Vec<u64>,
    /// Called, wanted in, and was not let in; or inside, and not let through.
    pub(crate) calls_lost: Vec<u32>,
    pub(crate) thrown_out: Vec<u32>,
    /// Inside, and silent for so long that the visit may have been over.
    pub(crate) idle_too_long: usize,
    pub(crate) told_to_wait_again: usize,
    /// Answers that said that the line could not be asked.
    pub(crate) held_answers: usize,
    pub(crate) left_outside: Vec<u32>,
    pub(crate) outlaws: BTreeMap<&'static str, u64>,
    pub(crate) outlaws_at_origin: usize,
    pub(crate) strangers_at_origin: usize,
    /// Visitors at the origin who were never told that they may enter.
    pub(crate) entered_untold: Vec<u32>,
    pub(crate) numbers_for_nothing: u64,
    pub(crate) explained: BTreeMap<String, u64>,
    pub(crate) unexplained: BTreeMap<String, u64>,
    /// Second by second since the start.
    pub(crate) over_time: Vec<Second>,
    /// Seconds from coming to being let in, of those who had to wait.
    pub(crate) wait_s: Quantiles,
    /// What became of two lanes, if there were.
    pub(crate) lanes: Option<Lanes>,
}

/// What the judge works with: stories by number, and what reached the origin by visitor.
struct Case<'a> {
    limits: Limits,
    in_force: &'a InForce,
    stories: Vec<&'a Story>,
    visits: HashMap<u32, Vec<Hit>>,
    excused: &'a [(Us, Us)],
}

impl<'a> Case<'a> {
    fn new(evidence: &'a Evidence) -> Self {
        let mut stories: Vec<_> = evidence.stories.iter().collect();
        stories.sort_by_key(|story| story.number());
        let mut visits: HashMap<u32, Vec<Hit>> = HashMap::new();
        for hit in &evidence.hits {
            if let (Who::Visitor(who), Page::Home | Page::Inside | Page::End) = (hit.who, hit.page) {
                visits.entry(who).or_default().push(*hit);
            }
        }
        let Evidence { limits, in_force, excused, .. } = evidence;
        Self { limits: *limits, in_force, stories, visits, excused }
    }

    /// When a visitor first reached the origin.
    fn entry_us(&self, story: &Story) -> Option<Us> {
        Some(self.visits.get(&story.who)?.first()?.at_us)
    }

    /// Before this a visitor had not been called: nodes answer from what they have heard last, so "wait" says that it
    /// was not called by then, not by now.
    fn called_after_us(&self, story: &Story) -> Us {
        story.called_after_us.saturating_sub(self.limits.heard_within_us)
    }

    /// By this a visitor had been called.
    fn called_by_us(&self, story: &Story) -> Option<Us> {
        match (story.called_by_us, self.entry_us(story)) {
            (Some(told_us), Some(entry_us)) => Some(told_us.min(entry_us)),
            (told_us, entry_us) => told_us.or(entry_us),
        }
    }

    /// Those of whom something is true.
    fn who(&self, is: impl Fn(&Story) -> bool) -> Vec<u32> {
        self.stories.iter().filter(|story| is(story)).map(|story| story.who).collect()
    }

    fn count(&self, is: impl Fn(&Story) -> bool) -> usize {
        self.stories.iter().filter(|story| is(story)).count()
    }
}

impl Figures {
    pub(crate) fn of(evidence: &Evidence) -> Self {
        let case = Case::new(evidence);
        let of =
            |who: fn(Who) -> bool| evidence.hits.iter().filter(|hit| who(hit.who) && hit.page != Page::Other).count();
        let mut given = HashSet::new();
        let given_twice = case.stories.iter().filter_map(|story| story.number()).filter(|&n| !given.insert(n));
        let excused = |mishap: &&Mishap| {
            evidence.excused.iter().any(|(from_us, until_us)| (from_us..=until_us).contains(&&mishap.at_us))
        };
        let (explained, unexplained): (Vec<_>, Vec<_>) = evidence.mishaps.iter().partition(excused);
        let (tau_steady, inversions_steady) = tau(&case.order_of_entries());
        let calls = case.calls();
        let fullness = Fullness::of(&calls, case.in_force);
        let over_time = case.steps();
        let (overtaken, late_at_origin) = (case.overtaken(), case.late_at_origin());
        let thrown_out =
            case.who(|s| s.refused_inside.is_some_and(|idle_us| idle_us < evidence.limits.session_idle_us()));
        let first = overtaken.first().or(late_at_origin.first()).copied();
        let is_witness = |story: &&&Story| {
            first.is_some_and(|(a, b)| story.number().is_some_and(|n| n == a || n == b))
                || thrown_out.contains(&story.who)
        };
        let (rate_used, demand_s) = case.rate_used(&over_time);
        Self {
            came: case.stories.len(),
            waited: case.count(|s| !s.waits.is_empty()),
            entered: case.count(|s| case.entry_us(s).is_some()),
            walked_away: case.count(|s| !s.stays && !s.cut_short && s.entered_us.is_none()),
            sent_home: case.count(|s| s.cut_short && s.entered_us.is_none()),
            witnesses: case.stories.iter().filter(is_witness).map(|&story| story.clone()).collect(),
            overtaken,
            late_at_origin,
            tau_steady,
            inversions_steady,
            most_called_in_60_s: rate::most_called(&calls, WINDOW_S * SECOND_US),
            most_entered_in_60_s: case.most_entered(),
            fullest_minute: fullness.minute,
            fullest: fullness.any,
            crowded: case.most_crowded(),
            rate_used: rate_used.filter(|_| demand_s >= DEMAND_S_MIN),
            demand_s,
            first_shown: case.first_shown(),
            every_shown: case.every_shown(),
            position_rises: case.stories.iter().map(|s| u64::from(s.fell_back)).sum(),
            places_lost: case.who(|s| s.lost || s.numbers.len() > 1),
            numbers_given_twice: given_twice.collect(),
            calls_lost: case.who(|s| s.called_by_us.is_some() && s.entered_us.is_none() && !s.cut_short),
            thrown_out,
            idle_too_long: case
                .count(|s| s.refused_inside.is_some_and(|idle_us| idle_us >= evidence.limits.session_idle_us())),
            told_to_wait_again: case.count(|s| s.taken_back > 0),
            held_answers: case.stories.iter().flat_map(|s| &s.waits).filter(|wait| wait.held).count(),
            left_outside: case.who(|s| s.stays && s.entered_us.is_none()),
            outlaws: evidence.tried.tried.iter().map(|(trick, &count)| (trick.name(), count)).collect(),
            outlaws_at_origin: of(|who| matches!(who, Who::Outlaw(_))),
            strangers_at_origin: of(|who| who == Who::Stranger),
            entered_untold: case.entered_untold(),
            numbers_for_nothing: evidence.tried.numbers_for_nothing,
            explained: by_kind(explained),
            unexplained: by_kind(unexplained),
            over_time: rate::seconds(&over_time),
            wait_s: case.waits(),
            lanes: evidence.limits.weights.map(|_| case.lanes()),
        }
    }

    /// Every promise, kept or not.
    pub(crate) fn judge(&self, limits: &Limits) -> Vec<Promise> {
        [self.judge_safety(), self.judge_use(), self.judge_truth(), self.judge_lanes(limits)].concat()
    }

    /// The promises that no fault of a store or a node may change.
    pub(crate) fn judge_safety(&self) -> Vec<Promise> {
        [self.judge_order(), self.judge_bounds(), self.judge_places(), self.judge_doors()].concat()
    }

    fn judge_order(&self) -> Vec<Promise> {
        let such_as = |pairs: &[(u64, u64)]| match pairs.first() {
            Some((number, later)) => format!("{} such as {number} by {later}", pairs.len()),
            None => "nobody".to_owned(),
        };
        vec![
            held(
                "order: nobody present is overtaken",
                self.overtaken.is_empty(),
                format!("{} of {} who waited", such_as(&self.overtaken), self.waited),
            ),
            held(
                "order: the origin saw it",
                self.late_at_origin.is_empty(),
                format!("{} out of order; Kendall's tau {:.6}", such_as(&self.late_at_origin), self.tau_steady),
            ),
        ]
    }

    fn judge_bounds(&self) -> Vec<Promise> {
        let (minute, Crowded { inside, allowed: seats }) = (self.fullest_minute, self.crowded);
        let Fullest { called, allowed, within_s } = self.fullest;
        vec![
            held(
                "rate: in no 60 s more calls than allowed",
                minute.called as f64 <= minute.allowed,
                format!(
                    "nearest: {} without any doubt, {:.0} allowed; {} came to the origin at most, some called before",
                    minute.called, minute.allowed, self.most_entered_in_60_s
                ),
            ),
            held(
                "burst: in no time more than it and the rate allow",
                called as f64 <= allowed,
                format!("nearest: {called} called within {within_s:.1} s, {allowed:.0} allowed"),
            ),
            held(
                "seats: never more than there are",
                inside <= seats,
                format!("nearest: {inside} inside, {seats} allowed"),
            ),
        ]
    }

    fn judge_use(&self) -> Vec<Promise> {
        let least = USED_MIN - EDGES_S / self.demand_s.max(DEMAND_S_MIN);
        vec![held(
            "no waste: the rate reaches the origin while people stand",
            self.rate_used.is_none_or(|used| used >= least),
            match self.rate_used {
                Some(used) => {
                    format!("{} of it in {:.0} s, {} must", percent(used), self.demand_s, percent(least))
                }
                None => format!("they stood, with seats free, for {:.0} s only: not judged", self.demand_s),
            },
        )]
    }

    fn judge_truth(&self) -> Vec<Promise> {
        let shown = |name, shown: &Shown| {
            let share = shown.share();
            let found = match share {
                Some(share) => format!(
                    "{} of {}; {} waits were shorter, {} longer",
                    percent(share),
                    shown.all(),
                    shown.shorter,
                    shown.longer
                ),
                None if shown.unforeseen > 0 => {
                    format!("{} judged, {} shown before limits were changed: not judged", shown.all(), shown.unforeseen)
                }
                None => "hardly anybody had to wait: not judged".to_owned(),
            };
            held(name, share.is_none_or(|share| share >= COVERED_MIN), found)
        };
        vec![
            shown("truth: the first shown wait holds", &self.first_shown),
            shown("truth: every shown wait holds", &self.every_shown),
            held("truth: the position never rises", self.position_rises == 0, format!("{} times", self.position_rises)),
        ]
    }

    fn judge_lanes(&self, limits: &Limits) -> Vec<Promise> {
        let (Some(lanes), Some(weights)) = (&self.lanes, limits.weights) else { return Vec::new() };
        let covered = lanes.first_shown.iter().filter_map(Shown::share).reduce(f64::min);
        vec![
            held(
                "lanes: both are called by their weights while both stand",
                lanes.share_off(weights).is_some_and(|off| off <= lanes.may_be_off()),
                lanes.in_words(weights),
            ),
            held(
                "lanes: the first shown wait holds in each",
                covered.is_none_or(|share| share >= COVERED_MIN),
                covered.map_or("hardly anybody had to wait: not judged".to_owned(), |share| {
                    format!("{} in the worse one", percent(share))
                }),
            ),
        ]
    }

    fn judge_places(&self) -> Vec<Promise> {
        let calls_lost = self.calls_lost.len();
        vec![
            held(
                "forgiveness: nobody loses a place",
                self.places_lost.is_empty() && self.numbers_given_twice.is_empty(),
                format!("{} lost, {} numbers given twice", self.places_lost.len(), self.numbers_given_twice.len()),
            ),
            held(
                "a call is kept, and a visit is not cut short",
                calls_lost == 0 && self.thrown_out.is_empty(),
                format!(
                    "{calls_lost} called and not let in, {} thrown out; {} told to wait once more, then let in; {} idle too long",
                    self.thrown_out.len(),
                    self.told_to_wait_again,
                    self.idle_too_long
                ),
            ),
            held(
                "everybody who stays gets in",
                self.left_outside.is_empty(),
                format!(
                    "{} left outside; {} answers said that the line could not be asked",
                    self.left_outside.len(),
                    self.held_answers
                ),
            ),
        ]
    }

    fn judge_doors(&self) -> Vec<Promise> {
        let tricks: Vec<_> = self.outlaws.iter().map(|(trick, count)| format!("{count} {trick}")).collect();
        let tricks = if tricks.is_empty() { "nobody tried".to_owned() } else { tricks.join(", ") };
        let unexplained: u64 = self.unexplained.values().sum();
        let explained: u64 = self.explained.values().sum();
        vec![
            held(
                "nobody reaches the origin without a pass",
                self.outlaws_at_origin == 0 && self.strangers_at_origin == 0 && self.entered_untold.is_empty(),
                format!("{} got in; tried: {tricks}", self.outlaws_at_origin + self.strangers_at_origin),
            ),
            held(
                "nothing for nothing: no cookie, no number",
                self.numbers_for_nothing == 0,
                format!(
                    "{} of {} got one",
                    self.numbers_for_nothing,
                    self.outlaws.get(Trick::Cookieless.name()).unwrap_or(&0)
                ),
            ),
            held(
                "no error without an explanation",
                unexplained == 0,
                format!("{unexplained} unexplained, {explained} explained"),
            ),
        ]
    }
}

fn held(name: &'static str, held: bool, found: String) -> Promise {
    Promise { name, held, found }
}
