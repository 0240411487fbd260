//! An origin as this node knows it: its servers, and which of them gets the next request.
//!
//! All workers share it. The way of a request takes no lock: the set of servers is read from an [`ArcSwap`], and what is
//! known of a server are atomics of its own. A lock is taken by requests that wait for room, and by failures.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | requests under way at a server, of one node | `in_flight_max` | another server; then wait for room |
//! | wait for room | `connect_timeout` | 503 |
//! | requests that wait for room | `requests_max` of the node | refused as all beyond it |
//! | servers tried for one request | all, at most 16; none is begun with once `connect_timeout` has passed after the first failure | the last failure |

mod balance;
mod known;
mod room;
mod server;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use arc_swap::ArcSwap;
use sluice_config::{Origin as Settings, ServerAddress};
use tokio::time::{Instant, timeout};

pub(crate) use self::known::KnownOrigins;
use self::{
    balance::{Member, Pick, Servers},
    known::Known,
};
pub(super) use self::{
    room::Turn,
    server::{Endpoint, Server},
};
use super::failure::Failure;

/// Most servers that are tried for one request.
const SERVERS_TRIED_MAX: usize = 16;

/// Where requests go.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) settings: Settings,
    servers: ArcSwap<Servers>,
    known: Arc<Known>,
    /// Requests that got a server in turn.
    turns: AtomicUsize,
}

/// What one request has tried already.
#[derive(Debug, Default)]
pub(super) struct Tried {
    servers: Vec<u64>,
    /// No other server is begun with after this.
    until: Option<Instant>,
}

impl Origin {
    /// `known` is what this node has known of the origin before.
    fn new(settings: Settings, known: Arc<Known>) -> Self {
        let members = settings.servers.iter().flat_map(|configured| {
            let weight = configured.weight.get();
            let endpoints = match &configured.address {
                ServerAddress::Ip(address) => vec![Endpoint::Tcp(*address)],
                ServerAddress::Name { addresses, .. } => addresses.iter().copied().map(Endpoint::Tcp).collect(),
                ServerAddress::Unix(path) => vec![Endpoint::Unix(path.as_path().into())],
            };
            let member = |endpoint| Member { server: Server::of(&known, endpoint), weight };
            endpoints.into_iter().map(member).collect::<Vec<_>>()
        });
        let servers = Servers::new(members.collect(), settings.balance);
        Self { servers: ArcSwap::from_pointee(servers), known, turns: AtomicUsize::new(0), settings }
    }

    /// The config that brought it is in force.
    pub(crate) fn start(&self) {
        self.known.room.set_in_flight_max(self.settings.in_flight_max);
    }

    /// A server for a request of this visitor, and a place there. Waits for room if there is none.
    ///
    /// # Errors
    /// If there is no room in time.
    pub(super) async fn turn(&self, visitor: u64, tried: &Tried) -> Result<Turn, Failure> {
        match self.pick(visitor, tried, true) {
            Some(turn) => Ok(turn),
            // In a box, as hardly any request waits.
            None => Box::pin(self.wait(visitor, tried)).await,
        }
    }

    async fn wait(&self, visitor: u64, tried: &Tried) -> Result<Turn, Failure> {
        let mut freed = self.known.room.line_up(self.own_server(visitor));
        // One may have become free before this request stood in line.
        if let Some(turn) = self.pick(visitor, tried, true) {
            return Ok(turn);
        }
        if let Ok(Ok(turn)) = timeout(self.settings.connect_timeout, &mut freed).await {
            return Ok(turn);
        }
        drop(freed);
        self.known.room.let_go();
        // Better another server than none.
        self.pick(visitor, tried, false).ok_or(Failure::Busy)
    }

    /// A server with room. `faithful`: not another one than the visitor's own, if that is up.
    fn pick(&self, visitor: u64, tried: &Tried, faithful: bool) -> Option<Turn> {
        let servers = self.servers.load();
        let in_flight_max = self.known.room.in_flight_max();
        let turn = || self.turns.fetch_add(1, Ordering::Relaxed);
        servers.pick(&Pick { visitor, tried: &tried.servers, in_flight_max, faithful, turn: &turn })
    }

    /// The only server that a visitor's request waits for.
    fn own_server(&self, visitor: u64) -> Option<u64> {
        self.servers.load().own(visitor).map(|server| server.id())
    }

    /// A server could not be reached. True: another one may be tried.
    pub(super) fn may_try_next(&self, failed: &Server, tried: &mut Tried) -> bool {
        let now = Instant::now();
        let until = *tried.until.get_or_insert_with(|| now + self.settings.connect_timeout);
        tried.servers.push(failed.id());
        // Nothing has been sent yet, so each server may be tried once, and the only one twice.
        tried.servers.len() < self.servers.load().len().clamp(2, SERVERS_TRIED_MAX) && now < until
    }
}

#[cfg(test)]
mod tests;
