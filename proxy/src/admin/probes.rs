//! Health and metrics.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use serde::{Deserialize, Serialize};
use sluice_admission::store::LineId;
use tokio::net::TcpListener;

use crate::{
    admin::{listen, metrics::scrape},
    node::{Ends, Node},
};

/// What they are about.
#[derive(Clone, Debug)]
pub(crate) struct Probes {
    pub(crate) node: Arc<Node>,
    /// The node is on its way out: load balancers should send no visitor here any more.
    pub(crate) leaving: Arc<AtomicBool>,
    /// The process whose place this one took; `None`: it was started anew.
    pub(crate) follows: Option<u32>,
}

/// The body of `/health/ready`.
///
/// A store that goes away does not make a node unready: it goes away for every node at once, and a load balancer
/// that took them all out would throw out everybody who is inside. A node that has not heard of a line since its
/// start is of less use than one that has, so it is not ready.
#[derive(Serialize)]
struct Ready {
    ready: bool,
    leaving: bool,
    /// Lines that this node has not heard of since its start.
    unknown_lines: Vec<String>,
    /// Lines whose store does not answer now. Visitors inside are served all the same.
    silent_lines: Vec<String>,
    /// In what the nodes of the fleet differ. Which of them is right, no node can know, so all are ready.
    disagreements: Vec<String>,
}

/// Serves until the process ends, as health must be answered to the very last, or until another process has followed, which
/// answers those who come from then on.
pub(crate) async fn serve(listener: TcpListener, probes: Probes, followed: Ends) {
    let refused = probes.node.metrics.admin_connections_refused.clone();
    let router = Router::new()
        .route("/health", get(|| async { "alive\n" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/process", get(process))
        .with_state(probes);
    listen::serve("[server] admin", listener, router, refused, followed).await;
}

async fn ready(State(probes): State<Probes>) -> impl IntoResponse {
    let names = |lines: Vec<LineId>| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
    let silent_lines = names(probes.node.lines_where(|usher| !usher.view().store_answers));
    let unknown_lines = names(probes.node.lines_where(|usher| !usher.has_heard()));
    let leaving = probes.leaving.load(Ordering::Relaxed);
    let ready = !leaving && unknown_lines.is_empty();
    let disagreements = probes.node.peers.heard().differences.iter().map(ToString::to_string).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = Ready { ready, leaving, unknown_lines, silent_lines, disagreements };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body))
}

/// The body of `/process`: which process is the node, for those who wait for another one to take its place.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) version: String,
    /// The process whose place it took; `None`: it was started anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) follows: Option<u32>,
    /// How often it was to be followed by another process and was not, and why the last time.
    pub(crate) upgrades_refused: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

async fn process(State(probes): State<Probes>) -> impl IntoResponse {
    let node = &probes.node;
    let body = Process {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        follows: probes.follows,
        // Counted behind the reason: a reader of the count finds it.
        upgrades_refused: node.metrics.upgrades_refused.get(),
        why: node.upgrade_refused.load_full().map(|why| why.to_string()),
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(body))
}

async fn metrics(State(probes): State<Probes>) -> impl IntoResponse {
    let text = scrape(&probes.node);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
