//! What is asked of a node's API by commands: `sluice top`, `sluice report`.

mod client;
pub(super) mod report;
pub(super) mod top;
