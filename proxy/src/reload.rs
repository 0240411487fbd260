//! Takes a changed config: on SIGHUP, or when the files change. Whole, or not at all.

use std::{sync::Arc, time::Duration};

use sluice_config::{Config, Watch};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use crate::node::Node;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Watches a config directory for as long as the node lives.
pub(crate) async fn watch(node: Arc<Node>, mut files: Watch, mut running: Config) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::error!(%error, "SIGHUP cannot be caught; config changes are not taken");
            return;
        }
    };
    loop {
        let asked = tokio::select! {
            _ = hangup.recv() => true,
            () = sleep(LOOK_EVERY) => false,
        };
        // Reads files and resolves names, neither of which may hold up a line.
        tokio::task::block_in_place(|| {
            if asked || files.changed() {
                take(&node, &mut files, &mut running);
            }
        });
    }
}

fn take(node: &Node, files: &mut Watch, running: &mut Config) {
    let refused = |why: &dyn std::fmt::Display| {
        node.metrics.reloads_refused.inc();
        node.metrics.config_current.set(0);
        tracing::error!("the changed config is not taken, the running one goes on:\n{why}");
    };
    let config = match files.reload() {
        Ok(config) => config,
        Err(errors) => return refused(&errors),
    };
    let Some(keys) = &config.keys else {
        return refused(&"sluice.toml has no [keys]");
    };
    if let Err(error) = node.take(&config, keys) {
        return refused(&error);
    }
    node.metrics.reloads.inc();
    node.metrics.config_current.set(1);
    if config.server != running.server || config.store != running.store {
        tracing::warn!("[server] and [store] changed; these take effect at the next start");
    }
    tracing::info!(tenants = config.tenants.len(), "the changed config is taken");
    *running = config;
}
