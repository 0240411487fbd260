//! Memory of visitors who wait: each keeps a connection on which nothing happens between two polls.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::{task::JoinSet, time::sleep};

use super::{
    door::Secure,
    peers::{self, Peer, Sluice},
    visitor::{Visitor, all_ask},
    work::{Expect, Job, Work},
};
use crate::{
    Failed,
    client::{Protocol, Target},
    kit::{console::complain, drive::Connection, process::Server},
};

/// Connections that are opened at a time.
const OPENING: usize = 64;
/// Client addresses, so that ports do not run out over several servers.
const SOURCES: u8 = 8;
/// Memory has settled when it moves by less than this share from one look to the next.
const SETTLED: f64 = 0.005;
const LOOK_EVERY: Duration = Duration::from_secs(1);
const SETTLE_WITHIN: Duration = Duration::from_secs(20);
/// Those who wait far back ask every 20 s. They are looked at so long after the last of them has asked.
const IDLE_FOR: Duration = Duration::from_secs(8);
/// Of those that idle, each so-many-th is asked at the end whether its connection was kept.
const ASKED_AGAIN_EACH: usize = 50;

#[derive(Debug, Serialize)]
pub(super) struct Idle {
    pub(super) protocol: Protocol,
    pub(super) visitors: usize,
    pub(super) servers: Vec<Memory>,
}

/// Memory of one server, of all its processes, in bytes.
#[derive(Debug, Serialize)]
pub(super) struct Memory {
    pub(super) name: &'static str,
    /// After the start, and the first answer.
    pub(super) before: u64,
    /// With everybody's connection, and whatever else the server keeps of them.
    pub(super) after: u64,
    pub(super) per_connection: f64,
    /// What the kernel keeps for a connection: half of what both ends take together.
    pub(super) in_kernel: f64,
}

/// Of visitors who speak this; with TLS, by one certificate for all servers.
pub(super) async fn measure(
    origin: SocketAddr,
    count: usize,
    protocol: Protocol,
    secure: Option<&Secure>,
) -> Result<Idle, Failed> {
    let mut servers = Vec::new();
    // One at a time: their clients' descriptors are all in this process.
    let sluice = Sluice::start(origin, None, secure).await?;
    let to = sluice.target(protocol).ok_or("the node cannot be reached that way")?;
    // As of every peer: a first answer makes what all connections share.
    all_ask(&to, &sluice.join(1).await?, &[Expect::new(200, "\"queue\":\"long\"")]).await?;
    // What the line keeps of its visitors counts too.
    let before = settled(sluice.server()).await?;
    let visitors = sluice.join(count).await?;
    servers.push(of("Sluice", sluice.server(), &to, before, &visitors, &peers::poll()).await?);
    let (sluice, answers) = sluice.peer("Sluice", 1).await?;
    drop(sluice);
    servers.push(of_peer(peers::start_bare(origin, &answers, secure)?, count, protocol).await?);
    for peer in peers::start_fixed(origin, &answers, secure)? {
        servers.push(of_peer(peer, count, protocol).await?);
    }
    Ok(Idle { protocol, visitors: count, servers })
}

/// A peer with a fixed answer to everybody's poll.
async fn of_peer(peer: Peer, count: usize, protocol: Protocol) -> Result<Memory, Failed> {
    let task = peer.tasks.get(&Job { work: Work::Poll, protocol }).ok_or("nothing to do")?;
    all_ask(&task.to, &task.visitors, std::slice::from_ref(&task.expect)).await?;
    let before = settled(&task.server).await?;
    let visitors: Vec<_> = task.visitors.iter().cycle().take(count).cloned().collect();
    of(peer.name, &task.server, &task.to, before, &visitors, &task.expect).await
}

async fn of(
    name: &'static str,
    server: &Server,
    to: &Target,
    before: u64,
    visitors: &[Visitor],
    expect: &Expect,
) -> Result<Memory, Failed> {
    complain(format_args!("idle, {}: {name}", to.way.protocol().title()));
    let failed = |error| format!("{name}: {error}");
    let slab = slab_bytes()?;
    let mut connections = open(to, visitors, expect).await.map_err(failed)?;
    sleep(IDLE_FOR).await;
    let after = settled(server).await?;
    let slab = slab_bytes()? - slab;
    for (connection, request) in connections.iter_mut().step_by(ASKED_AGAIN_EACH) {
        expect.check(connection.ask(request).await.map_err(failed)?).map_err(failed)?;
    }
    let each = |bytes: f64| bytes / visitors.len() as f64;
    let per_connection = each(after as f64 - before as f64);
    Ok(Memory { name, before, after, per_connection, in_kernel: each(slab / 2.0) })
}

/// What the kernel has allocated for its own objects: sockets, files, what is watched of them.
fn slab_bytes() -> Result<f64, Failed> {
    let meminfo = std::fs::read_to_string("/proc/meminfo")?;
    let slab = meminfo.lines().find_map(|line| line.strip_prefix("Slab:")?.trim().strip_suffix(" kB"));
    Ok(slab.ok_or("no Slab in meminfo")?.parse::<f64>()? * 1024.0)
}

/// Opens a connection for each visitor, who polls once. The connections, each with its request.
async fn open(to: &Target, visitors: &[Visitor], expect: &Expect) -> Result<Vec<(Connection, Arc<[u8]>)>, Failed> {
    let mut groups = JoinSet::new();
    for (at, group) in visitors.chunks(visitors.len().div_ceil(OPENING).max(1)).enumerate() {
        let requests: Vec<Arc<[u8]>> = group.iter().map(|visitor| visitor.request().into()).collect();
        let (to, expect) = (to.clone(), expect.clone());
        let source = Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(at % usize::from(SOURCES))?);
        groups.spawn(async move {
            let mut connections = Vec::with_capacity(requests.len());
            for request in requests {
                let mut connection = Connection::open_from(&to, Some(source)).await?;
                expect.check(connection.ask(&request).await?)?;
                connection.rest();
                connections.push((connection, request));
            }
            Ok::<_, Failed>(connections)
        });
    }
    let mut all = Vec::with_capacity(visitors.len());
    while let Some(group) = groups.join_next().await {
        all.extend(group??);
    }
    Ok(all)
}

/// Memory once it no longer moves: allocators give back with a delay.
async fn settled(server: &Server) -> Result<u64, Failed> {
    let deadline = Instant::now() + SETTLE_WITHIN;
    let mut last = server.memory_bytes()?;
    loop {
        sleep(LOOK_EVERY).await;
        let now = server.memory_bytes()?;
        if (now as f64 - last as f64).abs() <= SETTLED * now as f64 || Instant::now() > deadline {
            return Ok(now);
        }
        last = now;
    }
}
