//! What the gate of a queue counts.

use prometheus::IntCounter;
use sluice_admission::token::{Kind, Refused};

/// Counters of one queue, resolved once so that counting is one addition.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Requests with a valid pass.
    pub(crate) admitted: IntCounter,
    /// Requests let through because the queue is open or drained.
    pub(crate) passed_freely: IntCounter,
    /// Visitors who went in.
    pub(crate) entered: IntCounter,
    /// Numbers taken.
    pub(crate) joined: IntCounter,
    /// Requests parked.
    pub(crate) parked: IntCounter,
    /// Status documents given.
    pub(crate) polls: IntCounter,
    refused: [[IntCounter; Refused::ALL.len()]; Kind::ALL.len()],
}

impl Counts {
    /// `request(outcome)` and `refused(kind, reason)` give the counters of this queue.
    pub(crate) fn new(
        request: impl Fn(&'static str) -> IntCounter,
        refused: impl Fn(&'static str, &'static str) -> IntCounter,
    ) -> Self {
        Self {
            admitted: request("admitted"),
            passed_freely: request("passed_freely"),
            entered: request("entered"),
            joined: request("joined"),
            parked: request("parked"),
            polls: request("polled"),
            refused: Kind::ALL.map(|kind| Refused::ALL.map(|reason| refused(kind.as_str(), reason.as_str()))),
        }
    }

    /// A token did not verify.
    pub(crate) fn refuse(&self, kind: Kind, reason: Refused) {
        let kind = Kind::ALL.iter().position(|&k| k == kind).unwrap_or(0);
        let reason = Refused::ALL.iter().position(|&r| r == reason).unwrap_or(0);
        self.refused[kind][reason].inc();
    }
}
