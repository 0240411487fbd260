//! Sluice as those around it meet it: visitors, operators, attackers and the origin, each through real sockets of the
//! real binary.
//!
//! One test binary, so that it is linked once: `cargo nextest run -p sluice --test integration`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod acme;
mod command_line;
mod crowd;
mod edge;
mod faults;
mod forwarding;
mod http1;
mod http2;
mod https;
mod kinds;
mod life;
mod operators;
#[path = "../../../admission/tests/redis/servers.rs"]
mod servers;
mod setup;
mod stories;
mod support;
mod visitors;
