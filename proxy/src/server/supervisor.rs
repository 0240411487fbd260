//! The service manager that has started this process: systemd, or one that speaks its language. It is notified when the node
//! serves, that it is alive, and that it ends; and it may hand over listeners that it holds, so that clients who come while
//! the node is started again wait instead of being refused.
//!
//! Without one nothing here does anything.

use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::{task::spawn_blocking, time::timeout};

use crate::transport::listeners::Handed;

/// How long a service manager may take to hear what must be said in order.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

/// Visitors are served from now on.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// This process is the node from now on. Said by the one before it, which is the one that is listened to. A manager that reads
/// nothing does not hold it up.
pub(crate) async fn is_main(process: u32) {
    let told = timeout(HEARD_WITHIN, spawn_blocking(move || tell(&[NotifyState::MainPid(process)])));
    if told.await.is_err() {
        tracing::warn!(process, "service manager not notified of the new main process");
    }
}

/// The node drains, and ends.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The node is alive. A manager that reads nothing makes its callers wait, but no other work of their threads.
pub(crate) async fn alive() {
    let _ = spawn_blocking(|| tell(&[NotifyState::Watchdog])).await;
}

/// How often it wants to hear that the node is alive; `None`: not at all. Twice as often as it has to.
pub(crate) fn wants_to_hear_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|within| within / 2)
}

fn tell(state: &[NotifyState<'_>]) {
    // Without a service manager there is none to notify, which is no error.
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "service manager not notified");
    }
}

/// Listeners that it hands over. Takes all of them, once in the life of a process.
pub(crate) fn listeners() -> Vec<Handed> {
    let mut handed = ListenFd::from_env();
    let each = (0..handed.len()).filter_map(|nth| match handed.take_tcp_listener(nth) {
        Ok(listener) => listener.map(|listener| Handed { was: None, listener }),
        Err(error) => {
            tracing::warn!(nth, %error, "what the service manager hands over is no TCP listener");
            None
        }
    });
    each.collect()
}

/// What it has put into the environment for this process alone: another one must not take it for its own.
pub(crate) const OF_ONE_PROCESS: [&str; 4] = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID"];
