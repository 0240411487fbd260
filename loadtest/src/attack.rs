//! A crowd over real sockets before real nodes, and a judge of what Sluice promises.
//!
//! Everything is started here: nodes, their store, and an origin that writes down who reaches it. The crowd comes when
//! it was planned to come, however slow the answers are, and latencies are counted from then.

pub(crate) mod changes;
pub(crate) mod clock;
pub(crate) mod fleet;
pub(crate) mod judge;
pub(crate) mod ledger;
pub(crate) mod limits;
pub(crate) mod origin;
pub(crate) mod outlaws;
pub(crate) mod people;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod wire;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{runtime::Runtime, task::spawn_blocking};

use self::{
    changes::{
        Changes, Of,
        overrides::{LEAST_SHARE, Overridden, Overrides},
    },
    clock::{Clock, SECOND_US, us},
    fleet::{Fleet, Where},
    judge::{Evidence, Figures},
    ledger::Ledger,
    limits::{Limits, in_force::InForce},
    origin::Origin,
    people::crowd,
    plan::{First, Shares},
    report::{Load, Report},
    wire::{Doors, Net},
};
use crate::{
    Failed,
    attack::people::{browser::HOST, crowd::LiveView, visitor::Door},
    client::Site,
    kit::{console::say, descriptors, process::cpu_of},
};

/// Who just stops gives the seat back while the attack runs; longer than the slowest answer on a busy machine.
const SESSION_IDLE_S: u32 = 10;
/// Longer than any pause that visitors are told to make (20 s, and a tenth), and than a sleeper sleeps beyond it.
const CLAIM_WITHIN_S: u32 = 45;
/// Of everybody's lane and of the members'.
const WEIGHTS: [u32; 2] = [1, 3];
/// Of the time in which everybody can be called, this share has changes in it.
const CHANGES_SHARE: f64 = 0.8;
/// What a run may take beyond the time in which everybody can be called.
const SLACK_S: f64 = 120.0;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many come.
    #[arg(long, default_value_t = 20_000)]
    visitors: u32,
    /// Within how long they come.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    over: Duration,
    /// The queue's `release_per_minute`.
    #[arg(long, default_value_t = 12_000)]
    rate_per_minute: u32,
    /// The queue's `burst`; a sixtieth of the rate if it is left out.
    #[arg(long)]
    burst: Option<u32>,
    /// The queue's `max_active`.
    #[arg(long, default_value_t = 2_500)]
    seats: u32,
    /// How long a visit takes on the whole.
    #[arg(long, default_value = "4s", value_parser = humantime::parse_duration)]
    inside: Duration,
    /// How long the first visitors stay, half as many again as there are seats: they take all seats.
    #[arg(long, value_parser = humantime::parse_duration)]
    first_stay: Option<Duration>,
    /// Sluice nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=16))]
    nodes: u16,
    /// Where the line lives; more than one node needs `redis`.
    #[arg(long, value_enum, default_value_t = Where::Redis)]
    store: Where,
    /// Each visitor always meets the same node. If not, every request meets any of them.
    #[arg(long)]
    sticky: bool,
    /// Everything over TLS, with a certificate of this run's own.
    #[arg(long)]
    tls: bool,
    /// Share of visitors who speak HTTP/2; the others speak HTTP/1.1.
    #[arg(long, default_value_t = 0.5, value_parser = share, requires = "tls")]
    h2_share: f64,
    /// Share of visitors who walk away.
    #[arg(long, default_value_t = 0.2, value_parser = share)]
    no_shows: f64,
    /// Share of visitors who fall asleep and come back late.
    #[arg(long, default_value_t = 0.1, value_parser = share)]
    sleepers: f64,
    /// Share of visitors who load the page again now and then.
    #[arg(long, default_value_t = 0.1, value_parser = share)]
    reloaders: f64,
    /// Share of visitors who are members, and stand in a lane of three times the weight. None: all stand in one lane.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    members: f64,
    /// Reloads while they come and go, each with another bound and another certificate; each fifth has a mistake.
    #[arg(long, default_value_t = 0)]
    reloads: u32,
    /// Upgrades while they come and go, one node after another; each second one finds a mistake in its config.
    #[arg(long, default_value_t = 0)]
    upgrades: u32,
    /// Changes of rate, burst and seats by operators, one after another, through the API of one node after another.
    #[arg(long, default_value_t = 0)]
    overrides: u32,
    /// Requests without cookies, and with passes that are none, a second.
    #[arg(long, default_value_t = 20)]
    outlaws_per_second: u32,
    /// Another number, another crowd of the same kind.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Changes the nodes' settings behind the judge's back, who must find it.
    #[arg(long, value_enum)]
    plant: Option<Plant>,
    /// Writes everything that was found into this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A fault that is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Plant {
    /// The nodes call at twice the rate.
    RateDoubled,
    /// The nodes let twice as many inside.
    SeatsDoubled,
    /// The nodes call both lanes alike.
    WeightsIgnored,
}

pub(crate) fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share is from 0 to 1".to_owned()) }
}

/// Attacks; an error if a promise was found broken.
pub(crate) fn run(options: &Options) -> Result<(), Failed> {
    if cfg!(debug_assertions) {
        say("note: this is a debug build; latencies mean nothing");
    }
    let report = Runtime::new()?.block_on(attack(options))?;
    say(report.to_text());
    if let Some(path) = &options.json {
        report.write_json(path)?;
    }
    let broken = report::broken(&report.promises);
    if broken.is_empty() { Ok(()) } else { Err(format!("{} promises were broken", broken.len()).into()) }
}

impl Options {
    fn limits(&self) -> Limits {
        Limits {
            release_per_minute: self.rate_per_minute,
            burst: self.burst.unwrap_or(self.rate_per_minute / 60).max(1),
            seats: self.seats,
            weights: (self.members > 0.0).then_some(WEIGHTS),
            session_idle_s: SESSION_IDLE_S,
            claim_within_s: CLAIM_WITHIN_S,
            heard_within_us: Limits::heard_within_us(self.store == Where::Redis),
        }
    }

    /// What the nodes are told, which the judge knows nothing of.
    fn planted(&self, limits: Limits) -> Limits {
        match self.plant {
            None => limits,
            Some(Plant::RateDoubled) => Limits { release_per_minute: limits.release_per_minute * 2, ..limits },
            Some(Plant::SeatsDoubled) => Limits { seats: limits.seats * 2, ..limits },
            Some(Plant::WeightsIgnored) => Limits { weights: limits.weights.map(|_| [1, 1]), ..limits },
        }
    }

    fn title(&self) -> String {
        let Self { visitors, nodes, rate_per_minute, seats, .. } = self;
        let store = if self.store == Where::Redis { "one Redis" } else { "its own line" };
        let over = humantime::format_duration(self.over);
        let s = if *nodes == 1 { "" } else { "s" };
        let lanes = if self.members > 0.0 { format!(", {:.0} % members", self.members * 100.0) } else { String::new() };
        let tls = if self.tls { format!(", over TLS, {:.0} % h2", self.h2_share * 100.0) } else { String::new() };
        format!(
            "{visitors} visitors within {over}, {nodes} node{s}, {store}, {rate_per_minute} a minute, {seats} seats{lanes}{tls}"
        )
    }
}

async fn attack(options: &Options) -> Result<Report, Failed> {
    let open_max = descriptors::for_visitors();
    let limits = options.limits();
    let clock = Clock::start();
    let origin = Origin::start(clock)?;
    let site = options.tls.then(|| Site::new(&[HOST])).transpose()?;
    let planted = options.planted(limits);
    let operated = options.overrides > 0;
    let mut fleet = Fleet::start(options.nodes.into(), options.store, &planted, origin.addr, site.as_ref(), operated)?;
    let overrides = operated.then(|| Overrides::new(options.overrides, limits, planted, &fleet)).transpose()?;
    let doors = site.as_ref().map_or(Ok(Doors::OPEN), Doors::secure)?;
    let shares = Shares {
        no_shows: options.no_shows,
        sleepers: options.sleepers,
        reloaders: options.reloaders,
        keepers: keepers(open_max, options.visitors),
        http2: if options.tls { options.h2_share } else { 0.0 },
        members: options.members,
        inside_us: us(options.inside),
    };
    // Enough to take every seat, with those who walk away.
    let first =
        options.first_stay.map(|stay| First { visitors: options.seats + options.seats / 2, inside_us: us(stay) });
    let mut plans = plan::crowd(options.visitors, us(options.over), &shares, first, options.seed);
    let door = Arc::new(Door::new(clock, Net::new(fleet.addrs(), doors, open_max), Ledger::new()?, options.sticky));
    let opens_us = clock.now_us() + SECOND_US;
    for plan in &mut plans {
        plan.due_us += opens_us;
    }
    let least_share = if operated { LEAST_SHARE } else { 1.0 };
    let longest_s = options.over.as_secs_f64()
        + f64::from(options.visitors) / limits.per_second() / least_share
        + f64::from(options.visitors) / f64::from(limits.seats) * options.inside.as_secs_f64() / least_share
        + options.first_stay.unwrap_or_default().as_secs_f64()
        + SLACK_S;

    let view = LiveView::start(&door, Some(options.visitors));
    let outlaws = tokio::spawn(outlaws::try_everything(door.clone(), limits, options.outlaws_per_second));
    let changes = Changes { reloads: options.reloads, upgrades: options.upgrades };
    let of = Of { limits: &planted, origin: origin.addr, site: site.as_ref() };
    // While there is certainly a line.
    let lasts_us = us(Duration::from_secs_f64(f64::from(options.visitors) / limits.per_second() * CHANGES_SHARE));
    let lasts = (opens_us, opens_us + lasts_us);
    let overrides = overrides.map(|overrides| spawn_blocking(move || overrides.run(clock, lasts)));
    let (stories, changed) = tokio::join!(
        crowd::come_and_go(plans, &door, Duration::from_secs_f64(longest_s)),
        changes.make(&mut fleet, of, clock, lasts),
    );
    let (stories, changed) = (stories?, changed?);
    let tried = outlaws.await?;
    let most_connections = view.end();
    let lasted_s = (clock.now_us() - opens_us) as f64 / SECOND_US as f64;

    let (most_present, most_waiting) = door.ledger.most();
    let mut load = Load {
        requests: door.ledger.requests.load(Relaxed),
        most_present,
        most_waiting,
        most_connections,
        connections_ended: door.net.ended(),
        crowd_cpu_s: cpu_of(std::process::id())?.as_secs_f64(),
        ..Load::default()
    };
    for node in &fleet.nodes {
        load.nodes_cpu_s += node.server.cpu()?.as_secs_f64();
    }
    if let Some(store) = fleet.store.as_ref().and_then(|store| store.server()) {
        load.store_cpu_s = store.cpu()?.as_secs_f64();
    }
    let mut mishaps = door.ledger.mishaps();
    mishaps.extend(fleet.ended(clock));
    let hits = origin.hits();
    load.requests_at_origin = hits.len();
    let (in_force, overridden) = match overrides {
        Some(overrides) => {
            let (in_force, overridden) = overrides.await??.check().await?;
            (in_force, Some(overridden))
        }
        None => (InForce::always(limits), None),
    };
    let evidence = Evidence { limits, in_force, stories, hits, tried, mishaps, excused: Vec::new() };
    let figures = Figures::of(&evidence);
    let mut promises = figures.judge(&limits);
    promises.extend((options.reloads + options.upgrades > 0).then(|| changed.judge()));
    promises.extend(overridden.iter().flat_map(Overridden::judge));
    Ok(Report {
        title: options.title(),
        seed: options.seed,
        visitors: options.visitors,
        nodes: options.nodes.into(),
        limits,
        lasted_s,
        held: promises.iter().all(|promise| promise.held),
        promises,
        load,
        overridden,
        latencies: door.ledger.latencies(),
        figures,
    })
}

/// The share of a crowd that can keep its connections open, with as much room again for those who come and go.
pub(crate) fn keepers(open_max: usize, visitors: u32) -> f64 {
    (open_max as f64 * 0.7 / f64::from(visitors.max(1))).min(1.0)
}
