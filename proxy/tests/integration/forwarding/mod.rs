//! What passes between a client and an origin: origins that answer as real ones do, well and badly, and clients that do
//! the same.

mod answers;
mod encrypted;
mod failures;
mod http2;
mod memory;
mod requests;
mod servers;
pub(crate) mod site;
mod trouble;
mod tunnels;
