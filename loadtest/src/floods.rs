//! Clients that break the protocol, take nothing of what they asked for, or ask for all that they can get, beside
//! others who do nothing of the kind: what becomes of the ones, and what the others feel of it.
//!
//! Everything is bounded: how many clients, how many frames, for how long. The clients' threads and the origin of what
//! they ask for give way to all others, so what the others feel is the node's work and not theirs.

mod bystander;
mod judge;
pub(crate) mod kinds;
mod metrics;
mod raw;
mod report;
mod scene;

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;
use serde::Serialize;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use tokio::{runtime::Runtime, time::sleep};

use self::{
    bystander::{Bystanders, Felt},
    judge::Finding,
    kinds::{control, cookieless, fields, greedy, resets, slow, stalls},
    report::Report,
    scene::{Clients, Scene, Under},
};
use crate::{
    Failed,
    floods::kinds::pour::Became,
    kit::{
        console::{complain, say},
        descriptors,
    },
};

/// Threads of the clients that flood.
const THREADS: usize = 2;
/// How long the bystanders are alone before the first flood and after each.
const ALONE: Duration = Duration::from_secs(5);
/// Memory is back within this after a flood.
const MEMORY_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Descriptors that this process needs: clients, and the origin's end of what they ask for.
const DESCRIPTORS: u64 = 12_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What is flooded.
    #[arg(long, value_enum, default_value_t = Under::Sluice)]
    server: Under,
    /// Only these floods, with commas between them.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Flood>,
    /// For `cookieless`: requests that are answered, at least.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
    requests: u64,
    /// Writes everything that was found into this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One kind of flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Flood {
    /// Requests that are taken back at once.
    RapidReset,
    /// Requests that the server itself must reset: a window that grows by nothing.
    MadeYouReset,
    /// The same by DATA after the end of a request.
    DataAfterEnd,
    /// A request whose fields never end.
    Continuation,
    /// Requests whose fields unfold to megabytes.
    Fields,
    /// SETTINGS that want to be acknowledged.
    Settings,
    /// PINGs that want to be answered.
    Ping,
    /// PRIORITY frames, which mean nothing any more.
    Priority,
    /// A body of frames without a byte.
    EmptyData,
    /// A body of frames with one byte each.
    TinyData,
    /// PINGs whose answers are not read.
    PingUnread,
    /// One big answer on each of many connections, with a window of nothing.
    ZeroWindow,
    /// A hundred big answers on each of a thousand connections, none of which is taken.
    StalledStreams,
    /// 2,000 clients that ask for 8 MB over HTTP/1.1 and read nothing.
    SlowReadersH1,
    /// The same over HTTP/2, with all windows wide open.
    SlowReadersH2,
    /// Handshakes that go on byte by byte.
    SlowHandshakes,
    /// One client network that takes connections, handshakes, numbers, requests and bodies, at once.
    GreedyNetwork,
    /// Pages without cookies while no line stands, and visitors who keep theirs.
    Cookieless,
}

/// Floods; an error if something was not as it should be.
pub(crate) fn run(options: &Options) -> Result<(), Failed> {
    if cfg!(debug_assertions) {
        complain("note: this is a debug build; the figures mean nothing");
    }
    descriptors::at_least(DESCRIPTORS)?;
    let clients = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .on_thread_start(|| {
            let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
            // Where it may not be it is not; then the figures are worse, not better.
            let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
        })
        .build()?;
    let runtime = Runtime::new()?;
    let report = runtime.block_on(measure(options, &clients));
    clients.shutdown_background();
    let report = report?;
    say(report.to_markdown());
    if let Some(path) = &options.json {
        crate::attack::report::write_json(&report, path)?;
    }
    let failed = report.failed();
    if failed == 0 { Ok(()) } else { Err(format!("{failed} floods did more than they may").into()) }
}

async fn measure(options: &Options, clients: &Runtime) -> Result<Report, Failed> {
    let scene = Scene::start(options.server).await?;
    let bystanders = Bystanders::prepare(&scene).await?;
    let mut report = Report::new(options.server);
    let wanted = |flood: &&Flood| {
        let is_asked_for = options.only.is_empty() || options.only.contains(flood);
        is_asked_for && flood.is_for(options.server)
    };
    let mut alone = bystanders.during(sleep(ALONE)).await?.1;
    for &flood in Flood::value_variants().iter().filter(wanted) {
        complain(format_args!("{}", flood.name()));
        let finding = one(flood, options.requests, &scene, &bystanders, clients).await;
        let mut finding = finding.map_err(|error| format!("{}: {error}", flood.name()))?;
        // Whatever else the machine does is there before or afterwards, too.
        let afterwards = bystanders.during(sleep(ALONE)).await?.1;
        finding.alone = alone.worse(&afterwards);
        alone = afterwards;
        complain(report.row(&finding));
        report.findings.push(finding);
    }
    Ok(report)
}

/// One flood, and what it left behind.
async fn one(
    flood: Flood,
    requests: u64,
    scene: &Scene,
    bystanders: &Bystanders,
    clients: &Runtime,
) -> Result<Finding, Failed> {
    let counted = scene.counters().await?;
    let before_bytes = scene.server.memory_bytes()?;
    let cpu = scene.server.cpu()?;
    let running = clients.spawn(flood.run(scene.clients(requests)));
    let watch = scene.watch(before_bytes);
    let (became, beside) = bystanders.during(running).await?;
    let became = became??;
    let most_bytes = watch.most().await?;
    let cpu_s = (scene.server.cpu()? - cpu).as_secs_f64();
    let left_bytes = scene.memory_back(before_bytes, MEMORY_WITHIN, LOOK_EVERY).await?;
    let counted = scene.counters().await?.since(&counted);
    Ok(Finding { flood, became, alone: Felt::default(), beside, before_bytes, most_bytes, left_bytes, cpu_s, counted })
}

impl Flood {
    async fn run(self, clients: Clients) -> Result<Became, Failed> {
        match self {
            Self::RapidReset => resets::rapid(clients).await,
            Self::MadeYouReset => resets::made_you(clients).await,
            Self::DataAfterEnd => resets::data_after_end(clients).await,
            Self::Continuation => fields::continuation(clients).await,
            Self::Fields => fields::unfold(clients).await,
            Self::Settings => control::settings(clients).await,
            Self::Ping => control::ping(clients).await,
            Self::Priority => control::priority(clients).await,
            Self::EmptyData => control::empty_data(clients).await,
            Self::TinyData => control::tiny_data(clients).await,
            Self::PingUnread => stalls::ping_unread(clients).await,
            Self::ZeroWindow => stalls::zero_window(clients).await,
            Self::StalledStreams => stalls::streams(clients).await,
            Self::SlowReadersH1 => slow::readers_h1(clients).await,
            Self::SlowReadersH2 => slow::readers_h2(clients).await,
            Self::SlowHandshakes => slow::handshakes(clients).await,
            Self::GreedyNetwork => greedy::network(clients).await,
            Self::Cookieless => cookieless::cookieless(clients).await,
        }
    }

    /// Whether a server has what is flooded: others have no lines, and none of these bounds.
    fn is_for(self, server: Under) -> bool {
        server == Under::Sluice || !matches!(self, Self::GreedyNetwork | Self::Cookieless)
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
