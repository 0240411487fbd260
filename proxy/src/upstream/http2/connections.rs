//! Connections of this thread to servers that speak HTTP/2, and who uses them.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{Connection, Send};

/// Requests of one connection: what RFC 9113, 6.5.2 recommends to allow at least.
const STREAMS_MAX: usize = 100;
/// Connections to one server.
const CONNECTIONS_MAX: usize = 64;

thread_local! {
    static CONNECTIONS: RefCell<HashMap<u64, Vec<Kept>>> = RefCell::default();
}

#[derive(Debug)]
struct Kept {
    send: Send,
    state: Arc<State>,
    idle_max: Duration,
    /// Since when nothing has been under way, as far as has been looked.
    idle_since: Option<Instant>,
}

/// What a connection's users and its driver share. Requests may end on another thread than they began.
#[derive(Debug, Default)]
struct State {
    streams: AtomicUsize,
    /// It has ended, or its server leaves: what is under way goes on, nothing else begins.
    takes_no_more: AtomicBool,
}

/// A place on a connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) send: Send,
    /// The connection has carried requests before.
    pub(super) reused: bool,
    state: Arc<State>,
}

impl Lease {
    /// The server has said, in the meantime, that it leaves.
    pub(super) fn takes_no_more(&self) {
        self.state.takes_no_more.store(true, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.state.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Kept {
    fn takes_no_more(&self) -> bool {
        self.state.takes_no_more.load(Ordering::Relaxed)
    }

    fn lease(&mut self, reused: bool) -> Option<Lease> {
        let room = self.send.current_max_send_streams().min(STREAMS_MAX);
        if self.takes_no_more() || self.state.streams.load(Ordering::Relaxed) >= room {
            return None;
        }
        self.state.streams.fetch_add(1, Ordering::Relaxed);
        self.idle_since = None;
        Some(Lease { send: self.send.clone(), reused, state: self.state.clone() })
    }
}

/// A place on a connection to this server that is there already.
pub(super) fn lease(server: u64) -> Option<Lease> {
    CONNECTIONS.with_borrow_mut(|all| all.get_mut(&server)?.iter_mut().find_map(|kept| kept.lease(true)))
}

/// Drives a new connection, and keeps it for others. A place on it; `None`: there are as many as there may be.
pub(super) fn keep(server: u64, send: Send, connection: Connection, idle_max: Duration, now: Instant) -> Option<Lease> {
    CONNECTIONS.with_borrow_mut(|all| {
        let connections = all.entry(server).or_default();
        connections.retain(|kept| !kept.takes_no_more());
        if connections.len() >= CONNECTIONS_MAX {
            return None;
        }
        let state = Arc::new(State::default());
        let driven = state.clone();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to an origin ended");
            }
            driven.takes_no_more.store(true, Ordering::Relaxed);
        });
        let mut kept = Kept { send, state, idle_max, idle_since: Some(now) };
        let lease = kept.lease(false);
        connections.push(kept);
        lease
    })
}

/// Lets go of connections that take no more requests, or have been idle for too long.
pub(in crate::upstream) fn sweep(now: Instant) {
    CONNECTIONS.with_borrow_mut(|all| {
        for connections in all.values_mut() {
            connections.retain_mut(|kept| {
                if kept.takes_no_more() {
                    return false;
                }
                if kept.state.streams.load(Ordering::Relaxed) > 0 {
                    kept.idle_since = None;
                    return true;
                }
                now < *kept.idle_since.get_or_insert(now) + kept.idle_max
            });
        }
        all.retain(|_, connections| !connections.is_empty());
    });
}
