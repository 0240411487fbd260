//! How a fleet's nodes reach the store they share.

use std::time::Duration;

use super::Secret;

/// What a connection to Redis or Valkey needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// How the nodes belong together.
    pub topology: RedisTopology,
    /// The URL's hosts in the order written. Names are not resolved here: the store may be away when a node
    /// starts, and moves between addresses while it runs.
    pub nodes: Vec<RedisNode>,
    /// Logical database; 0 in a cluster.
    pub database: u32,
    /// Name of the ACL user; `None`: the server's default user.
    pub username: Option<String>,
    /// Password of that user.
    pub password: Option<Secret>,
    /// Starts every key, so that several fleets can share one store.
    pub key_prefix: String,
    /// How long TCP and TLS set-up may take.
    pub connect_timeout: Duration,
    /// How long an answer may take before the store counts as away.
    pub response_timeout: Duration,
    /// Whether connections are TLS.
    pub tls: bool,
    /// PEM certificates that sign the server's; `None`: the public ones.
    pub tls_ca_pem: Option<String>,
}

/// How the nodes of a store belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisTopology {
    /// One server (`redis://`, `rediss://`).
    Single,
    /// Sentinels that know which server is the primary (`redis+sentinel://`).
    Sentinel {
        /// Name under which the Sentinels watch it.
        master: String,
    },
    /// Seed nodes of a cluster (`redis+cluster://`).
    Cluster,
}

/// One host of the store's URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisNode {
    /// Host name or address, an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}
