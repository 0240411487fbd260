//! What passes between a client and an origin: origins that answer as real ones do, well and badly, and clients that do
//! the same.

mod answers;
mod deaths;
mod encrypted;
mod failures;
mod health;
mod http2;
mod memory;
mod names;
mod requests;
mod routes;
mod servers;
pub(crate) mod site;
mod trouble;
mod tunnels;
