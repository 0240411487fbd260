//! What the line counts, beside what the simulator knows of its crowd.

use std::cell::RefCell;

use sluice_admission::line::{Batch, Histogram, Known, Line, Minute, Outcome, Reading, Rules};

use super::{CROWD, run_on, scenario};
use crate::simulate::core::Core;

thread_local! {
    /// What was counted, and how many are inside.
    static COUNTED: RefCell<(Vec<Minute>, u64)> = const { RefCell::new((Vec::new(), 0)) };
}

/// The real line, of which the counts are kept.
#[derive(Clone)]
struct Counting(Line);

impl Core for Counting {
    fn begin(rules: &Rules, reading: Reading, known: &Known) -> Self {
        Self(Line::new(rules, reading, known))
    }

    fn sync(&mut self, rules: &Rules, reading: Reading, batch: &Batch) -> Outcome {
        let outcome = self.0.sync(rules, reading, batch);
        COUNTED.set((self.0.counts(0), outcome.summary.inside));
        outcome
    }
}

#[test]
fn the_line_counts_what_happens_to_a_crowd() {
    let report = run_on::<Counting>(&scenario(CROWD));
    let (minutes, inside) = COUNTED.take();
    let sum = |of: fn(&Minute) -> u32| minutes.iter().map(|minute| u64::from(of(minute))).sum::<u64>();
    let figures = &report.figures;
    let counted = [sum(|m| m.arrived), sum(|m| m.numbered), sum(|m| m.called)];
    assert_eq!(counted, [figures.took_a_number, figures.took_a_number, figures.calls]);
    // A walk-in whose pass never comes back, as the visit is one request long, has not entered as far as the line knows.
    let (entered, ended, lapsed) = (sum(|m| m.entered), sum(|m| m.ended), sum(|m| m.lapsed));
    let one_request = figures.entered - entered;
    assert!(one_request < figures.entered / 200, "{entered} of {} entered", figures.entered);
    assert!((0..=one_request).contains(&(lapsed - figures.calls_in_vain)), "{lapsed} of {}", figures.calls_in_vain);
    assert_eq!(ended + inside, entered);
    let mut waits = Histogram::default();
    minutes.iter().for_each(|minute| waits.merge(&minute.waits));
    assert_eq!(waits.total(), figures.calls);
    for (percent, told_s) in [(50, figures.wait_s.median), (90, figures.wait_s.p90)] {
        let mut rank = figures.calls * percent / 100;
        let bucket = waits.counts().find(|&(_, count)| {
            let is_here = rank < u64::from(count);
            rank = rank.saturating_sub(u64::from(count));
            is_here
        });
        let bucket = bucket.unwrap().0;
        let (low, high) = (Histogram::begins_at_s(bucket) as f64, Histogram::begins_at_s(bucket + 1) as f64);
        // From the arrival to the entry is a few polls more than from the number to the call.
        assert!((low * 0.9 - 1.0..high * 1.1 + 6.0).contains(&told_s), "{percent} %: {low} to {high} s, and {told_s}");
    }
}
