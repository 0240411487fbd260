//! `sluice run`

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use sluice_admission::store::Severity;
use sluice_config::Watch;
use tokio::{runtime::Handle, signal::unix::Signal, time::sleep};
use tracing_subscriber::{EnvFilter, fmt};

use super::Failed;
use crate::{
    commands::console,
    life::{
        self, End, Life, Stops, reload, resources,
        upgrade::{self, Heir, Program, Refused},
    },
    lines::Lines,
    node::Node,
    server::supervisor,
    transport::listeners::{Handed, Listeners},
};

/// A store that was away at the start is looked at again after so long.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

pub(super) fn run(dir: &Path) -> Result<(), Failed> {
    log_to_stderr();
    // Before the file can be another one.
    let program = Program::of_this_process()?;
    let lines_run_on = life::runtime()?;
    let (mut heir, handed) = match Heir::of_this_process(lines_run_on.handle())? {
        Some((heir, handed)) => (Some(heir), handed),
        None => (None, supervisor::listeners()),
    };
    let started = start(dir, lines_run_on.handle(), handed, heir.as_mut());
    if let (Err(why), Some(heir)) = (&started, &mut heir) {
        heir.failed(&why.to_string());
    }
    let Started { life, stops, mut upgrades } = started?;
    if let Some((stream, older)) = heir.map(Heir::into_lending) {
        life.lend(stream, older);
    }
    supervisor::ready();
    life.until(stops, async |life, stops| {
        loop {
            tokio::select! {
                () = stops.asked() => break,
                Some(()) = upgrades.recv() => match upgrade::hand_over(life, &program, stops).await {
                    // It goes on taking the config: what it still asks of the lines, it asks by the rules in force.
                    Ok(()) => return End::Followed,
                    Err(Refused::Asked) => break,
                    Err(_) => {}
                },
            }
        }
        supervisor::stopping();
        End::Asked
    });
    lines_run_on.shutdown_background();
    tracing::info!("stopped");
    Ok(())
}

/// A node that serves, and what it listens to beside its clients.
struct Started {
    life: Life,
    stops: Stops,
    upgrades: Signal,
}

fn start(
    dir: &Path,
    lines_run_on: &Handle,
    handed: Vec<Handed>,
    mut heir: Option<&mut Heir>,
) -> Result<Started, Failed> {
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
    config.notes(SystemTime::now()).iter().for_each(|note| tracing::warn!("{note}"));
    resources::raise_descriptors(config.server.connections_max);
    let (listeners, signals) = {
        let _context = lines_run_on.enter();
        let uncaught = |error| Failed::Because(format!("signals cannot be caught: {error}"));
        // A peer that has heard that we listen may ask for something.
        let signals = Stops::catch().and_then(|stops| Ok((stops, reload::hangups()?, upgrade::upgrades()?)));
        (Listeners::open(&config, handed)?, signals.map_err(uncaught)?)
    };
    if let Some(heir) = &mut heir {
        heir.ready()?;
    }
    let store = Lines::open(&config.store)
        .map_err(|(dir, error)| Failed::Because(format!("state directory {}: {error}", dir.display())))?;
    let mut life = Life::prepare(&config, &keys, store, listeners, lines_run_on)?;
    life.node.metrics.config_current.set(1);
    if let Some(heir) = &mut heir {
        let unheard = life.node.lines_where(|usher| !usher.has_heard());
        if let Some(line) = unheard.first() {
            let all = unheard.len();
            return Err(Failed::Because(format!("{all} lines are not heard of, such as {line}: see the log above")));
        }
        heir.prepared()?;
    }
    life.serve()?;
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
    life.beside().spawn(resources::give_memory_back());
    life.beside().spawn(look_at_store(life.node.clone()));
    let (stops, hangups, upgrades) = signals;
    life.beside().spawn(reload::watch(life.node.clone(), access, files, config, hangups));
    Ok(Started { life, stops, upgrades })
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

/// `RUST_LOG` chooses what is logged; `info` by default. `SLUICE_LOG=json` makes it JSON. Of libraries, only what no client can
/// bring about: h2 and rustls warn of what a client has sent.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,pingora=warn,pingora_core=warn,h2=error,rustls=error"));
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(console::colour());
    let set =
        if std::env::var("SLUICE_LOG").is_ok_and(|v| v == "json") { log.json().try_init() } else { log.try_init() };
    if set.is_err() {
        console::complain("logging was set up already");
    }
}
