//! What is counted of origins and their servers. Read from them at each scrape: servers that are gone must not linger.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::registered;
use crate::{
    routing::Site,
    upstream::{OfOrigin, OfServer},
};

const ORIGIN: &[&str] = &["tenant", "route"];
const SERVER: &[&str] = &["tenant", "route", "server"];

#[derive(Debug)]
pub(super) struct Origins {
    up: IntGaugeVec,
    in_flight: IntGaugeVec,
    ejections: IntCounterVec,
    failures: IntCounterVec,
    waiting: IntGaugeVec,
    second_attempts: IntCounterVec,
    second_attempts_refused: IntCounterVec,
    panics: IntCounterVec,
    unresolved: IntCounterVec,
}

impl Origins {
    pub(super) fn new(r: &Registry) -> prometheus::Result<Self> {
        let opts = |name: &str, help: &str| Opts::new(format!("sluice_origin_{name}"), help);
        let gauge = |name: &str, help: &str, labels| registered(r, IntGaugeVec::new(opts(name, help), labels)?);
        let counter = |name: &str, help: &str, labels| registered(r, IntCounterVec::new(opts(name, help), labels)?);
        Ok(Self {
            up: gauge("server_up", "Whether a server is neither ejected nor down by its checks", SERVER)?,
            in_flight: gauge("server_requests_in_flight", "Requests under way at a server", SERVER)?,
            ejections: counter("server_ejections_total", "How often a server was ejected", SERVER)?,
            failures: counter(
                "server_failures_total",
                "Requests that failed at a server, also if another one answered them then",
                &["tenant", "route", "server", "reason"],
            )?,
            waiting: gauge("requests_waiting", "Requests that wait for a place at a server", ORIGIN)?,
            second_attempts: counter("second_attempts_total", "Requests that were tried once more", ORIGIN)?,
            second_attempts_refused: counter(
                "second_attempts_refused_total",
                "Requests that were not tried once more, since too many were",
                ORIGIN,
            )?,
            panics: counter("panics_total", "Requests sent to a server although all were down", ORIGIN)?,
            unresolved: counter("names_unresolved_total", "Look-ups of servers' names that failed", ORIGIN)?,
        })
    }

    /// Everything that has been read is forgotten.
    pub(super) fn reset(&self) {
        [&self.up, &self.in_flight, &self.waiting].into_iter().for_each(IntGaugeVec::reset);
        [
            &self.ejections,
            &self.failures,
            &self.second_attempts,
            &self.second_attempts_refused,
            &self.panics,
            &self.unresolved,
        ]
        .into_iter()
        .for_each(IntCounterVec::reset);
    }

    pub(super) fn read(&self, site: &Site) {
        let tenant = site.tenant.name.as_str();
        for (origin, servers) in site.origins().map(|origin| origin.report()) {
            let labels = [tenant, origin.route];
            self.read_origin(labels, &origin);
            servers.iter().for_each(|server| self.read_server(labels, server));
        }
    }

    fn read_origin(&self, labels: [&str; 2], origin: &OfOrigin<'_>) {
        self.waiting.with_label_values(&labels).set(i64::try_from(origin.waiting).unwrap_or(i64::MAX));
        for (counter, count) in [
            (&self.second_attempts, origin.second_attempts),
            (&self.second_attempts_refused, origin.second_attempts_refused),
            (&self.panics, origin.panics),
            (&self.unresolved, origin.unresolved),
        ] {
            counter.with_label_values(&labels).inc_by(count);
        }
    }

    fn read_server(&self, [tenant, route]: [&str; 2], server: &OfServer) {
        let labels = [tenant, route, &server.server];
        self.up.with_label_values(&labels).set(i64::from(server.is_up));
        self.in_flight.with_label_values(&labels).set(server.in_flight.into());
        self.ejections.with_label_values(&labels).inc_by(server.ejections);
        for (reason, count) in &server.failures {
            self.failures.with_label_values(&[tenant, route, &server.server, reason]).inc_by(*count);
        }
    }
}
