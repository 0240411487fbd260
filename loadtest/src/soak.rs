//! Hours in half an hour: a line that stands all the time before real nodes at half load, while connections come and go,
//! configs are read anew and the store is lost. Is memory flat, is every descriptor given back, is every error explained?

mod events;
mod report;
mod slope;
mod stream;
mod verdict;
mod watch;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::runtime::Runtime;

use self::{
    report::Report,
    stream::Stream,
    watch::{Sample, Watch},
};
use crate::{
    Failed,
    attack::{
        clock::{Clock, SECOND_US, Us},
        fleet::{Fleet, Where},
        judge::{Evidence, Figures},
        ledger::Ledger,
        limits::{Limits, in_force::InForce},
        origin::Origin,
        outlaws,
        people::{crowd::LiveView, visitor::Door},
        plan::Shares,
        report::broken,
        wire::{Doors, Net},
    },
    kit::{console::say, descriptors},
    simulate::whole,
};

/// The rate by which it is found out what a visitor costs.
const PROBE_PER_MINUTE: u32 = 1_800;
/// How long that takes, until the line stands and from then on, in seconds; and how often it is done.
const PROBE_S: (u64, u64) = (15, 15);
const PROBES: u64 = 2;
/// The share of all cores that half load is.
const HALF: f64 = 0.5;
/// Bounds of what comes of it.
const RATE_PER_MINUTE: (f64, f64) = (300.0, 60_000.0);
/// The line that is kept standing, as long as it takes to call it.
const LINE_S: f64 = 20.0;
/// More seats than the visitors take whom the rate lets in.
const SEATS_S: f64 = 40.0;
const SESSION_IDLE_S: u32 = 10;
const CLAIM_WITHIN_S: u32 = 45;
const INSIDE_US: Us = 4 * SECOND_US;
/// Half of the visitors open a connection for each request.
const KEEPERS: f64 = 0.5;
const OUTLAWS_PER_SECOND: u32 = 10;
/// How long nodes and store rest before the first visitor and after the last, so that what they have open is seen.
const REST: Duration = Duration::from_secs(3);
/// How long after the last visitor has gone a node may keep what it has open: longer than connections to an origin are
/// kept (`idle_timeout`, 50 s by default).
const GIVES_BACK_WITHIN: Duration = Duration::from_secs(75);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How long it lasts, after the load has been found out. What all visitors have to tell is kept in memory.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=120))]
    minutes: u16,
    /// Requests of visitors a second; if it is left out, as many as take half of all cores.
    #[arg(long)]
    requests_per_second: Option<u32>,
    /// Sluice nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=16))]
    nodes: u16,
    /// Where the line lives; more than one node needs `redis`, and only a Redis is lost and comes back.
    #[arg(long, value_enum, default_value_t = Where::Redis)]
    store: Where,
    /// Another number, another crowd of the same kind.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes everything that was found into this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Soaks; an error if a promise was found broken.
pub(crate) fn run(options: &Options) -> Result<(), Failed> {
    if cfg!(debug_assertions) {
        say("note: this is a debug build; figures mean nothing");
    }
    let report = Runtime::new()?.block_on(soak(options))?;
    say(report.to_text());
    if let Some(path) = &options.json {
        crate::attack::report::write_json(&report, path)?;
    }
    let broken = broken(&report.promises);
    if broken.is_empty() { Ok(()) } else { Err(format!("{} promises were broken", broken.len()).into()) }
}

impl Options {
    fn limits(&self, release_per_minute: u32) -> Limits {
        let seats = f64::from(release_per_minute) / 60.0 * SEATS_S;
        Limits {
            release_per_minute,
            burst: (release_per_minute / 60).max(1),
            seats: u32::try_from(whole(seats)).unwrap_or(u32::MAX),
            weights: None,
            session_idle_s: SESSION_IDLE_S,
            claim_within_s: CLAIM_WITHIN_S,
            heard_within_us: Limits::heard_within_us(self.store == Where::Redis),
        }
    }
}

/// How many stand in line.
fn line(limits: &Limits) -> u64 {
    whole(limits.per_second() * LINE_S)
}

async fn soak(options: &Options) -> Result<Report, Failed> {
    let open_max = descriptors::for_visitors();
    let clock = Clock::start();
    let mut origin = Origin::start(clock)?;
    let probe = options.limits(PROBE_PER_MINUTE);
    let mut fleet = Fleet::start(options.nodes.into(), options.store, &probe, origin.addr, None, false)?;
    tokio::time::sleep(REST).await;
    let at_start = Sample::take(&fleet, clock, None)?;

    let shares = Shares {
        no_shows: 0.2,
        sleepers: 0.05,
        reloaders: 0.1,
        keepers: KEEPERS,
        http2: 0.0,
        members: 0.0,
        inside_us: INSIDE_US,
    };
    let door = Arc::new(Door::new(clock, Net::new(fleet.addrs(), Doors::OPEN, open_max), Ledger::new()?, false));
    let view = LiveView::start(&door, None);
    let outlaws = tokio::spawn(outlaws::try_everything(door.clone(), probe, OUTLAWS_PER_SECOND));
    let stream = Stream::start(door.clone(), shares, options.seed);
    let (limits, most) = find_load(options, &probe, &fleet, &stream, &door, origin.addr).await?;

    let from_us = clock.now_us();
    let until_us = from_us + u64::from(options.minutes) * 60 * SECOND_US;
    let mut watch = Watch::new(from_us);
    let mut events = events::Events::new(from_us, until_us, fleet.store.is_some());
    while clock.now_us() < until_us {
        tokio::time::sleep_until(clock.at(watch.next_us())).await;
        watch.look(Sample::take(&fleet, clock, Some(&door))?);
        events.happen(clock, &mut fleet, &limits, origin.addr)?;
    }

    stream.dry_up();
    let stories = stream.stories().await?;
    let tried = outlaws.await?;
    let most_connections = view.end();
    let reloads = events::reloads_taken(&fleet).await?;
    let hits = origin.hits();
    origin.end();
    let given_back = watch::gives_back(&fleet, clock, &at_start, GIVES_BACK_WITHIN).await?;

    let mut mishaps = door.ledger.mishaps();
    mishaps.extend(fleet.ended(clock));
    let requests_at_origin = hits.len();
    let excused = events.excused();
    let in_force = InForce::always(most);
    let evidence = Evidence { limits: most, in_force, stories, hits, tried, mishaps, excused };
    let figures = Figures::of(&evidence);
    let mut promises = verdict::of(&watch, &at_start, &given_back, &events, &reloads);
    promises.extend(figures.judge_safety());
    Ok(Report {
        title: format!("{} minutes, {} nodes, {} a minute", options.minutes, options.nodes, limits.release_per_minute),
        seed: options.seed,
        limits,
        held: promises.iter().all(|promise| promise.held),
        promises,
        minutes: watch.minutes(&events),
        requests: door.ledger.requests.load(Relaxed),
        requests_at_origin,
        connections_opened: door.net.opened(),
        most_connections,
        latencies: door.ledger.latencies(),
        memory: watch.slopes(),
        descriptors: watch.descriptors(&at_start, &given_back),
        figures,
    })
}

/// Finds the rate that takes half of all cores, or makes the requests that were asked for, and puts it into force. Beside
/// it the highest that was in force: what that allows, nothing may exceed.
async fn find_load(
    options: &Options,
    probe: &Limits,
    fleet: &Fleet,
    stream: &Stream,
    door: &Door,
    origin: std::net::SocketAddr,
) -> Result<(Limits, Limits), Failed> {
    let (stands_s, takes_s) = PROBE_S;
    let cores = std::thread::available_parallelism()?.get() as f64;
    let (least, most) = RATE_PER_MINUTE;
    let (mut limits, mut highest) = (*probe, *probe);
    // What does not grow with the rate makes the first answer too small; the second one is near enough.
    for _ in 0..PROBES {
        stream.keep(limits.per_second(), line(&limits));
        tokio::time::sleep(Duration::from_secs(stands_s)).await;
        let before = Sample::take(fleet, door.clock, Some(door))?;
        tokio::time::sleep(Duration::from_secs(takes_s)).await;
        let after = Sample::take(fleet, door.clock, Some(door))?;
        let times = match options.requests_per_second {
            Some(wanted) => f64::from(wanted) / after.requests_per_second_since(&before),
            None => cores * HALF / after.cores_since(&before),
        };
        let rate = whole((f64::from(limits.release_per_minute) * times).clamp(least, most));
        limits = options.limits(u32::try_from(rate).unwrap_or(limits.release_per_minute));
        if limits.release_per_minute > highest.release_per_minute {
            highest = limits;
        }
        fleet.reload(&limits, "", origin)?;
        stream.keep(limits.per_second(), line(&limits));
    }
    Ok((limits, highest))
}
