//! The duty of sending webhooks: events are found in what the node knows, and each is sent by one node of a fleet.
//!
//! Every node finds the same events ([`watch`]). Which of them sends an attempt is decided in the store: the first to claim it,
//! for [`CLAIM`]. So an event is sent once as a rule, by another node if the sender dies, and by each node while the store is
//! unavailable. What is kept and how it is sent, with the bounds of both, is in [`sinks::webhooks`](crate::sinks::webhooks).
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | attempts under way at a node | [`ATTEMPTS_MAX`] | the next ones wait |

mod watch;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::mpsc, time::sleep};

use crate::{
    lines::Lines,
    node::{Ends, Node},
    sinks::{
        time::now_ms,
        webhooks::{Delivery, Endpoint, OFF_FOR, Tried, outbox, send},
    },
};

/// Most attempts under way at a node.
pub(crate) const ATTEMPTS_MAX: usize = 32;
/// How long an attempt is its claimant's: longer than it may take.
const CLAIM: Duration = Duration::from_secs(30);
/// How long it is known of a delivery what became of it: longer than all its attempts take.
const KNOWN_FOR: Duration = Duration::from_secs(4 * 24 * 60 * 60);
/// How often lines are looked at, and deliveries that are due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long an attempt of another node is waited for before its claim is looked at again.
const LOOK_AGAIN_MS: u64 = 5_000;

/// Finds events and sends them until that ends. Attempts under way are waited for.
pub(crate) async fn run(node: Arc<Node>, mut ends: Ends) {
    let hooks = &node.webhooks;
    let mut watch = watch::Watch::default();
    let mut under_way: HashSet<String> = HashSet::new();
    let (done, mut finished) = mpsc::channel::<(Endpoint, Delivery, Tried)>(ATTEMPTS_MAX);
    loop {
        let endpoints = endpoints(&node);
        for event in watch.look(&node) {
            for endpoint in endpoints.values().filter(|endpoint| event.is_for(endpoint)) {
                if !hooks.is_off(endpoint) {
                    hooks.deliver(endpoint, &event);
                }
            }
        }
        // On the disk before it is sent: a node that dies in between sends it when it is back.
        hooks.save().await;
        let now_ms = now_ms();
        let due = hooks.outbox().due(now_ms, &under_way);
        for delivery in due {
            if under_way.len() >= ATTEMPTS_MAX {
                break;
            }
            let Some(endpoint) = endpoints.get(&delivery.endpoint) else {
                hooks.outbox().give_up(&delivery, "the webhook is no longer in the tenant's file");
                continue;
            };
            if !is_mine(&node, endpoint, &delivery, now_ms).await {
                continue;
            }
            under_way.insert(delivery.key());
            let (done, endpoint) = (done.clone(), endpoint.clone());
            tokio::spawn(async move {
                let tried = send::attempt(&endpoint.hook, &delivery).await;
                // The receiver is there for as long as the node lives.
                let _ = done.send((endpoint, delivery, tried)).await;
            });
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = hooks.changed() => {}
            Some((endpoint, delivery, tried)) = finished.recv() => {
                under_way.remove(&delivery.key());
                settle(&node, &endpoint, &delivery, tried).await;
            }
            () = ends.wait() => break,
        }
    }
    while !under_way.is_empty() {
        let Some((endpoint, delivery, tried)) = finished.recv().await else { break };
        under_way.remove(&delivery.key());
        settle(&node, &endpoint, &delivery, tried).await;
    }
    hooks.save().await;
}

fn endpoints(node: &Node) -> HashMap<String, Endpoint> {
    let routes = node.routes();
    let all = routes.sites().iter().flat_map(|site| {
        let tenant = site.tenant.name.to_string();
        site.tenant.webhooks.iter().map(move |hook| Endpoint { tenant: tenant.clone(), hook: hook.clone() })
    });
    all.map(|endpoint| (endpoint.name(), endpoint)).collect()
}

/// Whether this node is to make the next attempt. What other nodes have done is taken over.
async fn is_mine(node: &Node, endpoint: &Endpoint, delivery: &Delivery, now_ms: u64) -> bool {
    let Lines::Redis(store, _) = node.store() else { return !switched_off(node, endpoint, delivery) };
    let claimed = async {
        if let Some(mark) = store.get(&format!("hook-off.{}", endpoint.name())).await? {
            let mut outbox = node.webhooks.outbox();
            if mark == endpoint.mark().as_bytes() {
                outbox.off.insert(endpoint.name(), endpoint.mark());
            } else {
                outbox.off.remove(&endpoint.name());
            }
        }
        if switched_off(node, endpoint, delivery) {
            return Ok(false);
        }
        if let Some(known) = store.get(&format!("hook.{}", delivery.key())).await? {
            let known = serde_json::from_slice::<outbox::Known>(&known).ok();
            if known.is_some_and(|known| node.webhooks.outbox().take_over(delivery, &known, now_ms)) {
                return Ok(false);
            }
        }
        let run = node.peers.run().as_bytes();
        let claim = format!("hook.{}.{}.{}", delivery.key(), delivery.round, delivery.tried.len());
        store.share(&claim, run, CLAIM).await.map(|first| first == run)
    };
    match claimed.await {
        Ok(is_mine) => {
            if !is_mine {
                node.webhooks.outbox().look_again(delivery, now_ms + LOOK_AGAIN_MS);
            }
            is_mine
        }
        // An event that comes twice has one id; one that does not come has none.
        Err::<bool, sluice_admission::store::StoreError>(error) => {
            tracing::debug!(%error, "webhooks: other nodes may send this as well");
            true
        }
    }
}

fn switched_off(node: &Node, endpoint: &Endpoint, delivery: &Delivery) -> bool {
    let is_off = node.webhooks.is_off(endpoint);
    if is_off {
        node.webhooks.outbox().give_up(delivery, "the webhook has answered 410 and is switched off");
    }
    is_off
}

/// Books an attempt, and tells the other nodes.
async fn settle(node: &Node, endpoint: &Endpoint, delivery: &Delivery, tried: Tried) {
    let is_gone = tried.status == Some(410);
    let name = endpoint.name();
    let word = if tried.is_success() { "delivered" } else { "failed" };
    node.metrics.webhook_attempts.with_label_values(&[&endpoint.tenant, endpoint.hook.name.as_str(), word]).inc();
    if tried.is_success() {
        tracing::debug!(webhook = name, event = delivery.id, "webhook delivered");
    } else {
        let why = tried.error.as_deref().unwrap_or_default();
        tracing::warn!(webhook = name, event = delivery.id, attempt = delivery.tried.len() + 1, why, "webhook failed");
    }
    let known = {
        let mut outbox = node.webhooks.outbox();
        if is_gone {
            tracing::error!(webhook = name, "webhook has answered 410: switched off");
            outbox.off.insert(name.clone(), endpoint.mark());
        }
        outbox.book(delivery, tried, now_ms())
    };
    node.webhooks.save().await;
    let Lines::Redis(store, _) = node.store() else { return };
    let text = serde_json::to_vec(&known).unwrap_or_default();
    let mut told = store.put(&format!("hook.{}", delivery.key()), &text, KNOWN_FOR).await;
    if is_gone {
        told = told.and(store.put(&format!("hook-off.{name}"), endpoint.mark().as_bytes(), OFF_FOR).await);
    }
    if let Err(error) = told {
        tracing::debug!(%error, "webhooks: other nodes may send this as well");
    }
}
