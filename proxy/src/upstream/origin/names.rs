//! Names of servers are resolved while the node runs. A name that does not resolve keeps its last addresses; an address
//! that is gone gets no more requests, and those under way end as they would have.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use sluice_config::{ServerAddress, dns, usable_addresses};
use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{Origin, balance::random};

/// How long one name may take. Three resolvers that are all silent take less.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Names of all origins that are asked for at the same time: each keeps a thread waiting.
pub(super) const LOOKUPS_MAX: usize = 4;

/// A name, and what it resolved to last.
#[derive(Debug)]
pub(super) struct Resolved {
    host: Arc<str>,
    port: u16,
    pub(super) addresses: Vec<SocketAddr>,
}

impl Resolved {
    /// The names among the servers of an origin, in their order.
    pub(super) fn of(origin: &Origin) -> Vec<Self> {
        let names = origin.settings.servers.iter().filter_map(|server| match &server.address {
            ServerAddress::Name { host, port, addresses } => {
                Some(Self { host: host.as_str().into(), port: *port, addresses: addresses.clone() })
            }
            _ => None,
        });
        names.collect()
    }

    /// Takes what the system says now. True: that is something else than before.
    ///
    /// # Errors
    /// If it says nothing of use; the last addresses are kept.
    pub(super) fn take(&mut self, said: io::Result<Vec<SocketAddr>>) -> io::Result<bool> {
        let addresses = usable_addresses(said?);
        if addresses.is_empty() {
            return Err(io::Error::other("the name has no address"));
        }
        let has_changed = addresses != self.addresses;
        self.addresses = addresses;
        Ok(has_changed)
    }
}

/// Resolves the names of an origin for as long as it is in force.
pub(super) async fn run(origin: Weak<Origin>, mut names: Vec<Resolved>, lookups: Arc<Semaphore>) {
    let Some((resolvers, every)) = origin.upgrade().map(|origin| {
        let settings = &origin.settings;
        (Arc::<[SocketAddr]>::from(settings.resolvers.as_slice()), settings.resolve_every)
    }) else {
        return;
    };
    loop {
        // Up to a fifth earlier or later, so that those of many tenants do not meet.
        sleep(every * u32::try_from(80 + random() % 41).unwrap_or(100) / 100).await;
        let mut has_changed = false;
        for name in &mut names {
            let said = {
                let Ok(place) = lookups.clone().acquire_owned().await else { return };
                let (resolvers, host, port) = (resolvers.clone(), name.host.clone(), name.port);
                let lookup = spawn_blocking(move || {
                    // Its thread may take longer than is waited for.
                    let _place = place;
                    dns::addresses(&resolvers, &host, port)
                });
                match timeout(ANSWER_WITHIN, lookup).await {
                    Ok(said) => said.unwrap_or_else(|broken| Err(broken.into())),
                    Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")),
                }
            };
            let Some(origin) = origin.upgrade() else { return };
            match name.take(said) {
                Ok(changed) => has_changed |= changed,
                Err(error) => origin.known.unresolved(&name.host, &error),
            }
        }
        if has_changed {
            let Some(origin) = origin.upgrade() else { return };
            origin.take_addresses(&names);
        }
    }
}
