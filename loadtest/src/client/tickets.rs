//! Session tickets that servers give to clients, shared by as many of these as should resume each other's sessions.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use rustls::{
    NamedGroup,
    client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue},
    pki_types::ServerName,
};

/// The newest tickets of one site, each used once.
#[derive(Debug)]
pub(crate) struct Tickets {
    kept: Mutex<VecDeque<Tls13ClientSessionValue>>,
    most: usize,
    came: AtomicU64,
}

impl Tickets {
    /// Keeps at most so many; with none every handshake is a full one.
    pub(crate) fn at_most(most: usize) -> Self {
        Self { kept: Mutex::default(), most, came: AtomicU64::new(0) }
    }

    /// How many have come so far, kept or not.
    pub(crate) fn came(&self) -> u64 {
        self.came.load(Relaxed)
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Tls13ClientSessionValue>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of TLS 1.3 only, which is all that is spoken here.
impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.came.fetch_add(1, Relaxed);
        let mut kept = self.kept();
        kept.push_back(ticket);
        let surplus = kept.len().saturating_sub(self.most);
        kept.drain(..surplus);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.kept().pop_back()
    }
}
