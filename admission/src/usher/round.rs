//! One batch on its way: what goes to the line, and who waits for which answer.

use tokio::sync::oneshot;

use super::{
    Mark, Question, Usher, View,
    memory::Memory,
    pace::{ANSWERS_MAX, MARKS_PER_ROUND},
};
use crate::line::{Batch, Outcome, Verdict};
use std::sync::atomic::Ordering;

/// A batch and those who wait for its answers. It is kept until the line has answered, however long that
/// takes: those who wait may give up meanwhile, what they said is not lost.
#[derive(Default)]
pub(super) struct Round {
    pub(super) batch: Batch,
    newcomers: Vec<oneshot::Sender<(u64, Verdict)>>,
    asks: Vec<oneshot::Sender<Verdict>>,
    walk_ins: usize,
    marks: usize,
    /// The life of the line for which this batch tells who is there.
    told_life: u64,
}

impl Round {
    /// Takes in a question.
    pub(super) fn take(&mut self, usher: &Usher, question: Question) {
        match question {
            Question::Join(newcomer, reply) => {
                // No step can call more than a burst, so more walk-ins need not even be asked for.
                if newcomer.walk_in {
                    if self.walk_ins >= usher.rules.load().burst as usize {
                        let _ = reply.send((0, Verdict::Refused));
                        return;
                    }
                    self.walk_ins += 1;
                }
                self.batch.newcomers.push(newcomer);
                self.newcomers.push(reply);
            }
            Question::Ask(ask, reply) => {
                self.batch.asks.push(ask);
                self.asks.push(reply);
            }
        }
    }

    /// Takes in the marks that have gathered, and more of them before another attempt.
    pub(super) fn take_marks(&mut self, usher: &Usher) {
        let before = self.marks;
        while self.marks < MARKS_PER_ROUND
            && let Some(mark) = usher.marks.pop()
        {
            match mark {
                Mark::Seen(seen) => self.batch.seen.push(seen),
                Mark::Away(number) => self.batch.away.push(number),
                Mark::Inside(number) => self.batch.inside.push(number),
                Mark::Admitted(number) => self.batch.admitted.push(number),
                Mark::Ended(number) => self.batch.ended.push(number),
            }
            self.marks += 1;
        }
        usher.marks_len.fetch_sub(self.marks - before, Ordering::Relaxed);
    }

    /// Questions that wait for an answer.
    pub(super) fn questions(&self) -> usize {
        self.newcomers.len() + self.asks.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.questions() >= ANSWERS_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        let b = &self.batch;
        b.newcomers.is_empty()
            && b.asks.is_empty()
            && b.seen.is_empty()
            && b.away.is_empty()
            && b.inside.is_empty()
            && b.admitted.is_empty()
            && b.ended.is_empty()
    }

    /// Stamps what this node knows; done anew before each attempt, as the clock runs on.
    pub(super) fn stamp(&mut self, view: &View, memory: &Memory) {
        memory.stamp(&mut self.batch, &mut self.told_life, &view.summary, view.now_ms());
    }

    /// The line did not answer those who had come by `now_ms` of its clock. Who has not said when that was came just
    /// then, not when the line hears of it: others will have come by then.
    pub(super) fn came_by(&mut self, now_ms: u64) {
        for newcomer in self.batch.newcomers.iter_mut().filter(|newcomer| newcomer.arrived_ms == 0) {
            newcomer.arrived_ms = now_ms;
        }
    }

    /// Hands out the answers.
    pub(super) fn answer(self, outcome: &Outcome) {
        for (reply, answer) in self.newcomers.into_iter().zip(&outcome.newcomers) {
            let _ = reply.send(*answer);
        }
        for (reply, answer) in self.asks.into_iter().zip(&outcome.asks) {
            let _ = reply.send(*answer);
        }
    }

    /// Lets those go who wait: the line does not answer for now.
    pub(super) fn give_up_waiting(&mut self) {
        self.newcomers.clear();
        self.asks.clear();
    }
}
