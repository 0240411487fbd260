//! What is known of lines, and what an operator has set in them.

use std::sync::atomic::Ordering;

use sluice_admission::{line::Override, usher::now};
use sluice_config::{Certificate, Tenant};

use super::read::Read;
use crate::{gate::Gate, node::peers::Heard, transport::tls::Certificates};

/// Reads the line of a gate.
pub(super) fn read(read: &mut Read, gate: &Gate, heard: &Heard) {
    let line = gate.usher.line();
    let labels = [("tenant", line.tenant.as_str()), ("queue", line.queue.as_str())];
    let view = gate.usher.view();
    let governed = gate.usher.governed();
    let (s, rules) = (&view.summary, &governed.rules);
    for (name, help, value) in [
        ("line_waiting_visitors", "Visitors in line, seen within 90 s", s.waiting),
        ("line_issued_number", "The last number handed out; of all lanes together", s.places(|lane| lane.issued)),
        ("line_head_number", "The highest number called; of all lanes together", s.places(|lane| lane.head)),
        (
            "line_floor_number",
            "The highest number that can no longer be called; of all lanes together",
            s.places(|lane| lane.floor),
        ),
        ("line_due_visitors", "Visitors called who have not entered yet", s.due),
        ("line_inside_visitors", "Visitors inside", s.inside),
        ("line_called_last_minute_visitors", "Visitors called in the last 60 s", s.called_last_minute),
        ("line_epoch_number", "Rises when the line is reset", s.epoch),
        (
            "line_release_per_minute_visitors",
            "The release rate in force, of the file or set by an operator",
            rules.release_per_minute.into(),
        ),
        (
            "line_seats_max",
            "The bound of visitors inside that is in force; 0: none",
            rules.max_active.unwrap_or(0).into(),
        ),
        ("line_waiting_max_visitors", "The bound of visitors in line that is in force", rules.max_waiting.into()),
        ("line_store_up", "Whether the line's store answers", view.store_answers.into()),
        (
            "line_differences",
            "Settings and keys of this line in which nodes differ",
            heard.about(&format!("{}/{}", line.tenant, line.queue)).count() as u64,
        ),
    ] {
        read.gauge(name, help, &labels, value as f64);
    }
    let [tenant, queue] = labels;
    let mode = ("mode", rules.mode.as_str());
    read.gauge(
        "line_mode",
        "1 for the mode that is in force, of the file or set by an operator",
        &[tenant, queue, mode],
        1.0,
    );
    if governed.is_in_force && governed.control.set != Override::default() {
        let line_ms = view.line_ms(now());
        let age_ms = line_ms.saturating_sub(governed.control.since_ms);
        let help = "For how long something has been set by an operator; absent: nothing is";
        read.gauge("line_override_age_seconds", help, &labels, seconds(age_ms));
        if let Some(until_ms) = governed.control.set.until_ms {
            let help = "Until what an operator has set ends; absent: it does not end by itself";
            read.gauge("line_override_left_seconds", help, &labels, seconds(until_ms.saturating_sub(line_ms)));
        }
    }
    let counts = gate.usher.counts();
    for (name, help, count) in [
        ("line_steps_total", "Steps made by this node", &counts.steps),
        ("line_steps_failed_total", "Steps this node could not make", &counts.steps_failed),
        ("line_marks_dropped_total", "Marks of presence dropped at the bound", &counts.marks_dropped),
        ("line_hushes_total", "Times at which most visitors near the head were found not to ask", &counts.hushes),
        ("line_unanswered_total", "Questions of visitors the line could not answer in time", &counts.unanswered),
    ] {
        read.counter(name, help, &labels, count.load(Ordering::Relaxed));
    }
    for (outcome, count) in gate.counts.by_outcome() {
        read.counter("requests_total", "Requests at a gate", &[tenant, queue, ("outcome", outcome)], count);
    }
    let help = "How often a number was put off because of how many its client had had";
    read.counter("numbers_delayed_total", help, &labels, gate.delayed());
    for (rule, count) in gate.rules_met() {
        read.counter(
            "rule_requests_total",
            "Requests that a rule of a queue has decided about",
            &[tenant, queue, ("rule", rule)],
            count,
        );
    }
}

/// Reads when the certificates of a tenant end, and how many are still to come.
pub(super) fn read_certificates(read: &mut Read, tenant: &Tenant, all: &Certificates) {
    let name = tenant.name.as_str();
    let certificates = tenant.tls.iter().flat_map(|tls| &tls.certificates);
    certificates.for_each(|certificate| read_certificate(read, name, certificate));
    if tenant.tls.is_none() {
        return;
    }
    let mut missing = 0.0;
    for host in tenant.acme_hosts() {
        match all.issued(host) {
            Some(certificate) => read_certificate(read, name, &certificate),
            None => missing += 1.0,
        }
    }
    let help = "Hosts of a tenant whose certificate comes by ACME and is not there";
    read.gauge("certificates_missing", help, &[("tenant", name)], missing);
}

/// Reads when a certificate ends. Two of the same names differ by their kind of key.
pub(super) fn read_certificate(read: &mut Read, tenant: &str, certificate: &Certificate) {
    let name = certificate.names.first().map(ToString::to_string).unwrap_or_default();
    let key = if certificate.is_rsa() { "rsa" } else { "ecdsa" };
    let labels = [("tenant", tenant), ("name", &*name), ("key", key)];
    let help = "When a certificate ends, in seconds since 1970; no tenant: the node's default";
    read.gauge("certificate_expires_seconds", help, &labels, certificate.not_after_s as f64);
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}
