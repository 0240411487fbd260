//! What a scrape gets: what the node counts, and what is read from its owners at that moment.

mod lanes;
mod lines;
mod origins;
mod read;

use prometheus::{Encoder as _, TextEncoder};

use self::read::Read;
use crate::node::Node;

/// The text for a scrape. What has an owner is read from it now.
pub(crate) fn scrape(node: &Node) -> Vec<u8> {
    let mut families = node.metrics.gather();
    families.extend(read(node).families());
    let mut text = Vec::new();
    // Encoding fails only on a metric without samples, which the encoder is not given.
    let _ = TextEncoder::new().encode(&families, &mut text);
    text
}

fn read(node: &Node) -> Read {
    let mut read = Read::default();
    let in_flight = node.metrics.requests_in_flight.sum() as f64;
    read.gauge("requests_in_flight", "Requests in flight", &[], in_flight);
    let resting = node.metrics.http2_resting.sum() as f64;
    read.gauge(
        "http2_connections_resting",
        "HTTP/2 connections that keep little more than their keys until they are asked something",
        &[],
        resting,
    );
    store(&mut read, node);
    let (lost, written) = node.access_log.counts();
    read.counter("access_log_lines_written_total", "Lines of the access log", &[], written);
    let help = "Lines of the access log that could not be written";
    read.counter("access_log_lines_lost_total", help, &[], lost);
    let heard = node.peers.heard();
    read.gauge("fleet_nodes", "Nodes that share the store, as this one has heard", &[], heard.peers.len() as f64);
    let routes = node.routes();
    if let Some(certificate) = routes.default_certificate() {
        lines::read_certificate(&mut read, "", certificate);
    }
    for site in routes.sites() {
        origins::read(&mut read, site);
        lines::read_certificates(&mut read, &site.tenant, routes.certificates());
        for gate in site.gates() {
            lines::read(&mut read, gate, &heard);
            lanes::read(&mut read, gate);
        }
    }
    read
}

/// Connections to a shared store; zeros on a node that keeps its own lines.
fn store(read: &mut Read, node: &Node) {
    let condition = node.store().condition().unwrap_or_default();
    let read_only = f64::from(u8::from(condition.read_only));
    read.gauge("store_read_only", "Whether the store is a replica, by its last word", &[], read_only);
    let connections = condition.connections;
    read.counter("store_connections_total", "Connections opened to the store", &[], connections);
    let help = "How often a line was lost while the store evicts keys, counted once a minute at most";
    read.counter("store_evictions_noticed_total", help, &[], condition.evictions);
}
