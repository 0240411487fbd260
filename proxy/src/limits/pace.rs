//! How many of something a client has had lately.

use std::{fmt, time::Duration};

use pingora_limits::rate::{PROPORTIONAL_RATE_ESTIMATE_CALC_FN, Rate};
use sluice_config::PerClient;

use super::Network;

/// Cells of each of four rows, twice: 1 MiB for each bound that a tenant has.
const CELLS: usize = 16_384;
const ROWS: usize = 4;

/// What clients have had within a time that goes along: of the time before, the part that has not gone by yet counts as if
/// it had come evenly.
pub(super) struct Lately {
    settings: PerClient,
    counted: Rate,
}

impl fmt::Debug for Lately {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lately({:?})", self.settings)
    }
}

impl Lately {
    pub(super) fn new(settings: PerClient) -> Self {
        Self { settings, counted: Rate::new_with_estimator_config(settings.within, ROWS, CELLS) }
    }

    pub(super) fn settings(&self) -> PerClient {
        self.settings
    }

    /// One more for a client.
    pub(super) fn count(&self, client: Network) {
        self.counted.observe(&client, 1);
    }

    /// By how many a client is over its bound; 0 or less: it is not.
    pub(super) fn beyond(&self, client: Network) -> f64 {
        let per_second = self.counted.rate_with(&client, PROPORTIONAL_RATE_ESTIMATE_CALC_FN);
        per_second * self.settings.within.as_secs_f64() - f64::from(self.settings.count.get())
    }

    /// In what time one of them comes back.
    pub(super) fn each(&self) -> Duration {
        self.settings.within / self.settings.count.get()
    }
}
