//! Takes a changed config: on SIGHUP, or when the files change. Whole, or not at all.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use sluice_admission::token::Keyring;
use sluice_config::{Config, Errors, Watch};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

use crate::{admin::access::Access, node::Node};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a reload waits for new lines to answer.
const LINES_ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Catches SIGHUP from now on; before, it would end the process. Needs a tokio context.
///
/// # Errors
/// If the system refuses.
pub(crate) fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Watches a config directory for as long as the node lives.
pub(crate) async fn watch(
    node: Arc<Node>,
    access: Option<Arc<Access>>,
    mut files: Watch,
    mut running: Config,
    mut hangups: Signal,
) {
    loop {
        let asked = tokio::select! {
            _ = hangups.recv() => true,
            () = sleep(LOOK_EVERY) => false,
        };
        if asked {
            // Whoever moves files away says so by this, whatever the config says.
            node.access_log.reopen();
        }
        // Reads files and resolves names, neither of which may hold up a line.
        let read = tokio::task::block_in_place(|| (asked || files.changed()).then(|| files.reload()));
        if let Some(read) = read {
            take(&node, access.as_deref(), read, &mut running).await;
        }
    }
}

async fn take(node: &Node, access: Option<&Access>, read: Result<Config, Errors>, running: &mut Config) {
    let refused = |why: &dyn std::fmt::Display| {
        // Said before it is counted, so that a reader of the count finds the reason.
        tracing::error!("config reload rejected; keeping the running config:\n{why}");
        node.metrics.reloads_refused.inc();
        node.metrics.config_current.set(0);
    };
    let config = match read {
        Ok(config) => config,
        Err(errors) => return refused(&errors),
    };
    let Some(keys) = &config.keys else {
        return refused(&"sluice.toml has no [keys]");
    };
    if let Err(error) = node.take(&config, keys, LINES_ANSWER_WITHIN).await {
        return refused(&error);
    }
    if let Some(access) = access {
        match Keyring::new(keys) {
            Ok(keyring) => access.take(config.admin.clone(), &keyring),
            Err(error) => return refused(&error),
        }
    }
    let listens = |config: &Config| config.admin.as_ref().map(|admin| admin.listen);
    let (server, store, limits) = (&config.server, &config.store, &config.limits);
    let is_same = *server == running.server && *store == running.store && *limits == running.limits;
    if !is_same || listens(&config) != listens(running) {
        tracing::warn!(
            "[server], [store], [limits] or `listen` in [admin] changed; restart the node, or upgrade it, to apply it"
        );
    }
    config.notes(SystemTime::now()).iter().for_each(|note| tracing::warn!("{note}"));
    tracing::info!(tenants = config.tenants.len(), "config reloaded");
    node.metrics.reloads.inc();
    node.metrics.config_current.set(1);
    *running = config;
}
