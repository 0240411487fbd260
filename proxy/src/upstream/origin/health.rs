//! Whether a server is up, as far as this node knows.
//!
//! Two judges, neither of whom undoes what the other says. **Checks** ([`super::check`]), if they are configured: three in
//! a row that fail, and it is down; two that are good, and it is up. **Requests**: five in a row that it could not be
//! reached for, or answered brokenly or not in time, and it is ejected for 10 s, then for twice as long each time, at most
//! 5 min. It has to serve for as long as it was out before that is forgotten. What the application answers, 500 or 503,
//! is an answer.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::upstream::failure::Cause;

/// Failures in a row that eject a server.
const FAILURES_MAX: u32 = 5;
/// How long a server is ejected for the first time.
const EJECTED_FOR: Duration = Duration::from_secs(10);
/// How long at most.
const EJECTED_FOR_MAX: Duration = Duration::from_secs(5 * 60);
/// Failed checks in a row after which a server is down.
const BAD_CHECKS_MAX: u32 = 3;
/// Good checks in a row after which it is up again.
const GOOD_CHECKS: u32 = 2;

/// What is known of a server's health.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Failures in a row.
    row: AtomicU32,
    /// Ejections that are not forgotten yet.
    streak: AtomicU32,
    /// In milliseconds of [`now_ms`]; 0: it is not ejected.
    ejected_until_ms: AtomicU64,
    /// When the last ejection ended, or ends.
    returned_at_ms: AtomicU64,
    ejections: AtomicU64,
    is_down: AtomicBool,
    bad_checks: AtomicU32,
    good_checks: AtomicU32,
    failures: [AtomicU64; Cause::ALL.len()],
}

/// What a check has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    Down,
    Up,
}

impl Health {
    pub(super) fn is_up(&self) -> bool {
        !self.is_down.load(Ordering::Relaxed) && !self.is_ejected()
    }

    pub(super) fn is_ejected(&self) -> bool {
        let until = self.ejected_until_ms.load(Ordering::Relaxed);
        if until == 0 {
            return false;
        }
        let is_ejected = now_ms() < until;
        if !is_ejected {
            // So that no clock is read for it from now on. One that was set meanwhile stays.
            let _ = self.ejected_until_ms.compare_exchange(until, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
        is_ejected
    }

    /// It has answered a request, whatever the answer was. Writes nothing as long as all is well.
    pub(super) fn answered(&self) {
        if self.row.load(Ordering::Relaxed) != 0 {
            self.row.store(0, Ordering::Relaxed);
        }
        let streak = self.streak.load(Ordering::Relaxed);
        if streak != 0 && self.has_served_for(ejected_for(streak)) {
            self.streak.store(0, Ordering::Relaxed);
        }
    }

    /// A request has failed for it. True: too many in a row.
    pub(super) fn failed(&self, cause: Cause) -> bool {
        self.failures[cause as usize].fetch_add(1, Ordering::Relaxed);
        let row = self.row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        row >= FAILURES_MAX && !self.is_ejected()
    }

    /// Ejects it. Returns for how long.
    pub(super) fn eject(&self) -> Duration {
        let streak = self.streak.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let long = ejected_for(streak);
        let until = now_ms() + ms(long);
        self.ejected_until_ms.store(until, Ordering::Relaxed);
        self.returned_at_ms.store(until, Ordering::Relaxed);
        self.ejections.fetch_add(1, Ordering::Relaxed);
        long
    }

    /// A check has come to an end.
    pub(super) fn checked(&self, is_good: bool) -> Option<Turned> {
        let (here, there) =
            if is_good { (&self.good_checks, &self.bad_checks) } else { (&self.bad_checks, &self.good_checks) };
        there.store(0, Ordering::Relaxed);
        let in_a_row = here.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let is_down = self.is_down.load(Ordering::Relaxed);
        let turned = match is_good {
            false if !is_down && in_a_row >= BAD_CHECKS_MAX => Turned::Down,
            true if is_down && in_a_row >= GOOD_CHECKS => Turned::Up,
            _ => return None,
        };
        self.is_down.store(turned == Turned::Down, Ordering::Relaxed);
        Some(turned)
    }

    /// Nothing is checked any more, so nothing is known of checks.
    pub(super) fn forget_checks(&self) {
        self.is_down.store(false, Ordering::Relaxed);
        self.bad_checks.store(0, Ordering::Relaxed);
        self.good_checks.store(0, Ordering::Relaxed);
    }

    pub(super) fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = (Cause, u64)> {
        Cause::ALL.into_iter().zip(&self.failures).map(|(cause, count)| (cause, count.load(Ordering::Relaxed)))
    }

    fn has_served_for(&self, long: Duration) -> bool {
        now_ms() >= self.returned_at_ms.load(Ordering::Relaxed) + ms(long)
    }
}

/// How long the nth ejection in a row lasts, counted from 1.
fn ejected_for(nth: u32) -> Duration {
    let doubled = 1_u32.checked_shl(nth.saturating_sub(1)).unwrap_or(u32::MAX);
    EJECTED_FOR.saturating_mul(doubled).min(EJECTED_FOR_MAX)
}

/// Since this process began, and never 0.
pub(super) fn now_ms() -> u64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let began = *BEGAN;
    ms(began.elapsed()) + 1
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn fail(health: &Health, times: u32) -> bool {
        (0..times).fold(false, |_, _| health.failed(Cause::Connect))
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_are_too_many_and_four_are_not() {
        let health = Health::default();
        assert!(!fail(&health, 4));
        health.answered();
        assert!(!fail(&health, 4));
        assert!(fail(&health, 1));
        assert!(health.is_up(), "whether it may be ejected is for its origin to say");
    }

    #[tokio::test(start_paused = true)]
    async fn ejections_double_up_to_five_minutes_and_are_forgotten_by_serving_as_long() {
        let health = Health::default();
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            let long = health.eject();
            assert_eq!(long, Duration::from_secs(seconds));
            assert!(!fail(&health, 9), "one that is out is not ejected");
            advance(long - Duration::from_millis(1)).await;
            assert!(!health.is_up());
            advance(Duration::from_millis(2)).await;
            assert!(health.is_up());
            assert!(fail(&health, 1), "its row goes on: one failure will do");
        }
        health.answered();
        assert_eq!(health.eject(), Duration::from_secs(300), "it has answered once, and is not trusted yet");
        advance(Duration::from_secs(601)).await;
        health.answered();
        assert_eq!(health.eject(), Duration::from_secs(10));
        assert_eq!(health.ejections(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn checks_and_requests_do_not_undo_each_other() {
        let health = Health::default();
        assert_eq!([false, false, false].map(|good| health.checked(good)), [None, None, Some(Turned::Down)]);
        health.answered();
        assert!(!health.is_up());
        let long = health.eject();
        assert_eq!([true, false, true, true].map(|good| health.checked(good)), [None, None, None, Some(Turned::Up)]);
        assert!(!health.is_up(), "it is ejected all the same");
        advance(long + Duration::from_millis(1)).await;
        assert!(health.is_up());
    }
}
