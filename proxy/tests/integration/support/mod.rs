//! What every test stands on: a node (the real binary), an origin behind it, connections and visitors before it.
//!
//! Each test owns its world: ports given by the system, a folder of its own, a process that ends with the test.
//! Nobody sleeps; who waits, waits for something, with a deadline.

pub(crate) mod browser;
pub(crate) mod certificates;
pub(crate) mod chromium;
pub(crate) mod config;
pub(crate) mod dice;
pub(crate) mod fleet;
pub(crate) mod metrics;
pub(crate) mod node;
pub(crate) mod origin;
pub(crate) mod scene;
pub(crate) mod visitor;
mod wire;

use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(crate) use self::{
    browser::Status,
    certificates::{Authority, Pair},
    client::{Client, Protocol},
    config::Tenant,
    connection::Connection,
    fleet::Fleet,
    http2::Http2,
    message::{Request, Response},
    node::{Node, Setup},
    origin::Origin,
    resolver::{Resolver, Zone},
    scene::Scene,
    tls::TlsClient,
    visitor::Visitor,
    wire::{client, connection, frames, http2, message, pool, resolver, tls},
};

/// The host of the tenant that most tests have.
pub(crate) const HOST: &str = "shop.example.com";

/// How long a condition may take that should hold within milliseconds: long enough for a machine that is busy with
/// the other tests.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks until there is something to see, for at most [`SOON`].
pub(crate) async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(SOON, what, look).await
}

/// Looks until there is something to see, for at most `limit`.
pub(crate) async fn until_within<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        sleep(LOOK_EVERY).await;
    }
}
