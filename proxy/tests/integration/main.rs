//! Sluice as those around it meet it: visitors, operators, attackers and the origin, each through real sockets of the
//! real binary.
//!
//! One test binary, so that it is linked once: `cargo nextest run -p sluice --test integration`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod acme;
mod apps;
mod clients;
mod command_line;
mod cookieless;
mod crowd;
mod edge;
mod elsewhere;
mod faults;
mod forwarding;
mod health;
mod http2;
mod https;
mod https_rules;
mod kinds;
mod lanes;
mod moving;
mod operators;
mod polls;
mod reload;
mod resources;
mod restart;
#[path = "../../../admission/tests/redis/servers.rs"]
mod servers;
mod setup;
mod shutdown;
mod sites;
mod slow_readers;
mod store;
mod stories;
mod support;
mod tokens;
