//! The shape of `sluice.toml`. Each comment is what an editor shows.
//!
//! Comments name the bounds of durations, which JSON Schema has no words for; a test holds the readers to them.
#![expect(dead_code, reason = "the derive reads the shape; nobody builds one")]

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, json_schema};

use super::named::{Pair, Secret};
use crate::{
    forms::duration,
    limits,
    sections::{keys, store},
};

/// Settings of one Sluice node.
#[derive(JsonSchema)]
#[schemars(title = "sluice.toml", deny_unknown_fields)]
pub(super) struct NodeFile {
    server: Option<Server>,
    tls: Option<Tls>,
    store: Option<Store>,
    keys: Option<Keys>,
}

/// Listeners and node-wide limits.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Server {
    /// Addresses (IP:port) for plain HTTP. Port 0: the system chooses one.
    #[schemars(
        length(min = *limits::LISTENERS.start(), max = *limits::LISTENERS.end()),
        extend("default" = ["127.0.0.1:8080"])
    )]
    http: Option<Vec<String>>,
    /// Addresses (IP:port) for TLS.
    #[schemars(
        length(min = *limits::LISTENERS.start(), max = *limits::LISTENERS.end()),
        extend("default" = [])
    )]
    https: Option<Vec<String>>,
    /// Address (IP:port) of health and metrics; false or "off": none. An address that other machines can reach
    /// needs admin_public.
    #[schemars(schema_with = "admin", default, extend("default" = "127.0.0.1:9900"))]
    admin: Option<String>,
    /// Allows an admin address that other machines can reach.
    #[schemars(extend("default" = false))]
    admin_public: Option<bool>,
    /// Networks (CIDR) of the proxies in front, whose X-Forwarded-For and X-Forwarded-Proto are believed.
    #[schemars(
        length(min = *limits::TRUSTED_PROXIES.start(), max = *limits::TRUSTED_PROXIES.end()),
        extend("default" = [])
    )]
    trusted_proxies: Option<Vec<String>>,
    /// Worker threads. Left out: one per core.
    #[schemars(range(min = *limits::THREADS.start(), max = *limits::THREADS.end()))]
    threads: Option<u32>,
    /// How long requests in flight may take after a stop signal before they are cut. From 0s to 1h.
    #[schemars(regex(pattern = duration::PATTERN), extend("default" = "30s"))]
    drain_timeout: Option<String>,
    /// Most client connections at once; the next one is closed before it is read.
    #[schemars(
        range(min = *limits::CONNECTIONS.start(), max = *limits::CONNECTIONS.end()),
        extend("default" = 15_000)
    )]
    connections_max: Option<u32>,
    /// Whether HTTP/2 is offered on the https listeners.
    #[schemars(extend("default" = true))]
    http2: Option<bool>,
    /// Most requests under way at once, over all connections; the next one is refused.
    #[schemars(
        range(min = *limits::REQUESTS.start(), max = *limits::REQUESTS.end()),
        extend("default" = 20_000)
    )]
    requests_max: Option<u32>,
    /// Folder of the state files, from the config folder.
    #[schemars(length(min = 1), extend("default" = "state"))]
    state_dir: Option<String>,
}

fn admin(_: &mut schemars::SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, { "const": false }] })
}

/// What this node speaks on its https listeners.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Tls {
    /// The versions spoken: "1.3", and "1.2" beside it.
    #[schemars(
        length(min = *limits::TLS_VERSIONS.start(), max = *limits::TLS_VERSIONS.end()),
        inner(regex(pattern = "^1\\.[23]$")),
        extend("default" = ["1.2", "1.3"], "uniqueItems" = true, "contains" = { "const": "1.3" })
    )]
    versions: Option<Vec<String>>,
    /// Whether clients may resume a session by a ticket.
    #[schemars(extend("default" = true))]
    session_tickets: Option<bool>,
    /// From the accepted connection to the end of the handshake. From 1s to 1m.
    #[schemars(regex(pattern = duration::PATTERN), extend("default" = "10s"))]
    handshake_timeout: Option<String>,
    /// Presented to clients that name no host, or one without a certificate. Left out: their handshake fails.
    default_certificate: Option<Pair>,
}

/// The Redis or Valkey that the nodes of a fleet share. Without this table the lines live in the one node.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Store {
    /// redis://HOST:PORT, rediss:// for TLS, redis+sentinel:// or redis+cluster:// with several hosts between commas;
    /// a path is the database. Never with a password.
    #[schemars(regex(pattern = store::URL_PATTERN))]
    url: String,
    /// Name under which the Sentinels watch the primary; required with redis+sentinel://.
    #[schemars(regex(pattern = store::NAME_PATTERN))]
    sentinel_master: Option<String>,
    /// Logical database.
    #[schemars(
        range(min = *limits::DATABASE.start(), max = *limits::DATABASE.end()),
        extend("default" = 0)
    )]
    database: Option<u32>,
    /// Name of the ACL user. Left out: the server's default user.
    #[schemars(regex(pattern = store::NAME_PATTERN))]
    username: Option<String>,
    /// Password of that user.
    password: Option<Secret>,
    /// Starts every key, so that several fleets can share one store.
    #[schemars(regex(pattern = store::KEY_PREFIX_PATTERN), extend("default" = "sluice"))]
    key_prefix: Option<String>,
    /// How long TCP and TLS set-up may take. From 100ms to 1m.
    #[schemars(regex(pattern = duration::PATTERN), extend("default" = "2s"))]
    connect_timeout: Option<String>,
    /// How long an answer may take before the store counts as away. From 10ms to 30s.
    #[schemars(regex(pattern = duration::PATTERN), extend("default" = "500ms"))]
    response_timeout: Option<String>,
    /// Connect with TLS. Default: true with rediss://, else false.
    tls: Option<bool>,
    /// PEM file, from the config folder, of the certificates that sign the store's. Left out: the public ones.
    #[schemars(length(min = 1))]
    tls_ca_file: Option<String>,
}

/// Master secrets that sign visitors' tokens.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Keys {
    /// Name of the secret that signs; all of them verify.
    #[schemars(regex(pattern = keys::NAME_PATTERN))]
    current: String,
    /// Secrets by name: 32 to 1024 bytes in base64, each in an environment variable or a file.
    #[schemars(extend(
        "minProperties" = limits::SECRETS.start(),
        "maxProperties" = limits::SECRETS.end(),
        "propertyNames" = { "pattern": keys::NAME_PATTERN }
    ))]
    secrets: BTreeMap<String, Secret>,
}
