//! The machine and the store: what a rush needs of them, and what would be queued.

use rustix::process::{Resource, getrlimit};
use sluice_config::{Mode, Store};

use super::{Findings, Scene};
use crate::{gate::Gate, lines::Lines};

/// For listeners, files, the store and idle connections to origins.
const BESIDE_CLIENTS: u64 = 1_000;

pub(super) async fn check(scene: &Scene<'_>, findings: &mut Findings) {
    queued(scene, findings);
    limits(scene, findings);
    store(scene, findings).await;
}

/// What visitors would wait for.
fn queued(scene: &Scene<'_>, findings: &mut Findings) {
    let queues = &scene.tenant.queues;
    let word = |mode: Mode| Mode::ALL.iter().find(|(_, known)| *known == mode).map_or("", |(word, _)| *word);
    let each: Vec<_> = queues
        .iter()
        .map(|queue| format!("{} ({}: {})", queue.name, word(queue.mode), queue.paths.join(", ")))
        .collect();
    if each.is_empty() {
        return findings.warn("queued", "the tenant has no queue: no visitor would ever wait");
    }
    let covers_all = |queue: &&std::sync::Arc<sluice_config::Queue>| queue.paths.iter().any(|path| path == "/");
    let whole = queues.iter().find(covers_all);
    let leaves_out = queues.iter().any(|queue| queue.mode == Mode::Open && !queue.paths.iter().any(|path| path == "/"));
    match whole {
        Some(whole) if !leaves_out => findings.warn(
            "queued",
            format!(
                "{}. `{}` covers every path, call-backs of payment services, webhooks and feeds as well: give what no \
                 browser calls a queue with `mode = \"open\"`",
                each.join("; "),
                whole.name
            ),
        ),
        _ => findings.ok("queued", each.join("; ")),
    }
}

/// Each visitor takes a descriptor, and each request one more.
fn limits(scene: &Scene<'_>, findings: &mut Findings) {
    let clients = scene.config.server.connections_max as u64;
    // None: without a limit. A node raises what it may raise.
    match getrlimit(Resource::Nofile).maximum {
        Some(max) if max < clients + BESIDE_CLIENTS => findings.warn(
            "limits",
            format!(
                "a process may open {max} files here, and `connections_max` is {clients}: raise the limit (LimitNOFILE= of \
                 the unit, ulimit -n), or lower connections_max"
            ),
        ),
        Some(max) => findings.ok("limits", format!("{max} open files for {clients} connections")),
        None => findings.ok("limits", format!("no limit of open files, {clients} connections")),
    }
}

async fn store(scene: &Scene<'_>, findings: &mut Findings) {
    if let Store::Embedded { state_dir } = &scene.config.store {
        // The node that runs holds it, so only its directory can be looked at.
        return match std::fs::metadata(state_dir) {
            Ok(about) if about.is_dir() => findings.ok("store", format!("lines are kept in {}", state_dir.display())),
            Ok(_) => findings.stop("store", format!("{} is no directory", state_dir.display())),
            Err(error) => {
                findings.warn("store", format!("{}: {error}; the node makes it at its start", state_dir.display()))
            }
        };
    }
    let lines = match Lines::open(&scene.config.store) {
        Ok(lines) => lines,
        Err((dir, error)) => return findings.stop("store", format!("{}: {error}", dir.display())),
    };
    let of_tenant: Vec<_> = scene.tenant.queues.iter().map(|queue| Gate::line_of(&scene.tenant.name, queue)).collect();
    let checkup = lines.doctor(&of_tenant).await;
    let said: Vec<_> = checkup.findings.iter().map(ToString::to_string).collect();
    match (checkup.is_healthy(), said.as_slice()) {
        (true, []) => findings.ok("store", "healthy"),
        (true, said) => findings.warn("store", said.join(" ")),
        (false, said) => findings.stop("store", said.join(" ")),
    }
}
