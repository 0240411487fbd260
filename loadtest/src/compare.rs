//! Sluice beside what else one would put there: CPU, latency and memory, all in one run on one machine.

mod bars;
mod cpu;
mod door;
mod idle;
mod latency;
mod peers;
mod redis;
mod report;
mod tls;
mod visitor;
mod work;

use std::path::PathBuf;

use tokio::runtime::Runtime;

use self::{
    report::Report,
    work::{Job, Work},
};
use crate::{
    Failed,
    client::Protocol,
    kit::{
        console::{complain, say},
        descriptors, origin,
    },
};

/// In which order so many servers are measured in a round: each is the first one once in so many rounds, since what comes
/// first after a pause may be dearer. Who stands behind whom stays, so that neighbours can be compared.
fn in_turn(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |at| (round + at) % count)
}

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Requests of each round.
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    requests: u32,
    /// Rounds after the one that warms up; medians are told.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Keep-alive connections, each with a visitor of its own.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=512))]
    connections: u32,
    /// Visitors who idle.
    #[arg(long, default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(100..=16_000))]
    visitors: u32,
    /// Requests a second for latencies; without it as many as take half of the CPU.
    #[arg(long)]
    rate: Option<f64>,
    /// TLS and HTTP/2: handshakes, requests and memory beside bare pingora, nginx and HAProxy with the same certificate.
    #[arg(long)]
    tls: bool,
    /// Handshakes of each round.
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(100..=100_000), requires = "tls")]
    handshakes: u32,
    /// Measure only this.
    #[arg(long)]
    only: Option<Part>,
    /// Writes all figures, those of each round included, into this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// CPU: a visitor inside.
    Admitted,
    /// CPU: a poll of somebody far back in line.
    Poll,
    /// CPU: the waiting page of somebody far back in line.
    Page,
    /// CPU: a first request while a line stands.
    Newcomers,
    /// Latency of a visitor inside, at half load.
    Latency,
    /// Memory of connections that idle.
    Idle,
    /// CPU: handshakes, with `--tls`.
    Handshakes,
}

/// How much of a load.
#[derive(Clone, Copy, Debug)]
struct Load {
    requests: usize,
    rounds: usize,
    connections: usize,
}

pub(crate) fn run(options: &Options) -> Result<(), Failed> {
    if cfg!(debug_assertions) {
        complain("note: this is a debug build; the figures mean nothing");
    }
    descriptors::at_least(peers::DESCRIPTORS)?;
    let runtime = Runtime::new()?;
    let (text, json) = if options.tls {
        let report = runtime.block_on(tls::measure(options))?;
        (report.to_markdown(), serde_json::to_string_pretty(&report)?)
    } else {
        let report = runtime.block_on(measure(options))?;
        (report.to_markdown(), serde_json::to_string_pretty(&report)?)
    };
    say(text);
    if let Some(file) = &options.json {
        std::fs::write(file, json + "\n").map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

impl Options {
    fn load(&self) -> Load {
        Load { requests: self.requests as usize, rounds: self.rounds as usize, connections: self.connections as usize }
    }

    fn wants(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }
}

async fn measure(options: &Options) -> Result<Report, Failed> {
    if options.only == Some(Part::Handshakes) {
        return Err("there are no handshakes without --tls".into());
    }
    let load = options.load();
    let wanted = |part| options.wants(part);
    let origin = origin::start().await?;
    let mut report = Report::new(load);
    if options.only != Some(Part::Idle) {
        let (mut peers, left_out) = peers::start(origin, load.connections).await?;
        report.left_out = left_out;
        let parts = [Part::Admitted, Part::Poll, Part::Page, Part::Newcomers];
        for (work, part) in Work::ALL.into_iter().zip(parts) {
            if wanted(part) {
                report.cpu.push(cpu::measure(Job::plain(work), &mut peers, load).await?);
            }
        }
        if wanted(Part::Latency) {
            report.latency = Some(latency::measure(&mut peers, load, options.rate).await?);
        }
    }
    if wanted(Part::Idle) {
        report.idle = Some(idle::measure(origin, options.visitors as usize, Protocol::Http1, None).await?);
    }
    report.judge();
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::in_turn;

    #[test]
    fn everybody_is_first_in_turn_and_measured_once_a_round() {
        let firsts: Vec<_> = (0..4).filter_map(|round| in_turn(round, 4).next()).collect();
        assert_eq!(firsts, [0, 1, 2, 3]);
        let mut second: Vec<_> = in_turn(5, 4).collect();
        second.sort_unstable();
        assert_eq!(second, [0, 1, 2, 3]);
    }
}
