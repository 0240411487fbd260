//! What was found, as a table.

use std::fmt::Write as _;

use serde::Serialize;

use super::{judge::Finding, scene::Under};
use crate::{
    bench::median,
    floods::kinds::{
        cookieless::{Came, Cookieless},
        pour::Became,
    },
};

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
            if let Some(cookieless) = &finding.became.cookieless {
                text += &visitors(cookieless);
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
    if !became.answers.is_empty() {
        let answers: Vec<_> = became.answers.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        parts.push(format!("answered {}", answers.join(", ")));
    }
    if let Some(Cookieless { lasted_s, visitors, .. }) = &became.cookieless {
        let inside: Vec<f64> = visitors.iter().filter_map(|came| came.inside_after_s).collect();
        let asks = visitors.iter().map(|came| came.asks).max().unwrap_or_default();
        let longest_s = inside.iter().copied().fold(f64::NAN, f64::max);
        parts.push(format!("in {lasted_s:.0} s"));
        parts.push(format!("{} of {} with cookies inside, with {asks} asks at most", inside.len(), visitors.len()));
        parts.push(format!("after {:.1} s (median) to {longest_s:.1} s", median(inside)));
    }
    parts.join("; ")
}

/// What became of each visitor with cookies, as a table.
fn visitors(cookieless: &Cookieless) -> String {
    let mut text =
        "\n| with cookies | asks after the first answer | inside after, s | |\n|--:|--:|--:|---|\n".to_owned();
    for (nth, Came { asks, inside_after_s, failure }) in cookieless.visitors.iter().enumerate() {
        let after = inside_after_s.map_or_else(|| "never".to_owned(), |after_s| format!("{after_s:.1}"));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} | {asks} | {after} | {} |", nth + 1, failure.as_deref().unwrap_or_default());
    }
    text
}
