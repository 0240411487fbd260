//! What the node counts, and how it is told. One registry, our own; labels are bounded by the config.

use prometheus::{
    Encoder, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
    core::{AtomicU64, Collector, GenericGaugeVec},
};
use sluice_admission::store::LineId;

use crate::{gate::Counts, routes::Routes};

type Gauges = GenericGaugeVec<AtomicU64>;

/// The node's metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    tokens_refused: IntCounterVec,
    rejected: IntCounterVec,
    origin_errors: IntCounterVec,
    line: LineGauges,
    /// Client connections now.
    pub(crate) connections: IntGauge,
    /// Client connections closed unread at the bound.
    pub(crate) connections_refused: IntCounter,
    /// Client connections cut for what they sent, or for sending it too slowly.
    pub(crate) connections_cut: IntCounter,
    /// Requests in flight now.
    pub(crate) requests_in_flight: IntGauge,
    /// Reloads taken.
    pub(crate) reloads: IntCounter,
    /// Reloads refused because of mistakes.
    pub(crate) reloads_refused: IntCounter,
    /// 1 while the newest config on disk is the one that runs.
    pub(crate) config_current: IntGauge,
}

#[derive(Debug)]
struct LineGauges {
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
    steps: Gauges,
    steps_failed: Gauges,
    marks_dropped: Gauges,
    unanswered: Gauges,
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
        let line = LineGauges {
            waiting: line("line_waiting_visitors", "Visitors in line, seen within 90 s")?,
            issued: line("line_issued_number", "The last number handed out")?,
            head: line("line_head_number", "The highest number called")?,
            floor: line("line_floor_number", "The highest number that can no longer be called")?,
            due: line("line_due_visitors", "Visitors called who have not entered yet")?,
            inside: line("line_inside_visitors", "Visitors inside")?,
            called_last_minute: line("line_called_last_minute_visitors", "Visitors called in the last 60 s")?,
            epoch: line("line_epoch_number", "Rises when the line is reset")?,
            release_per_minute: line("line_release_per_minute_visitors", "The configured release rate")?,
            seats_max: line("line_seats_max", "The configured bound of visitors inside; 0: none")?,
            store_up: registered(
                r,
                IntGaugeVec::new(Opts::new("sluice_line_store_up", "Whether the line's store answers"), LINE)?,
            )?,
            steps: line("line_steps_total", "Steps made by this node")?,
            steps_failed: line("line_steps_failed_total", "Steps this node could not make")?,
            marks_dropped: line("line_marks_dropped_total", "Marks of presence dropped at the bound")?,
            unanswered: line("line_unanswered_total", "Questions of visitors the line could not answer in time")?,
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
            origin_errors: counters(
                "origin_errors_total",
                "Requests the origin did not answer",
                &["tenant", "reason"],
            )?,
            line,
            connections: gauge("connections", "Client connections")?,
            connections_refused: counter("connections_refused_total", "Connections closed at the bound")?,
            connections_cut: counter("connections_cut_total", "Connections cut for what they sent, or how slowly")?,
            requests_in_flight: gauge("requests_in_flight", "Requests in flight")?,
            reloads: counter("config_reloads_total", "Configs taken")?,
            reloads_refused: counter("config_reloads_refused_total", "Configs refused because of mistakes")?,
            config_current: gauge("config_current", "Whether the newest config on disk is the one that runs")?,
            registry,
        })
    }

    /// The counters of one gate.
    pub(crate) fn gate(&self, line: &LineId) -> Counts {
        let (tenant, queue) = (line.tenant.as_str(), line.queue.as_str());
        Counts::new(
            |outcome| self.requests.with_label_values(&[tenant, queue, outcome]),
            |kind, reason| self.tokens_refused.with_label_values(&[tenant, queue, kind, reason]),
        )
    }

    /// A request was answered before any gate; `reason` is a fixed word.
    pub(crate) fn reject(&self, reason: &'static str) {
        self.rejected.with_label_values(&[reason]).inc();
    }

    /// The origin of a tenant did not answer; `reason` is a fixed word.
    pub(crate) fn origin_error(&self, tenant: &str, reason: &'static str) {
        self.origin_errors.with_label_values(&[tenant, reason]).inc();
    }

    /// The text for a scrape; the lines are read now.
    pub(crate) fn scrape(&self, routes: &Routes) -> Vec<u8> {
        self.line.reset();
        for gate in routes.sites().iter().flat_map(|site| site.gates()) {
            self.line.read(gate);
        }
        let mut text = Vec::new();
        // Encoding fails only on a metric without samples, which the encoder is not given.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}

impl LineGauges {
    /// Queues that a reload has removed must not linger.
    fn reset(&self) {
        for gauges in self.all() {
            gauges.reset();
        }
        self.store_up.reset();
    }

    fn all(&self) -> [&Gauges; 14] {
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
            &self.steps,
            &self.steps_failed,
            &self.marks_dropped,
            &self.unanswered,
        ]
    }

    fn read(&self, gate: &crate::gate::Gate) {
        use std::sync::atomic::Ordering::Relaxed;
        let line = gate.usher.line();
        let labels = [line.tenant.as_str(), line.queue.as_str()];
        let view = gate.usher.view();
        let (s, rules, counts) = (&view.summary, gate.usher.rules(), gate.usher.counts());
        let values = [
            s.waiting,
            s.issued,
            s.head,
            s.floor,
            s.due,
            s.inside,
            s.called_last_minute,
            s.epoch,
            u64::from(rules.release_per_minute),
            u64::from(rules.max_active.unwrap_or(0)),
            counts.steps.load(Relaxed),
            counts.steps_failed.load(Relaxed),
            counts.marks_dropped.load(Relaxed),
            counts.unanswered.load(Relaxed),
        ];
        for (gauges, value) in self.all().into_iter().zip(values) {
            gauges.with_label_values(&labels).set(value);
        }
        self.store_up.with_label_values(&labels).set(i64::from(view.store_answers));
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
