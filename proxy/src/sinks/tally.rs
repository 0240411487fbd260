//! Counting on the hot path: every thread has a cell of its own, so counting never waits for another core.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use crossbeam_utils::CachePadded;

/// Cells of a tally. More threads than cells share them, which is slower and just as right.
const CELLS: usize = 16;

/// A sum that many threads add to and few read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<[CachePadded<AtomicI64>; CELLS]>);

impl Tally {
    pub(crate) fn inc(&self) {
        self.add(1);
    }

    pub(crate) fn dec(&self) {
        self.add(-1);
    }

    /// The sum. What is being added meanwhile may be in it or not.
    pub(crate) fn sum(&self) -> i64 {
        self.0.iter().map(|cell| cell.load(Ordering::Relaxed)).sum()
    }

    /// One more, for as long as what is returned lives.
    pub(crate) fn hold(&self) -> Held {
        self.inc();
        Held(self.clone())
    }

    fn add(&self, n: i64) {
        self.0[cell()].fetch_add(n, Ordering::Relaxed);
    }
}

/// One of what a tally counts, however it ends.
#[derive(Debug)]
#[must_use]
pub(crate) struct Held(Tally);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The cell of this thread.
fn cell() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static CELL: usize = NEXT.fetch_add(1, Ordering::Relaxed) % CELLS;
    }
    CELL.with(|&cell| cell)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_is_lost_between_threads() {
        let tally = Tally::default();
        let threads: Vec<_> = (0..40)
            .map(|_| {
                let tally = tally.clone();
                std::thread::spawn(move || (0..1_000).for_each(|n| if n % 4 == 0 { tally.dec() } else { tally.inc() }))
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(tally.sum(), 40 * 500);
    }
}
