//! What an operator sets, as the model has it.

use super::Model;
use crate::line::{Batch, Change, Changed, Outcome, Revision, Rules};

impl Model {
    /// Each change is made once, and only if no other was faster.
    pub(super) fn control(&mut self, batch: &Batch, outcome: &Outcome) {
        let answers = batch.changes.iter().map(|change| self.change(change)).collect::<Vec<_>>();
        assert_eq!(outcome.changes, answers);
        let revision = self.revision();
        assert_eq!(outcome.summary.revision, revision);
        match &outcome.control {
            None => assert_eq!(batch.known.revision, revision, "the node does not learn of a change"),
            Some(control) => {
                assert!(control.revision == revision && batch.known.revision < revision);
                assert_eq!(Some(&control.set), self.changes.last().map(|change| &change.1));
            }
        }
    }

    fn change(&mut self, change: &Change) -> Changed {
        if let Some(at) = self.changes.iter().position(|made| made.0 == change.id) {
            return Changed::Accepted(Revision { number: at as u64 + 1, id: change.id });
        }
        if change.from != self.revision() {
            self.came.conflicts += 1;
            return Changed::Conflict(self.revision());
        }
        self.came.changed += 1;
        self.changes.push((change.id, change.set.clone()));
        Changed::Accepted(self.revision())
    }

    fn revision(&self) -> Revision {
        self.changes
            .last()
            .map_or_else(Revision::default, |last| Revision { number: self.changes.len() as u64, id: last.0 })
    }

    pub(super) fn rules_in_force(&mut self, file: &Rules, now_ms: u64) -> Rules {
        let mut rules = file.clone();
        let Some((_, set)) = self.changes.last().filter(|last| last.1.until_ms.is_none_or(|until| until > now_ms))
        else {
            return rules;
        };
        let numbers = [
            (set.release_per_minute, &mut rules.release_per_minute),
            (set.burst, &mut rules.burst),
            (set.max_waiting, &mut rules.max_waiting),
        ];
        for (number, rule) in numbers {
            if let Some(number) = number {
                *rule = number.get();
            }
        }
        if let Some(seats) = set.max_active {
            rules.max_active = Some(seats.get());
        }
        if let Some(mode) = set.mode {
            rules.mode = mode;
        }
        if rules.burst > rules.release_per_minute {
            rules.burst = rules.release_per_minute;
        }
        self.came.overridden += u64::from(rules != *file);
        rules
    }
}
