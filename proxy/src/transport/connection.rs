//! What is known of a connection before its first request.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use super::tls::Presented;
use crate::limits::{Over, Place, Usage};

/// The facts of one client connection. They never change while it lives.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The address at the other end; behind a proxy that speaks the PROXY protocol, what that says it is.
    pub(crate) peer: IpAddr,
    /// That proxy, if its header has named another address than its own.
    pub(crate) proxy: Option<IpAddr>,
    /// What the handshake has settled; `None`: plain HTTP.
    pub(crate) tls: Option<Arc<Presented>>,
    /// Its place among those of the tenant that its first request was for.
    place: OnceLock<Place>,
}

impl Connection {
    pub(crate) fn new(peer: IpAddr, proxy: Option<IpAddr>, tls: Option<Arc<Presented>>) -> Self {
        Self { peer, proxy, tls, place: OnceLock::new() }
    }

    /// Whether the connection itself is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The scheme of its requests.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_tls() { "https" } else { "http" }
    }

    /// Counts it among those of a tenant, if it is not among some tenant's yet.
    ///
    /// # Errors
    /// If the tenant has as many as it may.
    pub(crate) fn belongs_to(&self, tenant: &Usage) -> Result<(), Over> {
        if self.place.get().is_none() {
            let place = tenant.connect()?;
            let _ = self.place.set(place);
        }
        Ok(())
    }
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}
