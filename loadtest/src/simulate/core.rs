//! The line under test. There is one that is meant: [`Line`]. The tests put faulty ones in its place, to see that the
//! judge notices.

use sluice_admission::line::{Batch, Known, Line, Outcome, Reading, Rules};

pub(super) trait Core: Clone {
    /// A line that nobody has stood in.
    fn begin(rules: &Rules, reading: Reading, known: &Known) -> Self;
    /// One step.
    fn sync(&mut self, rules: &Rules, reading: Reading, batch: &Batch) -> Outcome;
}

impl Core for Line {
    fn begin(rules: &Rules, reading: Reading, known: &Known) -> Self {
        Self::new(rules, reading, known)
    }

    fn sync(&mut self, rules: &Rules, reading: Reading, batch: &Batch) -> Outcome {
        Self::sync(self, rules, reading, batch)
    }
}
