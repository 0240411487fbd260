//! Second attempts are few, so that servers in trouble are not given more to do than without it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Second attempts in a second that are always allowed.
const ATTEMPTS_MIN: u64 = 10;
/// Beyond that, one for this many requests.
const REQUESTS_PER_ATTEMPT: u64 = 5;

/// The second attempts of an origin. Asked only when there is to be one.
#[derive(Debug, Default)]
pub(super) struct Budget {
    second: Mutex<Second>,
    made: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Second {
    began: Option<Instant>,
    /// Requests that had begun before.
    begun_before: u64,
    /// Requests of the second before.
    last: u64,
    attempts: u64,
}

impl Budget {
    /// Whether a request may be tried once more. `begun` counts all requests of the origin.
    pub(super) fn allows(&self, begun: u64) -> bool {
        let allows = self.second.lock().unwrap_or_else(PoisonError::into_inner).allows(begun, Instant::now());
        let count = if allows { &self.made } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
        allows
    }

    /// Second attempts that were made.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// And those that were not.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Second {
    fn allows(&mut self, begun: u64, now: Instant) -> bool {
        let began = *self.began.get_or_insert(now);
        let elapsed = now.saturating_duration_since(began);
        if elapsed >= Duration::from_secs(1) {
            // A set of servers that has changed counts anew.
            let last = begun.saturating_sub(self.begun_before) / elapsed.as_secs().max(1);
            *self = Self { began: Some(now), begun_before: begun, last, attempts: 0 };
        }
        let requests = begun.saturating_sub(self.begun_before).max(self.last);
        let allows = self.attempts < ATTEMPTS_MIN.max(requests / REQUESTS_PER_ATTEMPT);
        self.attempts += u64::from(allows);
        allows
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_fifth_of_the_requests_of_a_second_may_be_second_attempts() {
        let budget = Budget::default();
        let mut begun = 0;
        for second in 0..5 {
            let before = budget.made();
            for _ in 0..1_000 {
                begun += 1;
                budget.allows(begun);
                advance(Duration::from_micros(1_000)).await;
            }
            let made = budget.made() - before;
            assert!(made <= 210, "{made} in second {second}");
            assert!(made >= 195, "{made} in second {second}");
        }
        assert_eq!(budget.made() + budget.refused(), 5_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_are_always_allowed() {
        let budget = Budget::default();
        for second in 1..4 {
            assert_eq!((0..30).filter(|_| budget.allows(second)).count(), 10);
            advance(Duration::from_secs(1)).await;
        }
    }
}
