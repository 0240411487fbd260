//! Webhooks: what is to be delivered and what was, and how it is sent, by the convention of Standard Webhooks
//! (standardwebhooks.com).
//!
//! An event's id comes from what happened alone, so that all nodes of a fleet find the same one, and a receiver knows by
//! `webhook-id` what it has had. In a fleet of which each node sends by itself every receiver would have to. Who finds events,
//! and which node sends an attempt, is in [`life`](crate::life).
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | deliveries of a webhook that a node keeps | [`outbox::KEPT_MAX`], of them [`outbox::FINISHED_MAX`] finished | the oldest goes, counted if it was not delivered |
//! | one attempt | [`send::WITHIN`] | counts as failed |
//! | attempts of a delivery | [`outbox::PAUSES_S`], three days in all | given up, kept for a replay |
//! | a redirect | none is followed | counts as failed |

pub(crate) mod event;
pub(crate) mod outbox;
pub(crate) mod send;
mod sign;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ring::digest::{SHA256, digest};
use sluice_config::Webhook;
use tokio::sync::Notify;

pub(crate) use self::outbox::{Delivery, State, Tried};
use self::{event::Event, outbox::Outbox};
use crate::{lines::Lines, sinks::time::now_ms};

/// A webhook that has answered 410 stays off.
pub(crate) const OFF_FOR: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The webhooks of a node.
#[derive(Debug)]
pub(crate) struct Webhooks {
    outbox: Mutex<Outbox>,
    path: PathBuf,
    changed: Notify,
    /// The disk did not take it.
    is_stuck: AtomicBool,
}

/// A webhook of a tenant.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) tenant: String,
    pub(crate) hook: Arc<Webhook>,
}

impl Endpoint {
    /// `TENANT/NAME`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.tenant, self.hook.name)
    }

    /// Which address it has: another one is on again.
    pub(crate) fn mark(&self) -> String {
        let digest = digest(&SHA256, self.hook.url.to_string().as_bytes());
        digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Webhooks {
    /// Reads what was to be delivered when this node ended. What cannot be read is set aside.
    pub(crate) fn open(state_dir: &std::path::Path) -> Self {
        let path = state_dir.join("webhooks.json");
        let outbox = match std::fs::read(&path).map(|text| serde_json::from_slice(&text)) {
            Ok(Ok(outbox)) => outbox,
            Ok(Err(error)) => {
                tracing::error!(file = %path.display(), %error, "webhooks: what was to be delivered cannot be read");
                let _ = std::fs::rename(&path, path.with_extension("json.damaged"));
                Outbox::default()
            }
            Err(_) => Outbox::default(),
        };
        Self { outbox: Mutex::new(outbox), path, changed: Notify::new(), is_stuck: AtomicBool::new(false) }
    }

    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has an event delivered to one webhook.
    pub(crate) fn deliver(&self, endpoint: &Endpoint, event: &Event) {
        if self.outbox().push(endpoint, event, now_ms()) {
            self.changed.notify_one();
        }
    }

    /// Has a delivery sent once more from the beginning. False: there is none.
    pub(crate) fn replay(&self, endpoint: &Endpoint, id: &str) -> bool {
        let known = self.outbox().replay(&endpoint.name(), id, now_ms());
        self.changed.notify_one();
        known
    }

    /// Switches a webhook on again that has answered 410.
    pub(crate) fn switch_on(&self, endpoint: &Endpoint) {
        self.outbox().off.remove(&endpoint.name());
        self.changed.notify_one();
    }

    /// Whether a webhook has answered 410, and was not changed since.
    pub(crate) fn is_off(&self, endpoint: &Endpoint) -> bool {
        self.outbox().off.get(&endpoint.name()).is_some_and(|mark| *mark == endpoint.mark())
    }

    /// Waits until there may be something new to send.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Writes what is to be delivered, if it has changed.
    pub(crate) async fn save(&self) {
        let text = {
            let mut outbox = self.outbox();
            if !std::mem::take(&mut outbox.is_changed) {
                return;
            }
            serde_json::to_vec(&*outbox).unwrap_or_default()
        };
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || {
            let fresh = path.with_extension("json.new");
            std::fs::write(&fresh, text)?;
            std::fs::File::open(&fresh)?.sync_all()?;
            std::fs::rename(&fresh, &path)
        });
        match written.await {
            Ok(Err(error)) => {
                // Tried again at every look, and said once.
                if !self.is_stuck.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "webhooks: what is to be delivered is not on the disk");
                }
                self.outbox().is_changed = true;
            }
            _ => self.is_stuck.store(false, Ordering::Relaxed),
        }
    }
}

/// Tells the other nodes that a webhook is on again.
pub(crate) async fn tell_on(lines: &Lines, endpoint: &Endpoint) {
    if let Lines::Redis(store, _) = lines
        && let Err(error) = store.put(&format!("hook-off.{}", endpoint.name()), b"on", OFF_FOR).await
    {
        tracing::warn!(%error, "webhooks: other nodes do not know that it is on again");
    }
}
