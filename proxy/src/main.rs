//! Sluice: a virtual waiting room in front of a website.
//!
//! This binary only wires: the line is in `sluice-admission`, settings in `sluice-config`, what visitors see in
//! `sluice-waiting-room`. Here are HTTP, the listeners and the command line.

mod admin;
mod answer;
mod commands;
mod console;
mod gate;
mod life;
mod limits;
mod metrics;
mod node;
mod peers;
mod protocol;
mod reload;
mod request;
mod resources;
mod routing;
mod service;
mod sinks;
mod supervisor;
mod tally;
mod transport;
mod upstream;
mod webhooks;

use std::process::ExitCode;

/// A fifth less CPU per request than the system's allocator. Unit tests have one that counts.
#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // While there is little memory of which any could have been made.
    resources::refuse_huge_pages();
    // Before anything else can ask for TLS: rustls wants to be told which cryptography to use.
    pingora_rustls::install_default_crypto_provider();
    commands::run()
}
