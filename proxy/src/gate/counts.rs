//! What the gate of a queue counts.

use prometheus::IntCounter;
use sluice_admission::{
    policy::{Counted, Errand},
    token::{Kind, Refused},
};

use crate::sinks::tally::Tally;

/// Counters of one queue.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Requests with a valid pass.
    pub(crate) admitted: Tally,
    /// Requests let through because the queue is open or drained.
    pub(crate) passed_freely: Tally,
    /// Visitors who went in.
    pub(crate) entered: Tally,
    /// Visitors who went in by time alone, while the store was unavailable.
    pub(crate) trickled: Tally,
    /// Numbers taken.
    pub(crate) joined: Tally,
    /// Requests parked.
    pub(crate) parked: Tally,
    /// Status documents given.
    pub(crate) polls: Tally,
    refused: [[IntCounter; Refused::ALL.len()]; Kind::ALL.len()],
}

impl Counts {
    /// `refused(kind, reason)` gives the counters of this queue.
    pub(crate) fn new(refused: impl Fn(&'static str, &'static str) -> IntCounter) -> Self {
        Self {
            admitted: Tally::default(),
            passed_freely: Tally::default(),
            entered: Tally::default(),
            trickled: Tally::default(),
            joined: Tally::default(),
            parked: Tally::default(),
            polls: Tally::default(),
            refused: Kind::ALL.map(|kind| Refused::ALL.map(|reason| refused(kind.as_str(), reason.as_str()))),
        }
    }

    /// What was counted, by outcome.
    pub(crate) fn by_outcome(&self) -> [(&'static str, u64); 7] {
        let sum = |tally: &Tally| u64::try_from(tally.sum()).unwrap_or(0);
        [
            ("admitted", sum(&self.admitted)),
            ("passed_freely", sum(&self.passed_freely)),
            ("entered", sum(&self.entered)),
            ("trickled", sum(&self.trickled)),
            ("joined", sum(&self.joined)),
            ("parked", sum(&self.parked)),
            ("polled", sum(&self.polls)),
        ]
    }

    /// A request was decided.
    pub(super) fn count(&self, errand: Errand, counted: Counted, parked: bool) {
        let each = [
            (counted.admitted, &self.admitted),
            (counted.passed_freely, &self.passed_freely),
            (counted.entered, &self.entered),
            (counted.trickled, &self.trickled),
            (counted.joined, &self.joined),
            // A status document of a queue that is open counts as passed freely.
            (errand == Errand::Status && !counted.passed_freely, &self.polls),
            (errand != Errand::Status && parked, &self.parked),
        ];
        for (_, tally) in each.iter().filter(|(counts, _)| *counts) {
            tally.inc();
        }
        if counted.pass_ended {
            self.refuse(Kind::Pass, Refused::Ended);
        }
    }

    /// A token did not verify.
    pub(crate) fn refuse(&self, kind: Kind, reason: Refused) {
        let kind = Kind::ALL.iter().position(|&k| k == kind).unwrap_or(0);
        let reason = Refused::ALL.iter().position(|&r| r == reason).unwrap_or(0);
        self.refused[kind][reason].inc();
    }
}
