//! What a flood may do, and what it did.

use std::time::Duration;

use serde::Serialize;

use super::{
    Flood,
    bystander::{Felt, Latency},
    metrics::Counters,
    scene::LEFT_BYTES_MAX,
};
use crate::floods::kinds::pour::Became;

/// p99 of the bystanders, to what it is when they are alone: at most.
const P99_MAX: f64 = 2.0;
/// Alone they wait for so long at least, in milliseconds: below that it is the timers' tick that is measured.
const ALONE_MS_MIN: f64 = 2.5;
/// Memory that a flood of frames may take while it lasts, in bytes.
const GROWTH_BYTES_MAX: u64 = 80_000_000;
/// Memory that a thousand connections with a hundred stalled streams may take, in bytes.
const STALLED_BYTES_MAX: u64 = 200_000_000;
/// Who takes nothing is cut within this, by kind.
const STALLED_CUT_MAX: Duration = Duration::from_secs(30);
const SLOW_READERS_CUT_MAX: Duration = Duration::from_secs(60);
/// The deadline of a handshake, for those that were begun last.
const HANDSHAKES_CUT_MAX: Duration = Duration::from_secs(10);
/// A busy server, and the look at it, may come so much later.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

/// What came of one flood.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) flood: Flood,
    pub(super) became: Became,
    /// What the bystanders felt before it and beside it.
    pub(super) alone: Felt,
    pub(super) beside: Felt,
    /// Memory of the server before, at most, and afterwards.
    pub(super) before_bytes: u64,
    pub(super) most_bytes: u64,
    pub(super) left_bytes: u64,
    /// CPU of the server meanwhile.
    pub(super) cpu_s: f64,
    pub(super) counted: Counters,
}

impl Flood {
    fn growth_bytes_max(self) -> u64 {
        match self {
            Self::StalledStreams => STALLED_BYTES_MAX,
            _ => GROWTH_BYTES_MAX,
        }
    }

    /// Within which time the server must have closed everything; `None`: it may just bear it.
    fn cut_within(self) -> Option<Duration> {
        match self {
            Self::PingUnread | Self::ZeroWindow | Self::StalledStreams => Some(STALLED_CUT_MAX),
            Self::SlowReadersH1 | Self::SlowReadersH2 => Some(SLOW_READERS_CUT_MAX),
            Self::SlowHandshakes => Some(HANDSHAKES_CUT_MAX),
            _ => None,
        }
    }
}

impl Finding {
    /// Everything that is not as it should be; `counts`: the server says what it has counted.
    pub(super) fn faults(&self, counts: bool) -> Vec<String> {
        let mut faults = Vec::new();
        for (who, alone, beside) in [
            ("kept connections", self.alone.kept, self.beside.kept),
            ("new connections", self.alone.anew, self.beside.anew),
        ] {
            if !ratio(alone, beside).is_some_and(|ratio| ratio <= P99_MAX) {
                faults.push(format!("p99 on {who}"));
            }
        }
        if self.beside.failed > 0 {
            faults.push(format!("{} requests of bystanders failed", self.beside.failed));
        }
        if self.growth_bytes() > self.flood.growth_bytes_max() {
            faults.push("memory".to_owned());
        }
        if self.left_bytes > self.before_bytes + LEFT_BYTES_MAX {
            faults.push("memory did not come back".to_owned());
        }
        if let Some(within) = self.flood.cut_within()
            && !self.became.cut_after_s.is_some_and(|after_s| after_s <= (within + NOTICED_WITHIN).as_secs_f64())
        {
            faults.push(format!("not all cut within {} s", within.as_secs()));
        }
        if counts && self.counted.is_empty() {
            faults.push("not counted".to_owned());
        }
        faults
    }

    pub(super) fn growth_bytes(&self) -> u64 {
        self.most_bytes.saturating_sub(self.before_bytes)
    }
}

/// `None` if there is nothing to compare.
fn ratio(alone: Latency, beside: Latency) -> Option<f64> {
    (alone.count > 0 && beside.count > 0).then(|| beside.p99_ms / alone.p99_ms.max(ALONE_MS_MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn felt(p99_ms: f64) -> Felt {
        let latency = Latency { count: 100, p50_ms: 1.0, p99_ms, most_ms: p99_ms };
        Felt { kept: latency, anew: latency, ..Felt::default() }
    }

    fn finding(flood: Flood) -> Finding {
        Finding {
            flood,
            became: Became { cut_after_s: Some(12.0), ..Became::default() },
            alone: felt(4.0),
            beside: felt(7.9),
            before_bytes: 20_000_000,
            most_bytes: 90_000_000,
            left_bytes: 30_000_000,
            cpu_s: 1.0,
            counted: Counters::parse("x{reason=\"slow\"} 1"),
        }
    }

    #[test]
    fn a_flood_that_does_no_harm_has_no_faults() {
        assert_eq!(finding(Flood::StalledStreams).faults(true), Vec::<String>::new());
        // Others say nothing of what they have counted.
        let quiet = Finding { counted: Counters::default(), ..finding(Flood::Ping) };
        assert_eq!(quiet.faults(false), Vec::<String>::new());
        assert_eq!(quiet.faults(true), ["not counted"]);
    }

    #[test]
    fn every_harm_is_a_fault() {
        let slow = Finding { beside: felt(8.1), ..finding(Flood::Ping) };
        assert_eq!(slow.faults(true), ["p99 on kept connections", "p99 on new connections"]);
        let unanswered = Finding { beside: Felt::default(), ..finding(Flood::Ping) };
        assert_eq!(unanswered.faults(true).len(), 2, "who was not answered at all did not fare well");
        let failed = Finding { beside: Felt { failed: 3, ..felt(4.0) }, ..finding(Flood::Ping) };
        assert_eq!(failed.faults(true), ["3 requests of bystanders failed"]);
        let big = Finding { most_bytes: 110_000_000, ..finding(Flood::SlowReadersH1) };
        assert_eq!(big.faults(true), ["memory"]);
        let leak = Finding { left_bytes: 60_000_000, ..finding(Flood::Ping) };
        assert_eq!(leak.faults(true), ["memory did not come back"]);
        for cut_after_s in [None, Some(35.5)] {
            let became = Became { cut_after_s, ..Became::default() };
            let kept = Finding { became, ..finding(Flood::StalledStreams) };
            assert_eq!(kept.faults(true), ["not all cut within 30 s"]);
        }
    }

    #[test]
    fn below_a_tick_of_the_timers_nothing_is_compared() {
        let quick = Finding { alone: felt(0.5), beside: felt(4.9), ..finding(Flood::Ping) };
        assert_eq!(quick.faults(true), Vec::<String>::new());
    }
}
