//! What the node counts. One registry, our own; labels are bounded by the config.

use prometheus::{
    IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector, proto::MetricFamily,
};
use sluice_admission::store::LineId;

use crate::{
    gate::Counts,
    sinks::tally::Tally,
    transport::{ProxyHeaderRefused, tls::HandshakeCounts},
};

/// The node's metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    tokens_refused: IntCounterVec,
    rejected: IntCounterVec,
    limits: IntCounterVec,
    proxy_headers: IntCounterVec,
    origin_errors: IntCounterVec,
    /// Client connections now.
    pub(crate) connections: IntGauge,
    /// Client connections closed unread at the bound.
    pub(crate) connections_refused: IntCounter,
    /// Client connections cut for what they sent, or for sending or taking it too slowly.
    pub(crate) connections_cut: IntCounter,
    cut: IntCounterVec,
    /// HTTP/2 connections that rest.
    pub(crate) http2_resting: Tally,
    /// Those that end because the node leaves: it waits for them.
    pub(crate) http2_leaving: Tally,
    /// Connections to the API, or for health and metrics, closed unread at the bound.
    pub(crate) admin_connections_refused: IntCounter,
    /// Attempts to tell a webhook, by what became of them.
    pub(crate) webhook_attempts: IntCounterVec,
    /// What became of orders for certificates.
    pub(crate) acme_orders: IntCounterVec,
    /// What became of TLS handshakes.
    pub(crate) handshakes: HandshakeCounts,
    /// Requests in flight now.
    pub(crate) requests_in_flight: Tally,
    /// The bounds of both, as configured.
    pub(crate) connections_max: IntGauge,
    pub(crate) requests_max: IntGauge,
    /// Reloads taken.
    pub(crate) reloads: IntCounter,
    /// Reloads refused because of mistakes.
    pub(crate) reloads_refused: IntCounter,
    /// Upgrades that did not come about: the process goes on.
    pub(crate) upgrades_refused: IntCounter,
    /// 1 while the newest config on disk is the one that runs.
    pub(crate) config_current: IntGauge,
}

impl Metrics {
    /// # Errors
    /// If two metrics collide: a mistake in this file.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let r = &registry;
        let counters = |name: &str, help: &str, labels: &[&str]| {
            registered(r, IntCounterVec::new(Opts::new(format!("sluice_{name}"), help), labels)?)
        };
        let counter = |name: &str, help: &str| registered(r, IntCounter::new(format!("sluice_{name}"), help)?);
        let gauge = |name: &str, help: &str| registered(r, IntGauge::new(format!("sluice_{name}"), help)?);
        let build = IntGaugeVec::new(Opts::new("sluice_build_info", "The version that runs"), &["version"])?;
        registered(r, build)?.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let proxy_headers = counters(
            "proxy_headers_refused_total",
            "Connections closed for what came in the place of a PROXY header",
            &["reason"],
        )?;
        for refused in ProxyHeaderRefused::ALL {
            // Counted from zero, so that the first one is a rise.
            proxy_headers.with_label_values(&[refused.reason()]);
        }
        Ok(Self {
            tokens_refused: counters(
                "tokens_refused_total",
                "Tokens that did not verify",
                &["tenant", "queue", "kind", "reason"],
            )?,
            rejected: counters("requests_rejected_total", "Requests answered before any gate", &["reason"])?,
            limits: counters(
                "limits_reached_total",
                "How often a bound was reached, of the node (no tenant) or of a tenant",
                &["tenant", "limit"],
            )?,
            proxy_headers,
            origin_errors: counters(
                "origin_errors_total",
                "Requests the origin did not answer",
                &["tenant", "reason"],
            )?,
            connections: gauge("connections", "Client connections")?,
            connections_refused: counter("connections_refused_total", "Connections closed at the bound")?,
            connections_cut: counter(
                "connections_cut_total",
                "Connections cut for what they sent, or how slowly they sent or took it",
            )?,
            cut: counters(
                "http2_cut_total",
                "HTTP/2 connections and streams ended for what their client did, or did not do",
                &["reason"],
            )?,
            http2_resting: Tally::default(),
            http2_leaving: Tally::default(),
            admin_connections_refused: counter(
                "admin_connections_refused_total",
                "Connections to the API, health or metrics closed at the bound",
            )?,
            webhook_attempts: counters(
                "webhook_attempts_total",
                "Attempts to tell a webhook what happened",
                &["tenant", "webhook", "outcome"],
            )?,
            acme_orders: counters("acme_orders_total", "Orders for certificates by what became of them", &["outcome"])?,
            handshakes: HandshakeCounts::new(&counters(
                "tls_handshakes_total",
                "TLS handshakes by what became of them",
                &["outcome"],
            )?),
            requests_in_flight: Tally::default(),
            connections_max: gauge("connections_max", "The bound of client connections")?,
            requests_max: gauge("requests_max", "The bound of requests under way")?,
            reloads: counter("config_reloads_total", "Configs taken")?,
            reloads_refused: counter("config_reloads_refused_total", "Configs refused because of mistakes")?,
            upgrades_refused: counter(
                "upgrades_refused_total",
                "Upgrades that did not come about; the process that was there goes on",
            )?,
            config_current: gauge("config_current", "Whether the newest config on disk is the one that runs")?,
            registry,
        })
    }

    /// The counters of one gate.
    pub(crate) fn gate(&self, line: &LineId) -> Counts {
        let (tenant, queue) = (line.tenant.as_str(), line.queue.as_str());
        Counts::new(|kind, reason| self.tokens_refused.with_label_values(&[tenant, queue, kind, reason]))
    }

    /// A request was answered before any gate; `reason` is a fixed word.
    pub(crate) fn reject(&self, reason: &'static str) {
        self.rejected.with_label_values(&[reason]).inc();
    }

    /// A client on HTTP/2 was let go; `reason` is a fixed word.
    pub(crate) fn cut(&self, reason: &'static str) {
        self.cut.with_label_values(&[reason]).inc();
    }

    /// A bound was reached, of a tenant or of the node; `limit` is a fixed word.
    pub(crate) fn limit(&self, tenant: &str, limit: &'static str) {
        self.limits.with_label_values(&[tenant, limit]).inc();
    }

    /// A connection was closed for what came in the place of a PROXY header.
    pub(crate) fn proxy_header(&self, refused: ProxyHeaderRefused) {
        self.proxy_headers.with_label_values(&[refused.reason()]).inc();
    }

    /// The origin of a tenant did not answer; `reason` is a fixed word.
    pub(crate) fn origin_error(&self, tenant: &str, reason: &'static str) {
        self.origin_errors.with_label_values(&[tenant, reason]).inc();
    }

    /// All of it, as it is now.
    pub(crate) fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
