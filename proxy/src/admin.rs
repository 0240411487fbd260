//! The admin listener: health and metrics, never on a public address.

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
use serde::Serialize;
use tokio::net::TcpListener;

use crate::node::Node;

/// What the admin listener tells of.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) node: Arc<Node>,
    /// The node is on its way out: load balancers should send nobody here any more.
    pub(crate) leaving: Arc<AtomicBool>,
}

/// The body of `/health/ready`.
#[derive(Serialize)]
struct Ready {
    ready: bool,
    leaving: bool,
    /// Lines whose store does not answer. Visitors inside are served all the same.
    silent_lines: Vec<String>,
}

/// Serves until the process ends: health must be answered to the very last.
pub(crate) async fn serve(listener: TcpListener, admin: Admin) -> std::io::Result<()> {
    let router = Router::new()
        .route("/health", get(|| async { "alive\n" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(admin);
    axum::serve(listener, router).await
}

async fn ready(State(admin): State<Admin>) -> impl IntoResponse {
    let silent_lines: Vec<_> = admin.node.silent_lines().iter().map(ToString::to_string).collect();
    let leaving = admin.leaving.load(Ordering::Relaxed);
    let ready = !leaving && silent_lines.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(Ready { ready, leaving, silent_lines }))
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    let text = admin.node.metrics.scrape(&admin.node.routes());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
