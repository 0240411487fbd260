//! The usher's mind: what to send to the line, when, and whom to answer. No I/O, no clock, no tasks.
//!
//! A driver tells it what happened and when, and does what it says. The proxy's is a tokio task over a store, the
//! crowd simulator's an agenda in virtual time: what is simulated is what runs.
//!
//! ```text
//!            a question, a look            the attempt is sent
//! Resting ────────────────────▶ Sent ◀──────────────────────────┐
//!    ▲                          │  │  no answer in time, or an error
//!    └──────────────────────────┘  └──────────────────▶ Pausing ─┘
//!              the line answered
//! ```

mod event;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::event::{Action, Answer, Event, Question};
use super::{
    CHANGES_MAX, QUESTIONS_MAX, Unanswered,
    grace::Grace,
    hidden::Hidden,
    hush::Hush,
    marks::{Marks, Word},
    memory::Memory,
    pace::{ATTEMPT_MAX, CHANGES_PER_ROUND, PATIENCE_MAX, Pace, RETRY, SETTLE_AFTER, STEP_EVERY_BUSY, step_every_min},
    round::Round,
    trickle::Trickle,
    view::{Away, View},
};
use crate::{
    estimate::{GRACE_MS_MAX, Speed, Speedometer},
    line::{Change, ENDED_TOLD_MAX, Outcome, PerLane, Rules, Summary, Verdict},
    usher::memory::ended::Ended,
};

/// One queue's usher at one node.
#[derive(Debug)]
pub struct Core<W> {
    view: Arc<View>,
    memory: Memory,
    /// One for each lane, by slot.
    speedometers: PerLane<Speedometer>,
    grace: Grace,
    hidden: Hidden,
    hush: Hush,
    ended: Ended,
    /// When a visit ended of which those who serve visitors do not know yet.
    ended_since: Option<Instant>,
    /// Questions for the next batch, at most [`QUESTIONS_MAX`].
    questions: VecDeque<Question<W>>,
    /// Changes for the next batch, at most [`CHANGES_MAX`].
    changes: VecDeque<Change>,
    /// Other nodes have this line as well.
    shared: bool,
    marks: Marks,
    phase: Phase<W>,
    attempt: u64,
    heard: bool,
}

#[derive(Debug)]
enum Phase<W> {
    /// Nothing is on its way.
    Resting(Rest),
    /// An attempt is on its way.
    Sent { flight: Box<Flight<W>>, sent: Instant },
    /// The last attempt failed, the next one is not due yet.
    Pausing { flight: Box<Flight<W>>, until: Instant },
}

#[derive(Debug)]
struct Rest {
    pace: Pace,
    last_step: Instant,
    /// When to look whether there is something to say.
    look: Instant,
    /// Questions wait until then, so that many share a step.
    not_before: Instant,
}

/// A batch, and how patient the usher is with it.
#[derive(Debug)]
struct Flight<W> {
    round: Round<W>,
    rules: Arc<Rules>,
    /// How long an attempt may take, and the pause after it.
    patience: Duration,
    pause: Duration,
}

impl<W> Core<W> {
    /// An usher that knows nothing yet. The line is asked with the first wake-up, so that the node knows it before
    /// the first visitor comes. `wall_ms` (unix milliseconds) stands in for the line's clock until then. `shared`: other
    /// nodes have this line as well.
    pub fn new(memory: Memory, wall_ms: u64, now: Instant, shared: bool) -> Self {
        let view = Arc::new(View { control: memory.control().clone(), ..View::new(wall_ms, now) });
        Self {
            view,
            memory,
            speedometers: PerLane::default(),
            grace: Grace::default(),
            hidden: Hidden::default(),
            hush: Hush::default(),
            ended: Ended::default(),
            ended_since: None,
            questions: VecDeque::new(),
            changes: VecDeque::new(),
            shared,
            marks: Marks::default(),
            phase: Phase::at_once(now),
            attempt: 0,
            heard: false,
        }
    }

    /// What is known of the line.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// What a line that is lost would learn from this node.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// How many marks found no room since the last time.
    pub fn take_marks_dropped(&mut self) -> u64 {
        self.marks.take_dropped()
    }

    /// How many times most visitors near the head were found not to ask since the last time.
    pub fn take_hushes(&mut self) -> u64 {
        self.hush.take_noticed()
    }

    /// The node's visitors go to another one from now on.
    pub fn is_left(&mut self) {
        self.hush.is_left();
    }

    /// When to wake this usher, if nothing else happens before.
    pub fn wake_at(&self) -> Instant {
        let at = self.next_at();
        self.ended_since.map_or(at, |since| at.min(since))
    }

    /// When the phase comes to its end.
    fn next_at(&self) -> Instant {
        match &self.phase {
            Phase::Resting(rest) if self.questions.is_empty() && self.changes.is_empty() => rest.look,
            Phase::Resting(rest) => rest.not_before,
            Phase::Sent { flight, sent } => *sent + flight.patience,
            Phase::Pausing { until, .. } => *until,
        }
    }

    /// Whether a question that comes now makes a difference before [`Self::wake_at`]; else it may as well wait
    /// outside.
    pub fn takes_questions(&self) -> bool {
        self.is_away() || (matches!(self.phase, Phase::Resting(_)) && self.questions.is_empty())
    }

    /// Takes in what happened, and says what is to be done, in this order. The rules are those of the queue's file.
    pub fn handle(&mut self, now: Instant, event: Event<W>, rules: &Arc<Rules>, actions: &mut Vec<Action<W>>) {
        match event {
            Event::Question(question) => self.take(now, question, actions),
            Event::Mark(mark) => {
                match mark.mark.word {
                    Word::Seen { seen, told_ms } => self.measure(seen.number, mark.at, told_ms),
                    Word::Ended(number) => self.end(now, mark.mark.epoch, number, rules),
                    Word::Away(_) | Word::Inside(_) | Word::Admitted(_) => {}
                }
                self.marks.take(mark);
            }
            // Not kept for a line that does not answer: an operator must not find it made at some later time.
            Event::Change(change) if self.is_away() || self.changes.len() >= CHANGES_MAX => {
                actions.push(Action::Changed(change.id, Err(Unanswered)));
            }
            Event::Change(change) => self.changes.push_back(*change),
            Event::Wake => {
                self.publish_ended(actions);
                if now >= self.next_at() {
                    self.wake(now, rules, actions);
                }
            }
            Event::Answered { attempt, outcome } if self.is_on_its_way(attempt) => {
                self.answered(now, *outcome, rules, actions);
            }
            Event::Failed { attempt, error } if self.is_on_its_way(attempt) => {
                self.failed(now, error, false, actions);
            }
            // Too late.
            Event::Answered { .. } | Event::Failed { .. } => {}
        }
    }

    /// Begins anew after a step that panicked: nothing that it may have left half done is used again but the memory,
    /// which merges. Those who wait are let go.
    pub fn begin_anew(&mut self, now: Instant, actions: &mut Vec<Action<W>>) {
        let phase = std::mem::replace(&mut self.phase, Phase::at_once(now + RETRY.1));
        if let Phase::Sent { mut flight, .. } | Phase::Pausing { mut flight, .. } = phase {
            flight.round.let_go(actions);
        }
        self.speedometers = PerLane::default();
        self.hush.forget();
        self.let_go(actions);
    }

    fn is_away(&self) -> bool {
        self.view.away.is_some()
    }

    fn is_on_its_way(&self, attempt: u64) -> bool {
        matches!(self.phase, Phase::Sent { .. }) && self.attempt == attempt
    }

    fn take(&mut self, now: Instant, question: Question<W>, actions: &mut Vec<Action<W>>) {
        if let Question::Ask { ask, told_ms, .. } = &question {
            self.measure(ask.number, now, *told_ms);
        }
        // While the line does not answer, to wait for it helps no one: places are kept, and the page asks again.
        if self.is_away() || self.questions.len() >= QUESTIONS_MAX {
            actions.push(Action::Answer(question.into_waiter(), Err(Unanswered)));
        } else {
            self.questions.push_back(question);
        }
    }

    /// A visitor in line has asked; `told_ms`: as in [`Question::Ask`].
    fn measure(&mut self, number: u64, at: Instant, told_ms: u32) {
        self.grace.asked(number, at, told_ms);
        self.hidden.asked(number, at, told_ms == 0);
        self.hush.asked(number, at, told_ms);
    }

    /// A visit has ended at this node: its pass is void with the next wake-up, which many may share.
    fn end(&mut self, now: Instant, epoch: u64, number: u64, rules: &Rules) {
        let current = self.view.summary.epoch;
        let someone_else = epoch != 0 && current != 0 && epoch != current;
        if !someone_else && self.ended.add(number, self.view.line_ms(now), rules.seat_ms) {
            self.ended_since.get_or_insert(now);
        }
    }

    fn publish_ended(&mut self, actions: &mut Vec<Action<W>>) {
        if self.ended_since.take().is_some() {
            self.view = Arc::new(View { ended: self.ended.clone(), ..View::clone(&self.view) });
            actions.push(Action::Publish(self.view.clone()));
        }
    }

    /// Ends of visits of which the line tells. Gives whether there are more.
    fn hear_of_ends(&mut self, outcome: &Outcome, rules: &Rules) -> bool {
        let summary = &outcome.summary;
        self.ended.step(summary.epoch, summary.life);
        self.ended.expire(summary.now_ms, rules.seat_ms);
        for &(number, ended_ms) in &outcome.ended {
            // Kept from now on, not from when the visit ended: until now this node may have minted its pass anew.
            self.ended.add(number, summary.now_ms, rules.seat_ms);
            self.ended.told(ended_ms);
        }
        outcome.ended.len() >= ENDED_TOLD_MAX
    }

    // Resting → Sent, Pausing → Sent, Sent → Pausing.
    fn wake(&mut self, now: Instant, rules: &Arc<Rules>, actions: &mut Vec<Action<W>>) {
        match &mut self.phase {
            Phase::Resting(rest) => {
                let anything = !(self.questions.is_empty() && self.changes.is_empty() && self.marks.is_empty());
                let idle = !anything && !rest.pace.moving && now < rest.last_step + rest.pace.idle_every;
                if idle {
                    rest.look = now + rest.pace.look_every;
                    return;
                }
                let burst = self.view.rules(rules, now).burst;
                let changes = self.changes.drain(..self.changes.len().min(CHANGES_PER_ROUND)).collect();
                let round = Round::gather(&mut self.questions, changes, burst, actions);
                let flight = Flight { round, rules: rules.clone(), patience: ATTEMPT_MAX, pause: RETRY.0 };
                self.send(now, Box::new(flight), rules, actions);
            }
            Phase::Sent { flight, .. } => {
                let error = format!("no answer within {} ms", flight.patience.as_millis());
                self.failed(now, error, true, actions);
            }
            Phase::Pausing { .. } => {
                let Phase::Pausing { flight, .. } = std::mem::replace(&mut self.phase, Phase::at_once(now)) else {
                    return;
                };
                self.send(now, flight, rules, actions);
            }
        }
    }

    fn send(&mut self, now: Instant, mut flight: Box<Flight<W>>, rules: &Arc<Rules>, actions: &mut Vec<Action<W>>) {
        let summary = &self.view.summary;
        // The line may have heard an earlier attempt, only too slowly: it must not take those for gone who are here.
        flight.round.take_marks(&mut self.marks);
        flight.rules = rules.clone();
        let batch = flight.round.stamp(now, summary.epoch);
        self.memory.stamp(batch, summary, self.view.line_ms(now));
        batch.known.ended_ms = Some(self.ended.told_ms());
        let away = self.view.away.filter(|away| self.heard && now >= away.since + SETTLE_AFTER);
        batch.away_since_ms = away.map_or(0, |away| away.since_ms);
        batch.hush = self.hush.is_on(now);
        self.attempt += 1;
        let batch = flight.round.batch();
        actions.push(Action::Send { attempt: self.attempt, rules: rules.clone(), batch });
        self.phase = Phase::Sent { flight, sent: now };
    }

    // Sent → Resting.
    fn answered(&mut self, now: Instant, outcome: Outcome, rules: &Rules, actions: &mut Vec<Action<W>>) {
        let Phase::Sent { flight, sent } = std::mem::replace(&mut self.phase, Phase::at_once(now)) else { return };
        if let Some(away) = self.view.away {
            actions.push(Action::Back { away: now.saturating_duration_since(away.since) });
        }
        self.heard = true;
        for (ask, verdict) in flight.round.told().asks.iter().zip(&outcome.asks) {
            if matches!(verdict, Verdict::Inside { .. } | Verdict::Spent) {
                self.hush.is_done(ask.number);
            }
        }
        if outcome.summary.epoch != self.view.summary.epoch {
            self.hush.forget();
        }
        self.memory.learn(&flight.rules, flight.round.told(), &outcome);
        let control = self.memory.control().clone();
        let rules = &control.set.apply(rules, outcome.summary.now_ms);
        let speeds = self.speeds(now, rules, &outcome.summary);
        let anchor = self.view.anchor.after(outcome.summary.now_ms, sent, now);
        let pace = match self.hear_of_ends(&outcome, rules) {
            true => Pace::at_once(STEP_EVERY_BUSY),
            false => Pace::of(&outcome.summary, rules, &self.memory, self.shared),
        };
        self.ended_since = None;
        let not_before = now + step_every_min(flight.round.questions());
        // Published before the first answer: who asks next finds at least what this answer was based on.
        let answers_since = self.view.answers_since.or(Some(now));
        let summary = outcome.summary.clone();
        self.view = Arc::new(View {
            summary,
            speeds,
            grace_ms: if self.hush.was_lately(now) { GRACE_MS_MAX } else { self.grace.ms(self.shared) },
            ended: self.ended.clone(),
            control,
            store_answers: true,
            answers_since,
            away: None,
            anchor,
        });
        actions.push(Action::Publish(self.view.clone()));
        actions.push(Action::Called(outcome.called));
        flight.round.answer(&outcome, actions);
        self.phase = Phase::Resting(Rest { pace, last_step: now, look: now + pace.look_every, not_before });
    }

    /// How fast each lane moves.
    fn speeds(&mut self, now: Instant, rules: &Rules, summary: &Summary) -> PerLane<Speed> {
        let (hidden_share, there_at_least) = (self.hidden.share(now), self.hush.there_at_least(now));
        while self.speedometers.len() < summary.lanes.len() {
            self.speedometers.push(Speedometer::default());
        }
        let mut speeds = PerLane::default();
        for slot in 0..summary.lanes.len() {
            let speedometer = &mut self.speedometers[slot];
            speedometer.hidden_share = hidden_share;
            speedometer.gone_at_most = 1.0 - there_at_least;
            speeds.put(slot, speedometer.observe_lane(rules, summary, slot));
        }
        speeds
    }

    // Sent → Pausing. While the line does not answer, those who wait are let go; what they said is kept.
    fn failed(&mut self, now: Instant, error: String, in_time: bool, actions: &mut Vec<Action<W>>) {
        let Phase::Sent { mut flight, sent } = std::mem::replace(&mut self.phase, Phase::at_once(now)) else { return };
        if in_time {
            flight.patience = (flight.patience * 2).min(PATIENCE_MAX);
        }
        let first = self.view.away.is_none();
        actions.push(Action::Failed { error, first });
        if first {
            flight.round.came_by(self.view.line_ms(sent));
            let rules = self.view.rules(&flight.rules, now);
            // What an operator has set may end meanwhile: the head goes on no faster than then.
            let rules = if self.view.control.set.until_ms.is_some() { rules.slower(&flight.rules) } else { rules };
            let trickle = Trickle::new(&rules, &self.view.summary, self.memory.calls());
            let away = Some(Away { since: sent, since_ms: self.view.line_ms(now), trickle });
            self.ended_since = None;
            let ended = self.ended.clone();
            self.view =
                Arc::new(View { store_answers: false, answers_since: None, away, ended, ..View::clone(&self.view) });
            actions.push(Action::Publish(self.view.clone()));
        }
        flight.round.let_go(actions);
        self.let_go(actions);
        let until = now + flight.pause;
        flight.pause = (flight.pause * 2).min(RETRY.1);
        self.phase = Phase::Pausing { flight, until };
    }

    fn let_go(&mut self, actions: &mut Vec<Action<W>>) {
        let waiters = self.questions.drain(..).map(Question::into_waiter);
        actions.extend(waiters.map(|waiter| Action::Answer(waiter, Err(Unanswered))));
        actions.extend(self.changes.drain(..).map(|change| Action::Changed(change.id, Err(Unanswered))));
    }
}

impl<W> Phase<W> {
    /// The line is asked at this time, whether there is something to say or not.
    fn at_once(at: Instant) -> Self {
        let pace = Pace::at_once(RETRY.0);
        Self::Resting(Rest { pace, last_step: at, look: at, not_before: at })
    }
}
