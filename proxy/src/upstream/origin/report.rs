//! Origins in metrics.

use super::{Origin, Server};
use crate::upstream::failure::Cause;

/// An origin.
#[derive(Debug)]
pub(crate) struct OfOrigin<'o> {
    /// The first path of its route; empty for the tenant's own.
    pub(crate) route: &'o str,
    /// Requests that wait for a place at a server.
    pub(crate) waiting: usize,
    pub(crate) second_attempts: u64,
    pub(crate) second_attempts_refused: u64,
    /// Requests for which all servers were down.
    pub(crate) panics: u64,
    /// Look-ups of names that failed.
    pub(crate) unresolved: u64,
}

/// A server of an origin.
#[derive(Debug)]
pub(crate) struct OfServer {
    /// Its address.
    pub(crate) server: String,
    pub(crate) is_up: bool,
    pub(crate) in_flight: u32,
    pub(crate) ejections: u64,
    /// Failed requests by their cause.
    pub(crate) failures: Vec<(&'static str, u64)>,
}

impl Origin {
    /// What is known of it now, and of each of its servers.
    pub(crate) fn report(&self) -> (OfOrigin<'_>, Vec<OfServer>) {
        let known = &self.known;
        let of_origin = OfOrigin {
            route: &known.id.route,
            waiting: known.room.waiting(),
            second_attempts: known.budget.made(),
            second_attempts_refused: known.budget.refused(),
            panics: known.panics_count(),
            unresolved: known.unresolved_count(),
        };
        (of_origin, self.servers.load().all().map(|server| OfServer::of(server)).collect())
    }
}

impl OfServer {
    fn of(server: &Server) -> Self {
        let word = |(cause, count): (Cause, u64)| (cause.word(), count);
        Self {
            server: server.endpoint.to_string(),
            is_up: server.health.is_up(),
            in_flight: server.in_flight(),
            ejections: server.health.ejections(),
            failures: server.health.failures().map(word).collect(),
        }
    }
}
