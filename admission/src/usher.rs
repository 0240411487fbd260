//! One usher per queue and node: gathers what visitors say, takes it to the line in one batch at a time, and
//! brings back the answers.
//!
//! This is the group commit. While a batch is under way everything that arrives waits for the next, so a lone
//! newcomer pays one round trip and a hundred thousand pay a few hundred round trips together. What needs no
//! answer (somebody was seen) is left on a queue without locks; what can be answered from the last summary is
//! answered from it without asking anybody.

mod desk;
mod keepsake;
pub mod memory;
pub mod pace;
mod round;
pub mod trickle;

#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use crossbeam_queue::SegQueue;
use sluice_config::Mode;
use tokio::{
    sync::{SetOnce, mpsc, oneshot},
    time::Instant,
};

pub use self::keepsake::Keepsake;
use self::{pace::Anchor, trickle::Trickle};
use crate::{
    estimate::Speed,
    line::{Ask, Newcomer, Rules, Seen, Summary, Verdict},
    standing::Look,
    store::{LineId, Store},
};

/// Most questions waiting for an answer at once; the next one is told that the store is away.
pub const QUESTIONS_MAX: usize = 100_000;
/// Most marks waiting to be taken along; more are dropped and counted. A dropped mark costs its visitor
/// nothing while another one arrives in time.
pub const MARKS_MAX: usize = 2_000_000;

/// The store could not be asked in time. The place is safe: the question may be put again, to any node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the line could not be asked in time")]
pub struct Unanswered;

/// What is known of a line at this node.
#[derive(Clone, Debug)]
pub struct View {
    /// The line after the last step.
    pub summary: Summary,
    /// How fast it moves.
    pub speed: Speed,
    /// Whether the last attempt reached the store.
    pub store_answers: bool,
    /// What the store's silence began with.
    away: Option<Away>,
    anchor: Anchor,
}

#[derive(Clone, Copy, Debug)]
struct Away {
    since: Instant,
    trickle: Option<Trickle>,
}

impl View {
    /// The line's clock now, as this node reckons it.
    pub fn now_ms(&self) -> u64 {
        self.anchor.reckon(Instant::now())
    }

    /// For how long the store has been away; zero while it answers.
    pub fn away_for(&self) -> Duration {
        self.away.map_or(Duration::ZERO, |away| away.since.elapsed())
    }

    /// What visitors are told from, in a queue that does `mode`.
    pub fn look(&self, mode: Mode) -> Look<'_> {
        Look {
            summary: &self.summary,
            speed: &self.speed,
            store_answers: self.store_answers,
            now_ms: self.now_ms(),
            mode,
            away_ms: u64::try_from(self.away_for().as_millis()).unwrap_or(u64::MAX),
            trickle: self.away.and_then(|away| away.trickle),
        }
    }
}

/// Counts of what ushers did, for metrics.
#[derive(Debug, Default)]
pub struct Counts {
    /// Steps made.
    pub steps: AtomicU64,
    /// Attempts at a step that failed.
    pub steps_failed: AtomicU64,
    /// Marks dropped at [`MARKS_MAX`].
    pub marks_dropped: AtomicU64,
    /// Questions refused at [`QUESTIONS_MAX`] or unanswered in time.
    pub unanswered: AtomicU64,
    /// Visitors called by this node's steps.
    pub called: AtomicU64,
}

/// The handle of an usher, shared by all threads of the node.
#[derive(Debug)]
pub struct Usher {
    line: LineId,
    rules: ArcSwap<Rules>,
    view: ArcSwap<View>,
    marks: SegQueue<Mark>,
    marks_len: AtomicUsize,
    questions: mpsc::Sender<Question>,
    counts: Counts,
    heard: SetOnce<()>,
}

/// Something the line should know and nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Somebody was seen waiting.
    Seen(Seen),
    /// Somebody waiting said good-bye; the place is kept.
    Away(u64),
    /// Somebody was seen inside.
    Inside(u64),
    /// This node has let a number in by itself, while the store was away. Told with the first step after that.
    Admitted(u64),
    /// A visit is over.
    Ended(u64),
}

/// Something a visitor waits for.
#[derive(Debug)]
enum Question {
    Join(Newcomer, oneshot::Sender<(u64, Verdict)>),
    Ask(Ask, oneshot::Sender<Verdict>),
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
        let summary = Summary { now_ms: wall_ms, ..Summary::default() };
        let anchor = Anchor::new(wall_ms, Instant::now());
        let view = View { summary, speed: Speed::default(), store_answers: false, away: None, anchor };
        let usher = Arc::new(Self {
            line,
            rules: ArcSwap::from_pointee(rules),
            view: ArcSwap::from_pointee(view),
            marks: SegQueue::new(),
            marks_len: AtomicUsize::new(0),
            questions,
            counts: Counts::default(),
            heard: SetOnce::new(),
        });
        tokio::spawn(desk::run(Arc::downgrade(&usher), store, inbox, keepsake));
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

    /// The rules in force.
    pub fn rules(&self) -> Guard<Arc<Rules>> {
        self.rules.load()
    }

    /// Changes the rules from the next step on.
    pub fn set_rules(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
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

    /// Asks whether a number is called.
    ///
    /// # Errors
    /// If the line could not be asked in time.
    pub async fn ask(&self, ask: Ask) -> Result<Verdict, Unanswered> {
        let (reply, answer) = oneshot::channel();
        self.put(Question::Ask(ask, reply), answer).await
    }

    async fn put<T>(&self, question: Question, answer: oneshot::Receiver<T>) -> Result<T, Unanswered> {
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
        if self.marks_len.fetch_add(1, Ordering::Relaxed) >= MARKS_MAX {
            self.marks_len.fetch_sub(1, Ordering::Relaxed);
            self.counts.marks_dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.marks.push(mark);
    }
}
