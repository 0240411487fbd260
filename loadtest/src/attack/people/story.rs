//! What a visitor has to tell when all is over.

use serde::Serialize;
use sluice_admission::line::slot_of;

use crate::attack::clock::Us;

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Story {
    pub(crate) who: u32,
    /// Meant to wait for as long as it takes.
    pub(crate) stays: bool,
    /// Always asked when it was told to.
    pub(crate) steady: bool,
    /// Everybody had to go home before it was let in, or before its visit was over.
    pub(crate) cut_short: bool,
    /// The numbers it was told, without repetitions: one, if all is well.
    pub(crate) numbers: Vec<u64>,
    /// It had a number, and then none.
    pub(crate) lost: bool,
    /// Every answer that told it to wait, with a number.
    pub(crate) waits: Vec<Wait>,
    /// It was not called before this.
    pub(crate) called_after_us: Us,
    /// It was called by then.
    pub(crate) called_by_us: Option<Us>,
    /// When it was let in.
    pub(crate) entered_us: Option<Us>,
    /// Why it was let in later than it might have been: how much later than they were due the requests were answered
    /// from the poll on that told of the call, how long it slept before, and how long it was told to wait because the line
    /// could not be asked.
    pub(crate) late_us: Us,
    /// Its visit was ended by the origin.
    pub(crate) ended: bool,
    /// It was inside, made a request, and was not let through: so long after it had made the one before, at most.
    pub(crate) refused_inside: Option<Us>,
    /// How often it was told that more stood ahead than before.
    pub(crate) fell_back: u32,
    /// How often it was told that it was called, and then to wait.
    pub(crate) taken_back: u32,
}

/// Told to wait.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Wait {
    pub(crate) asked_us: Us,
    pub(crate) answered_us: Us,
    /// The line could not be asked, so this does not say that the visitor was not called.
    pub(crate) held: bool,
    /// When to ask again.
    pub(crate) told_s: u32,
    /// How long it will take, as shown: from and to, in seconds.
    pub(crate) shown_s: Option<(u32, u32)>,
}

impl Story {
    pub(crate) fn number(&self) -> Option<u64> {
        self.numbers.first().copied()
    }

    /// The slot of its lane.
    pub(crate) fn lane(&self) -> Option<usize> {
        self.number().map(slot_of)
    }
}
