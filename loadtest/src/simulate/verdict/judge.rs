//! Holds a run against what Sluice promises. The promises are fixed: no scenario can bend them.

mod analytics;
mod lanes;
mod tau;

use std::collections::VecDeque;

use serde::Serialize;
use sluice_admission::line::Rules;

pub(crate) use self::tau::tau;
use self::{analytics::Analytics, lanes::LaneFigures};
use crate::simulate::{
    verdict::{facts::Facts, numbers::slot},
    visitor::{NEVER, State, Visitor, flag},
    world::OPENS_MS,
};

/// Least share of the rate that must be used while people stand, and of the calls that must reach somebody.
const USED_MIN: f64 = 0.99;
/// Least share of shown ranges that must hold.
const COVERED_MIN: f64 = 0.80;
/// Time in which the whole rate should have been used, before its use is judged.
const DEMAND_MS_MIN: u64 = 60_000;
/// Fewest calls, or ranges, of which a share is judged.
const JUDGED_MIN: u64 = 100;
const MINUTE_MS: u64 = 60_000;
/// Longest that a hidden page may be called after its turn, in seconds.
const HIDDEN_S: f64 = 65.0;

/// One promise and what became of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Promise {
    pub(crate) name: &'static str,
    pub(crate) held: bool,
    /// What was measured, in words.
    pub(crate) found: String,
}

/// The figures that the promises are judged by, and some more.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) came: u64,
    pub(crate) took_a_number: u64,
    pub(crate) entered: u64,
    pub(crate) went_away: u64,
    pub(crate) still_waiting: u64,
    pub(crate) calls: u64,
    pub(crate) calls_in_vain: u64,
    /// Of these: the visitor had gone before the call; was asleep. The others went between call and entry.
    pub(crate) calls_in_vain_gone: u64,
    pub(crate) calls_in_vain_asleep: u64,
    /// Share of the calls that came to nothing.
    pub(crate) waste_share: f64,
    /// Share of the allowed rate that reached the origin while people stood; null if they never did for long.
    pub(crate) rate_used: Option<f64>,
    /// For how long all of the rate should have been used, how many were called then, and how many in vain.
    pub(crate) demand_s: u64,
    pub(crate) demand_calls: u64,
    pub(crate) demand_calls_in_vain: u64,
    pub(crate) most_called_in_60_s: u64,
    /// When that minute ended, in seconds since the opening.
    pub(crate) most_called_until_s: f64,
    pub(crate) most_called_in_one_step: u32,
    pub(crate) most_seats: u64,
    pub(crate) overtaken: u64,
    /// Kendall's tau between numbers and the order of calls, of everybody and of those who always polled as told.
    pub(crate) tau_all: f64,
    pub(crate) tau_steady: f64,
    /// Pairs of those who always polled as told that were called the wrong way round.
    pub(crate) inversions_steady: u64,
    /// Share of visitors whose first shown range held, and of all ranges shown (a sample of them).
    pub(crate) range_first_held: Option<f64>,
    pub(crate) range_any_held: Option<f64>,
    /// Of the first ranges that did not hold: how many waits were shorter, how many longer.
    pub(crate) range_first_shorter: u64,
    pub(crate) range_first_longer: u64,
    /// The middle of high divided by low (at least 1 s).
    pub(crate) range_first_width: f64,
    pub(crate) wait_s: Quantiles,
    /// How long after their turn hidden pages were called, and how long one turn of the slowest lane takes, in seconds.
    pub(crate) hidden_late_s: Quantiles,
    pub(crate) turn_s: f64,
    /// Tickets that never enter, and how often any of them was called.
    pub(crate) parked: u64,
    pub(crate) parked_calls: u64,
    pub(crate) position_rises: u64,
    pub(crate) places_lost: u64,
    pub(crate) numbers_given_twice: u64,
    pub(crate) came_back_too_late: u64,
    pub(crate) cookieless_requests: u64,
    pub(crate) cookieless_sent_away: u64,
    pub(crate) polls: u64,
    pub(crate) polls_that_asked_the_line: u64,
    pub(crate) steps: u64,
    pub(crate) store_commands: u64,
    pub(crate) store_commands_per_visitor: f64,
    pub(crate) marks: u64,
    pub(crate) attempts_failed: u64,
    pub(crate) analytics: Analytics,
    /// Of a queue with several lanes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lanes: Option<LaneFigures>,
}

/// Seconds from taking a number to entering.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) median: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) worst: f64,
}

impl Figures {
    pub(in crate::simulate) fn of(facts: &Facts, rules: &Rules) -> Self {
        let calls = facts.order.len() as u64;
        let in_vain = facts.lapsed + facts.phantoms.len() as u64;
        let used = facts.demand.calls.saturating_sub(facts.demand.lapsed) as f64 / facts.demand.allowed.max(1e-9);
        let (first, shorter, longer, width) = first_ranges(facts);
        let steady = |n: &u32| facts.of_number(*n).is_some_and(|v| !v.is(flag::UNSTEADY));
        let (most_called_in_60_s, most_called_until_ms) = most_in_window(&facts.calls, MINUTE_MS);
        // There is an order within a lane: lanes one behind the other are in order anyway.
        let mut order = facts.order.clone();
        order.sort_by_key(|&number| slot(number));
        let (tau_steady, inversions_steady) = tau(&order.iter().copied().filter(steady).collect::<Vec<_>>());
        let count = |which: fn(&Visitor) -> bool| facts.visitors.iter().filter(|v| which(v)).count() as u64;
        Self {
            came: facts.came,
            took_a_number: facts.joined,
            entered: facts.entries,
            went_away: count(|v| v.state == State::Gone),
            still_waiting: facts.still_waiting,
            calls,
            calls_in_vain: in_vain,
            calls_in_vain_gone: facts.lapsed_gone,
            calls_in_vain_asleep: facts.lapsed_asleep,
            waste_share: in_vain as f64 / (calls as f64).max(1.0),
            rate_used: (facts.demand.ms >= DEMAND_MS_MIN).then_some(used),
            demand_s: facts.demand.ms / 1_000,
            demand_calls: facts.demand.calls,
            demand_calls_in_vain: facts.demand.lapsed,
            most_called_in_60_s,
            most_called_until_s: most_called_until_ms.saturating_sub(OPENS_MS) as f64 / 1e3,
            most_called_in_one_step: facts.calls.iter().map(|c| c.1).max().unwrap_or(0),
            most_seats: facts.seats_max,
            overtaken: facts.overtaken,
            tau_all: tau(&order).0,
            tau_steady,
            inversions_steady,
            range_first_held: first,
            range_any_held: any_ranges(facts),
            range_first_shorter: shorter,
            range_first_longer: longer,
            range_first_width: width,
            wait_s: waits(facts),
            hidden_late_s: hidden_late(facts),
            turn_s: turn_s(facts, rules),
            parked_calls: facts.parked_calls,
            parked: count(|v| v.is(flag::PARKED)),
            position_rises: facts.rises,
            places_lost: count(|v| v.is(flag::LOST)),
            numbers_given_twice: facts.given_twice,
            came_back_too_late: facts.too_late,
            cookieless_requests: facts.cookieless,
            cookieless_sent_away: facts.cookieless_sent_away,
            polls: facts.polls,
            polls_that_asked_the_line: facts.asks,
            steps: facts.steps,
            store_commands: facts.commands,
            store_commands_per_visitor: facts.commands as f64 / (facts.came as f64).max(1.0),
            marks: facts.marks,
            attempts_failed: facts.attempts_failed,
            analytics: Analytics::of(&facts.minutes, facts.ledger.tally(), facts.counts_lost_ms),
            lanes: LaneFigures::of(facts),
        }
    }

    /// Every promise, kept or not.
    pub(crate) fn judge(&self, rules: &Rules) -> Vec<Promise> {
        let rate = u64::from(rules.release_per_minute);
        let wasted_at_most = 1.0 - USED_MIN;
        let held = |name, held, found| Promise { name, held, found };
        let mut promises = vec![
            held(
                "order: nobody present is overtaken",
                self.overtaken == 0,
                format!("{} overtaken, Kendall's tau {:.6}", self.overtaken, self.tau_steady),
            ),
            held(
                "rate: in no 60 s more calls than allowed",
                self.most_called_in_60_s <= rate,
                format!(
                    "{} at most (until {:.1} s), {rate} allowed",
                    self.most_called_in_60_s, self.most_called_until_s
                ),
            ),
            held(
                "burst: never more at once",
                self.most_called_in_one_step <= rules.burst,
                format!("{} at most, {} allowed", self.most_called_in_one_step, rules.burst),
            ),
            held(
                "seats: never more than there are",
                rules.max_active.is_none_or(|max| self.most_seats <= u64::from(max)),
                match rules.max_active {
                    Some(max) => format!("{} at most, {max} allowed", self.most_seats),
                    None => "not bounded".to_owned(),
                },
            ),
            held(
                "no waste: calls reach somebody",
                self.calls < JUDGED_MIN || self.waste_share <= wasted_at_most,
                format!("{} of {} calls in vain: {}", self.calls_in_vain, self.calls, percent(self.waste_share)),
            ),
            held(
                "no waste: the rate is used while people stand",
                self.rate_used.is_none_or(|used| used >= USED_MIN),
                self.rate_used.map_or("they never stood for long".to_owned(), percent),
            ),
            held(
                "no waste: a ticket that never enters is called at most twice",
                self.parked_calls <= self.parked * 2,
                format!("{} calls of {} of them", self.parked_calls, self.parked),
            ),
            held(
                "truth: the first shown wait holds",
                self.range_first_held.is_none_or(|share| share >= COVERED_MIN),
                match self.range_first_held {
                    Some(share) => format!(
                        "{}; {} shorter, {} longer; high is {:.1} times low",
                        percent(share),
                        self.range_first_shorter,
                        self.range_first_longer,
                        self.range_first_width
                    ),
                    None => "hardly anybody had to wait".to_owned(),
                },
            ),
            held(
                "truth: every shown wait holds",
                self.range_any_held.is_none_or(|share| share >= COVERED_MIN),
                self.range_any_held.map_or("hardly anybody had to wait".to_owned(), percent),
            ),
            held(
                "forgiveness: a hidden page is called within 65 s of its turn",
                self.hidden_late_s.worst <= HIDDEN_S + self.turn_s,
                format!(
                    "{:.0} s median, {:.0} s worst; a turn takes {:.0} s",
                    self.hidden_late_s.median, self.hidden_late_s.worst, self.turn_s
                ),
            ),
            held("truth: the position never rises", self.position_rises == 0, format!("{} times", self.position_rises)),
            held(
                "forgiveness: nobody loses a place",
                self.places_lost == 0 && self.numbers_given_twice == 0,
                format!("{} lost, {} numbers given twice", self.places_lost, self.numbers_given_twice),
            ),
        ];
        promises.extend(self.analytics.judge());
        promises.extend(self.lanes.iter().flat_map(LaneFigures::judge));
        promises
    }
}

/// A share in words.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

impl Facts {
    /// Who has a number.
    fn of_number(&self, number: u32) -> Option<&Visitor> {
        self.visitors.get(self.by_number.of(number)? as usize)
    }
}

/// The most calls in any half-open window of this length, and when the first such window ends.
fn most_in_window(calls: &[(u64, u32)], window_ms: u64) -> (u64, u64) {
    let (mut inside, mut sum, mut most) = (VecDeque::new(), 0, (0, 0));
    for &(at_ms, count) in calls {
        inside.push_back((at_ms, count));
        sum += u64::from(count);
        while let Some(&(from_ms, old)) = inside.front()
            && from_ms + window_ms <= at_ms
        {
            sum -= u64::from(old);
            inside.pop_front();
        }
        if sum > most.0 {
            most = (sum, at_ms);
        }
    }
    most
}

/// Does a range that was shown at `at_ms` hold? Only of those who did as told all the time, and got in before anything
/// happened that could not be foreseen.
fn holds(facts: &Facts, visitor: &Visitor, at_ms: u32, low_s: u32, high_s: u32) -> Option<std::cmp::Ordering> {
    if visitor.is(flag::UNSTEADY | flag::DECLINES) || visitor.entered_ms == NEVER || at_ms > visitor.entered_ms {
        return None;
    }
    if facts.surprises.iter().any(|&surprise| (at_ms..visitor.entered_ms).contains(&surprise)) {
        return None;
    }
    let waited_ms = u64::from(visitor.entered_ms - at_ms);
    Some(if waited_ms < u64::from(low_s) * 1_000 {
        std::cmp::Ordering::Less
    } else if waited_ms > u64::from(high_s) * 1_000 {
        std::cmp::Ordering::Greater
    } else {
        std::cmp::Ordering::Equal
    })
}

fn first_ranges(facts: &Facts) -> (Option<f64>, u64, u64, f64) {
    let (mut held, mut shorter, mut longer) = (0, 0, 0);
    let mut widths = Vec::new();
    for visitor in facts.visitors.iter().filter(|v| v.shown_ms != NEVER) {
        let (low_s, high_s) = visitor.shown_s;
        match holds(facts, visitor, visitor.shown_ms, low_s, high_s) {
            Some(std::cmp::Ordering::Less) => shorter += 1,
            Some(std::cmp::Ordering::Equal) => held += 1,
            Some(std::cmp::Ordering::Greater) => longer += 1,
            None => continue,
        }
        widths.push(f64::from(high_s) / f64::from(low_s.max(1)));
    }
    let all = held + shorter + longer;
    widths.sort_by(f64::total_cmp);
    let width = widths.get(widths.len() / 2).copied().unwrap_or(1.0);
    ((all >= JUDGED_MIN).then(|| held as f64 / all as f64), shorter, longer, width)
}

fn any_ranges(facts: &Facts) -> Option<f64> {
    let held = |shown: &crate::simulate::verdict::facts::Shown| {
        holds(facts, facts.visitors.get(shown.who as usize)?, shown.at_ms, shown.low_s, shown.high_s)
    };
    let all: Vec<_> = facts.ranges.iter().filter_map(held).collect();
    let good = all.iter().filter(|o| o.is_eq()).count();
    (all.len() as u64 >= JUDGED_MIN).then(|| good as f64 / all.len() as f64)
}

/// How late hidden pages were called that stayed in line, but for the time in which no visitor could be called; who has
/// not been called by the end waits to this day.
fn hidden_late(facts: &Facts) -> Quantiles {
    let end_ms = facts.samples.last().map_or(0, |s| u32::try_from(s.at_ms + OPENS_MS).unwrap_or(NEVER));
    let stayed =
        |v: &&Visitor| v.is(flag::HIDDEN) && v.passed_ms != NEVER && v.state != State::Gone && v.sleeps_for_ms == 0;
    let late = facts.visitors.iter().filter(stayed).map(|v| {
        let called_ms = v.called_ms.min(end_ms);
        let stopped = facts.stops.iter().map(|&(from, to)| to.min(called_ms).saturating_sub(from.max(v.passed_ms)));
        called_ms.saturating_sub(v.passed_ms) - stopped.sum::<u32>()
    });
    quantiles(late.collect())
}

/// The time between two calls of the lane that is called least: by the rate, or by what was called where seats are what
/// is short.
fn turn_s(facts: &Facts, rules: &Rules) -> f64 {
    let by_rate_s = 60.0 / f64::from(rules.release_per_minute.max(1));
    let turn_s = match (facts.calls.first(), facts.calls.last()) {
        (Some(first), Some(last)) => by_rate_s.max((last.0 - first.0) as f64 / 1e3 / facts.order.len() as f64),
        _ => by_rate_s,
    };
    turn_s * facts.lanes.round_max.max(1.0)
}

fn waits(facts: &Facts) -> Quantiles {
    let entered = facts.visitors.iter().filter(|v| v.entered_ms != NEVER && !v.is(flag::COOKIELESS));
    quantiles(entered.map(|v| v.entered_ms.saturating_sub(v.arrived_ms)).collect())
}

fn quantiles(mut waits: Vec<u32>) -> Quantiles {
    waits.sort_unstable();
    let at =
        |share: usize| waits.get(waits.len().saturating_sub(1) * share / 1_000).map_or(0.0, |&w| f64::from(w) / 1e3);
    Quantiles { median: at(500), p90: at(900), p99: at(990), worst: at(1_000) }
}
