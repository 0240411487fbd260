//! The usher's own task: gather, step, answer, publish.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Weak, atomic::Ordering},
    task::Poll,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    Away, Question, Usher, View,
    keepsake::Keepsake,
    memory::Memory,
    pace::{ATTEMPT_MAX, PATIENCE_MAX, Pace, RETRY, SETTLE_AFTER, step_every_min},
    round::Round,
    trickle::Trickle,
};
use crate::{
    estimate::Speedometer,
    line::{Outcome, Rules},
    store::Store,
};

/// Runs until every handle is gone. A step that panics costs what its batch said, and the usher begins anew: the
/// line of a queue must not stand for ever because of one bad moment.
pub(super) async fn run<S: Store>(
    usher: Weak<Usher>,
    store: Arc<S>,
    mut inbox: mpsc::Receiver<Question>,
    mut keepsake: Option<Keepsake>,
) {
    let mut memory = keepsake.as_ref().and_then(recall).unwrap_or_default();
    loop {
        let mut work = pin!(work(&usher, store.as_ref(), &mut inbox, &mut keepsake, &mut memory));
        // Nothing that the panic may have left half done is used again but the memory, which merges.
        let caught = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(true),
            Err(_) => Poll::Ready(false),
        });
        if caught.await {
            return;
        }
        if let Some(usher) = usher.upgrade() {
            tracing::error!(line = %usher.line, "a step of the line panicked; its usher begins anew");
            usher.counts.steps_failed.fetch_add(1, Ordering::Relaxed);
        }
        sleep(RETRY.1).await;
    }
}

async fn work<S: Store>(
    usher: &Weak<Usher>,
    store: &S,
    inbox: &mut mpsc::Receiver<Question>,
    keepsake: &mut Option<Keepsake>,
    memory: &mut Memory,
) {
    let mut speedometer = Speedometer::default();
    // The line is asked once at the start, so that the node knows it before the first visitor comes.
    let mut round = Round::default();
    loop {
        let Some(handle) = usher.upgrade() else { return };
        let sent = attempt(&handle, store, &mut round, inbox, memory).await;
        publish(&handle, &mut speedometer, &sent);
        memory.learn(&sent.rules, &round.batch, &sent.outcome);
        let questions = round.questions();
        round.answer(&sent.outcome);
        if let Some(keepsake) = keepsake {
            keepsake.keep(memory, &sent.outcome.summary).await;
        }
        let not_before = sent.answered + step_every_min(questions);
        let pace = Pace::of(&handle.view.load().summary, &handle.rules.load(), memory);
        drop(handle);
        match gather(usher, inbox, &pace, sent.answered, not_before).await {
            Some(next) => round = next,
            None => return,
        }
    }
}

fn recall(keepsake: &Keepsake) -> Option<Memory> {
    match keepsake.recall() {
        Ok(known) => known.map(Memory::recall),
        Err(error) => {
            tracing::warn!(%keepsake, %error, "what was known of a line cannot be read, and is done without");
            None
        }
    }
}

/// Waits until there is something to say, or the line wants a tick. `None`: every handle is gone.
async fn gather(
    usher: &Weak<Usher>,
    inbox: &mut mpsc::Receiver<Question>,
    pace: &Pace,
    last_step: Instant,
    not_before: Instant,
) -> Option<Round> {
    let mut look = last_step + pace.look_every;
    loop {
        let question = tokio::select! {
            question = inbox.recv() => Some(question?),
            () = sleep_until(look) => None,
        };
        if question.is_some() {
            sleep_until(not_before).await;
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
        if !round.is_empty() || pace.moving || last_step.elapsed() >= pace.idle_every {
            return Some(round);
        }
        look = Instant::now() + pace.look_every;
    }
}

/// An answered attempt.
struct Sent {
    rules: Arc<Rules>,
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
    usher.view.store(Arc::new(View { summary, speed, store_answers: true, away: None, anchor }));
    let _ = usher.heard.set(());
}

/// Tries until the line has answered. While it does not, those who wait are let go and the view says that the
/// store is away; what they said is kept.
async fn attempt<S: Store>(
    usher: &Usher,
    store: &S,
    round: &mut Round,
    inbox: &mut mpsc::Receiver<Question>,
    memory: &Memory,
) -> Sent {
    let (mut pause, mut patience) = (RETRY.0, ATTEMPT_MAX);
    // Since when the line is away, here and on its own clock.
    let mut away: Option<(Instant, u64)> = None;
    loop {
        let sent = Instant::now();
        round.stamp(&usher.view.load(), memory);
        if let Some((_, since_ms)) = away.filter(|(since, _)| usher.has_heard() && since.elapsed() >= SETTLE_AFTER) {
            round.batch.away_since_ms = since_ms;
        }
        let rules = usher.rules.load_full();
        let error = match timeout(patience, store.sync(&usher.line, &rules, &round.batch)).await {
            Ok(Ok(outcome)) => {
                if let Some((since, _)) = away {
                    tracing::warn!(line = %usher.line, away_ms = since.elapsed().as_millis(), "the line answers again");
                }
                return Sent { rules, outcome, sent, answered: Instant::now() };
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                let within = patience;
                patience = (patience * 2).min(PATIENCE_MAX);
                format!("no answer within {} ms", within.as_millis())
            }
        };
        usher.counts.steps_failed.fetch_add(1, Ordering::Relaxed);
        if away.is_none() {
            tracing::error!(line = %usher.line, %error, "the line does not answer; places are kept");
            let view = View::clone(&usher.view.load());
            away = Some((sent, view.now_ms()));
            round.came_by(view.anchor.reckon(sent));
            let trickle = Trickle::new(&rules, &view.summary, memory.calls());
            let away = Some(Away { since: sent, trickle });
            usher.view.store(Arc::new(View { store_answers: false, away, ..view }));
        }
        round.give_up_waiting();
        while inbox.try_recv().is_ok() {}
        sleep(pause).await;
        pause = (pause * 2).min(RETRY.1);
        // The line may have heard this attempt, only too slowly: it must not take those for gone who are here.
        round.take_marks(usher);
    }
}
