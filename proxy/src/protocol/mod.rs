//! What is spoken with clients: HTTP/1.1 and HTTP/2, one driver each. Both answer what can be answered here, and forward
//! the rest.

pub(crate) mod h1;
mod h2;

use std::{sync::Arc, time::Duration};

use pingora_core::server::ShutdownWatch;
use tokio::sync::Semaphore;

use crate::service::Service;

/// Requests on one connection; then it is closed, so that a rebalanced fleet gets its share.
const REQUESTS_PER_CONNECTION_MAX: u32 = 10_000;
/// The first request of a connection must begin within this.
const FIRST_REQUEST: Duration = Duration::from_secs(20);
/// An idle connection is closed after this. Longer than the longest pause between two polls.
const KEEPALIVE: Duration = Duration::from_secs(75);

/// Serves a worker's connections, one request after the other or many at a time.
pub(crate) struct Driver {
    pub(crate) service: Service,
    pub(crate) shutdown: ShutdownWatch,
    /// Connections that may send bodies fast at once: each may take a megabyte.
    wide: Arc<Semaphore>,
    /// Requests that connections have at origins beyond the ones that each may have.
    beyond: Arc<Semaphore>,
}

impl Driver {
    pub(crate) fn new(service: Service, shutdown: ShutdownWatch) -> Self {
        let [wide, beyond] = [h2::WIDE_MAX, h2::BEYOND_MAX].map(|max| Arc::new(Semaphore::new(max)));
        Self { service, shutdown, wide, beyond }
    }
}
