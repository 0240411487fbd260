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
//! | servers tried for one request | all, at most 8; none is begun with once `connect_timeout` has passed after the first failure | the last failure |
//! | second attempts, of all requests of a second | a fifth, at least 10 | the first failure |
//! | servers ejected at once | half of them | the next one stays |
//! | servers that are down | all of them are | they are asked all the same |
//! | look-ups of names at once, of all origins | 4, each 30 s | they wait |
//! | checks at once, of all origins | 64 | they wait |

mod balance;
mod budget;
mod check;
mod health;
mod known;
mod names;
pub(super) mod proof;
mod report;
mod room;
mod server;
mod tls;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use arc_swap::{ArcSwap, Guard};
use rustls::ClientConfig;
use sluice_config::{Balance, Origin as Settings, ServerAddress};
use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{Instant, timeout},
};

use self::{
    balance::{Member, Pick, Servers},
    known::{Known, Places},
    names::Resolved,
    proof::{Made, Proof},
    tls::Tls,
};
pub(crate) use self::{
    known::KnownOrigins,
    report::OfServer,
    tls::{OriginTlsError, TlsFailure, tls_to_anywhere, tls_trusting},
};
pub(super) use self::{
    room::Turn,
    server::{Endpoint, Server},
    tls::is_alert,
};
use super::failure::Failure;

/// Most servers that are tried for one request.
const SERVERS_TRIED_MAX: usize = 8;

/// Where requests go.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) settings: Settings,
    servers: ArcSwap<Servers>,
    known: Arc<Known>,
    /// Requests that got a server in turn.
    turns: AtomicUsize,
    /// The host that checks ask for.
    host: String,
    places: Places,
    tls: Option<Arc<ClientConfig>>,
    proof: Option<Proof>,
    /// What runs beside the requests while the origin is in force.
    beside: Mutex<Vec<AbortHandle>>,
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
    fn new(settings: Settings, known: Arc<Known>, host: String, places: Places) -> Result<Self, OriginTlsError> {
        let tls = settings.tls.as_ref().map(|tls| known.tls_config(tls, settings.http2)).transpose()?;
        let servers = ArcSwap::from_pointee(servers(&settings, &known, tls.as_ref(), None)?);
        let proof = settings.proof.as_ref().map(|proof| Proof::new(proof, &known.id.tenant));
        let (turns, beside) = (AtomicUsize::new(0), Mutex::default());
        Ok(Self { settings, servers, known, turns, host, places, tls, proof, beside })
    }

    /// The config that brought it is in force: checks and look-ups run from now on, on this runtime.
    pub(crate) fn start(self: &Arc<Self>, on: &Handle) {
        self.known.room.set_in_flight_max(self.settings.in_flight_max);
        let mut beside = self.beside();
        match &self.settings.health {
            Some(health) => {
                let checks = check::run(Arc::downgrade(self), health.clone(), self.places.checks.clone());
                beside.push(on.spawn(checks).abort_handle());
            }
            None => self.servers.load().all().for_each(|server| server.health.forget_checks()),
        }
        let names = Resolved::of(self);
        if !names.is_empty() {
            let lookups = names::run(Arc::downgrade(self), names, self.places.lookups.clone());
            beside.push(on.spawn(lookups).abort_handle());
        }
    }

    /// Another config is in force. Requests under way may still hold this one for long.
    pub(crate) fn stop(&self) {
        self.beside().drain(..).for_each(|task| task.abort());
    }

    fn beside(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What shows it that a request has come through here, if it wants to be shown.
    pub(super) fn proof(&self) -> Option<Guard<Arc<Made>>> {
        self.proof.as_ref().map(Proof::now)
    }

    /// All servers as of now.
    fn current(&self) -> Vec<Arc<Server>> {
        self.servers.load().all().cloned().collect()
    }

    /// The names of servers have resolved to other addresses than before.
    fn take_addresses(&self, names: &[Resolved]) {
        // It has succeeded with the same names before.
        let Ok(new) = servers(&self.settings, &self.known, self.tls.as_ref(), Some(names)) else { return };
        let (count, id) = (new.len(), &self.known.id);
        tracing::info!(tenant = %id.tenant, route = id.route, servers = count, "the names of an origin's servers resolve to other addresses");
        self.servers.store(Arc::new(new));
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
        let in_turn = self.settings.balance == Balance::RoundRobin;
        let turn = if in_turn { self.turns.fetch_add(1, Ordering::Relaxed) } else { 0 };
        servers.pick(&Pick { visitor, tried: &tried.servers, in_flight_max, faithful, turn })
    }

    /// The only server that a visitor's request waits for.
    fn own_server(&self, visitor: u64) -> Option<u64> {
        self.servers.load().own(visitor).map(|server| server.id())
    }

    /// A request has failed at a server. What is the client's doing is not logged.
    pub(super) fn failed(&self, server: &Server, failure: &Failure) {
        let Some(cause) = failure.of_server() else { return };
        self.known.complain(Some(server), failure);
        if server.health.failed(cause) {
            self.eject(server);
        }
    }

    /// No server had room for a request.
    pub(super) fn had_no_room(&self) {
        self.known.complain(None, &Failure::Busy);
    }

    /// Ejects a server, unless half of them are out already.
    fn eject(&self, server: &Server) {
        let _one_at_a_time = self.known.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let servers = self.servers.load();
        let ejected = servers.all().filter(|server| server.health.is_ejected()).count();
        if server.health.is_ejected() || (ejected + 1) * 2 > servers.len() {
            return;
        }
        let seconds = server.health.eject().as_secs();
        let id = &self.known.id;
        tracing::warn!(tenant = %id.tenant, route = id.route, server = %server.endpoint, seconds, "a server is ejected: too many requests in a row have failed there");
    }

    /// Whether a request may be tried once more, as far as others are concerned.
    pub(super) fn may_try_again(&self) -> bool {
        self.known.budget.allows(self.servers.load().all().map(|server| server.begun()).sum())
    }

    /// A server could not be reached. True: another one may be tried.
    pub(super) fn may_try_next(&self, failed: &Server, tried: &mut Tried) -> bool {
        let now = Instant::now();
        let until = *tried.until.get_or_insert_with(|| now + self.settings.connect_timeout);
        tried.servers.push(failed.id());
        // Nothing has been sent yet, so each server may be tried once, and the only one twice.
        let servers_max = self.servers.load().len().clamp(2, SERVERS_TRIED_MAX);
        tried.servers.len() < servers_max && now < until && self.may_try_again()
    }
}

/// The servers of an origin. `names` are its names, with other addresses than the config has.
fn servers(
    settings: &Settings,
    known: &Arc<Known>,
    tls: Option<&Arc<ClientConfig>>,
    names: Option<&[Resolved]>,
) -> Result<Servers, OriginTlsError> {
    let mut names = names.map(|names| names.iter());
    let mut members = Vec::new();
    for configured in &settings.servers {
        let mut own_name = None;
        let endpoints = match &configured.address {
            ServerAddress::Ip(address) => vec![Endpoint::Tcp(*address)],
            ServerAddress::Name { host, addresses, .. } => {
                own_name = Some(host);
                let now = names.as_mut().and_then(Iterator::next).map_or(addresses, |name| &name.addresses);
                now.iter().copied().map(Endpoint::Tcp).collect()
            }
            ServerAddress::Unix(path) => vec![Endpoint::Unix(path.as_path().into())],
        };
        let name = settings.tls.as_ref().and_then(|tls| tls.name.as_ref()).or(own_name);
        let tls = match (tls, name) {
            (Some(config), Some(name)) => Some(Tls::new(config.clone(), name)?),
            (Some(_), None) => return Err(OriginTlsError::Name(configured.address.to_string())),
            (None, _) => None,
        };
        let weight = configured.weight.get();
        let member = |endpoint| Member { server: Server::of(known, endpoint, tls.clone()), weight };
        members.extend(endpoints.into_iter().map(member));
    }
    Ok(Servers::new(members, settings.balance))
}

#[cfg(test)]
mod tests;
