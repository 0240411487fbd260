//! What a node knows of an origin for as long as configs name it, over reloads.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use sluice_config::Name;

use super::{
    Origin, Settings,
    room::Room,
    server::{Endpoint, Server},
};

/// Which origin of a tenant it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct OriginId {
    tenant: Name,
}

/// What is known of an origin.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) room: Room,
    servers: Mutex<HashMap<Endpoint, Weak<Server>>>,
}

impl Known {
    pub(super) fn new() -> Self {
        Self { room: Room::new(), servers: Mutex::default() }
    }

    /// The server there, or a new one.
    pub(super) fn server(&self, endpoint: &Endpoint, new: impl FnOnce() -> Server) -> Arc<Server> {
        let mut servers = lock(&self.servers);
        if let Some(server) = servers.get(endpoint).and_then(Weak::upgrade) {
            return server;
        }
        let server = Arc::new(new());
        forget_the_dead(&mut servers);
        servers.insert(endpoint.clone(), Arc::downgrade(&server));
        server
    }
}

/// Everything that a node knows of origins.
#[derive(Debug, Default)]
pub(crate) struct KnownOrigins(Mutex<HashMap<OriginId, Weak<Known>>>);

impl KnownOrigins {
    /// The origin of a tenant, with what is known of it already.
    pub(crate) fn origin(&self, tenant: &Name, settings: &Settings) -> Arc<Origin> {
        let id = OriginId { tenant: tenant.clone() };
        let known = {
            let mut all = lock(&self.0);
            let known = all.get(&id).and_then(Weak::upgrade).unwrap_or_else(|| Arc::new(Known::new()));
            forget_the_dead(&mut all);
            all.insert(id, Arc::downgrade(&known));
            known
        };
        Arc::new(Origin::new(settings.clone(), known))
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
