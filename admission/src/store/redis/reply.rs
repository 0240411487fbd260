//! The script's answers: flat lists of whole numbers.

use std::num::NonZeroU32;

use redis::Value;
use sluice_config::Mode;

use super::request::mode_code;
use crate::line::{
    Changed, Control, Histogram, LaneId, LaneSummary, Lookup, Minute, Outcome, Override, Revision, Rules, Summary,
    Verdict, Whereabouts,
};

/// What the script said.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    /// A call before the last one of a step: done.
    Done,
    /// A step was made, or looked at.
    Outcome(Box<Outcome>),
    /// The state has a layout that this build does not know.
    UnknownLayout(u32),
    /// There is no such line.
    NoLine,
    /// The line was lost between two calls of a step.
    Torn,
    /// The line has, or gets, more lanes than it was given keys for: so many.
    More(usize),
}

/// The answer is not one of this build's script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the script's answer is malformed")]
pub(super) struct Malformed;

/// Reads an answer to so many newcomers and asks; `rules` say why the line stands still, if it does.
pub(super) fn read(value: &Value, rules: &Rules, newcomers: usize, asks: usize) -> Result<Reply, Malformed> {
    let Value::Array(values) = value else { return Err(Malformed) };
    let mut numbers = Numbers(values.iter());
    let reply = match numbers.signed()? {
        0 if values.len() == 1 => Reply::Done,
        0 => Reply::Outcome(Box::new(numbers.outcome(rules, newcomers, asks)?)),
        -1 => Reply::UnknownLayout(u32::try_from(numbers.signed()?).unwrap_or(u32::MAX)),
        -2 => Reply::NoLine,
        -3 => Reply::Torn,
        -4 => Reply::More(numbers.next()?),
        _ => return Err(Malformed),
    };
    if numbers.0.next().is_some() { Err(Malformed) } else { Ok(reply) }
}

/// Reads what happened in each minute; nothing if there is no such line. The inner error is a layout that is not known.
pub(super) fn minutes(value: &Value) -> Result<Result<Vec<Minute>, u32>, Malformed> {
    let Value::Array(values) = value else { return Err(Malformed) };
    let mut numbers = Numbers(values.iter());
    let minutes = match numbers.signed()? {
        0 => numbers.minutes()?,
        -1 => return Ok(Err(u32::try_from(numbers.signed()?).unwrap_or(u32::MAX))),
        -2 => Vec::new(),
        _ => return Err(Malformed),
    };
    if numbers.0.next().is_some() { Err(Malformed) } else { Ok(Ok(minutes)) }
}

/// Reads what is known of a number; `None`: there is no such line. The inner error is a layout that is not known.
pub(super) fn found(value: &Value) -> Result<Result<Option<Lookup>, u32>, Malformed> {
    let Value::Array(values) = value else { return Err(Malformed) };
    let mut numbers = Numbers(values.iter());
    match numbers.signed()? {
        0 => {}
        -1 => return Ok(Err(u32::try_from(numbers.signed()?).unwrap_or(u32::MAX))),
        -2 => return Ok(Ok(None)),
        _ => return Err(Malformed),
    }
    let (place, since_ms, until_ms): (u8, u64, u64) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let place = match place {
        0 => Whereabouts::Unknown,
        1 => Whereabouts::Waiting,
        2 => Whereabouts::Called { until_ms, heard: since_ms == 1 },
        3 => Whereabouts::Inside { since_ms, until_ms },
        4 => Whereabouts::Lapsed,
        5 => Whereabouts::Ended,
        6 => Whereabouts::Spent,
        _ => return Err(Malformed),
    };
    let numbered_ms: u64 = numbers.next()?;
    let (present, counted) = (numbers.next::<u8>()? == 1, numbers.next::<u8>()? == 1);
    Ok(Ok(Some(Lookup { place, numbered_ms: (numbered_ms > 0).then_some(numbered_ms), present, counted })))
}

fn mode_of(code: u8) -> Option<Mode> {
    Mode::ALL.iter().map(|mode| mode.1).find(|&mode| mode_code(mode) == code)
}

struct Numbers<'a>(std::slice::Iter<'a, Value>);

impl Numbers<'_> {
    fn signed(&mut self) -> Result<i64, Malformed> {
        match self.0.next() {
            Some(Value::Int(number)) => Ok(*number),
            _ => Err(Malformed),
        }
    }

    fn next<T: TryFrom<i64>>(&mut self) -> Result<T, Malformed> {
        T::try_from(self.signed()?).map_err(|_| Malformed)
    }

    /// In the order of `OUTCOME` in outcome.lua.
    fn outcome(&mut self, rules: &Rules, newcomers: usize, asks: usize) -> Result<Outcome, Malformed> {
        let called = self.next()?;
        let mut summary = Summary {
            steps: self.next()?,
            life: self.next()?,
            now_ms: self.next()?,
            epoch: self.next()?,
            waiting: self.next()?,
            due: self.next()?,
            inside: self.next()?,
            ended_dropped: self.next()?,
            standing: self.next::<u64>()? != 0,
            called_last_minute: self.next()?,
            called_total: self.next()?,
            last_calls: (self.next()?, self.next()?),
            life_began_ms: self.next()?,
            quiet_until_ms: self.next()?,
            settling: self.next::<u64>()? != 0,
            rate_used_until_ms: self.next()?,
            mode: mode_of(self.next()?),
            revision: Revision { number: self.next()?, id: self.next()? },
            ..Summary::default()
        };
        let set = self.set()?;
        summary.reason = summary.reason(&set.apply(rules, summary.now_ms));
        for slot in 0..self.next::<usize>()? {
            summary.lanes.put(slot, self.lane()?);
        }
        let newcomers = self.answers(newcomers)?;
        let asks = self.answers(asks)?.into_iter().map(|answer| answer.1).collect();
        let due = self.pairs()?.into_iter().map(|(until_ms, number)| (number, until_ms)).collect();
        let ended = self.pairs()?;
        let changes = self.changes()?;
        let control = self.control(summary.revision, set)?;
        Ok(Outcome { newcomers, asks, called, due, ended, changes, control, summary })
    }

    /// In the order of `LANE_OUTCOME` in outcome.lua.
    fn lane(&mut self) -> Result<LaneSummary, Malformed> {
        let mut lane = LaneSummary {
            lane: LaneId::from_code(self.next()?),
            issued: self.next()?,
            head: self.next()?,
            floor: self.next()?,
            waiting: self.next()?,
            late: self.next()?,
            standing_since_ms: self.next()?,
            called_total: self.next()?,
            ..LaneSummary::default()
        };
        (lane.blocks.start, lane.late_blocks.start) = (self.next()?, self.next()?);
        lane.blocks.counts = self.list()?;
        lane.late_blocks.counts = self.list()?;
        lane.gaps = self.pairs()?;
        Ok(lane)
    }

    /// In the order of `SET` in control.lua; 0 is nothing.
    fn set(&mut self) -> Result<Override, Malformed> {
        let mut number = || Ok(NonZeroU32::new(self.next()?));
        let (release_per_minute, burst) = (number()?, number()?);
        let (max_active, max_waiting) = (number()?, number()?);
        let mode = self.next::<u8>()?.checked_sub(1).and_then(mode_of);
        let until_ms = Some(self.next()?).filter(|&until_ms| until_ms > 0);
        Ok(Override { release_per_minute, burst, max_active, max_waiting, mode, message: None, until_ms })
    }

    fn changes(&mut self) -> Result<Vec<Changed>, Malformed> {
        const CHANGE: usize = 3;
        let mut changes = Vec::new();
        for _ in 0..self.next::<usize>()? / CHANGE {
            let (made, revision) = (self.signed()?, Revision { number: self.next()?, id: self.next()? });
            changes.push(if made == 1 { Changed::Accepted(revision) } else { Changed::Conflict(revision) });
        }
        Ok(changes)
    }

    /// What is set, if its texts have come along: since when, the message, the reason, who.
    fn control(&mut self, revision: Revision, set: Override) -> Result<Option<Box<Control>>, Malformed> {
        if self.next::<usize>()? == 0 {
            return Ok(None);
        }
        let since_ms = self.next()?;
        let message = Some(self.text()?).filter(|message| !message.is_empty());
        let (reason, actor) = (self.text()?, self.text()?);
        Ok(Some(Box::new(Control { revision, set: Override { message, ..set }, reason, actor, since_ms })))
    }

    fn text(&mut self) -> Result<String, Malformed> {
        match self.0.next() {
            Some(Value::BulkString(bytes)) => String::from_utf8(bytes.clone()).map_err(|_| Malformed),
            _ => Err(Malformed),
        }
    }

    /// In the order of `minute_now` in minutes.lua.
    fn minutes(&mut self) -> Result<Vec<Minute>, Malformed> {
        let mut minutes = Vec::new();
        for _ in 0..self.next::<usize>()? {
            minutes.push(Minute {
                minute: self.next()?,
                arrived: self.next()?,
                numbered: self.next()?,
                called: self.next()?,
                entered: self.next()?,
                lapsed: self.next()?,
                left: self.next()?,
                ended: self.next()?,
                waits: self.histogram()?,
                visits: self.histogram()?,
            });
        }
        Ok(minutes)
    }

    fn histogram(&mut self) -> Result<Histogram, Malformed> {
        let mut histogram = Histogram::default();
        for (bucket, count) in (0..=u8::MAX).zip(self.list::<u32>()?).filter(|&(_, count)| count > 0) {
            histogram.add(bucket, count);
        }
        Ok(histogram)
    }

    fn list<T: TryFrom<i64>>(&mut self) -> Result<Vec<T>, Malformed> {
        (0..self.next::<usize>()?).map(|_| self.next()).collect()
    }

    fn pairs(&mut self) -> Result<Vec<(u64, u64)>, Malformed> {
        (0..self.next::<usize>()? / 2).map(|_| Ok((self.next()?, self.next()?))).collect()
    }

    /// Answers in runs: how many, the number of the first (0: none has one), what they may do, since and until.
    fn answers(&mut self, expected: usize) -> Result<Vec<(u64, Verdict)>, Malformed> {
        const RUN: usize = 5;
        let mut answers = Vec::with_capacity(expected);
        for _ in 0..self.next::<usize>()? / RUN {
            let (count, first): (usize, u64) = (self.next()?, self.next()?);
            let (kind, since_ms, until_ms) = (self.signed()?, self.next()?, self.next()?);
            let verdict = match kind {
                0 => Verdict::Refused,
                1 => Verdict::Waiting,
                2 => Verdict::Called { until_ms },
                3 => Verdict::Inside { since_ms, until_ms, provisional: false },
                4 => Verdict::Spent,
                5 => Verdict::Inside { since_ms, until_ms, provisional: true },
                6 => Verdict::Lapsed,
                _ => return Err(Malformed),
            };
            if count > expected - answers.len() {
                return Err(Malformed);
            }
            answers.extend((first..).take(count).map(|number| (if first == 0 { 0 } else { number }, verdict)));
        }
        if answers.len() == expected { Ok(answers) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer that is taken is one to what was asked.
    fn fuzzed(bytes: &[u8]) {
        let [newcomers, asks, numbers @ ..] = bytes else { return };
        let (newcomers, asks) = (usize::from(*newcomers % 4), usize::from(*asks % 4));
        // Small numbers are most of what scripts say; a byte of 255 stands before one that is not.
        let mut values = Vec::new();
        let mut numbers = numbers.iter();
        while let Some(&byte) = numbers.next() {
            let number = match byte {
                255 => i64::from_le_bytes(std::array::from_fn(|_| numbers.next().copied().unwrap_or(0))),
                254 => -1,
                byte => byte.into(),
            };
            values.push(if byte == 253 { Value::Nil } else { Value::Int(number) });
        }
        let value = Value::Array(values);
        let rules = crate::usher::tests::rules();
        if let Ok(Reply::Outcome(outcome)) = read(&value, &rules, newcomers, asks) {
            assert_eq!((outcome.newcomers.len(), outcome.asks.len()), (newcomers, asks));
        }
        let _ = (minutes(&value), found(&value));
    }

    #[test]
    fn fuzzed_answers_are_to_what_was_asked_or_malformed() {
        let made = [
            vec![0, 0, 254, 99],
            vec![1, 1, 0, 5],
            [&[2, 1][..], &[0; 120]].concat(),
            [&[0, 0][..], &[1; 90]].concat(),
        ];
        crate::fuzz::run(env!("CARGO_MANIFEST_DIR"), "replies", made.into(), 50_000, fuzzed);
    }
}
