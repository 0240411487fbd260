//! One supervised connection to one server.
//!
//! While the server is away a call fails at once: nothing waits, nothing piles up. A task in the background tries
//! to reach it again. A connection that was lost, or kept an answer back for too long, or is to a server that has
//! become a replica, is never used again. The client library's own reconnecting is not used: it does not notice
//! a demoted server, never recovers from a refused password, and makes calls wait for it.
//!
//! A server that answers READONLY was demoted, perhaps in a failover after which its name leads to another one. So it is
//! connected to anew, but with the pauses of a server that is not reached, and is taken for up again only when it says
//! that it is a primary. The log tells of the change, not of the attempts.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{Cmd, Value};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    connect::{Connection, Connector, REPLICA, Target},
    fault::{Fault, address},
    script,
};

/// First and longest pause between two attempts to reach a server; each is shortened by up to a half at random,
/// so that a fleet does not come back all at once.
const RETRY_MS: (u64, u64) = (20, 1_000);

/// A connection that is kept up. Belongs to the tokio runtime on which it is used.
#[derive(Debug)]
pub(super) struct Link {
    connector: Connector,
    target: Target,
    response_timeout: Duration,
    state: watch::Sender<State>,
    /// Whether a task is trying to connect. If it dies with its runtime, the next call starts another.
    connecting: AtomicBool,
    /// Counts connections, so that a late failure of an old one does not end a new one.
    opened: Mutex<u64>,
    /// Whether the server's last word was that it takes no writes.
    read_only: AtomicBool,
    /// Pause before the next attempt after such a word: as long as it has not made a step since, they grow.
    pause_ms: AtomicU64,
}

/// What is known of connections to servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Whether a server takes no writes, by its last word.
    pub read_only: bool,
    /// Connections opened since the start, those to servers that are no longer used apart.
    pub connections: u64,
    /// How often a line was lost while its server evicts keys, counted at most once a minute.
    pub evictions: u64,
}

impl Condition {
    /// Of both.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            read_only: self.read_only || other.read_only,
            connections: self.connections + other.connections,
            evictions: self.evictions + other.evictions,
        }
    }
}

#[derive(Clone, Debug)]
enum State {
    /// Never tried: the first calls wait for the first attempt.
    Fresh,
    Up(u64, Connection),
    Away(Arc<str>),
}

impl Link {
    pub(super) fn new(connector: Connector, target: Target, response_timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            connector,
            target,
            response_timeout,
            state: watch::Sender::new(State::Fresh),
            connecting: AtomicBool::new(false),
            opened: Mutex::new(0),
            read_only: AtomicBool::new(false),
            pause_ms: AtomicU64::new(RETRY_MS.0),
        })
    }

    /// Sends a call of the line's script, and the script itself if the server does not have it.
    pub(super) async fn run(self: &Arc<Self>, call: &Cmd) -> Result<Value, Fault> {
        let answer = match self.send(call).await {
            Err(Fault::NoScript) => {
                let mut load = redis::cmd("SCRIPT");
                load.arg("LOAD").arg(script::TEXT.as_str());
                self.send(&load).await?;
                self.send(call).await
            }
            answered => answered,
        };
        if answer.is_ok() && self.read_only.load(Ordering::Relaxed) && self.read_only.swap(false, Ordering::Relaxed) {
            self.pause_ms.store(RETRY_MS.0, Ordering::Relaxed);
            tracing::info!(server = self.server(), "store accepts writes again");
        }
        answer
    }

    /// Sends any command.
    pub(super) async fn send(self: &Arc<Self>, command: &Cmd) -> Result<Value, Fault> {
        let (opened, Connection { node, mut wire }) = self.connection().await?;
        let answer = timeout(self.response_timeout, command.query_async::<Value>(&mut wire)).await;
        let fault = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => Fault::of(&error, &node),
            // It may yet run: every call may be repeated.
            Err(_) => {
                Fault::Lost(format!("{}: no answer within {} ms", address(&node), self.response_timeout.as_millis()))
            }
        };
        match &fault {
            Fault::Lost(why) => self.lose(opened, why),
            Fault::ReadOnly(why) => {
                if !self.read_only.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%why, "store is read-only: {REPLICA}");
                }
                self.lose(opened, why);
            }
            _ => {}
        }
        Err(fault)
    }

    /// What is known of the connections to this server.
    pub(super) fn condition(&self) -> Condition {
        let connections = *self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        Condition { read_only: self.read_only.load(Ordering::Relaxed), connections, evictions: 0 }
    }

    /// Why calls fail at once; `None` while they do not.
    pub(super) fn away(&self) -> Option<String> {
        match &*self.state.borrow() {
            State::Away(why) => Some(why.to_string()),
            _ => None,
        }
    }

    /// The server that it is connected to.
    pub(super) fn server(&self) -> Option<String> {
        match &*self.state.borrow() {
            State::Up(_, connection) => Some(address(&connection.node)),
            _ => None,
        }
    }

    async fn connection(self: &Arc<Self>) -> Result<(u64, Connection), Fault> {
        let mut state = self.state.subscribe();
        loop {
            match &*state.borrow_and_update() {
                State::Up(opened, connection) => return Ok((*opened, connection.clone())),
                State::Away(why) => {
                    self.reconnect();
                    return Err(Fault::Lost(why.to_string()));
                }
                State::Fresh => self.reconnect(),
            }
            // Ends with the first attempt, which is bounded; the sender lives as long as `self`.
            if state.changed().await.is_err() {
                return Err(Fault::Lost("the store was closed".to_owned()));
            }
        }
    }

    fn lose(self: &Arc<Self>, opened: u64, why: &str) {
        let current = |state: &State| matches!(state, State::Up(at, _) if *at == opened);
        let lost = self.state.send_if_modified(|state| {
            let lost = current(state);
            if lost {
                *state = State::Away(why.into());
            }
            lost
        });
        if lost {
            if !self.read_only.load(Ordering::Relaxed) {
                tracing::warn!(%why, "store connection lost");
            }
            self.reconnect();
        }
    }

    /// Sees to it that a task is trying to connect.
    fn reconnect(self: &Arc<Self>) {
        if !self.connecting.swap(true, Ordering::AcqRel) {
            tokio::spawn(connect(Connecting(Arc::downgrade(self))));
        }
    }
}

/// A task that tries to connect. However it ends, another one may begin, and nobody waits for it any longer.
struct Connecting(Weak<Link>);

impl Drop for Connecting {
    fn drop(&mut self) {
        let Some(link) = self.0.upgrade() else { return };
        link.connecting.store(false, Ordering::Release);
        link.state.send_if_modified(|state| {
            let untold = matches!(state, State::Fresh);
            if untold {
                *state = State::Away("the attempt to connect was broken off".into());
            }
            untold
        });
    }
}

/// Tries until the server is reached or nobody wants it any more.
async fn connect(task: Connecting) {
    let mut pause_ms = RETRY_MS.0;
    loop {
        let Some(link) = task.0.upgrade() else { return };
        let read_only = link.read_only.load(Ordering::Relaxed);
        if read_only {
            // Across connections: one may be opened, and the server's role not asked, to a replica.
            pause_ms = link.pause_ms.load(Ordering::Relaxed);
            link.pause_ms.store((pause_ms * 2).min(RETRY_MS.1), Ordering::Relaxed);
            drop(link);
            pause(pause_ms).await;
        } else {
            drop(link);
        }
        let Some(link) = task.0.upgrade() else { return };
        match link.connector.open(&link.target, read_only).await {
            Ok(connection) => {
                if !read_only {
                    tracing::info!(server = address(&connection.node), "store connected");
                }
                let opened = {
                    let mut opened = link.opened.lock().unwrap_or_else(PoisonError::into_inner);
                    *opened += 1;
                    *opened
                };
                // From here on a connection that is lost must find nobody connecting.
                link.connecting.store(false, Ordering::Release);
                link.state.send_replace(State::Up(opened, connection));
                return;
            }
            Err(why) => {
                tracing::debug!(%why, "store unreachable");
                link.state.send_replace(State::Away(why.into()));
            }
        }
        drop(link);
        if !read_only {
            pause(pause_ms).await;
            pause_ms = (pause_ms * 2).min(RETRY_MS.1);
        }
    }
}

/// Waits for so long, shortened by up to a half.
async fn pause(ms: u64) {
    sleep(Duration::from_millis(ms - random(ms / 2))).await;
}

/// A number below `bound` that differs from node to node; nothing more is asked of it.
fn random(bound: u64) -> u64 {
    RandomState::new().hash_one(bound) % bound.max(1)
}
