//! What was found, as a table.

use std::fmt::Write as _;

use serde::Serialize;

use super::{judge::Finding, scene::Under};
use crate::{bench::median, floods::kinds::pour::Became};

#[derive(Debug, Serialize)]
pub(super) struct Report {
    server: Under,
    pub(super) findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(server: Under) -> Self {
        Self { server, findings: Vec::new() }
    }

    /// How many floods did more than they may.
    pub(super) fn failed(&self) -> usize {
        self.findings.iter().filter(|finding| !self.faults(finding).is_empty()).count()
    }

    fn faults(&self, finding: &Finding) -> Vec<String> {
        finding.faults(self.server == Under::Sluice)
    }

    pub(super) fn to_markdown(&self) -> String {
        let mut text = "Bystanders: p99 in ms, alone (before or afterwards, whichever was worse) and beside the flood, on kept \
                        connections and on new ones. Memory: growth at most, and what was left of it.\n\n| flood | what \
                        became of it | CPU, s | memory, MB | kept | new | counted | |\n|---|---|--:|--:|--:|--:|---|---|\n"
            .to_owned();
        for finding in &self.findings {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", self.row(finding));
        }
        for finding in &self.findings {
            if let Some(failure) = &finding.beside.first_failure {
                let _ = writeln!(text, "\nBeside {}, the first failure: {failure}.", finding.flood.name());
            }
        }
        text
    }
}

impl Report {
    /// What was found of one flood, in a row of the table.
    pub(super) fn row(&self, finding: &Finding) -> String {
        let faults = self.faults(finding);
        let verdict = if faults.is_empty() { "holds".to_owned() } else { format!("**{}**", faults.join("; ")) };
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let (alone, beside) = (&finding.alone, &finding.beside);
        format!(
            "| {} | {} | {:.1} | {:.0} → {:.0} | {:.1} → {:.1} | {:.1} → {:.1} | {} | {verdict} |",
            finding.flood.name(),
            became(&finding.became),
            finding.cpu_s,
            mb(finding.growth_bytes()),
            mb(finding.left_bytes.saturating_sub(finding.before_bytes)),
            alone.kept.p99_ms,
            beside.kept.p99_ms,
            alone.anew.p99_ms,
            beside.anew.p99_ms,
            finding.counted.reasons()
        )
    }
}

fn became(became: &Became) -> String {
    let mut parts = Vec::new();
    let ends: Vec<_> = became.ended.iter().map(|(end, count)| format!("{count} {end}")).collect();
    parts.push(format!("{} connections: {}", became.connections, ends.join(", ")));
    if !became.units.is_empty() {
        let units = median(became.units.iter().map(|&units| units as f64).collect());
        parts.push(format!("after {units:.0} written, {:.0} ms", median(became.lasted_ms.clone())));
    }
    if let Some(after_s) = became.cut_after_s {
        parts.push(format!("after {after_s:.0} s"));
    }
    if became.resets > 0 {
        parts.push(format!("{} streams reset", became.resets));
    }
    if became.refused > 0 {
        parts.push(format!("{} refused", became.refused));
    }
    parts.join("; ")
}
