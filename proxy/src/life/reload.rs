//! Takes a changed config: on SIGHUP, or when the files change. Whole, or not at all.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use sluice_admission::token::Keyring;
use sluice_config::{Config, Errors, NodeTls, Watch};
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
    started: Config,
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
            take(&node, access.as_deref(), read, &started).await;
        }
    }
}

/// `started`: the config of the start, of which parts stay in force until the end.
async fn take(node: &Node, access: Option<&Access>, read: Result<Config, Errors>, started: &Config) {
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
    let waiting = waiting(started, &config);
    if !waiting.is_empty() {
        tracing::warn!(settings = waiting.join(", "), "changed; restart the node, or upgrade it, to apply it");
    }
    config.notes(SystemTime::now()).iter().for_each(|note| tracing::warn!("{note}"));
    tracing::info!(tenants = config.tenants.len(), "config reloaded");
    node.metrics.reloads.inc();
    node.metrics.config_current.set(1);
}

/// Settings that a reload does not apply, as far as they are others than at the start.
fn waiting(started: &Config, config: &Config) -> Vec<&'static str> {
    // Named one by one, so that a new table is not forgotten.
    let Config { server, tls, acme: _, store, keys: _, admin, limits, access_log: _, tenants: _ } = config;
    let NodeTls { versions: _, session_tickets: _, handshake_timeout, default_certificate: _ } = tls;
    let listens = |admin: &Option<sluice_config::Admin>| admin.as_ref().map(|admin| admin.listen);
    let changed = [
        ("[server]", *server != started.server),
        ("[store]", *store != started.store),
        ("[limits]", *limits != started.limits),
        ("[tls] handshake_timeout", *handshake_timeout != started.tls.handshake_timeout),
        ("[admin] listen", listens(admin) != listens(&started.admin)),
    ];
    changed.into_iter().filter_map(|(setting, has_changed)| has_changed.then_some(setting)).collect()
}
