//! A node: its usher, in virtual time. It gathers, sends and retries as the real one does and with its constants
//! (`sluice_admission::usher`); only sockets and tasks are missing.

use std::{collections::VecDeque, mem, time::Duration};

use sluice_admission::{
    estimate::{Speed, Speedometer},
    line::{Ask, Batch, Newcomer, Outcome, Rules, Summary, Verdict},
    policy::{Asked, Joining},
    standing::Look,
    usher::{
        Mark, QUESTIONS_MAX,
        memory::Memory,
        pace::{ANSWERS_MAX, Anchor, MARKS_PER_ROUND, Pace, RETRY, SETTLE_AFTER, step_every_min},
    },
};
use tokio::time::Instant;

use super::store::START_MS;

/// Something a visitor waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    Join(Newcomer, Joining),
    Ask(Ask, Asked),
}

/// Who asked, and what came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) who: u32,
    /// What was asked for.
    pub(super) question: Question,
    /// The number, and what may be done with it. `None`: the line could not be asked.
    pub(super) verdict: Option<(u64, Verdict)>,
}

/// A batch on its way.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) batch: Batch,
    newcomers: Vec<(u32, Joining)>,
    asks: Vec<(u32, Asked)>,
    walk_ins: usize,
    /// The life of the line for which this batch tells who is there.
    told_life: u64,
    /// Nobody waits for the answers any more.
    abandoned: bool,
    /// Visitors back from an absence, present again from this step on.
    pub(super) returning: Vec<u32>,
}

impl Round {
    /// Who the numbers are for, in the order of the batch.
    pub(super) fn newcomers(&self) -> impl Iterator<Item = u32> + '_ {
        self.newcomers.iter().map(|(who, _)| *who)
    }
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) summary: Summary,
    pub(super) speed: Speed,
    pub(super) store_answers: bool,
    anchor: Anchor,
    speedometer: Speedometer,
    memory: Memory,
    /// Since when the line is away, here and on its own clock.
    away: Option<(u64, u64)>,
    /// What this node's clock was at the start of the run, and how fast it is.
    origin: Instant,
    drift_ppm: i64,
    questions: VecDeque<(Question, u32)>,
    marks: Round,
    /// The batch on its way, and when this attempt was sent.
    pub(super) round: Option<Round>,
    sent_ms: u64,
    pub(super) reply: Option<Outcome>,
    /// Counts attempts, so that a late time-out finds that it is about another one.
    pub(super) attempt: u32,
    pause: Duration,
    last_step_ms: u64,
    /// Questions wait until then, so that many share a step.
    not_before_ms: u64,
    pace: Pace,
    /// When this node looks for something to do next.
    pub(super) wake_ms: u64,
}

impl Node {
    pub(super) fn new(rules: &Rules, drift_ppm: i64) -> Self {
        let origin = Instant::now();
        let summary = Summary { now_ms: START_MS, ..Summary::default() };
        Self {
            pace: Pace::of(&summary, rules, &Memory::default()),
            summary,
            speed: Speed::default(),
            store_answers: false,
            anchor: Anchor::new(START_MS, origin),
            speedometer: Speedometer::default(),
            memory: Memory::default(),
            away: None,
            origin,
            drift_ppm,
            questions: VecDeque::new(),
            marks: Round::default(),
            round: None,
            sent_ms: 0,
            reply: None,
            attempt: 0,
            pause: RETRY.0,
            last_step_ms: 0,
            not_before_ms: 0,
            wake_ms: 0,
        }
    }

    /// This node's own clock. Only differences count, so that it starts at whatever the real clock shows is no matter.
    fn local(&self, now_ms: u64) -> Instant {
        let us = now_ms * 1_000;
        let drift_us = i64::try_from(now_ms).unwrap_or(0) * self.drift_ppm / 1_000;
        self.origin + Duration::from_micros(us.saturating_add_signed(drift_us))
    }

    /// The line's clock, as this node reckons it.
    pub(super) fn line_ms(&self, now_ms: u64) -> u64 {
        self.anchor.reckon(self.local(now_ms))
    }

    pub(super) fn look(&self, rules: &Rules, now_ms: u64) -> Look<'_> {
        Look {
            summary: &self.summary,
            speed: &self.speed,
            store_answers: self.store_answers,
            now_ms: self.line_ms(now_ms),
            mode: rules.mode,
            away_ms: self.away.map_or(0, |(since_ms, _)| now_ms.saturating_sub(since_ms)),
            trickle: None,
        }
    }

    pub(super) fn mark(&mut self, mark: Mark) {
        let batch = &mut self.marks.batch;
        match mark {
            Mark::Seen(seen) => batch.seen.push(seen),
            Mark::Away(number) => batch.away.push(number),
            Mark::Inside(number) => batch.inside.push(number),
            Mark::Admitted(number) => batch.admitted.push(number),
            Mark::Ended(number) => batch.ended.push(number),
        }
    }

    pub(super) fn returning(&mut self, who: u32) {
        self.marks.returning.push(who);
    }

    /// Takes in a question; false: there are too many. It is dealt with at [`Self::wake_ms`].
    pub(super) fn ask(&mut self, question: Question, who: u32, now_ms: u64) -> bool {
        if self.questions.len() >= QUESTIONS_MAX {
            return false;
        }
        self.questions.push_back((question, who));
        if self.round.is_none() {
            self.wake_ms = self.wake_ms.min(now_ms.max(self.not_before_ms));
        }
        true
    }

    /// Gathers a batch, if there is anything to say or this node may have to call. Walk-ins beyond what a step can
    /// call are refused here.
    pub(super) fn gather(&mut self, rules: &Rules, now_ms: u64, refused: &mut Vec<Answer>) {
        let mut round = Round::default();
        while round.newcomers.len() + round.asks.len() < ANSWERS_MAX {
            match self.questions.pop_front() {
                Some((question @ Question::Join(newcomer, joining), who)) => {
                    if newcomer.walk_in {
                        if round.walk_ins >= rules.burst as usize {
                            refused.push(Answer { who, question, verdict: Some((0, Verdict::Refused)) });
                            continue;
                        }
                        round.walk_ins += 1;
                    }
                    round.batch.newcomers.push(newcomer);
                    round.newcomers.push((who, joining));
                }
                Some((Question::Ask(ask, asked), who)) => {
                    round.batch.asks.push(ask);
                    round.asks.push((who, asked));
                }
                None => break,
            }
        }
        let marks = &mut self.marks.batch;
        if marks.seen.len() <= MARKS_PER_ROUND {
            round.batch.seen = mem::take(&mut marks.seen);
            round.returning = mem::take(&mut self.marks.returning);
        } else {
            round.batch.seen = marks.seen.drain(..MARKS_PER_ROUND).collect();
        }
        round.batch.away = mem::take(&mut marks.away);
        round.batch.inside = mem::take(&mut marks.inside);
        round.batch.admitted = mem::take(&mut marks.admitted);
        round.batch.ended = mem::take(&mut marks.ended);
        let b = &round.batch;
        let is_empty = [b.newcomers.len(), b.asks.len(), b.seen.len(), b.away.len(), b.inside.len(), b.ended.len()]
            .iter()
            .all(|&n| n == 0);
        if !is_empty
            || self.pace.moving
            || self.last_step_ms == 0
            || now_ms >= self.last_step_ms + ms(self.pace.idle_every)
        {
            self.round = Some(round);
        } else {
            self.wake_ms = now_ms + ms(self.pace.look_every);
        }
    }

    /// Stamps the batch and sends it off, for the first time or again.
    pub(super) fn send(&mut self, now_ms: u64) {
        self.attempt = self.attempt.wrapping_add(1) & ATTEMPT_MASK;
        self.sent_ms = now_ms;
        self.wake_ms = u64::MAX;
        let clock_ms = self.line_ms(now_ms);
        if let Some(round) = self.round.as_mut().filter(|_| self.summary.epoch > 0) {
            self.memory.stamp(&mut round.batch, &mut round.told_life, &self.summary, clock_ms);
            if let Some((_, since_ms)) = self.away.filter(|away| now_ms >= away.0 + ms(SETTLE_AFTER)) {
                round.batch.away_since_ms = since_ms;
            }
        }
    }

    /// Takes in the answer; gives what those are told who waited.
    pub(super) fn answered(&mut self, rules: &Rules, now_ms: u64, outcome: &Outcome, answers: &mut Vec<Answer>) {
        let Some(round) = self.round.take() else { return };
        let summary = outcome.summary.clone();
        self.speed = self.speedometer.observe(rules, &summary);
        self.anchor = self.anchor.after(summary.now_ms, self.local(self.sent_ms), self.local(now_ms));
        self.memory.learn(rules, &round.batch, outcome);
        self.pace = Pace::of(&summary, rules, &self.memory);
        self.summary = summary;
        self.away = None;
        self.store_answers = true;
        self.pause = RETRY.0;
        self.last_step_ms = now_ms.max(1);
        self.not_before_ms = now_ms + ms(step_every_min(round.newcomers.len() + round.asks.len()));
        self.wake_ms = if self.questions.is_empty() { now_ms + ms(self.pace.look_every) } else { self.not_before_ms };
        if round.abandoned {
            return;
        }
        let joined = round.newcomers.iter().zip(&round.batch.newcomers).zip(&outcome.newcomers);
        answers.extend(joined.map(|((&(who, joining), &newcomer), &verdict)| Answer {
            who,
            question: Question::Join(newcomer, joining),
            verdict: Some(verdict),
        }));
        let asked = round.asks.iter().zip(&round.batch.asks).zip(&outcome.asks);
        answers.extend(asked.map(|((&(who, asked), &ask), &verdict)| Answer {
            who,
            question: Question::Ask(ask, asked),
            verdict: Some((ask.number, verdict)),
        }));
    }

    /// The attempt failed: lets those go who wait, keeps what they said, and tries again at [`Self::wake_ms`].
    pub(super) fn failed(&mut self, now_ms: u64, answers: &mut Vec<Answer>) {
        self.store_answers = false;
        self.reply = None;
        self.away = self.away.or(Some((self.sent_ms, self.line_ms(now_ms))));
        let came_ms = self.line_ms(self.sent_ms);
        if let Some(round) = self.round.as_mut().filter(|round| !round.abandoned) {
            round.abandoned = true;
            let joined = round.newcomers.iter().zip(&round.batch.newcomers);
            answers.extend(joined.map(|(&(who, j), &n)| Answer { who, question: Question::Join(n, j), verdict: None }));
            let asked = round.asks.iter().zip(&round.batch.asks);
            answers.extend(asked.map(|(&(who, q), &a)| Answer { who, question: Question::Ask(a, q), verdict: None }));
            for newcomer in round.batch.newcomers.iter_mut().filter(|newcomer| newcomer.arrived_ms == 0) {
                newcomer.arrived_ms = came_ms;
            }
        }
        answers.extend(self.questions.drain(..).map(|(question, who)| Answer { who, question, verdict: None }));
        self.wake_ms = now_ms + ms(self.pause);
        self.pause = (self.pause * 2).min(RETRY.1);
    }
}

/// Attempts are counted in so many bits, beside a node's number.
const ATTEMPT_MASK: u32 = 0x00FF_FFFF;

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
