//! The servers under comparison, each with its visitors in place.

mod bare;
mod fixed;
mod lua;
mod sluice;
mod table;

use std::{collections::BTreeMap, net::SocketAddr, os::unix::fs::PermissionsExt, sync::Arc};

pub(super) use self::sluice::Sluice;
use super::{
    door::Secure,
    visitor::{Visitor, all_ask},
    work::{Expect, Job, Work},
};
use crate::{
    Failed,
    client::Target,
    kit::{console::complain, drive::Connection, process::Server},
};

/// Worker threads or processes of every server.
pub(super) const WORKERS: &str = "2";
/// Descriptors a server may open; enough for `--visitors` and some connections to the origin.
pub(super) const DESCRIPTORS: u64 = 18_000;
/// Most clients of a server that has to be told.
const CONNECTIONS_MAX: &str = "17000";
/// Where peers answer as Sluice answers at its own paths.
const STATUS: &str = "/status";
/// Where a line stands.
const LONG: &str = "/long";

/// Peers that could be started, and who is left out, and why.
pub(super) type Started = (Vec<Peer>, Vec<String>);

/// A server, or what one would put in its place, and what it is asked.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) redis: Option<Server>,
    pub(super) tasks: BTreeMap<Job, Task>,
    crowd: Option<Crowd>,
    _dir: Option<tempfile::TempDir>,
}

/// Who keeps those that are measured waiting: a line before them, or the seats taken. They ask again before each round,
/// or they would count as gone.
struct Crowd {
    to: Target,
    visitors: Vec<Visitor>,
    expect: Expect,
}

/// One kind of work of one server.
pub(super) struct Task {
    pub(super) server: Arc<Server>,
    pub(super) to: Target,
    pub(super) visitors: Vec<Visitor>,
    pub(super) expect: Expect,
}

/// Tasks of a server, each by all of these ways.
fn tasks<const N: usize>(
    server: &Arc<Server>,
    targets: impl Iterator<Item = Target>,
    works: [(Work, Vec<Visitor>, Expect); N],
) -> BTreeMap<Job, Task> {
    let by = |to: Target| {
        let server = server.clone();
        works.clone().map(|(work, visitors, expect)| {
            (work.over(&to), Task { server: server.clone(), to: to.clone(), visitors, expect })
        })
    };
    targets.flat_map(by).collect()
}

impl Peer {
    /// Before a round: all is as it should be, and every visitor has the cookies that a browser would have by now.
    /// The requests of the round, one for each visitor.
    pub(super) async fn prepare(&mut self, job: Job) -> Result<Vec<Arc<[u8]>>, Failed> {
        let Some(task) = self.tasks.get_mut(&job) else {
            return Err(format!("{} has nothing to do with {}", self.name, job.title()).into());
        };
        let failed = |error| format!("{}, {}: {error}", self.name, job.title());
        if let Some(crowd) = &mut self.crowd {
            let expect = std::slice::from_ref(&crowd.expect);
            crowd.visitors = all_ask(&crowd.to, &crowd.visitors, expect).await.map_err(failed)?;
        }
        let mut connection = Connection::open(&task.to).await?;
        let mut requests = Vec::with_capacity(task.visitors.len());
        for visitor in &mut task.visitors {
            if job.work == Work::Newcomers {
                // Another one each time.
                *visitor = Visitor::new(LONG);
                requests.push(visitor.request().into());
                continue;
            }
            visitor.ask(&mut connection, &task.expect).await.map_err(failed)?;
            requests.push(visitor.request().into());
        }
        Ok(requests)
    }
}

/// What Sluice answered to each kind of work, for those who repeat it.
pub(super) struct Answers {
    pub(super) poll: Vec<u8>,
    pub(super) page: Vec<u8>,
    pub(super) newcomer: Vec<u8>,
}

/// The body of an answer.
fn body(answer: &[u8]) -> Result<&[u8], Failed> {
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n").ok_or("an answer without a head")?;
    Ok(&answer[head + 4..])
}

/// Everything that can be measured here, Sluice first and bare pingora second; and who is left out, and why.
pub(super) async fn start(origin: SocketAddr, visitors: usize) -> Result<Started, Failed> {
    let mut left_out = Vec::new();
    let (sluice, answers) = Sluice::start(origin, None, None).await?.peer("Sluice", visitors).await?;
    let mut peers = vec![sluice, bare::start(origin, visitors, &answers, None)?];
    let redis = crate::kit::template::program("redis-server").is_some();
    if redis {
        let store = super::redis::start()?;
        let (mut shared, _) =
            Sluice::start(origin, Some(store.addr), None).await?.peer("Sluice, line in Redis", visitors).await?;
        shared.redis = Some(store);
        peers.push(shared);
    } else {
        left_out.push("what uses Redis: there is no redis-server".to_owned());
    }
    let mut add = |name: &str, peer: Option<Peer>| match peer {
        Some(peer) => peers.push(peer),
        None => left_out.push(format!("{name}: it is not installed")),
    };
    add("nginx", fixed::nginx(origin, visitors, &answers, None)?);
    add("HAProxy", fixed::haproxy(origin, visitors, &answers, None)?);
    if redis {
        add("nginx + Lua", lua::start("nginx + Lua, counter each time", 0, origin, visitors, &answers).await?);
        add("nginx + Lua, cached", lua::start("nginx + Lua, counter kept 1 s", 1, origin, visitors, &answers).await?);
    }
    add("HAProxy with a stick table", table::start(origin, visitors, &answers).await?);
    for who in &left_out {
        complain(format_args!("left out: {who}"));
    }
    Ok((peers, left_out))
}

/// Who can be measured over TLS, Sluice first and bare pingora second: all with the same certificate.
pub(super) async fn start_secure(origin: SocketAddr, visitors: usize, secure: &Secure) -> Result<Started, Failed> {
    let (sluice, answers) = Sluice::start(origin, None, Some(secure)).await?.peer("Sluice", visitors).await?;
    let mut peers = vec![sluice, bare::start(origin, visitors, &answers, Some(secure))?];
    let mut left_out = Vec::new();
    let fixed = [
        ("nginx", fixed::nginx(origin, visitors, &answers, Some(secure))?),
        ("HAProxy", fixed::haproxy(origin, visitors, &answers, Some(secure))?),
    ];
    for (name, peer) in fixed {
        match peer {
            Some(peer) => peers.push(peer),
            None => left_out.push(format!("{name}: it is not installed")),
        }
    }
    Ok((peers, left_out))
}

/// nginx and HAProxy with fixed answers, for their memory.
pub(super) fn start_fixed(origin: SocketAddr, answers: &Answers, secure: Option<&Secure>) -> Result<Vec<Peer>, Failed> {
    let peers = [fixed::nginx(origin, 1, answers, secure)?, fixed::haproxy(origin, 1, answers, secure)?];
    Ok(peers.into_iter().flatten().collect())
}

/// Bare pingora with a fixed answer to every poll, for its memory.
pub(super) fn start_bare(origin: SocketAddr, answers: &Answers, secure: Option<&Secure>) -> Result<Peer, Failed> {
    bare::start(origin, 1, answers, secure)
}

/// A folder that workers of another user can read.
fn folder() -> Result<tempfile::TempDir, Failed> {
    Ok(tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir()?)
}

fn admitted() -> Expect {
    Expect::new(200, "\r\n\r\nxxxxxxxx")
}

/// A poll of somebody who stands in line.
pub(super) fn poll() -> Expect {
    Expect::new(200, "\"state\":\"waiting\"")
}

fn page() -> Expect {
    Expect::new(503, "</html>")
}

/// `count` visitors who have asked nothing yet.
fn visitors(path: &'static str, count: usize) -> Vec<Visitor> {
    vec![Visitor::new(path); count]
}
