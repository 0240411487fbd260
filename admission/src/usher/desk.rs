//! The usher's own task: gather, step, answer, publish.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{Question, Usher, View, round::Round};
use crate::{estimate::Speedometer, line::Outcome, store::Store};

/// Least time between two steps: bounds the work of a queue whose newcomers trickle in.
const STEP_EVERY_MIN: Duration = Duration::from_millis(2);
/// How often a line is looked at in which nobody waits and nothing happens.
const IDLE_EVERY: Duration = Duration::from_secs(5);
/// How often marks are taken to a line in which nobody waits.
const MARKS_EVERY: Duration = Duration::from_secs(1);
/// Longest wait for one attempt.
const ATTEMPT_MAX: Duration = Duration::from_secs(1);
/// First and longest pause after a failed attempt.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

pub(super) async fn run<S: Store>(usher: Weak<Usher>, store: Arc<S>, mut inbox: mpsc::Receiver<Question>) {
    let mut speedometer = Speedometer::default();
    // The line is asked once at the start, so that the node knows it before the first visitor comes.
    let mut round = Round::default();
    loop {
        let Some(handle) = usher.upgrade() else { return };
        let sent = attempt(&handle, store.as_ref(), &mut round, &mut inbox).await;
        publish(&handle, &mut speedometer, &sent);
        round.answer(&sent.outcome);
        let pace = Pace::of(&handle);
        drop(handle);
        match gather(&usher, &mut inbox, &pace, sent.answered).await {
            Some(next) => round = next,
            None => return,
        }
    }
}

/// Waits until there is something to say, or the line wants a tick. `None`: every handle is gone.
async fn gather(
    usher: &Weak<Usher>,
    inbox: &mut mpsc::Receiver<Question>,
    pace: &Pace,
    last_step: Instant,
) -> Option<Round> {
    let mut look = last_step + pace.look_every;
    loop {
        let question = tokio::select! {
            question = inbox.recv() => Some(question?),
            () = sleep_until(look) => None,
        };
        if question.is_some() {
            sleep_until(last_step + STEP_EVERY_MIN).await;
        }
        let usher = usher.upgrade()?;
        let mut round = Round::default();
        if let Some(question) = question {
            round.take(&usher, question);
        }
        while !round.is_full() {
            let Ok(question) = inbox.try_recv() else { break };
            round.take(&usher, question);
        }
        round.take_marks(&usher);
        if !round.is_empty() || pace.moving || last_step.elapsed() >= IDLE_EVERY {
            return Some(round);
        }
        look = Instant::now() + pace.look_every;
    }
}

/// An answered attempt.
struct Sent {
    outcome: Outcome,
    sent: Instant,
    answered: Instant,
}

/// Published before anybody is answered: whoever asks next finds at least what this answer was based on.
fn publish(usher: &Usher, speedometer: &mut Speedometer, step: &Sent) {
    let summary = step.outcome.summary.clone();
    let speed = speedometer.observe(&usher.rules.load(), &summary);
    usher.counts.steps.fetch_add(1, Ordering::Relaxed);
    usher.counts.called.fetch_add(u64::from(step.outcome.called), Ordering::Relaxed);
    let anchor = usher.view.load().anchor.after(summary.now_ms, step.sent, step.answered);
    usher.view.store(Arc::new(View { summary, speed, store_answers: true, anchor }));
    let _ = usher.heard.set(());
}

/// How long until the next look if nobody asks.
struct Pace {
    look_every: Duration,
    moving: bool,
}

impl Pace {
    fn of(usher: &Usher) -> Self {
        let view = usher.view.load();
        let moving = view.summary.waiting > 0 || view.summary.standing;
        let tick = Duration::from_millis(usher.rules.load().tick_ms());
        Self { look_every: if moving { tick } else { MARKS_EVERY }, moving }
    }
}

/// Tries until the line has answered. While it does not, those who wait are let go and the view says that the
/// store is away; what they said is kept.
async fn attempt<S: Store>(usher: &Usher, store: &S, round: &mut Round, inbox: &mut mpsc::Receiver<Question>) -> Sent {
    let mut pause = RETRY.0;
    let mut told = false;
    loop {
        let sent = Instant::now();
        round.stamp(&usher.view.load());
        let rules = usher.rules.load_full();
        let error = match timeout(ATTEMPT_MAX, store.sync(&usher.line, &rules, &round.batch)).await {
            Ok(Ok(outcome)) => return Sent { outcome, sent, answered: Instant::now() },
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", ATTEMPT_MAX.as_millis()),
        };
        usher.counts.steps_failed.fetch_add(1, Ordering::Relaxed);
        if !told {
            told = true;
            tracing::error!(line = %usher.line, %error, "the line does not answer; places are kept, nobody is called");
            let view = View::clone(&usher.view.load());
            usher.view.store(Arc::new(View { store_answers: false, ..view }));
        }
        round.give_up_waiting();
        while inbox.try_recv().is_ok() {}
        sleep(pause).await;
        pause = (pause * 2).min(RETRY.1);
    }
}
