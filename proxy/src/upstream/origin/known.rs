//! What a node knows of an origin for as long as configs name it, over reloads.

use std::{
    collections::HashMap,
    hash::Hash,
    io, iter,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustls::ClientConfig;
use sluice_config::{HostPattern, Name, OriginTls, Route, Tenant};
use tokio::sync::Semaphore;

use super::{
    Origin, Settings,
    budget::Budget,
    check::CHECKS_MAX,
    health::now_ms,
    names::LOOKUPS_MAX,
    room::Room,
    server::{Endpoint, Server},
    tls::{self, OriginTlsError, Tls},
};

/// Which origin of a tenant it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OriginId {
    pub(super) tenant: Name,
    /// The first path of its route; empty for the tenant's own.
    pub(super) route: String,
}

/// After the first complaint the next ones of an origin are counted, and logged once in this time.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// What is known of an origin.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: OriginId,
    pub(super) budget: Budget,
    /// One at a time ejects a server, so that no two of them are one too many.
    pub(super) ejecting: Mutex<()>,
    panics: AtomicU64,
    complaints: Complaints,
    unresolved: AtomicU64,
    complaints_of_names: Complaints,
    pub(super) room: Room,
    servers: Mutex<HashMap<Endpoint, Weak<Server>>>,
    /// How TLS was spoken last, by these settings: sessions and servers outlive a reload that does not change it.
    tls: Mutex<Option<(OriginTls, bool, Arc<ClientConfig>)>>,
}

impl Known {
    pub(super) fn new(id: OriginId) -> Self {
        Self {
            id,
            budget: Budget::default(),
            ejecting: Mutex::default(),
            panics: AtomicU64::new(0),
            complaints: Complaints::default(),
            unresolved: AtomicU64::new(0),
            complaints_of_names: Complaints::default(),
            room: Room::new(),
            servers: Mutex::default(),
            tls: Mutex::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn of_nobody() -> Arc<Self> {
        let Some(tenant) = Name::new("nobody") else { unreachable!("it is a name") };
        Arc::new(Self::new(OriginId { tenant, route: String::new() }))
    }

    /// All servers are down, and one is asked all the same.
    pub(super) fn panics(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was.
    pub(super) fn panics_count(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// A request has failed, at this server if it got to one.
    pub(super) fn complain(&self, server: Option<&Server>, cause: &dyn std::fmt::Display) {
        let Some(untold) = self.complaints.may_tell() else { return };
        let OriginId { tenant, route } = &self.id;
        let server = server.map(|server| server.endpoint.to_string()).unwrap_or_default();
        tracing::warn!(%tenant, route, server, %cause, untold, "a request failed at its origin; the next ones within a minute are counted only");
    }

    /// A name did not resolve.
    pub(super) fn unresolved(&self, host: &str, cause: &io::Error) {
        self.unresolved.fetch_add(1, Ordering::Relaxed);
        let Some(untold) = self.complaints_of_names.may_tell() else { return };
        let OriginId { tenant, route } = &self.id;
        tracing::warn!(%tenant, route, host, %cause, untold, "a server's name does not resolve; its last addresses are kept");
    }

    /// How often that was.
    pub(super) fn unresolved_count(&self) -> u64 {
        self.unresolved.load(Ordering::Relaxed)
    }

    /// How TLS is spoken by these settings.
    pub(super) fn tls_config(&self, settings: &OriginTls, http2: bool) -> Result<Arc<ClientConfig>, OriginTlsError> {
        let mut last = lock(&self.tls);
        if let Some((of, spoke_http2, config)) = &*last
            && (of, *spoke_http2) == (settings, http2)
        {
            return Ok(config.clone());
        }
        let config = tls::config(settings, http2)?;
        *last = Some((settings.clone(), http2, config.clone()));
        Ok(config)
    }

    /// The server there, or a new one.
    pub(super) fn server(&self, endpoint: &Endpoint, tls: Option<&Tls>, new: impl FnOnce() -> Server) -> Arc<Server> {
        let mut servers = lock(&self.servers);
        let server = servers.get(endpoint).and_then(Weak::upgrade);
        if let Some(server) = server.filter(|server| server.tls.as_ref() == tls) {
            return server;
        }
        let server = Arc::new(new());
        forget_the_dead(&mut servers);
        servers.insert(endpoint.clone(), Arc::downgrade(&server));
        server
    }
}

/// When something was logged last, and how much was left out since.
#[derive(Debug, Default)]
struct Complaints {
    next_ms: AtomicU64,
    untold: AtomicU64,
}

impl Complaints {
    /// Whether this one is logged, and how many before it were not.
    fn may_tell(&self) -> Option<u64> {
        let (now, next) = (now_ms(), self.next_ms.load(Ordering::Relaxed));
        let after = now + u64::try_from(COMPLAIN_EVERY.as_millis()).unwrap_or(u64::MAX);
        let may =
            now >= next && self.next_ms.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !may {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.untold.swap(0, Ordering::Relaxed))
    }
}

/// Everything that a node knows of origins.
#[derive(Debug, Default)]
pub(crate) struct KnownOrigins {
    all: Mutex<HashMap<OriginId, Weak<Known>>>,
    places: Places,
}

/// Places for what runs beside the requests, of all origins.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) lookups: Arc<Semaphore>,
    pub(super) checks: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)), checks: Arc::new(Semaphore::new(CHECKS_MAX)) }
    }
}

impl KnownOrigins {
    /// The origins of a tenant, its own one first, then those of its routes; with what is known of them already.
    ///
    /// # Errors
    /// If TLS to one of them cannot be set up.
    pub(crate) fn of_tenant(&self, tenant: &Tenant) -> Result<Vec<Arc<Origin>>, OriginTlsError> {
        let own = self.origin(tenant, String::new(), &tenant.origin);
        let routed = |route: &Route| {
            let name = route.paths.first().cloned().unwrap_or_default();
            self.origin(tenant, name, &route.origin)
        };
        iter::once(own).chain(tenant.routes.iter().map(routed)).collect()
    }

    fn origin(&self, tenant: &Tenant, route: String, settings: &Settings) -> Result<Arc<Origin>, OriginTlsError> {
        let id = OriginId { tenant: tenant.name.clone(), route };
        let known = {
            let mut all = lock(&self.all);
            let known = all.get(&id).and_then(Weak::upgrade).unwrap_or_else(|| Arc::new(Known::new(id.clone())));
            forget_the_dead(&mut all);
            all.insert(id, Arc::downgrade(&known));
            known
        };
        let host = match tenant.hosts.first() {
            Some(HostPattern::Exact(host) | HostPattern::Below(host)) => host.clone(),
            None => String::new(),
        };
        Ok(Arc::new(Origin::new(settings.clone(), known, host, self.places.clone())?))
    }
}

/// Costs as much as there are, and is paid by one in as many.
fn forget_the_dead<K: Eq + Hash, T>(all: &mut HashMap<K, Weak<T>>) {
    if all.len() == all.capacity() {
        all.retain(|_, one| one.strong_count() > 0);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_complaint_is_told_then_one_a_minute() {
        let complaints = Complaints::default();
        assert_eq!(complaints.may_tell(), Some(0));
        for _ in 0..1_000 {
            assert_eq!(complaints.may_tell(), None);
        }
        tokio::time::advance(COMPLAIN_EVERY).await;
        assert_eq!(complaints.may_tell(), Some(1_000));
        assert_eq!(complaints.may_tell(), None);
    }
}
