//! What the node reports of its work: access log and webhooks.

pub(crate) mod access_log;
pub(crate) mod tally;
pub(crate) mod time;
pub(crate) mod webhooks;
