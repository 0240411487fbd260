//! Measures Sluice beside its peers, on this machine, in one run.

mod attack;
mod bench;
mod client;
mod compare;
mod floods;
pub(crate) mod kit;
mod plan;
mod simulate;
mod soak;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::kit::{bare, console};

/// The allocator of the binary that is measured, so that the bare peer differs in nothing but Sluice.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Crowd simulator, load generator and paired measurements for Sluice.
#[derive(Debug, Parser)]
#[command(name = "sluice-loadtest", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// CPU per request beside a bare pingora, and the speed of the core.
    Bench(bench::Options),
    /// CPU, latency and memory beside bare pingora, nginx and HAProxy, and waiting rooms made of these.
    Compare(compare::Options),
    /// A crowd before the real line, in virtual time, and a judge of what Sluice promises.
    Simulate(simulate::Options),
    /// A crowd over real sockets before real nodes, and a judge of what Sluice promises.
    Attack(attack::Options),
    /// Clients that break the protocol or take nothing, beside a visitor who does neither.
    Floods(floods::Options),
    /// A line that stands for half an hour at half load: memory, descriptors and errors.
    Soak(soak::Options),
    /// How long visitors of a sale will wait, and what it needs: by simulation.
    Plan(plan::Options),
    /// A bare pingora: forwards everything, or answers everything with the bytes of a file.
    Bare(bare::Options),
}

/// Whatever went wrong; said once, at the end.
type Failed = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    pingora_rustls::install_default_crypto_provider();
    let result = match Cli::parse().command {
        Command::Bench(options) => bench::run(&options),
        Command::Compare(options) => compare::run(&options),
        Command::Simulate(options) => simulate::run(&options),
        Command::Attack(options) => attack::run(&options),
        Command::Floods(options) => floods::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Plan(options) => plan::run(&options),
        Command::Bare(options) => bare::run(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::complain(format_args!("sluice-loadtest: {error}"));
            ExitCode::FAILURE
        }
    }
}
