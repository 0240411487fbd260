//! How often one principal may ask.

use std::{collections::HashMap, sync::Mutex};

/// Requests a second of one principal.
pub(crate) const PER_SECOND: u32 = 20;
/// Most principals that are remembered; beyond, those that have been idle for a second are forgotten.
const PRINCIPALS_MAX: usize = 10_000;

/// A bucket of requests for each principal.
#[derive(Debug)]
pub(crate) struct Pace {
    every_ms: u64,
    /// When the bucket will be full again, in ms.
    full_ms: Mutex<HashMap<String, u64>>,
}

impl Pace {
    /// So many requests a second, and as many at once.
    pub(crate) fn of(per_second: u32) -> Self {
        Self { every_ms: u64::from(1_000 / per_second.clamp(1, 1_000)), full_ms: Mutex::default() }
    }

    /// Whether one more request is within the pace.
    pub(crate) fn allows(&self, principal: &str, now_ms: u64) -> bool {
        let Ok(mut full_ms) = self.full_ms.lock() else { return false };
        if full_ms.len() >= PRINCIPALS_MAX {
            full_ms.retain(|_, full_ms| *full_ms > now_ms);
        }
        let next_ms = full_ms.get(principal).copied().unwrap_or(0).max(now_ms) + self.every_ms;
        if next_ms > now_ms + 1_000 || full_ms.len() >= PRINCIPALS_MAX {
            return false;
        }
        full_ms.insert(principal.to_owned(), next_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_requests_a_second_are_allowed_to_each() {
        let pace = Pace::of(PER_SECOND);
        let allowed = |who, now_ms| (0..100).filter(|_| pace.allows(who, now_ms)).count();
        assert_eq!(
            (allowed("ann", 0), allowed("bob", 0), allowed("ann", 500), allowed("ann", 9_000)),
            (20, 20, 10, 20)
        );
    }
}
