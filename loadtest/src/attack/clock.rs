//! One clock for everybody who is asked afterwards: visitors, the origin, the judge.

use std::time::Duration;

use tokio::time::Instant;

/// Microseconds since the opening.
pub(crate) type Us = u64;

/// A second of them.
pub(crate) const SECOND_US: Us = 1_000_000;

/// Counts from one moment on, monotonic, and the same in every thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now_us(&self) -> Us {
        us(self.0.elapsed())
    }

    pub(crate) fn at(&self, at_us: Us) -> Instant {
        self.0 + Duration::from_micros(at_us)
    }
}

/// A length of time; half a million years at most.
pub(crate) fn us(time: Duration) -> Us {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
