//! What the node tells others of its work, beside doing it.

pub(crate) mod access_log;
pub(crate) mod tally;
pub(crate) mod time;
pub(crate) mod webhooks;
