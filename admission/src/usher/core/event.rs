//! What an usher is told, and what it says is to be done.

use std::{sync::Arc, time::Duration};

use crate::{
    line::{Ask, Batch, Change, Changed, Newcomer, Outcome, Rules, Verdict},
    usher::{Unanswered, marks::Marked, view::View},
};

/// Something a visitor waits for. `W` says where the answer goes.
#[derive(Debug)]
pub enum Question<W> {
    /// A number is to be taken.
    Join(Newcomer, W),
    /// Is a number called?
    Ask {
        /// The question.
        ask: Ask,
        /// When the visitor will be told to ask again, in ms; 0: whenever it can.
        told_ms: u32,
        /// Where the answer goes.
        waiter: W,
    },
}

/// A number, and what may be done with it.
pub type Answer = Result<(u64, Verdict), Unanswered>;

/// What happened.
#[derive(Debug)]
pub enum Event<W> {
    /// A visitor asks for something.
    Question(Question<W>),
    /// Word is left for the line.
    Mark(Marked),
    /// An operator wants something changed.
    Change(Box<Change>),
    /// The time has come that [`Core::wake_at`](super::Core::wake_at) gave, or a later one.
    Wake,
    /// The line answered an attempt.
    Answered {
        /// Which.
        attempt: u64,
        /// What it said.
        outcome: Box<Outcome>,
    },
    /// The store failed an attempt.
    Failed {
        /// Which.
        attempt: u64,
        /// What it said.
        error: String,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Action<W> {
    /// A batch is to be sent to the line under these rules. No other is on its way; the answer to an earlier attempt is
    /// of no use any more. An attempt that takes too long is given up with a wake-up.
    Send {
        /// Counts attempts.
        attempt: u64,
        /// The queue's rules.
        rules: Arc<Rules>,
        /// What the line hears and is asked.
        batch: Arc<Batch>,
    },
    /// Those who serve visitors go by this from now on.
    Publish(Arc<View>),
    /// A waiter is answered.
    Answer(W, Answer),
    /// What became of the change with this id.
    Changed(u64, Result<Changed, Unanswered>),
    /// A step is made, and called this many visitors.
    Called(u32),
    /// An attempt failed.
    Failed {
        /// Why.
        error: String,
        /// The line answered the attempt before.
        first: bool,
    },
    /// The line answers again.
    Back {
        /// After so long.
        away: Duration,
    },
}

impl<W> Question<W> {
    pub(super) fn into_waiter(self) -> W {
        match self {
            Self::Join(_, waiter) | Self::Ask { waiter, .. } => waiter,
        }
    }
}
