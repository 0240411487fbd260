//! The line under test. There is one that is meant: [`Line`]. The tests put faulty ones in its place, to see that the
//! judge notices.

use sluice_admission::line::{Batch, Known, Line, Outcome, Reading, Rules};

pub(super) trait Core: Clone {
    /// A line that nobody has stood in.
    fn begin(rules: &Rules, reading: Reading, known: &Known) -> Self;
    /// One step.
    fn sync(&mut self, rules: &Rules, reading: Reading, batch: &Batch) -> Outcome;
    /// Every number that is called and has not entered, and until when its seat is kept, on the line's clock.
    fn each_due(&self, each: &mut dyn FnMut(u64, u64));
}

impl Core for Line {
    fn begin(rules: &Rules, reading: Reading, known: &Known) -> Self {
        Self::new(rules, reading, known)
    }

    fn sync(&mut self, rules: &Rules, reading: Reading, batch: &Batch) -> Outcome {
        Self::sync(self, rules, reading, batch)
    }

    fn each_due(&self, each: &mut dyn FnMut(u64, u64)) {
        self.due().for_each(|(number, until_ms)| each(number, until_ms));
    }
}
