//! Sluice: a virtual waiting room in front of a website.
//!
//! This binary only wires: the line is in `sluice-admission`, settings in `sluice-config`, what visitors see in
//! `sluice-waiting-room`. Here are HTTP, the listeners and the command line.

mod admin;
mod commands;
#[cfg(test)]
#[path = "../../config/src/testing/fuzz.rs"]
mod fuzz;
mod gate;
mod life;
mod limits;
mod lines;
mod node;
mod protocol;
mod request;
mod routing;
mod server;
mod service;
mod sinks;
mod transport;
mod upstream;

use std::process::ExitCode;

/// A fifth less CPU per request than the system's allocator. Unit tests have one that counts.
#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // While there is little memory of which any could have been made.
    life::resources::refuse_huge_pages();
    // Before anything else can ask for TLS: rustls wants to be told which cryptography to use.
    pingora_rustls::install_default_crypto_provider();
    commands::run()
}
