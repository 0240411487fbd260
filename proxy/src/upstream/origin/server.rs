//! A server of an origin, and what this node knows of it. It lives as long as a config names it, over reloads.

use std::{
    fmt,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use crossbeam_utils::CachePadded;

use super::{health::Health, known::Known, tls::Tls};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::upstream) enum Endpoint {
    Tcp(SocketAddr),
    Unix(Arc<Path>),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A server.
#[derive(Debug)]
pub(in crate::upstream) struct Server {
    /// No other server of this process has it, nor had it: connections are kept by it.
    id: u64,
    pub(in crate::upstream) endpoint: Endpoint,
    pub(in crate::upstream) tls: Option<Tls>,
    /// The same on every node, for visitors who keep to their server.
    pub(super) mark: u64,
    pub(super) known: Arc<Known>,
    pub(super) health: Health,
    /// On a line of its own: every request writes it.
    load: CachePadded<Load>,
}

#[derive(Debug, Default)]
struct Load {
    in_flight: AtomicU32,
    begun: AtomicU64,
}

impl Server {
    pub(super) fn new(endpoint: Endpoint, tls: Option<Tls>, known: Arc<Known>) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let mark = super::balance::mark(endpoint.to_string().as_bytes());
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        Self { id, endpoint, tls, mark, known, health: Health::default(), load: CachePadded::default() }
    }

    /// The server that is known there, or a new one. One that TLS is spoken to differently is another one: nothing that is
    /// known of the old one holds, and its connections are verified by other rules.
    pub(super) fn of(known: &Arc<Known>, endpoint: Endpoint, tls: Option<Tls>) -> Arc<Self> {
        known.server(&endpoint, tls.as_ref(), || Self::new(endpoint.clone(), tls.clone(), known.clone()))
    }

    /// One of an origin of which nothing else is known.
    #[cfg(test)]
    pub(in crate::upstream) fn alone(endpoint: Endpoint) -> Arc<Self> {
        Self::of(&Known::of_nobody(), endpoint, None)
    }

    pub(in crate::upstream) fn id(&self) -> u64 {
        self.id
    }

    /// Requests under way there, of this node.
    pub(super) fn in_flight(&self) -> u32 {
        self.load.in_flight.load(Ordering::Relaxed)
    }

    /// Requests that have been begun there.
    pub(super) fn begun(&self) -> u64 {
        self.load.begun.load(Ordering::Relaxed)
    }

    /// It has answered a request.
    pub(in crate::upstream) fn answered(&self) {
        self.health.answered();
    }

    /// Takes a place, if there are fewer than this.
    pub(super) fn enter(&self, in_flight_max: u32) -> bool {
        // Ordered against those who line up: one of the two sees the other.
        let has_room = self.load.in_flight.fetch_add(1, Ordering::SeqCst) < in_flight_max;
        if has_room {
            self.load.begun.fetch_add(1, Ordering::Relaxed);
        } else {
            self.load.in_flight.fetch_sub(1, Ordering::SeqCst);
        }
        has_room
    }

    pub(super) fn leave(&self) {
        self.load.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
