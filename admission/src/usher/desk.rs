//! The usher's own task: drives the [`Core`] with a store, a clock and the visitors' questions.

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{Arc, Weak, atomic::Ordering},
    task::Poll,
};

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until},
};

use super::{
    Operator, Question, Usher, Waiter, Wanted,
    core::{Action, Core, Event},
    memory::Memory,
    now,
    pace::{ANSWERS_MAX, MARKS_PER_ROUND},
};
use crate::{
    line::{Batch, Outcome, Rules},
    store::{Store, StoreError},
    usher::memory::keepsake::Keepsake,
};

/// Most marks taken over at once, so that a step is never long in coming.
const MARKS_TAKEN_MAX: usize = 2 * MARKS_PER_ROUND;

/// An attempt on its way.
type Attempt = Pin<Box<dyn Future<Output = Result<Outcome, StoreError>> + Send>>;

/// The task of one usher.
pub(super) struct Desk<S> {
    pub(super) usher: Weak<Usher>,
    pub(super) store: Arc<S>,
    pub(super) inbox: mpsc::Receiver<Question>,
    pub(super) changes: mpsc::Receiver<Wanted>,
    /// Who waits for what becomes of a change, by its id.
    pub(super) operators: HashMap<u64, Vec<Operator>>,
    /// A visit has ended.
    pub(super) ends: Arc<Notify>,
    pub(super) keepsake: Option<Keepsake>,
    pub(super) core: Core<Waiter>,
    pub(super) flight: Option<(u64, Attempt)>,
}

/// What was known of the line when this node ended.
pub(super) fn recall(keepsake: &Keepsake) -> Option<Memory> {
    match keepsake.recall() {
        Ok(known) => known.map(Memory::recall),
        Err(error) => {
            tracing::warn!(%keepsake, %error, "what was known of a line cannot be read, and is done without");
            None
        }
    }
}

impl<S: Store> Desk<S> {
    /// Runs until every handle is gone. A step that panics costs what its batch said, and the usher begins anew: the
    /// line of a queue must not stand for ever because of one bad moment.
    pub(super) async fn run(mut self) {
        loop {
            let ended = {
                let mut work = pin!(self.work());
                let caught = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
                    Ok(Poll::Pending) => Poll::Pending,
                    Ok(Poll::Ready(())) => Poll::Ready(true),
                    Err(_) => Poll::Ready(false),
                });
                caught.await
            };
            if ended {
                return;
            }
            self.flight = None;
            // Dropped, operators learn that the line could not be asked.
            self.operators.clear();
            let mut actions = Vec::new();
            self.core.begin_anew(now(), &mut actions);
            if let Some(usher) = self.usher.upgrade() {
                tracing::error!(line = %usher.line, "line step panicked; usher restarted");
                usher.counts.steps_failed.fetch_add(1, Ordering::Relaxed);
                self.act(&usher, &mut actions);
            }
        }
    }

    async fn work(&mut self) {
        let mut actions = Vec::new();
        loop {
            let wake = Instant::from_std(self.core.wake_at());
            let event = tokio::select! {
                biased;
                (attempt, result) = answer(&mut self.flight) => match result {
                    Ok(outcome) => Event::Answered { attempt, outcome: Box::new(outcome) },
                    Err(error) => Event::Failed { attempt, error: error.to_string() },
                },
                () = sleep_until(wake) => Event::Wake,
                () = self.ends.notified() => Event::Wake,
                Some((change, operator)) = self.changes.recv() => {
                    self.operators.entry(change.id).or_default().push(operator);
                    Event::Change(change)
                }
                question = self.inbox.recv(), if self.core.takes_questions() => match question {
                    Some(question) => Event::Question(question),
                    None => return,
                },
            };
            let Some(usher) = self.usher.upgrade() else { return };
            let rules = usher.rules.load_full();
            if usher.is_left.load(Ordering::Relaxed) {
                self.core.is_left();
            }
            let answered = matches!(event, Event::Answered { .. });
            if matches!(event, Event::Wake) {
                if now() >= wake.into_std() {
                    self.take_questions(&rules, &mut actions);
                }
                self.take_marks(&usher, &rules, &mut actions);
            }
            self.core.handle(now(), event, &rules, &mut actions);
            self.act(&usher, &mut actions);
            if let Some(keepsake) = self.keepsake.as_mut().filter(|_| answered) {
                keepsake.keep(self.core.memory(), &self.core.view().summary).await;
            }
        }
    }

    /// What has come meanwhile shares the step.
    fn take_questions(&mut self, rules: &Arc<Rules>, actions: &mut Vec<Action<Waiter>>) {
        let at = now();
        for _ in 0..ANSWERS_MAX {
            let Ok(question) = self.inbox.try_recv() else { break };
            self.core.handle(at, Event::Question(question), rules, actions);
        }
    }

    fn take_marks(&mut self, usher: &Usher, rules: &Arc<Rules>, actions: &mut Vec<Action<Waiter>>) {
        let at = now();
        for _ in 0..MARKS_TAKEN_MAX {
            let Some(mark) = usher.marks.pop() else { break };
            self.core.handle(at, Event::Mark(mark), rules, actions);
        }
        usher.counts.marks_dropped.fetch_add(self.core.take_marks_dropped(), Ordering::Relaxed);
        usher.counts.hushes.fetch_add(self.core.take_hushes(), Ordering::Relaxed);
    }

    fn act(&mut self, usher: &Usher, actions: &mut Vec<Action<Waiter>>) {
        let counts = &usher.counts;
        for action in actions.drain(..) {
            match action {
                Action::Send { attempt, rules, batch } => {
                    let sync = sync(self.store.clone(), usher.line.clone(), rules, batch);
                    self.flight = Some((attempt, Box::pin(sync)));
                }
                Action::Publish(view) => {
                    if view.store_answers {
                        let _ = usher.heard.set(());
                    }
                    usher.view.store(view);
                }
                Action::Called(called) => {
                    counts.steps.fetch_add(1, Ordering::Relaxed);
                    counts.called.fetch_add(called.into(), Ordering::Relaxed);
                }
                Action::Answer(waiter, answer) => {
                    // Dropped, a waiter learns that the line could not be asked.
                    if let Ok(answer) = answer {
                        let _ = waiter.send(answer);
                    }
                }
                Action::Changed(id, changed) => {
                    for operator in self.operators.remove(&id).into_iter().flatten() {
                        // Dropped, it learns that the line could not be asked.
                        if let Ok(changed) = changed {
                            let _ = operator.send(changed);
                        }
                    }
                }
                Action::Failed { error, first } => {
                    // An attempt that has taken too long is given up.
                    self.flight = None;
                    counts.steps_failed.fetch_add(1, Ordering::Relaxed);
                    if first {
                        tracing::error!(line = %usher.line, %error, "store unavailable; no places lost");
                    }
                }
                Action::Back { away } => {
                    tracing::warn!(line = %usher.line, away_ms = away.as_millis(), "store available again");
                }
            }
        }
    }
}

async fn sync<S: Store>(
    store: Arc<S>,
    line: crate::store::LineId,
    rules: Arc<Rules>,
    batch: Arc<Batch>,
) -> Result<Outcome, StoreError> {
    store.sync(&line, &rules, &batch).await
}

/// Waits for the attempt on its way; for ever if there is none.
async fn answer(flight: &mut Option<(u64, Attempt)>) -> (u64, Result<Outcome, StoreError>) {
    let Some((attempt, sync)) = flight else { return std::future::pending().await };
    let (attempt, result) = (*attempt, sync.as_mut().await);
    *flight = None;
    (attempt, result)
}
