//! The shape of `tenants/*.toml`. Each comment is what an editor shows.
//!
//! Comments name the bounds of durations, which JSON Schema has no words for; a test holds the readers to them.
#![expect(dead_code, reason = "the derive reads the shape; nobody builds one")]

use schemars::JsonSchema;

use super::named::Pair;
use crate::{
    forms::{duration, host, path},
    limits,
    sections::{cors, tenant, tls::tenant as tls},
    settings::{Mode, OnStoreLoss, SameSite},
};

/// One tenant: its hosts, its origin and its queues.
#[derive(JsonSchema)]
#[schemars(title = "tenants/*.toml", deny_unknown_fields)]
pub(super) struct TenantFile {
    /// Stable name, part of every visitor's token: who renames it empties the line.
    #[schemars(regex(pattern = tenant::NAME_PATTERN))]
    name: String,
    /// Hosts this tenant answers for: "shop.example.com", or "*.example.com" for every name below.
    #[schemars(
        length(min = *limits::HOSTS.start(), max = *limits::HOSTS.end()),
        inner(regex(pattern = host::PATTERN))
    )]
    hosts: Vec<String>,
    origin: Origin,
    cors: Option<Cors>,
    tls: Option<Tls>,
    cookies: Option<Cookies>,
    /// "strict" adds X-Content-Type-Options, Referrer-Policy and X-Frame-Options to answers that come without them.
    #[schemars(extend("const" = tenant::HEADERS_STRICT))]
    headers: Option<String>,
    /// Lines of visitors.
    #[schemars(length(min = *limits::QUEUES.start(), max = *limits::QUEUES.end()))]
    queue: Vec<Queue>,
}

/// Where admitted requests go.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Origin {
    /// Servers as IP:port or host:port; a name is resolved when the config is loaded.
    #[schemars(length(min = *limits::ORIGIN_SERVERS.start(), max = *limits::ORIGIN_SERVERS.end()))]
    servers: Vec<String>,
    /// How long a TCP connect may take. From 100ms to 1m.
    #[schemars(regex(pattern = duration::PATTERN), extend("default" = "5s"))]
    connect_timeout: Option<String>,
    /// Longest silence while the origin answers. From 1s to 1h.
    #[schemars(regex(pattern = duration::PATTERN), extend("default" = "60s"))]
    read_timeout: Option<String>,
    /// Longest wait for the origin to take more of a request. From 1s to 1h.
    #[schemars(regex(pattern = duration::PATTERN), extend("default" = "60s"))]
    write_timeout: Option<String>,
    /// How long an unused connection stays open; keep it below the origin's own keep-alive. From 1s to 1h.
    #[schemars(regex(pattern = duration::PATTERN), extend("default" = "50s"))]
    idle_timeout: Option<String>,
}

/// Which other origins may read the state of a request that has to wait.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Cors {
    /// Exact origins, such as "https://app.example.com", or "*" alone.
    #[schemars(
        length(min = *limits::CORS_ORIGINS.start(), max = *limits::CORS_ORIGINS.end()),
        inner(regex(pattern = cors::ORIGIN_PATTERN))
    )]
    allowed_origins: Vec<String>,
    /// Whether cookies may come along; not with "*".
    #[schemars(extend("default" = false))]
    allow_credentials: Option<bool>,
    /// How long a browser may keep the answer to a preflight. From 0s to 1day.
    #[schemars(regex(pattern = duration::PATTERN), extend("default" = "10m"))]
    max_age: Option<String>,
}

/// What is presented on the node's https listeners. Without this table the tenant has no HTTPS of this node's own.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Tls {
    /// Certificates that cover the hosts. An ECDSA and an RSA one may cover the same host.
    #[schemars(length(min = *limits::CERTIFICATES.start(), max = *limits::CERTIFICATES.end()))]
    certificates: Vec<Pair>,
    /// Whether plain HTTP is redirected to HTTPS.
    #[schemars(extend("default" = true))]
    redirect_http: Option<bool>,
    /// How long browsers refuse plain HTTP for a host, or "off". It cannot be taken back before that. From 0s to
    /// 2years.
    #[schemars(regex(pattern = tls::HSTS_PATTERN), extend("default" = "off"))]
    hsts: Option<String>,
    /// Whether the hosts below are meant as well; needs hsts.
    #[schemars(extend("default" = false))]
    hsts_subdomains: Option<bool>,
    /// PEM file, from the config folder, of the authorities that sign clients' certificates; every client has to show
    /// one then. Left out: clients need none.
    #[schemars(length(min = 1))]
    client_ca_file: Option<String>,
}

/// How browsers treat the cookies that keep a visitor's place.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Cookies {
    /// Whether they come along, over HTTPS, when another site sends the visitor here by a form.
    #[schemars(extend("default" = "none"))]
    same_site: Option<SameSite>,
}

/// One line of visitors.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Queue {
    /// Stable name, part of cookies and of every visitor's token: who renames it empties the line.
    #[schemars(regex(pattern = tenant::NAME_PATTERN))]
    name: String,
    /// Prefixes of the normalised path; the longest match over all queues wins.
    #[schemars(
        length(min = *limits::PATHS.start(), max = *limits::PATHS.end()),
        inner(regex(pattern = path::PATTERN)),
        extend("default" = ["/"])
    )]
    paths: Option<Vec<String>>,
    /// Most visitors called in any 60 s.
    #[schemars(range(min = *limits::RELEASE_PER_MINUTE.start(), max = *limits::RELEASE_PER_MINUTE.end()))]
    release_per_minute: u32,
    /// Most visitors called in one instant, at most release_per_minute. Default: a sixth of it, at least 1.
    #[schemars(range(min = *limits::RELEASE_PER_MINUTE.start(), max = *limits::RELEASE_PER_MINUTE.end()))]
    burst: Option<u32>,
    /// Most visitors called or inside at once. Left out: no bound.
    #[schemars(range(min = *limits::ACTIVE.start(), max = *limits::ACTIVE.end()))]
    max_active: Option<u32>,
    /// Most visitors in line at once; at the bound newcomers are told that it is full.
    #[schemars(
        range(min = *limits::WAITING.start(), max = *limits::WAITING.end()),
        extend("default" = 1_000_000)
    )]
    max_waiting: Option<u32>,
    /// A visitor inside without a request for so long has left. From 5s to 12h.
    #[schemars(regex(pattern = duration::PATTERN), extend("default" = "10m"))]
    session_idle: Option<String>,
    /// A visit ends after this, however active; at least session_idle. From 10s to 30days.
    #[schemars(regex(pattern = duration::PATTERN), extend("default" = "12h"))]
    session_max: Option<String>,
    /// A called visitor who does not enter within this gives the seat back and stands first in line again. From 5s
    /// to 1h.
    #[schemars(regex(pattern = duration::PATTERN), extend("default" = "2m"))]
    claim_within: Option<String>,
    /// How long after being passed over a visitor may come back and be called next. From 10s to 1day.
    #[schemars(regex(pattern = duration::PATTERN), extend("default" = "30m"))]
    return_within: Option<String>,
    /// What the queue does now.
    #[schemars(extend("default" = "auto"))]
    mode: Option<Mode>,
    /// What newcomers get while the store is away; required with [store] in sluice.toml.
    on_store_loss: Option<OnStoreLoss>,
    /// Status of the waiting page.
    #[schemars(extend("default" = 503, "enum" = [200, 202, 429, 503]))]
    wait_status: Option<u32>,
    /// Shown to everybody in line, as plain text.
    #[schemars(length(min = 1, max = limits::MESSAGE_CHARS_MAX))]
    message: Option<String>,
}
