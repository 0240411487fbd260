//! For the people who run the node: health and metrics on one listener, the operators' API and dashboard on another.
//!
//! Health and metrics have no login, so that probes and scrapers can come from a pod network. The API is never on that
//! listener.

pub(crate) mod access;
pub(crate) mod api;
pub(crate) mod audit;
pub(crate) mod history;
pub(crate) mod listen;
pub(crate) mod metrics;
pub(crate) mod probes;
pub(crate) mod report;
pub(crate) mod seal;
