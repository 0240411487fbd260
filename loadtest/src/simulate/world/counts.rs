//! Reads what the line counts, minute by minute, as a node does that keeps a history, and keeps the ledger beside it.

use sluice_admission::line::Outcome;

use super::World;
use crate::simulate::{core::Core, node::Flight};

const MINUTE_MS: u64 = 60_000;

impl<C: Core> World<'_, C> {
    /// A step was made.
    pub(super) fn count(&mut self, now_ms: u64, flight: &Flight, outcome: &Outcome) {
        if self.facts.ledger.is_closed() {
            return;
        }
        self.facts.ledger.step(now_ms, flight.rules.seat_ms, &flight.batch, outcome);
        let minute = outcome.summary.now_ms / MINUTE_MS;
        if minute > self.facts.unread_minute {
            let counted = self.store.counts(self.facts.unread_minute);
            self.facts.minutes.extend(counted.into_iter().filter(|finished| finished.minute < minute));
            self.facts.unread_minute = minute;
        }
    }

    /// The run is over, or the store is about to lose what the line has counted: the rest is read, with the minute that
    /// is being counted.
    pub(super) fn count_no_more(&mut self) {
        if self.facts.ledger.is_closed() {
            return;
        }
        self.facts.ledger.close();
        let counted = self.store.counts(self.facts.unread_minute);
        self.facts.minutes.extend(counted);
    }
}
