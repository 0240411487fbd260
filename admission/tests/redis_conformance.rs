//! The Redis store does what every store must do: on one server, on a cluster, behind Sentinels.
#![allow(clippy::unwrap_used, missing_docs)]

mod conformance;
#[path = "redis/servers.rs"]
mod servers;

use std::sync::Arc;

use conformance::{Clock, World};
use servers::{Cluster, Sentinels, Server};
use sluice_admission::store::Redis;
use sluice_config::RedisSettings;

fn open(settings: &RedisSettings, clock: &Clock) -> Arc<Redis> {
    let clock = clock.clone();
    Arc::new(Redis::with_clock(settings, move || clock.now_ms()))
}

/// A kind of place: what is started, and how it is reached.
macro_rules! place {
    ($name:ident, $servers:ty) => {
        mod $name {
            use super::*;

            struct Place {
                servers: $servers,
                clock: Clock,
            }

            impl World for Place {
                type Store = Redis;

                async fn new(clock: Clock) -> Self {
                    Self { servers: <$servers>::start(), clock }
                }

                async fn open(&self) -> Arc<Redis> {
                    open(&self.servers.settings(), &self.clock)
                }
            }

            conformance::suite!(Place);
        }
    };
}

place!(single, Server);
place!(cluster, Cluster);
place!(sentinel, Sentinels);
