//! What a run has shown: facts, numbers made of them, judges, and the report.

pub(crate) mod facts;
pub(crate) mod judge;
pub(crate) mod numbers;
pub(crate) mod report;
