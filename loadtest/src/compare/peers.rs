//! The servers under comparison, each with its visitors in place.

mod bare;
mod fixed;
mod lua;
mod sluice;
mod table;

use std::{collections::BTreeMap, net::SocketAddr, os::unix::fs::PermissionsExt, sync::Arc};

pub(super) use self::sluice::Sluice;
use super::{
    visitor::{Visitor, all_ask},
    work::{Expect, Work},
};
use crate::{Failed, console::complain, drive::Connection, process::Server};

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

/// A server, or what one would put in its place, and what it is asked.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) redis: Option<Server>,
    pub(super) tasks: BTreeMap<Work, Task>,
    crowd: Option<Crowd>,
    _dir: Option<tempfile::TempDir>,
}

/// Who keeps those that are measured waiting: a line before them, or the seats taken. They ask again before each round,
/// or they would count as gone.
struct Crowd {
    visitors: Vec<Visitor>,
    expect: Expect,
}

/// One kind of work of one server.
pub(super) struct Task {
    pub(super) server: Arc<Server>,
    pub(super) visitors: Vec<Visitor>,
    pub(super) expect: Expect,
}

impl Task {
    fn new(server: &Arc<Server>, visitors: Vec<Visitor>, expect: Expect) -> Self {
        Self { server: server.clone(), visitors, expect }
    }
}

impl Peer {
    /// Before a round: all is as it should be, and every visitor has the cookies that a browser would have by now.
    /// The requests of the round, one for each visitor.
    pub(super) async fn prepare(&mut self, work: Work) -> Result<Vec<Arc<[u8]>>, Failed> {
        let Some(task) = self.tasks.get_mut(&work) else {
            return Err(format!("{} has nothing to do with {}", self.name, work.title()).into());
        };
        let failed = |error| format!("{}, {}: {error}", self.name, work.title());
        if let Some(crowd) = &mut self.crowd {
            let expect = std::slice::from_ref(&crowd.expect);
            crowd.visitors = all_ask(task.server.addr, &crowd.visitors, expect).await.map_err(failed)?;
        }
        let mut connection = Connection::open(task.server.addr).await?;
        let mut requests = Vec::with_capacity(task.visitors.len());
        for visitor in &mut task.visitors {
            if work == Work::Newcomers {
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
pub(super) async fn start(origin: SocketAddr, visitors: usize) -> Result<(Vec<Peer>, Vec<String>), Failed> {
    let mut left_out = Vec::new();
    let (sluice, answers) = Sluice::start(origin, None).await?.peer("Sluice", visitors).await?;
    let mut peers = vec![sluice, bare::start(origin, visitors, &answers)?];
    let redis = super::template::program("redis-server").is_some();
    if redis {
        let store = super::redis::start()?;
        let (mut shared, _) =
            Sluice::start(origin, Some(store.addr)).await?.peer("Sluice, line in Redis", visitors).await?;
        shared.redis = Some(store);
        peers.push(shared);
    } else {
        left_out.push("what uses Redis: there is no redis-server".to_owned());
    }
    let mut add = |name: &str, peer: Option<Peer>| match peer {
        Some(peer) => peers.push(peer),
        None => left_out.push(format!("{name}: it is not installed")),
    };
    add("nginx", fixed::nginx(origin, visitors, &answers)?);
    add("HAProxy", fixed::haproxy(origin, visitors, &answers)?);
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

/// nginx and HAProxy with fixed answers, for their memory.
pub(super) fn start_fixed(origin: SocketAddr, answers: &Answers) -> Result<Vec<Peer>, Failed> {
    let peers = [fixed::nginx(origin, 1, answers)?, fixed::haproxy(origin, 1, answers)?];
    Ok(peers.into_iter().flatten().collect())
}

/// Bare pingora with a fixed answer to every poll, for its memory.
pub(super) fn start_bare(origin: SocketAddr, answers: &Answers) -> Result<Peer, Failed> {
    bare::start(origin, 1, answers)
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
