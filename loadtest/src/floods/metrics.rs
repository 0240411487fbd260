//! What a node says it has counted of those whom it sent away, and why.

use std::collections::BTreeMap;

use serde::Serialize;

/// Outcomes of a handshake that are as they should be.
const DONE: [&str; 2] = ["full", "resumed"];

/// Counters whose names are reasons enough.
const NAMES: [&str; 3] = ["connections_cut", "connections_refused", "numbers_delayed"];

/// Counters that have a reason, as `/metrics` writes them: name and labels to value.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Counters(BTreeMap<String, f64>);

impl Counters {
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            reason(name)?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(pairs.collect())
    }

    /// Those that have grown, and by how much.
    pub(super) fn since(&self, before: &Self) -> Self {
        let grown = self.0.iter().filter_map(|(name, value)| {
            let more = value - before.0.get(name).unwrap_or(&0.0);
            (more > 0.0).then(|| (name.clone(), more))
        });
        Self(grown.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them has this reason.
    pub(super) fn has(&self, wanted: &str) -> bool {
        self.0.keys().any(|counter| reason(counter) == Some(wanted))
    }

    /// The reasons alone, each with how often.
    pub(super) fn reasons(&self) -> String {
        let mut reasons: BTreeMap<&str, f64> = BTreeMap::new();
        for (name, value) in &self.0 {
            *reasons.entry(reason(name).unwrap_or_default()).or_default() += value;
        }
        let texts: Vec<_> = reasons.iter().map(|(reason, count)| format!("{reason} {count:.0}")).collect();
        texts.join(", ")
    }
}

/// Why a counter has grown: its label, such as the bound that was reached, or its name where that says it all.
fn reason(counter: &str) -> Option<&str> {
    let label = |name: &str| counter.split(name).nth(1)?.split('"').next();
    if counter.starts_with("sluice_tls_handshakes_total") {
        return label("outcome=\"").filter(|outcome| !DONE.contains(outcome));
    }
    label("reason=\"").or_else(|| label("limit=\"")).or_else(|| {
        let name = counter.split('{').next()?.strip_prefix("sluice_")?.strip_suffix("_total")?;
        NAMES.contains(&name).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_grown_and_has_a_reason_is_found() {
        let before = Counters::parse("# HELP x\nx_total{reason=\"slow\"} 2\ny_total{reason=\"big\",tenant=\"a\"} 5\n");
        let after = Counters::parse(
            "x_total{reason=\"slow\"} 7\ny_total{reason=\"big\",tenant=\"a\"} 5\nz_total 9\nw_total{reason=\"new\"} 1\n",
        );
        let grown = after.since(&before);
        assert_eq!(grown.reasons(), "new 1, slow 5");
        assert!(before.since(&after).is_empty());
    }
    #[test]
    fn handshakes_that_were_made_are_no_reason_and_names_may_be_one() {
        let counters = Counters::parse(
            "sluice_tls_handshakes_total{outcome=\"full\"} 5\nsluice_tls_handshakes_total{outcome=\"too_slow\"} \
             2\nsluice_connections_cut_total 3\nsluice_requests_total{outcome=\"forwarded\"} 9\n",
        );
        assert_eq!(counters.reasons(), "connections_cut 3, too_slow 2");
    }

    #[test]
    fn a_bound_that_was_reached_is_a_reason_and_so_is_a_number_that_was_put_off() {
        let counters = Counters::parse(
            "sluice_limits_reached_total{limit=\"body_max\",tenant=\"shop\"} \
             4\nsluice_numbers_delayed_total{queue=\"shop\",tenant=\"shop\"} \
             3\nsluice_rule_requests_total{queue=\"shop\",rule=\"free\",tenant=\"shop\"} 9\n",
        );
        assert_eq!(counters.reasons(), "body_max 4, numbers_delayed 3");
        assert!(counters.has("body_max") && counters.has("numbers_delayed") && !counters.has("free"));
    }
}
