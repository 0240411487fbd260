//! What a look at a store found, for whoever runs it.

use std::{fmt, time::Duration};

use super::LineId;

/// What a look at the store found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkup {
    /// Sentences, the worst first. Empty: nothing to say.
    pub findings: Vec<Finding>,
    /// The servers looked at, each with its version; one, or the primaries of a cluster.
    pub servers: Vec<(String, String)>,
    /// Median and longest of some round trips; `None`: there was no answer.
    pub round_trip: Option<(Duration, Duration)>,
    /// How long the server worked on one step of an empty line, the way there and back included.
    pub step: Option<Duration>,
    /// Bytes that each line takes in the store; `None`: it could not be asked.
    pub memory: Vec<(LineId, Option<u64>)>,
}

impl Checkup {
    /// Whether lines will work here.
    pub fn is_healthy(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Fault)
    }

    /// Adds a sentence.
    pub(super) fn say(&mut self, severity: Severity, text: impl Into<String>) {
        self.findings.push(Finding { severity, text: text.into() });
    }
}

/// One sentence about the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, and what to do.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Lines do not work, or may be lost at any time.
    Fault,
    /// Lines work; something is not as it should be, or could not be looked at.
    Warning,
}
