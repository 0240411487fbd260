//! The edge: who a client is, what it may take, which requests pass by the queue, and what is told of them.

mod access_log;
mod https_rules;
mod limits;
mod mounted;
mod proxy_protocol;
mod rules;
mod slow_readers;
