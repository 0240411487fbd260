//! What happened in a line, minute by minute of its clock: counted in the step, so exact, and once however often a batch
//! is sent.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::line::Line;

/// Whole minutes that are kept beside the one that is being counted. A longer history is read from them in time.
pub const MINUTES_KEPT: u64 = 120;
pub(in crate::line) const MINUTE_MS: u64 = 60_000;
/// Steps per doubling of a [`Histogram`].
pub(in crate::line) const STEPS: u64 = 4;
/// The last bucket of a [`Histogram`].
pub(in crate::line) const BUCKET_MAX: u64 = 63;

/// Durations by length, in 64 fixed buckets, so that those of several minutes, nodes or lines add up. Buckets are 1 s
/// wide up to 8 s, and from there on four to each doubling: none is wider than a quarter of its lower end. The last one
/// begins at 114,688 s and has no end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram(BTreeMap<u8, u32>);

impl Histogram {
    pub(crate) fn add(&mut self, bucket: u8, count: u32) {
        *self.0.entry(bucket).or_default() += count;
    }

    pub(in crate::line) fn add_ms(&mut self, ms: u64) {
        self.add(Self::bucket_of(ms / 1_000), 1);
    }

    /// How many there are in each bucket that has some, the shortest first.
    pub fn counts(&self) -> impl Iterator<Item = (u8, u32)> + '_ {
        self.0.iter().map(|(&bucket, &count)| (bucket, count))
    }

    /// How many there are in all.
    pub fn total(&self) -> u64 {
        self.0.values().map(|&count| u64::from(count)).sum()
    }

    /// Adds all of another one.
    pub fn merge(&mut self, other: &Self) {
        other.counts().for_each(|(bucket, count)| self.add(bucket, count));
    }

    /// The bucket for a number of seconds.
    pub fn bucket_of(seconds: u64) -> u8 {
        let doublings = (seconds / STEPS).checked_ilog2().map_or(0, u64::from);
        u8::try_from((doublings * STEPS + (seconds >> doublings)).min(BUCKET_MAX)).unwrap_or(u8::MAX)
    }

    /// From how many seconds on a bucket counts; it ends where the next one begins.
    pub fn begins_at_s(bucket: u8) -> u64 {
        let bucket = u64::from(bucket);
        let doublings = (bucket / STEPS).saturating_sub(1);
        (bucket - doublings * STEPS) << doublings
    }
}

/// One minute of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute {
    /// Which minute: the line's clock in ms, divided by 60,000.
    pub minute: u64,
    /// Visitors who came with a slip or walked in, and were taken in. After an outage they are numbered later.
    pub arrived: u32,
    /// Numbers handed out.
    pub numbered: u32,
    /// Calls: of numbers in line, of walk-ins, and of those whom nodes have let in by themselves. A number that did not
    /// enter and is called again counts again.
    pub called: u32,
    /// Visits that began. That of a walk-in begins when its pass has come back.
    pub entered: u32,
    /// Calls that were not used in time, and walk-ins whose pass never came back.
    pub lapsed: u32,
    /// Numbers that can no longer be called and hold no call: the head has passed them `return_within` ago, and nothing
    /// was heard of them since. Of the last in a line it is known once others have come.
    pub left: u32,
    /// Visits that ended, by the visitor, the site, or for want of requests.
    pub ended: u32,
    /// How long those waited who were called, from the number to the call, as far as it is known when they got it. Too
    /// long by at most a second or, if it is more, a 64th of it. Those whom nodes let in by themselves are not in it.
    pub waits: Histogram,
    /// How long the visits were that ended, from the entry to the last sign of the visitor, which may be an eighth of
    /// `session_idle` before the last request. A visit that the line learned of after a loss is counted from then on.
    pub visits: Histogram,
}

impl Minute {
    fn is_empty(&self) -> bool {
        Self { minute: 0, ..self.clone() } == Self::default()
    }
}

/// The minutes of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Minutes {
    /// The one that is being counted.
    pub(in crate::line) now: Minute,
    /// Those before in which something happened, the oldest first.
    before: VecDeque<Minute>,
}

impl Minutes {
    pub(in crate::line) fn begin(now_ms: u64) -> Self {
        Self { now: Minute { minute: now_ms / MINUTE_MS, ..Minute::default() }, before: VecDeque::new() }
    }

    /// Begins a new minute if it is time to. True: it was.
    pub(in crate::line) fn turn(&mut self, now_ms: u64) -> bool {
        let minute = now_ms / MINUTE_MS;
        if minute <= self.now.minute {
            return false;
        }
        let last = std::mem::replace(&mut self.now, Minute { minute, ..Minute::default() });
        if !last.is_empty() {
            self.before.push_back(last);
        }
        while self.before.front().is_some_and(|oldest| oldest.minute + MINUTES_KEPT < minute) {
            self.before.pop_front();
        }
        true
    }

    /// Counts a call from the line, of a number that was handed out then, if that is known.
    pub(in crate::line) fn count_wait(&mut self, issued_ms: Option<u64>, now_ms: u64) {
        if let Some(issued_ms) = issued_ms {
            self.now.waits.add_ms(now_ms.saturating_sub(issued_ms));
        }
    }

    /// Minutes from this one on in which something happened. The last may be the one that is being counted.
    pub(in crate::line) fn since(&self, minute: u64) -> Vec<Minute> {
        let all = self.before.iter().chain([&self.now]);
        all.filter(|of| of.minute >= minute && !of.is_empty()).cloned().collect()
    }

    pub(in crate::line) fn check(&self) {
        let minutes: Vec<u64> = self.before.iter().chain([&self.now]).map(|minute| minute.minute).collect();
        assert!(minutes.is_sorted_by(|a, b| a < b), "minutes are out of order: {minutes:?}");
        assert!(minutes[0] + MINUTES_KEPT >= self.now.minute, "minutes are kept for too long: {minutes:?}");
        let Minute { waits, visits, called, ended, .. } = &self.now;
        assert!(waits.total() <= u64::from(*called), "more waits than calls");
        assert_eq!(visits.total(), u64::from(*ended), "the lengths of visits");
    }
}

impl Line {
    /// What happened in each minute from this one on (the line's clock, divided by 60,000), of the last
    /// [`MINUTES_KEPT`] and the one that is being counted, the oldest first. A minute in which nothing happened is left
    /// out. All but the last are final.
    pub fn counts(&self, since_minute: u64) -> Vec<Minute> {
        self.minutes.since(since_minute)
    }

    /// Counts the end of a visit, of which the last sign was at `seen_ms`.
    pub(in crate::line) fn count_visit(&mut self, since_ms: u64, seen_ms: u64) {
        self.minutes.now.ended += 1;
        self.minutes.now.visits.add_ms(seen_ms.saturating_sub(since_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_are_narrow() {
        for bucket in 0..63 {
            let (first, next) = (Histogram::begins_at_s(bucket), Histogram::begins_at_s(bucket + 1));
            assert!(next > first && (next - first == 1 || (next - first) * 4 <= first), "{bucket}: {first} to {next}");
            assert_eq!((Histogram::bucket_of(first), Histogram::bucket_of(next - 1)), (bucket, bucket));
        }
        assert_eq!((Histogram::begins_at_s(63), Histogram::bucket_of(u64::MAX)), (114_688, 63));
    }

    #[test]
    fn two_hours_are_kept_and_minutes_without_anything_are_left_out() {
        let mut minutes = Minutes::begin(0);
        for minute in 0..300 {
            minutes.turn(minute * MINUTE_MS + 5);
            minutes.now.called += u32::from(minute % 3 == 0);
        }
        assert_eq!(minutes.since(0).len(), 40, "of minutes 179 to 299");
        assert_eq!(minutes.since(290).iter().map(|m| m.minute).collect::<Vec<_>>(), [291, 294, 297]);
        minutes.turn(10_000 * MINUTE_MS);
        assert_eq!(minutes.since(0), []);
        minutes.check();
    }
}
