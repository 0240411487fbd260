//! The service manager that has started this process: systemd, or one that speaks its language. It is told when the node
//! serves, that it is alive, and that it ends; and it may hand over listeners that it holds, so that clients who come while
//! the node is started again wait instead of being refused.
//!
//! Without one nothing here does anything.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// Visitors are served from now on.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The node drains, and ends.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The node is alive.
pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often it wants to hear that the node is alive; `None`: not at all. Twice as often as it has to.
pub(crate) fn wants_to_hear_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|within| within / 2)
}

fn tell(state: &[NotifyState<'_>]) {
    // Without a service manager there is nobody to be told, which is no error.
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

/// Listeners that were handed over.
#[derive(Debug)]
pub(crate) struct Handed(Vec<(SocketAddr, TcpListener)>);

impl Handed {
    /// Takes all of them, once in the life of a process.
    pub(crate) fn take_all() -> Self {
        let mut handed = ListenFd::from_env();
        let each = (0..handed.len()).filter_map(|nth| match handed.take_tcp_listener(nth) {
            Ok(listener) => listener.and_then(|listener| Some((listener.local_addr().ok()?, listener))),
            Err(error) => {
                tracing::warn!(nth, %error, "what the service manager hands over is no TCP listener");
                None
            }
        });
        Self(each.collect())
    }

    /// The one at an address, if there is one.
    pub(crate) fn at(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let at = self.0.iter().position(|(of, _)| *of == address)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Says which of them no config names: clients who come there would wait for ever.
    pub(crate) fn say_unused(&self) {
        for (address, _) in &self.0 {
            tracing::warn!(%address, "the service manager listens there, and [server] names no such address");
        }
    }
}
