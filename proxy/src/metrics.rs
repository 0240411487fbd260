//! What the node counts, and how it is told. One registry, our own; labels are bounded by the config.

mod lanes;
mod origins;

use std::sync::atomic::Ordering;

use prometheus::{
    Encoder, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
    core::{AtomicU64, Collector, GenericGaugeVec},
};
use sluice_admission::store::{Condition, LineId};

use self::{lanes::Lanes, origins::Origins};
use crate::{
    gate::{Counts, Gate},
    node,
    routing::Routes,
    tally::Tally,
    transport::tls::HandshakeCounts,
};

type Gauges = GenericGaugeVec<AtomicU64>;

/// The node's metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    tokens_refused: IntCounterVec,
    rejected: IntCounterVec,
    rules: IntCounterVec,
    origin_errors: IntCounterVec,
    origins: Origins,
    line: Lines,
    lanes: Lanes,
    store: StoreMetrics,
    /// Client connections now.
    pub(crate) connections: IntGauge,
    /// Client connections closed unread at the bound.
    pub(crate) connections_refused: IntCounter,
    /// Client connections cut for what they sent, or for sending or taking it too slowly.
    pub(crate) connections_cut: IntCounter,
    cut: IntCounterVec,
    /// What became of TLS handshakes.
    pub(crate) handshakes: HandshakeCounts,
    /// Requests in flight now.
    pub(crate) requests_in_flight: Tally,
    in_flight: IntGauge,
    /// Reloads taken.
    pub(crate) reloads: IntCounter,
    /// Reloads refused because of mistakes.
    pub(crate) reloads_refused: IntCounter,
    /// 1 while the newest config on disk is the one that runs.
    pub(crate) config_current: IntGauge,
}

/// Connections to a shared store; zeros on a node that keeps its own lines.
#[derive(Debug)]
struct StoreMetrics {
    read_only: IntGauge,
    connections: IntCounter,
    evictions: IntCounter,
}

#[derive(Debug)]
struct Lines {
    waiting: Gauges,
    issued: Gauges,
    head: Gauges,
    floor: Gauges,
    due: Gauges,
    inside: Gauges,
    called_last_minute: Gauges,
    epoch: Gauges,
    release_per_minute: Gauges,
    seats_max: Gauges,
    store_up: IntGaugeVec,
    steps: IntCounterVec,
    steps_failed: IntCounterVec,
    marks_dropped: IntCounterVec,
    unanswered: IntCounterVec,
}

const LINE: &[&str] = &["tenant", "queue"];

impl Metrics {
    /// # Errors
    /// If two metrics collide: a mistake in this file.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let r = &registry;
        let line =
            |name: &str, help: &str| registered(r, Gauges::new(Opts::new(format!("sluice_{name}"), help), LINE)?);
        let count = |name: &str, help: &str| {
            registered(r, IntCounterVec::new(Opts::new(format!("sluice_{name}"), help), LINE)?)
        };
        let line = Lines {
            waiting: line("line_waiting_visitors", "Visitors in line, seen within 90 s")?,
            issued: line("line_issued_number", "The last number handed out; of all lanes together")?,
            head: line("line_head_number", "The highest number called; of all lanes together")?,
            floor: line("line_floor_number", "The highest number that can no longer be called; of all lanes together")?,
            due: line("line_due_visitors", "Visitors called who have not entered yet")?,
            inside: line("line_inside_visitors", "Visitors inside")?,
            called_last_minute: line("line_called_last_minute_visitors", "Visitors called in the last 60 s")?,
            epoch: line("line_epoch_number", "Rises when the line is reset")?,
            release_per_minute: line(
                "line_release_per_minute_visitors",
                "The release rate in force, of the file or set by an operator",
            )?,
            seats_max: line("line_seats_max", "The configured bound of visitors inside; 0: none")?,
            store_up: registered(
                r,
                IntGaugeVec::new(Opts::new("sluice_line_store_up", "Whether the line's store answers"), LINE)?,
            )?,
            steps: count("line_steps_total", "Steps made by this node")?,
            steps_failed: count("line_steps_failed_total", "Steps this node could not make")?,
            marks_dropped: count("line_marks_dropped_total", "Marks of presence dropped at the bound")?,
            unanswered: count("line_unanswered_total", "Questions of visitors the line could not answer in time")?,
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            registered(r, IntCounterVec::new(Opts::new(format!("sluice_{name}"), help), labels)?)
        };
        let counter = |name: &str, help: &str| registered(r, IntCounter::new(format!("sluice_{name}"), help)?);
        let gauge = |name: &str, help: &str| registered(r, IntGauge::new(format!("sluice_{name}"), help)?);
        let build = IntGaugeVec::new(Opts::new("sluice_build_info", "The version that runs"), &["version"])?;
        registered(r, build)?.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            requests: counters("requests_total", "Requests at a gate", &["tenant", "queue", "outcome"])?,
            tokens_refused: counters(
                "tokens_refused_total",
                "Tokens that did not verify",
                &["tenant", "queue", "kind", "reason"],
            )?,
            rejected: counters("requests_rejected_total", "Requests answered before any gate", &["reason"])?,
            rules: counters(
                "rule_requests_total",
                "Requests that a rule of a queue has decided about",
                &["tenant", "queue", "rule"],
            )?,
            origin_errors: counters(
                "origin_errors_total",
                "Requests the origin did not answer",
                &["tenant", "reason"],
            )?,
            lanes: Lanes::new(r)?,
            origins: Origins::new(r)?,
            line,
            store: StoreMetrics {
                read_only: gauge("store_read_only", "Whether the store is a replica, by its last word")?,
                connections: counter("store_connections_total", "Connections opened to the store")?,
                evictions: counter(
                    "store_evictions_noticed_total",
                    "How often a line was lost while the store evicts keys, counted once a minute at most",
                )?,
            },
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
            handshakes: HandshakeCounts::new(&counters(
                "tls_handshakes_total",
                "TLS handshakes by what became of them",
                &["outcome"],
            )?),
            requests_in_flight: Tally::default(),
            in_flight: gauge("requests_in_flight", "Requests in flight")?,
            reloads: counter("config_reloads_total", "Configs taken")?,
            reloads_refused: counter("config_reloads_refused_total", "Configs refused because of mistakes")?,
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

    /// The origin of a tenant did not answer; `reason` is a fixed word.
    pub(crate) fn origin_error(&self, tenant: &str, reason: &'static str) {
        self.origin_errors.with_label_values(&[tenant, reason]).inc();
    }

    /// The text for a scrape; the lines are read now.
    pub(crate) fn scrape(&self, routes: &Routes, store: &node::Lines) -> Vec<u8> {
        self.line.reset();
        if let Some(condition) = store.condition() {
            self.store.read(condition);
        }
        self.requests.reset();
        self.rules.reset();
        self.lanes.reset();
        self.origins.reset();
        routes.sites().iter().for_each(|site| self.origins.read(site));
        self.in_flight.set(self.requests_in_flight.sum());
        for gate in routes.sites().iter().flat_map(|site| site.gates()) {
            self.line.read(gate);
            self.lanes.read(gate);
            let line = gate.usher.line();
            for (outcome, count) in gate.counts.by_outcome() {
                self.requests.with_label_values(&[line.tenant.as_str(), line.queue.as_str(), outcome]).inc_by(count);
            }
            for (rule, count) in gate.rules_met() {
                self.rules.with_label_values(&[line.tenant.as_str(), line.queue.as_str(), rule]).inc_by(count);
            }
        }
        let mut text = Vec::new();
        // Encoding fails only on a metric without samples, which the encoder is not given.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}

impl StoreMetrics {
    fn read(&self, condition: Condition) {
        self.read_only.set(i64::from(condition.read_only));
        self.connections.reset();
        self.connections.inc_by(condition.connections);
        self.evictions.reset();
        self.evictions.inc_by(condition.evictions);
    }
}

impl Lines {
    /// Queues that a reload has removed must not linger.
    fn reset(&self) {
        self.gauges().into_iter().for_each(Gauges::reset);
        self.counters().into_iter().for_each(IntCounterVec::reset);
        self.store_up.reset();
    }

    fn gauges(&self) -> [&Gauges; 10] {
        [
            &self.waiting,
            &self.issued,
            &self.head,
            &self.floor,
            &self.due,
            &self.inside,
            &self.called_last_minute,
            &self.epoch,
            &self.release_per_minute,
            &self.seats_max,
        ]
    }

    fn counters(&self) -> [&IntCounterVec; 4] {
        [&self.steps, &self.steps_failed, &self.marks_dropped, &self.unanswered]
    }

    fn read(&self, gate: &Gate) {
        let line = gate.usher.line();
        let labels = [line.tenant.as_str(), line.queue.as_str()];
        let view = gate.usher.view();
        let (s, rules) = (&view.summary, gate.usher.governed().rules);
        let values = [
            s.waiting,
            s.places(|lane| lane.issued),
            s.places(|lane| lane.head),
            s.places(|lane| lane.floor),
            s.due,
            s.inside,
            s.called_last_minute,
            s.epoch,
            u64::from(rules.release_per_minute),
            u64::from(rules.max_active.unwrap_or(0)),
        ];
        for (gauges, value) in self.gauges().into_iter().zip(values) {
            gauges.with_label_values(&labels).set(value);
        }
        let counts = gate.usher.counts();
        let counts = [&counts.steps, &counts.steps_failed, &counts.marks_dropped, &counts.unanswered];
        for (counters, count) in self.counters().into_iter().zip(counts) {
            counters.with_label_values(&labels).inc_by(count.load(Ordering::Relaxed));
        }
        self.store_up.with_label_values(&labels).set(i64::from(view.store_answers));
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
