//! What a check has found, as a table and as JSON.

use comfy_table::{Table, presets::NOTHING};
use serde::Serialize;

/// How much it matters on the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Could not be looked at, or was not asked for.
    Skip,
    /// Works, and may surprise.
    Warn,
    /// Visitors would be turned away, or come round the line.
    Stop,
}

/// What one check has found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    /// The name of the check.
    check: &'static str,
    verdict: Verdict,
    /// What was found and, unless it is as it should be, what to do.
    says: String,
}

/// Findings in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn ok(&mut self, check: &'static str, says: impl Into<String>) {
        self.say(check, Verdict::Ok, says);
    }

    pub(super) fn skip(&mut self, check: &'static str, says: impl Into<String>) {
        self.say(check, Verdict::Skip, says);
    }

    pub(super) fn warn(&mut self, check: &'static str, says: impl Into<String>) {
        self.say(check, Verdict::Warn, says);
    }

    pub(super) fn stop(&mut self, check: &'static str, says: impl Into<String>) {
        self.say(check, Verdict::Stop, says);
    }

    fn say(&mut self, check: &'static str, verdict: Verdict, says: impl Into<String>) {
        self.0.push(Finding { check, verdict, says: says.into() });
    }

    /// The gravest of them.
    pub(super) fn verdict(&self) -> Verdict {
        self.0.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok)
    }

    pub(super) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(NOTHING).set_header(["check", "", "found"]);
        for finding in &self.0 {
            let word = match finding.verdict {
                Verdict::Ok => "ok",
                Verdict::Skip => "–",
                Verdict::Warn => "WARN",
                Verdict::Stop => "STOP",
            };
            table.add_row([finding.check, word, &finding.says]);
        }
        table.to_string()
    }

    pub(super) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&serde_json::json!({ "verdict": self.verdict(), "findings": self.0 }))
    }
}
