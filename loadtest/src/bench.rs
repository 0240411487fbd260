//! CPU per request, paired: the same load in turn against Sluice and against a bare pingora of the same build.

mod core;
mod isolation;
mod sluice;

use std::{process::Command, sync::Arc, time::Duration};

use tokio::runtime::Runtime;

use crate::{
    Failed,
    client::{Site, Target},
    kit::{
        console::say,
        drive::repeat,
        origin,
        process::{Server, free_addr, sibling},
    },
};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Requests in each round.
    #[arg(long, default_value_t = 60_000)]
    requests: usize,
    /// Rounds; medians are told.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Measure only this.
    #[arg(long)]
    only: Option<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// (a) Requests of a visitor inside.
    Admitted,
    /// (b) Polls of a visitor far back in line.
    Poll,
    /// (c) The line by itself.
    Core,
    /// (d) A flood in one queue beside newcomers to another, on one Redis.
    Isolation,
    /// (a) and (b) over TLS and HTTP/2.
    Tls,
}

pub(crate) fn run(options: &Options) -> Result<(), Failed> {
    if cfg!(debug_assertions) {
        say("note: this is a debug build; the figures mean nothing");
    }
    let wanted = |part| options.only.is_none_or(|only| only == part);
    if wanted(Part::Admitted) || wanted(Part::Poll) {
        Runtime::new()?.block_on(requests(options, None))?;
    }
    if wanted(Part::Core) {
        core::run();
    }
    if wanted(Part::Isolation) {
        Runtime::new()?.block_on(isolation::run(options))?;
    }
    if wanted(Part::Tls) {
        Runtime::new()?.block_on(requests(options, Some(&Site::new(&[sluice::HOST])?)))?;
    }
    Ok(())
}

/// In the open, or over TLS and HTTP/2 with this site's certificate.
async fn requests(options: &Options, site: Option<&Site>) -> Result<(), Failed> {
    let origin = origin::start().await?;
    let scene = sluice::Scene::start(origin, site).await?;
    let admitted = scene.admitted().await?;
    let (poll, answer) = scene.poll_far_back().await?;
    let answer_file = scene.dir().join("answer.http");
    std::fs::write(&answer_file, answer)?;

    let bare = |extra: &[&str]| -> Result<(Server, Target), Failed> {
        let addr = free_addr()?;
        let mut command = Command::new(sibling("sluice-loadtest")?);
        command.arg("bare").arg("--listen").arg(addr.to_string()).args(extra);
        let Some(site) = site else { return Ok((Server::start(command, addr)?, addr.into())) };
        let files = site.write(scene.dir())?;
        let secure = Target { addr: free_addr()?, way: sluice::way(site)? };
        command.arg("--listen-tls").arg(secure.addr.to_string());
        command.arg("--chain").arg(files.chain).arg("--key").arg(files.key);
        let mut server = Server::start(command, addr)?;
        server.listens(secure.addr)?;
        Ok((server, secure))
    };
    let forwards = bare(&["--origin", &origin.to_string()])?;
    let answers = bare(&["--answer", answer_file.to_str().ok_or("a strange path")?])?;

    let over = if site.is_some() { " over TLS and HTTP/2" } else { "" };
    say(format_args!("CPU per request{over}, microseconds (median of paired rounds)"));
    say(format_args!("{:<44} {:>8} {:>8} {:>7}", "", "sluice", "bare", "ratio"));
    let pair = Pair { options, sluice: (scene.server(), scene.entrance()) };
    if options.only != Some(Part::Poll) {
        pair.run("(a) admitted GET, forwarded to the origin", &forwards, admitted, "HTTP/1.1 200").await?;
    }
    if options.only != Some(Part::Admitted) {
        pair.run("(b) status poll far back, answered locally", &answers, poll, "HTTP/1.1 200").await?;
    }
    Ok(())
}

struct Pair<'a> {
    options: &'a Options,
    sluice: (&'a Server, &'a Target),
}

impl Pair<'_> {
    async fn run(
        &self,
        name: &str,
        bare: &(Server, Target),
        request: Vec<u8>,
        expect: &'static str,
    ) -> Result<(), Failed> {
        let request: Arc<[u8]> = request.into();
        let mut rounds = Vec::new();
        for round in 0..=self.options.rounds {
            let sluice = self.round(self.sluice, &request, expect).await?;
            let bare = self.round((&bare.0, &bare.1), &request, expect).await?;
            // The first round warms up.
            if round > 0 {
                rounds.push((sluice, bare));
            }
        }
        let median_of = |f: &dyn Fn(&(f64, f64)) -> f64| median(rounds.iter().map(f).collect());
        say(format_args!(
            "{name:<44} {:>8.2} {:>8.2} {:>7.3}",
            median_of(&|r| r.0),
            median_of(&|r| r.1),
            median_of(&|r| r.0 / r.1)
        ));
        Ok(())
    }

    async fn round(
        &self,
        (server, to): (&Server, &Target),
        request: &Arc<[u8]>,
        expect: &'static str,
    ) -> Result<f64, Failed> {
        let Options { requests, connections, .. } = *self.options;
        let before = server.cpu()?;
        repeat(to, request.clone(), expect, requests, connections).await?;
        let used = server.cpu()? - before;
        Ok(used.as_secs_f64() * 1e6 / requests as f64)
    }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// How long something takes, the median of several goes, in microseconds.
fn median_us(goes: usize, mut go: impl FnMut() -> Duration) -> f64 {
    median((0..goes).map(|_| go().as_secs_f64() * 1e6).collect())
}
