//! What is known of origins and their servers.

use super::read::Read;
use crate::{routing::Site, upstream::OfServer};

/// Reads the origins of a site.
pub(super) fn read(read: &mut Read, site: &Site) {
    let tenant = ("tenant", site.tenant.name.as_str());
    for (origin, servers) in site.origins().map(|origin| origin.report()) {
        let labels = [tenant, ("route", origin.route)];
        let waiting = origin.waiting as f64;
        read.gauge("origin_requests_waiting", "Requests that wait for a place at a server", &labels, waiting);
        for (name, help, count) in [
            ("origin_second_attempts_total", "Requests that were tried once more", origin.second_attempts),
            (
                "origin_second_attempts_refused_total",
                "Requests that were not tried once more, since too many were",
                origin.second_attempts_refused,
            ),
            ("origin_panics_total", "Requests sent to a server although all were down", origin.panics),
            ("origin_names_unresolved_total", "Look-ups of servers' names that failed", origin.unresolved),
        ] {
            read.counter(name, help, &labels, count);
        }
        servers.iter().for_each(|server| read_server(read, labels, server));
    }
}

fn read_server(read: &mut Read, [tenant, route]: [(&str, &str); 2], server: &OfServer) {
    let labels = [tenant, route, ("server", &*server.server)];
    let help = "Whether a server is neither ejected nor down by its checks";
    read.gauge("origin_server_up", help, &labels, f64::from(u8::from(server.is_up)));
    let in_flight = server.in_flight.into();
    read.gauge("origin_server_requests_in_flight", "Requests under way at a server", &labels, in_flight);
    read.counter("origin_server_ejections_total", "How often a server was ejected", &labels, server.ejections);
    for (reason, count) in &server.failures {
        let labels = [tenant, route, labels[2], ("reason", reason)];
        let help = "Requests that failed at a server, also if another one answered them then";
        read.counter("origin_server_failures_total", help, &labels, *count);
    }
}
