//! One usher per queue and node: gathers what visitors say, takes it to the line in one batch at a time, and
//! brings back the answers.
//!
//! This is the group commit. While a batch is under way everything that arrives waits for the next, so a lone
//! newcomer pays one round trip and a hundred thousand pay a few hundred round trips together. What needs no
//! answer (somebody was seen) is left on a queue without locks; what can be answered from the last summary is
//! answered from it without asking anybody.

pub mod core;
mod desk;
mod grace;
mod hidden;
mod hush;
pub mod marks;
pub mod memory;
pub mod pace;
mod round;
pub mod trickle;
mod view;

#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use arc_swap::{ArcSwap, Guard};
use crossbeam_queue::SegQueue;
use tokio::sync::{Notify, SetOnce, mpsc, oneshot};

use self::{core::Core, desk::Desk};
pub use self::{
    marks::{Mark, Word},
    view::View,
};
pub use crate::usher::memory::ended::Ended;
pub use crate::usher::memory::keepsake::Keepsake;
use crate::{
    line::{Ask, BadChange, Change, Changed, Control, Newcomer, Revision, Rules, Verdict},
    store::{LineId, Store},
};

/// Most questions waiting for an answer at once; the next one is told that the store is unavailable.
pub const QUESTIONS_MAX: usize = 100_000;
/// Most changes by operators waiting for an answer at once; the next one is answered that the line could not be asked.
pub const CHANGES_MAX: usize = 1_000;
/// Most polls on their way to the usher's task; more are dropped and counted. A dropped poll costs its visitor nothing
/// while another one arrives in time.
pub const POLLS_PUT_MAX: usize = 2_000_000;
/// Most other marks on their way there.
pub const KEPT_PUT_MAX: usize = 1_000_000;

/// The store could not be asked in time. The place is safe: the question may be put again, to any node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the line could not be asked in time")]
pub struct Unanswered;

/// Counts of what ushers did, for metrics.
#[derive(Debug, Default)]
pub struct Counts {
    /// Steps made.
    pub steps: AtomicU64,
    /// Attempts at a step that failed.
    pub steps_failed: AtomicU64,
    /// Marks dropped since there was no room; see [`marks`].
    pub marks_dropped: AtomicU64,
    /// Questions refused at [`QUESTIONS_MAX`] or unanswered in time.
    pub unanswered: AtomicU64,
    /// Visitors called by this node's steps.
    pub called: AtomicU64,
    /// Times at which most visitors near the head were found not to ask.
    pub hushes: AtomicU64,
}

/// The handle of an usher, shared by all threads of the node.
#[derive(Debug)]
pub struct Usher {
    line: LineId,
    rules: ArcSwap<Rules>,
    view: ArcSwap<View>,
    marks: Put,
    /// A visit has ended: its pass is void from then on, not from the next step.
    ends: Arc<Notify>,
    questions: mpsc::Sender<Question>,
    changes: mpsc::Sender<Wanted>,
    counts: Counts,
    heard: SetOnce<()>,
    is_left: AtomicBool,
}

/// Where the answer goes. Dropped, it learns that the line could not be asked.
type Waiter = oneshot::Sender<(u64, Verdict)>;
type Question = core::Question<Waiter>;
/// The same, of a change.
type Operator = oneshot::Sender<Changed>;
type Wanted = (Box<Change>, Operator);

/// What an operator has set in a queue's line, beside what its file says.
#[derive(Clone, Debug)]
pub struct Governed {
    /// The rules of the file.
    pub file: Arc<Rules>,
    /// What is set, by whom and why; as of the last step, or what this node remembers while the line does not answer.
    pub control: Arc<Control>,
    /// Whether that has not ended.
    pub is_in_force: bool,
    /// The rules by which the line goes.
    pub rules: Rules,
}

/// Why a change was not made, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unchanged {
    /// It was not asked for.
    #[error(transparent)]
    Bad(#[from] BadChange),
    /// Another change came first; [`Usher::governed`] says which.
    #[error("another change came first: revision {}", .0.number)]
    Conflict(Revision),
    /// The line could not be asked in time. The change may be made all the same: the same one, with the same id, may be
    /// asked for again, and is made once.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

/// The moment that it is, on this node's clock.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Marks on their way from the node's threads to the usher's task, without locks. What must not be lost has room of
/// its own.
#[derive(Debug, Default)]
struct Put {
    kept: SegQueue<marks::Marked>,
    kept_len: AtomicUsize,
    polls: SegQueue<marks::Marked>,
    polls_len: AtomicUsize,
}

impl Put {
    /// False: there is no room.
    fn push(&self, mark: marks::Marked) -> bool {
        let (queue, len, max) = match mark.mark.word.is_kept() {
            true => (&self.kept, &self.kept_len, KEPT_PUT_MAX),
            false => (&self.polls, &self.polls_len, POLLS_PUT_MAX),
        };
        if len.fetch_add(1, Ordering::Relaxed) >= max {
            len.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        queue.push(mark);
        true
    }

    fn pop(&self) -> Option<marks::Marked> {
        let pop = |queue: &SegQueue<_>, len: &AtomicUsize| {
            let mark = queue.pop()?;
            len.fetch_sub(1, Ordering::Relaxed);
            Some(mark)
        };
        pop(&self.kept, &self.kept_len).or_else(|| pop(&self.polls, &self.polls_len))
    }
}

impl Usher {
    /// Starts an usher on the current tokio runtime. It stops when every handle is gone.
    ///
    /// `wall_ms` (unix milliseconds) stands in for the line's clock until the store has answered once.
    pub fn start<S: Store>(line: LineId, rules: Rules, store: Arc<S>, wall_ms: u64) -> Arc<Self> {
        Self::start_with(line, rules, store, wall_ms, None)
    }

    /// As [`Self::start`], for a line that may be lost while this node is down: what the node knows of it is kept.
    pub fn start_with<S: Store>(
        line: LineId,
        rules: Rules,
        store: Arc<S>,
        wall_ms: u64,
        keepsake: Option<Keepsake>,
    ) -> Arc<Self> {
        let (questions, inbox) = mpsc::channel(QUESTIONS_MAX);
        let memory = keepsake.as_ref().and_then(desk::recall).unwrap_or_default();
        let core = Core::new(memory, wall_ms, now(), store.is_shared());
        let (wanted, changes) = mpsc::channel(CHANGES_MAX);
        let ends = Arc::new(Notify::new());
        let usher = Arc::new(Self {
            line,
            rules: ArcSwap::from_pointee(rules),
            view: ArcSwap::new(core.view().clone()),
            marks: Put::default(),
            ends: ends.clone(),
            questions,
            changes: wanted,
            counts: Counts::default(),
            heard: SetOnce::new(),
            is_left: AtomicBool::new(false),
        });
        let operators = HashMap::new();
        let usher_handle = Arc::downgrade(&usher);
        let desk = Desk { usher: usher_handle, store, inbox, changes, operators, ends, keepsake, core, flight: None };
        tokio::spawn(desk.run());
        usher
    }

    /// Which line.
    pub fn line(&self) -> &LineId {
        &self.line
    }

    /// What is known of the line. Cheap: no lock, no store.
    pub fn view(&self) -> Guard<Arc<View>> {
        self.view.load()
    }

    /// Waits until the line has answered for the first time.
    pub async fn heard(&self) {
        self.heard.wait().await;
    }

    /// Whether the line has answered at all since the start: what is known of it may be old, but it is known.
    pub fn has_heard(&self) -> bool {
        self.heard.initialized()
    }

    /// The rules of the queue's file.
    pub fn rules(&self) -> Guard<Arc<Rules>> {
        self.rules.load()
    }

    /// What an operator has set, and by which rules the line goes at this moment.
    pub fn governed(&self) -> Governed {
        let (view, file, now) = (self.view(), self.rules.load_full(), now());
        let rules = view.rules(&file, now);
        let is_in_force = view.control.set.is_in_force(view.line_ms(now));
        Governed { file, control: view.control.clone(), is_in_force, rules }
    }

    /// Makes a change for an operator: it is in force at all nodes within a second, and this one's view has it when this
    /// returns. Gives the new revision.
    ///
    /// # Errors
    /// If the change is out of bounds, if another one came first, or if the line could not be asked in time.
    pub async fn change(&self, change: Change) -> Result<Revision, Unchanged> {
        change.check()?;
        let (operator, answer) = oneshot::channel();
        self.changes.try_send((Box::new(change), operator)).map_err(|_| Unanswered)?;
        match answer.await.map_err(|_| Unanswered)? {
            Changed::Accepted(revision) => Ok(revision),
            Changed::Conflict(revision) => Err(Unchanged::Conflict(revision)),
        }
    }

    /// Changes the rules of the file from the next step on.
    pub fn set_rules(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
    }

    /// The node's visitors go to another one from now on, as it drains or is followed: that they do not come back says nothing.
    pub fn is_left(&self) {
        self.is_left.store(true, Ordering::Relaxed);
    }

    /// What was counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Takes a number for a newcomer.
    ///
    /// # Errors
    /// If the line could not be asked in time. The same id may be used again.
    pub async fn join(&self, newcomer: Newcomer) -> Result<(u64, Verdict), Unanswered> {
        let (reply, answer) = oneshot::channel();
        self.put(Question::Join(newcomer, reply), answer).await
    }

    /// Asks whether a number is called. The visitor will be told to ask again after `told_ms`, which measures the network;
    /// 0: whenever it can.
    ///
    /// # Errors
    /// If the line could not be asked in time.
    pub async fn ask(&self, ask: Ask, told_ms: u32) -> Result<Verdict, Unanswered> {
        let (reply, answer) = oneshot::channel();
        Ok(self.put(Question::Ask { ask, told_ms, waiter: reply }, answer).await?.1)
    }

    async fn put(
        &self,
        question: Question,
        answer: oneshot::Receiver<(u64, Verdict)>,
    ) -> Result<(u64, Verdict), Unanswered> {
        let put = self.questions.try_send(question).map_err(|_| Unanswered);
        let answer = match put {
            Ok(()) => answer.await.map_err(|_| Unanswered),
            Err(e) => Err(e),
        };
        if answer.is_err() {
            self.counts.unanswered.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    /// Leaves word for the line, with the next step.
    pub fn mark(&self, mark: Mark) {
        if !self.marks.push(marks::Marked { mark, at: now() }) {
            self.counts.marks_dropped.fetch_add(1, Ordering::Relaxed);
        }
        if let Word::Ended(_) = mark.word {
            self.ends.notify_one();
        }
    }
}
