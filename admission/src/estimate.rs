//! How fast a line moves, how long a visitor will wait, when to ask again.
//!
//! The line in front of a visitor gets shorter because somebody is called and because somebody walks away. With `a`
//! ahead, `c` calls a second and a share `h` of those in line who walk away each second, `da/dt = -c - h·a`, so the
//! wait is `ln(1 + h·a/c) / h`, which is `a/c` where nobody leaves.
//!
//! `c` is measured over the last calls, not over a fixed time: a line that moves once a minute has to be watched for
//! minutes. Calls come one by one, so the next visitor waits for up to one interval between two of them. `h` is not
//! measured as soon: who has left is only noticed one and a half minutes later, since a background tab asks once a
//! minute. Until then it cannot be known whether a crowd will stay, and the range says so:
//! its high end is the wait if all of them do, its low end the wait if they are as impatient as crowds get. From
//! then on both ends follow what is measured. Simulated crowds show how often the range holds (`loadtest/`).

//!
//! All this is worked out for the queue, and a visitor's place is counted in calls of the queue: those that come before the
//! visitor's own, whichever lanes they go to (`estimate/lanes.rs`).

mod lanes;
mod minute;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use self::{
    lanes::{Arrivals, Others},
    minute::{Delay, Minute},
};
use crate::line::{LaneSummary, Reason, Rules, Summary};
pub use crate::polls::{
    GRACE_MS_MAX, GRACE_MS_MIN, GRACE_MS_PRIOR, HIDDEN_HOLD_MS, POLL_S_MAX, POLL_S_MIN, hold_ms, jitter_ms,
};

/// The line is taken to move at the configured rate for this long, or for this many calls, until enough is measured; in
/// seconds.
const PRIOR_S: f64 = 5.0;
const PRIOR_CALLS: f64 = 3.0;
/// How far back calls are measured: this many of them, and at least and at most this long.
const CALLS: u64 = 30;
const CALLS_MS_MIN: u64 = 30_000;
const CALLS_MS_MAX: u64 = 1_800_000;
/// How far back the ends of visits are measured: this many of them, or this long.
const ENDS: u64 = 60;
const ENDS_MS_MAX: u64 = 300_000;
/// With this many ends seen, what is measured counts as much as what was assumed.
const ENDS_HALF: f64 = 8.0;
/// A hidden page asks once in this time.
const HIDDEN_MS: u64 = 60_000;
/// Of those that the head has passed within it, some more may come than chance would have it, as those right behind the
/// head do too.
const RETURNING_MORE: f64 = 1.5;
/// How far back leaving is measured: two of the half minutes in which the line forgets who has left.
const LEAVING_MS: u64 = 60_000;
/// How long a line must have stood before leaving shows at all, and for how long it takes to be sure; in seconds.
const LEAVING_SHOWS_S: f64 = 100.0;
const LEAVING_SURE_S: f64 = 200.0;
/// How long somebody who has left is counted, on the whole, in seconds.
const UNNOTICED_S: f64 = 105.0;
/// The most impatient crowd: a share of this leaves each second until it is known better, and at least this share of it
/// stays.
const LEAVING_PRIOR: f64 = 1.0 / 60.0;
const THERE_PRIOR: f64 = 0.6;
/// By which impatience pages are told when to ask again.
const LEAVING_POLL: f64 = 1.0 / 250.0;
/// A crowd may become more impatient, or less, than it was found to be.
const LEAVING_MORE: f64 = 2.0;
const LEAVING_LESS: f64 = 0.5;
/// Whatever is measured: a share of this may leave each second.
const LEAVING_LEAST: f64 = 1.0 / 3_000.0;
/// Until visits are seen to end: the shortest and the longest that they may take on the whole, beside the time for
/// which a seat outlives its last request.
const VISIT_SEATS: (f64, f64) = (0.25, 4.0);
/// However impatient a crowd is, so many of it stay.
const STAY_LEAST: f64 = 0.35;
/// A line with fewer calls a second is slow: a call that comes one place later comes seconds later.
const SLOW_CALLS_PER_S: f64 = 0.5;
/// How far apart samples are.
const SAMPLE_MS: u64 = 1_000;

/// How long a visitor will wait, as a range meant to hold for at least 80 % of visitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitRange {
    /// Hardly sooner than this, in seconds.
    pub low_s: u32,
    /// Hardly later than this, in seconds.
    pub high_s: u32,
}

/// How fast the line in front of a visitor of a lane gets shorter, in calls of its queue. Of each figure the lowest and the highest to be expected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed {
    calls_per_s: (f64, f64),
    /// The other lanes, whose calls come in between.
    others: Others,
    /// Hidden pages that the head has passed, and that come first when they ask, at most.
    returning: f64,
    /// How much later calls come since more were called within the last minute than at the rate.
    delay: Delay,
    /// The rate by the settings, which a line that has stood still may have again at any time.
    rate_per_s: f64,
    /// Seats that are free, and how many come free each second once they are taken; infinite without a bound.
    seats_free: f64,
    seats_per_s: (f64, f64),
    /// The share of those in line who walk away each second.
    leave_per_s: (f64, f64),
    /// The share of those who are counted that are still there, at least.
    there_at_least: f64,
    /// However impatient they are, this share of those who are counted is called.
    stay_at_least: f64,
    /// The same two for when to ask again: the share that leaves each second, and the share that is there.
    for_polls: (f64, f64),
}

/// Measures the speed of a lane. One per lane and node, fed with each summary.
#[derive(Clone, Debug, Default)]
pub struct Speedometer {
    /// Which share of those who wait look at another tab, 0 to 1: they ask once a minute.
    pub hidden_share: f64,
    /// Which share of them may have gone all at once and be counted still, 0 to 1.
    pub gone_at_most: f64,
    /// In which life of the line the samples were taken: in the next one numbers are skipped, and it has to be seen
    /// again who is there.
    life: u64,
    /// At which rate of the queue, per minute.
    rate: u32,
    samples: VecDeque<Sample>,
    arrivals: Arrivals,
    minute: Minute,
    /// Moments at which more of the queue had been called than at the one before: when, and how many in all.
    calls: VecDeque<(u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    now_ms: u64,
    issued: u64,
    /// Calls of the lane.
    called: u64,
    behind_head: u64,
    head: u64,
    /// Calls and seats of the queue.
    called_in_all: u64,
    seats: u64,
}

impl Speedometer {
    /// Takes in the next summary and gives the speed of the first lane.
    pub fn observe(&mut self, rules: &Rules, summary: &Summary) -> Speed {
        self.observe_lane(rules, summary, 0)
    }

    /// Takes in the next summary and gives the speed of the lane in a slot, which the summary has.
    pub fn observe_lane(&mut self, rules: &Rules, summary: &Summary, slot: usize) -> Speed {
        let (lane, rate) = (&summary.lanes[slot], f64::from(rules.release_per_minute) / 60.0);
        let now = Sample {
            now_ms: summary.now_ms,
            issued: lane.issued,
            called: lane.called_total,
            behind_head: lane.waiting.saturating_sub(lane.late),
            head: lane.head,
            called_in_all: summary.called_total,
            seats: summary.due + summary.inside,
        };
        if self.life != summary.life {
            self.life = summary.life;
            self.samples.clear();
            self.calls.clear();
            self.arrivals.forget();
            self.minute.forget();
        }
        if self.rate != rules.release_per_minute {
            self.rate = rules.release_per_minute;
            self.calls.clear();
        }
        self.watch(now, summary, lane);
        self.arrivals.watch(summary, SAMPLE_MS);
        self.minute.watch(summary, SAMPLE_MS);
        let stood_s = match lane.standing_since_ms {
            0 => 0.0,
            since_ms => now.now_ms.saturating_sub(since_ms.max(summary.life_began_ms)) as f64 / 1e3,
        };
        let sure = ((stood_s - LEAVING_SHOWS_S) / (LEAVING_SURE_S - LEAVING_SHOWS_S)).clamp(0.0, 1.0);
        let leaving = self.leaving(now);
        let at_most = |prior: f64| leaving * LEAVING_MORE * sure + prior * (1.0 - sure) + LEAVING_LEAST;
        let there = |leave_per_s: f64| (-leave_per_s * stood_s.min(UNNOTICED_S)).exp();
        let (leave_at_most, leave_for_polls) = (at_most(LEAVING_PRIOR), at_most(LEAVING_POLL));
        let (seats_free, seats_per_s) = self.seats(rules, now);
        Speed {
            calls_per_s: self.calls_per_s(now, rate),
            others: self.arrivals.others(rules, summary, slot),
            returning: self.hidden_passed(now) * RETURNING_MORE,
            delay: self.minute.delay(rules, summary),
            rate_per_s: rate,
            seats_free,
            seats_per_s,
            leave_per_s: (leaving * LEAVING_LESS * sure, leave_at_most),
            there_at_least: there(leave_at_most).max(THERE_PRIOR * (1.0 - sure)) * (1.0 - self.gone_at_most),
            stay_at_least: STAY_LEAST * (1.0 - self.gone_at_most),
            for_polls: (leave_for_polls, there(leave_for_polls)),
        }
    }

    /// Keeps what the figures are worked out from.
    fn watch(&mut self, now: Sample, summary: &Summary, lane: &LaneSummary) {
        let stands = lane.standing_since_ms > 0;
        let stands_still = !matches!(summary.reason, None | Some(Reason::SeatsTaken | Reason::LineFull));
        if !stands {
            // No line stands: what is measured is how many come, not how fast the line could move.
            self.samples.clear();
        } else if self.samples.back().is_none_or(|last| last.now_ms + SAMPLE_MS <= now.now_ms) {
            self.samples.push_back(now);
        }
        while self.samples.front().is_some_and(|first| first.now_ms + ENDS_MS_MAX < now.now_ms) {
            self.samples.pop_front();
        }
        // More were called within the minute than the rate allows now: no visitor is called until it has gone by.
        let over = summary.called_last_minute > u64::from(self.rate);
        if !summary.standing || stands_still || over {
            self.calls.clear();
        }
        let is_news = |&(at_ms, called): &(u64, u64)| called < now.called_in_all && at_ms + SAMPLE_MS <= now.now_ms;
        if summary.standing && self.calls.back().is_none_or(is_news) {
            self.calls.push_back((now.now_ms, now.called_in_all));
        }
        // The oldest but one is still far enough back: the oldest is needed no more.
        while self.calls.get(1).is_some_and(|&(at_ms, called)| {
            at_ms + CALLS_MS_MAX < now.now_ms
                || (at_ms + CALLS_MS_MIN < now.now_ms && called + CALLS <= now.called_in_all)
        }) {
            self.calls.pop_front();
        }
    }

    /// Calls a second, at least and at most. Seats come free unevenly; a rate is kept evenly.
    fn calls_per_s(&self, now: Sample, rate: f64) -> (f64, f64) {
        let (Some(&(first_ms, first)), Some(&(last_ms, last))) = (self.calls.front(), self.calls.back()) else {
            return (rate * 0.95, rate * 1.02);
        };
        let called = last.saturating_sub(first) as f64;
        // From call to call; and when none has come for longer than one should take, to this moment.
        let since_s = now.now_ms.saturating_sub(first_ms) as f64 / 1e3;
        let overdue_s = if called > 0.0 { since_s * called / (called + 1.0) } else { since_s - 1.0 / rate.max(1e-6) };
        let span_s = ((last_ms - first_ms) as f64 / 1e3).max(overdue_s);
        let prior_s = (PRIOR_S.max(PRIOR_CALLS / rate.max(1e-6)) - since_s / 4.0).max(0.0);
        let measured = (called + rate * prior_s) / (span_s + prior_s).max(1.0);
        if measured > rate * 0.8 {
            (measured * 0.95, measured.max(rate) * 1.02)
        } else {
            (measured * 0.8, measured * 1.2)
        }
    }

    /// How many seats are free, and how many come free each second once all are taken: each seat does after a visit.
    fn seats(&self, rules: &Rules, now: Sample) -> (f64, (f64, f64)) {
        let Some(max) = rules.max_active.map(f64::from) else { return (f64::INFINITY, (f64::INFINITY, f64::INFINITY)) };
        let seat_s = (rules.seat_ms as f64 / 1e3).max(1.0);
        let called = |first: &Sample| now.called_in_all.saturating_sub(first.called_in_all);
        let ended = |first: &Sample| (first.seats + called(first)).saturating_sub(now.seats);
        // So far back that enough visits have ended since.
        let enough = self.samples.iter().rev().find(|first| ended(first) >= ENDS);
        let (ends, per_seat_s) = enough.or(self.samples.front()).map_or((0.0, 0.0), |first| {
            let span_s = (now.now_ms - first.now_ms) as f64 / 1e3;
            let seat_s = (first.seats + now.seats) as f64 / 2.0 * span_s;
            (ended(first) as f64, ended(first) as f64 / seat_s.max(1.0))
        });
        // The first visits to end are the short ones, so that until some have ended, nothing is sure.
        let (short, long) = VISIT_SEATS;
        let known = ends / (ends + ENDS_HALF);
        let least = per_seat_s * 0.8 * known + (1.0 - known) / (seat_s * long);
        let most = (per_seat_s * 1.25 * known).max(1.0 / (seat_s * short) * (1.0 - known));
        ((max - now.seats as f64).max(0.0), (max * least, max * most))
    }

    /// How many hidden pages the head has passed within the minute in which they ask again.
    fn hidden_passed(&self, now: Sample) -> f64 {
        let first = self.samples.iter().find(|s| s.now_ms + HIDDEN_MS >= now.now_ms);
        first.map_or(0.0, |first| self.hidden_share * now.head.saturating_sub(first.head) as f64)
    }

    /// The share of those in line who walk away each second: whoever was counted behind the head, no longer is, and
    /// was not called.
    fn leaving(&self, now: Sample) -> f64 {
        let Some(first) = self.samples.iter().find(|s| s.now_ms + LEAVING_MS >= now.now_ms) else { return 0.0 };
        let span_s = (now.now_ms - first.now_ms) as f64 / 1e3;
        let were = first.behind_head + now.issued.saturating_sub(first.issued);
        let left = were.saturating_sub(now.behind_head).saturating_sub(now.called.saturating_sub(first.called));
        let counted = (first.behind_head + now.behind_head) as f64 / 2.0;
        // Hidden pages that the head has passed are counted again when they ask.
        (left as f64 - self.hidden_passed(now)).max(0.0) / (counted * span_s).max(1.0)
    }
}

impl Speed {
    /// The wait of a visitor with so many ahead; `None` while nobody is being called.
    pub fn wait(&self, ahead: u64) -> Option<WaitRange> {
        let (slow, fast) = self.calls_per_s;
        if slow <= 0.0 {
            return None;
        }
        let ahead = ahead as f64;
        let leave_least = self.leave_per_s.0;
        let low = self.soonest_s(
            self.others.calls_at_least(ahead),
            fast,
            (self.leave_per_s.1, self.there_at_least),
            self.stay_at_least,
        );
        // The visitor's own call is one more. Those for whom there is a seat are called at the rate; everybody else
        // needs a seat that comes free.
        let calls = self.others.calls_at_most(ahead + 1.0 + self.returning, slow);
        let seated = calls.min(self.seats_free);
        let unseated = calls - seated;
        let slowest = slow.min(self.seats_per_s.0);
        let high = wait_s(seated, slow, leave_least)
            + if unseated > 0.0 { wait_s(unseated, slowest, leave_least) } else { 0.0 }
            + self.delay.of(calls);
        Some(WaitRange { low_s: whole_seconds((low * 0.95 - 1.0).floor()), high_s: whole_seconds((high + 4.0).ceil()) })
    }

    /// Whether more than a few seconds go by between two calls of the lane, by what is measured.
    pub fn is_slow(&self) -> bool {
        self.calls_per_s.1 / self.others.calls_at_least(1.0) < SLOW_CALLS_PER_S
    }

    /// When a visitor with so many ahead should ask again, in seconds: four times on the shortest way there can be,
    /// and no more often than every 2 s. Not by the speed that is measured: a line that has stood still and moves
    /// again must find those at its head.
    pub fn poll_s(&self, ahead: u64) -> u32 {
        if self.rate_per_s <= 0.0 {
            return POLL_S_MAX / 2;
        }
        let calls = self.others.calls_at_least(ahead as f64);
        let soonest_s = self.soonest_s(calls, self.rate_per_s.max(self.calls_per_s.1), self.for_polls, STAY_LEAST);
        (whole_seconds(soonest_s * 0.95 - 1.0) / 4).clamp(POLL_S_MIN, POLL_S_MAX)
    }

    /// The wait if as many as can have left, or will leave.
    fn soonest_s(&self, ahead: f64, calls_per_s: f64, (leave_per_s, there): (f64, f64), stay: f64) -> f64 {
        wait_s(ahead * there, calls_per_s, leave_per_s).max(ahead * stay / calls_per_s)
    }
}

/// How long it takes until `ahead` are called or have walked away.
fn wait_s(ahead: f64, calls_per_s: f64, leave_per_s: f64) -> f64 {
    let by_calls_s = ahead / calls_per_s;
    let left = leave_per_s * by_calls_s;
    // The formula is 0 / 0 where nobody leaves.
    if left < 1e-6 { by_calls_s } else { left.ln_1p() / leave_per_s }
}

/// A wait of years is shown as what fits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts from floats saturate")]
fn whole_seconds(seconds: f64) -> u32 {
    seconds as u32
}
