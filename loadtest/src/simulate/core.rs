//! The line under test. There is one that is meant: [`Line`]. The tests put faulty ones in its place, to see that the
//! judge notices.

use sluice_admission::line::{Batch, Known, Line, Minute, Outcome, Reading, Rules};

pub(super) trait Core: Clone {
    /// A line that nobody has stood in.
    fn begin(rules: &Rules, reading: Reading, known: &Known) -> Self;
    /// One step.
    fn sync(&mut self, rules: &Rules, reading: Reading, batch: &Batch) -> Outcome;
    /// What it has counted in each minute from this one on.
    fn counts(&self, since_minute: u64) -> Vec<Minute>;
}

impl Core for Line {
    fn begin(rules: &Rules, reading: Reading, known: &Known) -> Self {
        Self::new(rules, reading, known)
    }

    fn sync(&mut self, rules: &Rules, reading: Reading, batch: &Batch) -> Outcome {
        Self::sync(self, rules, reading, batch)
    }

    fn counts(&self, since_minute: u64) -> Vec<Minute> {
        Self::counts(self, since_minute)
    }
}
