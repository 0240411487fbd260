//! What is asked of a node's API by commands: `sluice top`, `sluice report`, `sluice upgrade`.

pub(super) mod audit;
mod client;
pub(super) mod report;
pub(super) mod top;
pub(super) mod upgrade;
