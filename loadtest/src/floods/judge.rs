//! What a flood may do, and what it did.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{
    Flood,
    bystander::{Felt, Latency},
    metrics::Counters,
    scene::{LEFT_BYTES_MAX, RELEASE_PER_MINUTE},
};
use crate::floods::kinds::{
    cookieless::{Cookieless, VISITORS},
    pour::Became,
};

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

/// With this ask after its first answer a visitor with cookies has to be let in, at the latest: the first one takes a
/// number, which is called then or before the second.
const ASKS_MAX: u32 = 2;
/// Share of the rate that requests without cookies have to use up. With less, something else has held them back.
const RATE_USED_MIN: f64 = 0.5;

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

    /// Reasons that the server must have counted, each of them.
    fn reasons(self) -> &'static [&'static str] {
        match self {
            Self::GreedyNetwork => {
                &["refused", "connections_per_client_max", "requests_per_client", "body_max", "numbers_delayed"]
            }
            _ => &[],
        }
    }

    /// Whether it is one client, of whom others are to feel little. A crowd of many is served as they are, and they wait behind
    /// it: 256 requests are under way at any time.
    fn is_one_client(self) -> bool {
        self != Self::Cookieless
    }

    /// Whether it is sent away for a reason. Who has no cookies is not: each request is that of a newcomer.
    fn is_sent_away(self) -> bool {
        self != Self::Cookieless
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
            if self.flood.is_one_client() && !ratio(alone, beside).is_some_and(|ratio| ratio <= P99_MAX) {
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
        if counts && self.flood.is_sent_away() && self.counted.is_empty() {
            faults.push("not counted".to_owned());
        }
        let missing = self.flood.reasons().iter().filter(|reason| counts && !self.counted.has(reason));
        faults.extend(missing.map(|reason| format!("{reason} not counted")));
        if let Some(cookieless) = &self.became.cookieless {
            faults.extend(kept_out(cookieless, &self.became.answers));
        }
        faults
    }

    pub(super) fn growth_bytes(&self) -> u64 {
        self.most_bytes.saturating_sub(self.before_bytes)
    }
}

/// What is not as it should be with visitors who came beside requests without cookies, or with these requests: fewer of
/// them, or such as did not walk in, would have shown nothing.
fn kept_out(cookieless: &Cookieless, answers: &BTreeMap<u16, u64>) -> Vec<String> {
    let Cookieless { wanted, lasted_s, visitors } = cookieless;
    let mut faults = Vec::new();
    let answered: u64 = answers.values().sum();
    if answered < *wanted {
        faults.push(format!("{answered} of {wanted} requests answered"));
    }
    let walked_in = answers.get(&200).copied().unwrap_or_default();
    if (walked_in as f64) < f64::from(RELEASE_PER_MINUTE) / 60.0 * lasted_s * RATE_USED_MIN {
        faults.push(format!("{walked_in} walked in, so the rate was not used up"));
    }
    if visitors.len() < VISITORS {
        faults.push(format!("{} of {VISITORS} visitors came", visitors.len()));
    }
    let kept_out = visitors.iter().filter(|came| came.inside_after_s.is_none() || came.asks > ASKS_MAX).count();
    if kept_out > 0 {
        faults.push(format!("{kept_out} visitors with cookies kept out"));
    }
    faults
}

/// `None` if there is nothing to compare.
fn ratio(alone: Latency, beside: Latency) -> Option<f64> {
    (alone.count > 0 && beside.count > 0).then(|| beside.p99_ms / alone.p99_ms.max(ALONE_MS_MIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floods::kinds::cookieless::Came;

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

    #[test]
    fn every_bound_that_a_greedy_network_meets_has_to_be_counted() {
        let limit = |name| format!("sluice_limits_reached_total{{limit=\"{name}\"}} 1\n");
        let all = ["refused", "connections_per_client_max", "requests_per_client", "body_max"].map(limit).concat();
        let greedy = |text: &str| Finding { counted: Counters::parse(text), ..finding(Flood::GreedyNetwork) };
        let delayed = "sluice_numbers_delayed_total{queue=\"shop\"} 1\n";
        assert_eq!(greedy(&format!("{all}{delayed}")).faults(true), Vec::<String>::new());
        assert_eq!(greedy(&all).faults(true), ["numbers_delayed not counted"]);
        assert_eq!(greedy("").faults(true).len(), 6, "nothing, and none of the five");
    }

    /// A flood of 100 s in which half of the rate and a bit was used up.
    fn cookieless(visitors: Vec<Came>, answers: [(u16, u64); 2]) -> Finding {
        let cookieless = Some(Cookieless { wanted: 1_000_000, lasted_s: 100.0, visitors });
        let became = Became { cookieless, answers: answers.into(), ..Became::default() };
        Finding { became, counted: Counters::default(), ..finding(Flood::Cookieless) }
    }

    fn came(asks: u32, inside_after_s: Option<f64>) -> Vec<Came> {
        vec![Came { asks, inside_after_s, failure: None }; VISITORS]
    }

    #[test]
    fn visitors_with_cookies_are_inside_with_their_second_ask_whoever_has_none() {
        let enough = [(200, 5_001), (503, 994_999)];
        for asks in 0..=ASKS_MAX {
            assert_eq!(cookieless(came(asks, Some(3.1)), enough).faults(true), Vec::<String>::new(), "{asks}");
        }
        let late = cookieless(came(ASKS_MAX + 1, Some(5.1)), enough);
        assert_eq!(late.faults(true), ["20 visitors with cookies kept out"]);
        let mut visitors = came(1, Some(1.1));
        visitors[7].inside_after_s = None;
        assert_eq!(cookieless(visitors, enough).faults(true), ["1 visitors with cookies kept out"]);
        assert_eq!(cookieless(Vec::new(), enough).faults(true), ["0 of 20 visitors came"]);
    }

    #[test]
    fn requests_without_cookies_that_were_too_few_or_did_not_walk_in_show_nothing() {
        let few = cookieless(came(1, Some(1.1)), [(200, 5_001), (503, 900_000)]);
        assert_eq!(few.faults(true), ["905001 of 1000000 requests answered"]);
        let stood = cookieless(came(1, Some(1.1)), [(200, 4_999), (503, 1_000_000)]);
        assert_eq!(stood.faults(true), ["4999 walked in, so the rate was not used up"]);
    }
}
