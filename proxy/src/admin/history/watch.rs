//! What is seen of a line between its minutes: pure.

use std::collections::HashMap;

use sluice_admission::line::{Minute, Rules, Summary};
use sluice_config::Mode;

use super::{Loss, MINUTE_MS, MINUTES_KEPT, READ_AFTER_MS, Record, STILL_MS_MIN, Seen, Still};

/// A line at one look.
pub(super) struct Facts {
    /// The line's clock.
    pub(super) now_ms: u64,
    pub(super) summary: Summary,
    pub(super) rules: Rules,
    pub(super) store_answers: bool,
}

/// What is being seen of one line.
#[derive(Debug, Default)]
pub(super) struct Watching {
    now_ms: u64,
    /// The last minute that was written.
    written: u64,
    /// What was seen in minutes that are not written yet: this one and those that the store has not told of.
    seen: HashMap<u64, Seen>,
    still: Option<Still>,
    called: Option<u64>,
    away: Option<u64>,
    life: Option<u64>,
}

impl Watching {
    /// Of a line whose minutes are written up to this one.
    pub(super) fn after(written: u64) -> Self {
        Self { written, ..Self::default() }
    }

    /// Takes a look, and gives what is over by it.
    pub(super) fn look(&mut self, facts: &Facts) -> Vec<Record> {
        let gone_ms = facts.now_ms.saturating_sub(if self.now_ms == 0 { facts.now_ms } else { self.now_ms });
        self.now_ms = facts.now_ms;
        self.see(facts, gone_ms);
        let loss = self.loss(facts);
        let still = self.stand(facts);
        let loss = loss.into_iter().map(|loss| Record { loss: Some(loss), ..Record::default() });
        loss.chain(still.map(|still| Record { still: Some(still), ..Record::default() })).collect()
    }

    fn see(&mut self, facts: &Facts, gone_ms: u64) {
        let (s, rules) = (&facts.summary, &facts.rules);
        let minute = facts.now_ms / MINUTE_MS;
        let rate = rules.release_per_minute;
        let first = || Seen { minute, rate: (rate, rate), seats: rules.max_active, ..Seen::default() };
        let seen = self.seen.entry(minute).or_insert_with(first);
        seen.rate = (seen.rate.0.min(rate), seen.rate.1.max(rate));
        seen.called_60s_max = seen.called_60s_max.max(s.called_last_minute);
        seen.seats = seen.seats.zip(rules.max_active).map(|(a, b)| a.max(b));
        seen.taken_max = seen.taken_max.max(s.due + s.inside);
        seen.waiting_max = seen.waiting_max.max(s.waiting);
        let calls = matches!(rules.mode, Mode::Auto | Mode::Drain) && facts.store_answers;
        let has_seats = rules.max_active.is_none_or(|most| s.due + s.inside < u64::from(most));
        if s.standing && calls && has_seats {
            seen.limited_by_rate_ms += gone_ms;
        }
    }

    fn loss(&mut self, facts: &Facts) -> Option<Loss> {
        let now_ms = facts.now_ms;
        let life = self.life.replace(facts.summary.life);
        if !facts.store_answers {
            self.away.get_or_insert(now_ms);
            return None;
        }
        let loss = |from_ms, what: &str| Some(Loss { from_ms, to_ms: now_ms, what: what.to_owned() });
        match self.away.take() {
            Some(from_ms) if now_ms >= from_ms + STILL_MS_MIN => loss(from_ms, "store_away"),
            _ if life.is_some_and(|life| life < facts.summary.life) => loss(now_ms, "state_lost"),
            _ => None,
        }
    }

    /// A standstill ends with a call, with the last who waited, or by having another reason.
    fn stand(&mut self, facts: &Facts) -> Option<Still> {
        let s = &facts.summary;
        let has_called = self.called.replace(s.called_total).is_some_and(|called| called != s.called_total);
        let reason = match s.reason {
            _ if !facts.store_answers => "store_away",
            Some(reason) => reason.as_str(),
            None => "pace",
        };
        let now_ms = facts.now_ms;
        let goes_on = s.waiting > 0 && !has_called;
        if let Some(still) = self.still.as_mut().filter(|still| goes_on && still.reason == reason) {
            (still.to_ms, still.waiting) = (now_ms, s.waiting);
            return None;
        }
        let begins = s.waiting > 0;
        let (reason, waiting) = (reason.to_owned(), s.waiting);
        let next = begins.then_some(Still { from_ms: now_ms, to_ms: now_ms, reason, waiting });
        let over = std::mem::replace(&mut self.still, next);
        over.map(|still| Still { to_ms: now_ms, ..still }).filter(|still| still.to_ms - still.from_ms >= STILL_MS_MIN)
    }

    /// From which minute on the line is to be asked, if it is time.
    pub(super) fn minute_due(&self) -> Option<u64> {
        let last = (self.now_ms.saturating_sub(READ_AFTER_MS) / MINUTE_MS).saturating_sub(1);
        (last > self.written && self.now_ms > 0).then(|| (self.written + 1).max(last.saturating_sub(MINUTES_KEPT)))
    }

    /// Takes what the line has counted. Minutes in which nothing happened and nobody waited are left out.
    pub(super) fn counted(&mut self, minutes: Vec<Minute>) -> Vec<Record> {
        let last = (self.now_ms.saturating_sub(READ_AFTER_MS) / MINUTE_MS).saturating_sub(1);
        let mut counted: HashMap<u64, Minute> = minutes.into_iter().map(|minute| (minute.minute, minute)).collect();
        let mut all: Vec<u64> = counted.keys().chain(self.seen.keys()).copied().collect();
        all.sort_unstable();
        all.dedup();
        let mut records = Vec::new();
        for minute in all.into_iter().filter(|&minute| minute > self.written && minute <= last) {
            let (count, seen) = (counted.remove(&minute), self.seen.remove(&minute));
            if count.is_some() || seen.as_ref().is_some_and(|seen| seen.waiting_max + seen.taken_max > 0) {
                records.push(Record { minute: count, seen, ..Record::default() });
            }
        }
        self.seen.retain(|&minute, _| minute > last);
        self.written = last;
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::api::rules;

    fn facts(now_ms: u64, waiting: u64, called_total: u64) -> Facts {
        let summary = Summary { waiting, called_total, standing: waiting > 0, ..Summary::default() };
        Facts { now_ms, summary, rules: rules(600), store_answers: true }
    }

    fn stills(records: Vec<Record>) -> Vec<(u64, u64, String)> {
        records.into_iter().filter_map(|r| r.still).map(|s| (s.from_ms, s.to_ms, s.reason)).collect()
    }

    #[test]
    fn every_standstill_is_told_with_its_reason_and_short_ones_are_not() {
        let mut line = Watching::default();
        let mut all = Vec::new();
        for tenth in 0..100_u64 {
            let now_ms = 10_000 + tenth * 500;
            // Called every second, then held for ten seconds, then the store is away for five.
            let mut now = facts(now_ms, 5, if now_ms < 20_000 { tenth / 2 } else { 10 });
            now.summary.reason =
                (20_000..30_000).contains(&now_ms).then_some(sluice_admission::standing::Reason::Paused);
            now.store_answers = !(30_000..35_000).contains(&now_ms);
            if now_ms >= 35_000 {
                now.summary.called_total = tenth;
            }
            all.extend(line.look(&now));
        }
        let losses: Vec<_> = all.iter().filter_map(|record| record.loss.clone()).collect();
        assert_eq!(losses, [Loss { from_ms: 30_000, to_ms: 35_000, what: "store_away".to_owned() }]);
        let expected = [(20_000, 30_000, "paused".to_owned()), (30_000, 35_000, "store_away".to_owned())];
        assert_eq!(stills(all), expected);
    }

    #[test]
    fn minutes_are_read_once_they_are_final_and_written_once() {
        let mut line = Watching::after(0);
        let counts = |minute| Minute { minute, called: 1, ..Minute::default() };
        line.look(&facts(10 * MINUTE_MS + 100, 3, 0));
        assert_eq!(line.minute_due(), Some(1), "all that the line has kept");
        assert_eq!(
            line.counted(vec![counts(4), counts(9), counts(10)]).len(),
            1,
            "it may be counted in the others yet"
        );
        assert_eq!(line.minute_due(), None);
        line.look(&facts(10 * MINUTE_MS + 3_000, 0, 0));
        assert_eq!(line.minute_due(), Some(9));
        assert_eq!(line.counted(vec![counts(9), counts(10)]).len(), 1);
        line.look(&facts(11 * MINUTE_MS + 3_000, 0, 0));
        assert_eq!(line.minute_due(), Some(10));
        let records = line.counted(vec![counts(10), counts(11)]);
        let seen = records[0].seen.clone().unwrap_or_default();
        assert_eq!((records.len(), seen.minute, seen.waiting_max), (1, 10, 3));
        line.look(&facts(13 * MINUTE_MS, 0, 0));
        assert_eq!(line.counted(vec![]), [], "nothing happened in minutes 11 and 12");
    }

    #[test]
    fn what_limits_a_line_is_told_apart() {
        let mut line = Watching::default();
        for tenth in 0..20_u64 {
            let mut now = facts(MINUTE_MS + tenth * 500, 5, tenth);
            now.summary.called_last_minute = 580 + tenth;
            if tenth >= 10 {
                (now.rules.max_active, now.summary.inside) = (Some(7), 7);
            }
            line.look(&now);
        }
        line.look(&facts(2 * MINUTE_MS + 5_000, 0, 20));
        let seen = line.counted(vec![]).remove(0).seen.unwrap_or_default();
        assert_eq!((seen.limited_by_rate_ms, seen.called_60s_max, seen.taken_max, seen.seats), (4_500, 599, 7, None));
    }
}
