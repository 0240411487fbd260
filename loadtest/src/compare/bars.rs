//! What Sluice wants to be measured by.

use serde::Serialize;

use super::{
    cpu::Costs,
    idle::Idle,
    latency::Latency,
    work::{Job, Work},
};
use crate::bench::median;

/// CPU of a request that is forwarded, to bare pingora.
const ADMITTED_MAX: f64 = 1.05;
/// CPU of a poll, to bare pingora that repeats the bytes.
const POLL_MAX: f64 = 1.15;
const ADDED_P99_US_MAX: f64 = 300.0;
const CONNECTION_BYTES_MAX: f64 = 16_000.0;
/// Beginnings of names: room and counter.
const COUNTER_EACH_TIME: &str = "nginx + Lua, counter each time";
const COUNTER_KEPT: &str = "nginx + Lua, counter kept";

#[derive(Debug, Serialize)]
pub(super) struct Bar {
    pub(super) what: String,
    pub(super) found: String,
    pub(super) holds: bool,
}

/// Every bar for which something was measured.
pub(super) fn judge(cpu: &[Costs], latency: Option<&Latency>, idle: Option<&Idle>) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (work, max, room) in [(Work::Admitted, ADMITTED_MAX, COUNTER_EACH_TIME), (Work::Poll, POLL_MAX, COUNTER_KEPT)] {
        let Some(costs) = cpu.iter().find(|costs| costs.job == Job::plain(work)) else { continue };
        let Some(sluice) = costs.servers.first() else { continue };
        bars.push(Bar {
            what: format!("{}: at most {max} of bare pingora", work.title()),
            found: format!("{:.3}", sluice.to_bare),
            holds: sluice.to_bare <= max,
        });
        if let Some(peer) = costs.servers.iter().find(|cost| cost.name.starts_with(room)) {
            let ratio = paired(&sluice.rounds_us, &peer.rounds_us);
            let what = format!("{}: below {}, without its Redis", work.title(), peer.name);
            bars.push(Bar { what, found: format!("{ratio:.3}"), holds: ratio < 1.0 });
        }
    }
    if let Some(sluice) = latency.and_then(|latency| latency.servers.first()) {
        bars.push(Bar {
            what: format!("p99 at half load: at most {} ms over bare pingora", ADDED_P99_US_MAX / 1e3),
            found: format!("{:+.2} ms", sluice.added_p99_us / 1e3),
            holds: sluice.added_p99_us <= ADDED_P99_US_MAX,
        });
    }
    if let Some(sluice) = idle.and_then(|idle| idle.servers.first()) {
        bars.push(Bar {
            what: format!("memory: at most {} kB per connection", CONNECTION_BYTES_MAX / 1e3),
            found: format!("{:.1} kB", sluice.per_connection / 1e3),
            holds: sluice.per_connection <= CONNECTION_BYTES_MAX,
        });
    }
    bars
}

/// The median of the ratios of each round.
pub(super) fn paired(over: &[f64], under: &[f64]) -> f64 {
    median(over.iter().zip(under).map(|(over, under)| over / under).collect())
}

/// Every bar, and whether it holds.
pub(super) fn bar_table(bars: &[Bar]) -> String {
    let rows = bars.iter().map(|bar| {
        let verdict = if bar.holds { "holds" } else { "**does not hold**" };
        format!("| {} | {} | {verdict} |\n", bar.what, bar.found)
    });
    format!("\n| bar | measured | |\n|---|--:|---|\n{}", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::cpu::Cost;

    fn cost(name: &'static str, to_bare: f64, rounds_us: &[f64]) -> Cost {
        Cost { name, us: 0.0, redis_us: None, to_bare, rounds_us: rounds_us.to_vec() }
    }

    #[test]
    fn bars_are_judged_by_pairs_and_only_where_something_was_measured() {
        let servers = vec![
            cost("Sluice", 1.05, &[10.0, 90.0, 10.0]),
            cost("bare pingora", 1.0, &[10.0, 80.0, 9.0]),
            cost("nginx + Lua, counter each time", 2.0, &[11.0, 80.0, 11.0]),
        ];
        let bars = judge(&[Costs { job: Job::plain(Work::Admitted), servers }], None, None);
        assert_eq!(bars.len(), 2);
        assert!(bars.iter().all(|bar| bar.holds), "{bars:?}");
        let servers = vec![cost("Sluice", 1.16, &[1.0])];
        let bars = judge(&[Costs { job: Job::plain(Work::Poll), servers }], None, None);
        assert!(bars.len() == 1 && !bars[0].holds, "{bars:?}");
    }
}
