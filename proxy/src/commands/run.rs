//! `sluice run`

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use sluice_admission::store::Severity;
use sluice_config::Watch;
use tokio::time::sleep;
use tracing_subscriber::{EnvFilter, fmt};

use super::Failed;
use crate::{
    commands::console,
    node::{
        Lines, Node,
        life::{self, Life},
        reload, resources, supervisor,
    },
};

/// A store that was away at the start is looked at again after so long.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

pub(super) fn run(dir: &Path) -> Result<(), Failed> {
    let (files, config) = Watch::load(dir);
    let config = config.map_err(Failed::Config)?;
    let Some(keys) = config.keys.clone() else {
        return Err(Failed::Because(
            "no master secret: tokens cannot be signed without one. Put `sluice keygen`'s output into an \
             environment variable or a file (mode 0600), and name it in sluice.toml:\n\n  [keys]\n  current = \
             \"2026-11\"\n  secrets = { \"2026-11\" = { env = \"SLUICE_KEY\" } }\n"
                .into(),
        ));
    };
    log_to_stderr();
    config.notes(SystemTime::now()).iter().for_each(|note| tracing::warn!("{note}"));
    resources::raise_descriptors(config.server.connections_max);
    let store = Lines::open(&config.store)
        .map_err(|(dir, error)| Failed::Because(format!("state directory {}: {error}", dir.display())))?;
    let life = Life::start(&config, &keys, store)?;
    life.node.metrics.config_current.set(1);
    // Whoever has heard that we listen may ask for a reload.
    let hangups = {
        let _context = life.beside().enter();
        reload::hangups().map_err(|error| Failed::Because(format!("SIGHUP cannot be caught: {error}")))?
    };
    // For whoever started us: the ports, which may have been chosen by the system.
    for (scheme, addr) in &life.addresses {
        console::say(format_args!("listening on {}://{addr}", scheme.as_str()));
    }
    let access = life.api.as_ref().map(|(addr, access)| {
        console::say(format_args!("API on http://{addr}"));
        access.clone()
    });
    if let Some(addr) = life.admin {
        console::say(format_args!("admin on http://{addr}"));
    }
    tracing::info!(tenants = config.tenants.len(), "serving");
    life.beside().spawn(look_at_store(life.node.clone()));
    life.beside().spawn(reload::watch(life.node.clone(), access, files, config, hangups));
    supervisor::ready();
    life.until(async {
        life::asked_to_end().await;
        supervisor::stopping();
    });
    tracing::info!("stopped");
    Ok(())
}

/// Says what is wrong with the store, and if it is away, once more when it is there. That is no reason not to start:
/// whoever is inside is served without it.
async fn look_at_store(node: Arc<Node>) {
    let mut said_away = false;
    loop {
        let checkup = node.store().doctor(&[]).await;
        let away = !checkup.is_healthy() && checkup.servers.is_empty();
        for finding in checkup.findings.iter().filter(|_| !(away && said_away)) {
            match finding.severity {
                Severity::Fault => tracing::error!("the store: {finding}"),
                Severity::Warning => tracing::warn!("the store: {finding}"),
            }
        }
        if !away {
            return;
        }
        said_away = true;
        sleep(LOOK_AGAIN).await;
    }
}

/// `RUST_LOG` chooses what is logged; `info` by default. `SLUICE_LOG=json` makes it JSON.
fn log_to_stderr() {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,pingora=warn,pingora_core=warn"));
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(console::colour());
    let set =
        if std::env::var("SLUICE_LOG").is_ok_and(|v| v == "json") { log.json().try_init() } else { log.try_init() };
    if set.is_err() {
        console::complain("logging was set up already");
    }
}
