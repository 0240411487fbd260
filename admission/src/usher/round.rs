//! One batch on its way: what goes to the line, and who waits for which answer.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::{
    Unanswered,
    core::{Action, Question},
    marks::Marks,
    pace::ANSWERS_MAX,
};
use crate::line::{Batch, Change, Outcome, Verdict};

/// A batch and those who wait for its answers. It is kept until the line has answered, however long that
/// takes: those who wait may give up meanwhile, what they said is not lost.
#[derive(Debug)]
pub(super) struct Round<W> {
    batch: Arc<Batch>,
    newcomers: Vec<W>,
    asks: Vec<W>,
    marks: Marks,
}

impl<W> Round<W> {
    /// Takes as many questions as one batch bears. No step can call more than a burst, so walk-ins beyond it are
    /// refused here.
    pub(super) fn gather(
        questions: &mut VecDeque<Question<W>>,
        changes: Vec<Change>,
        burst: u32,
        actions: &mut Vec<Action<W>>,
    ) -> Self {
        // A change may raise the burst in this very step.
        let burst = if changes.is_empty() { burst } else { u32::MAX };
        let mut batch = Batch { changes, ..Batch::default() };
        let (mut newcomers, mut asks, mut walk_ins) = (Vec::new(), Vec::new(), 0);
        while newcomers.len() + asks.len() < ANSWERS_MAX {
            match questions.pop_front() {
                Some(Question::Join(newcomer, waiter)) => {
                    if newcomer.walk_in && walk_ins >= burst {
                        actions.push(Action::Answer(waiter, Ok((0, Verdict::Refused))));
                        continue;
                    }
                    walk_ins += u32::from(newcomer.walk_in);
                    batch.newcomers.push(newcomer);
                    newcomers.push(waiter);
                }
                Some(Question::Ask { ask, waiter, .. }) => {
                    batch.asks.push(ask);
                    asks.push(waiter);
                }
                None => break,
            }
        }
        Self { batch: Arc::new(batch), newcomers, asks, marks: Marks::default() }
    }

    /// Takes in the marks that have gathered, and more of them before another attempt.
    pub(super) fn take_marks(&mut self, waiting: &mut Marks) {
        self.marks.take_from(waiting);
    }

    /// Writes down what the marks say by now, for the node to add what it knows.
    pub(super) fn stamp(&mut self, now: Instant, epoch: u64) -> &mut Batch {
        let batch = Arc::make_mut(&mut self.batch);
        self.marks.write(batch, now, epoch);
        batch
    }

    /// What the line hears.
    pub(super) fn batch(&self) -> Arc<Batch> {
        self.batch.clone()
    }

    pub(super) fn told(&self) -> &Batch {
        &self.batch
    }

    /// How many questions are in the batch.
    pub(super) fn questions(&self) -> usize {
        self.batch.newcomers.len() + self.batch.asks.len()
    }

    /// The line did not answer those who had come by `now_ms` of its clock. Who has not said when that was came just
    /// then, not when the line hears of it: others will have come by then.
    pub(super) fn came_by(&mut self, now_ms: u64) {
        let batch = Arc::make_mut(&mut self.batch);
        for newcomer in batch.newcomers.iter_mut().filter(|newcomer| newcomer.arrived_ms == 0) {
            newcomer.arrived_ms = now_ms;
        }
    }

    /// Hands out the answers.
    pub(super) fn answer(self, outcome: &Outcome, actions: &mut Vec<Action<W>>) {
        let joined = self.newcomers.into_iter().zip(&outcome.newcomers);
        actions.extend(joined.map(|(waiter, &answer)| Action::Answer(waiter, Ok(answer))));
        let asked = self.asks.into_iter().zip(&self.batch.asks).zip(&outcome.asks);
        actions.extend(asked.map(|((waiter, ask), &verdict)| Action::Answer(waiter, Ok((ask.number, verdict)))));
        let changes = self.batch.changes.iter().zip(&outcome.changes);
        actions.extend(changes.map(|(change, &changed)| Action::Changed(change.id, Ok(changed))));
    }

    /// Lets those go who wait: the line does not answer for now. It may have heard of a change all the same, but is not
    /// told again.
    pub(super) fn let_go(&mut self, actions: &mut Vec<Action<W>>) {
        let changes = std::mem::take(&mut Arc::make_mut(&mut self.batch).changes);
        actions.extend(changes.into_iter().map(|change| Action::Changed(change.id, Err(Unanswered))));
        let waiters = self.newcomers.drain(..).chain(self.asks.drain(..));
        actions.extend(waiters.map(|waiter| Action::Answer(waiter, Err(Unanswered))));
    }
}
