//! The validated settings: what the rest of Sluice works with.

mod notes;
mod redis;
mod tls;

use std::{collections::BTreeMap, fmt, net::SocketAddr, num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use ipnet::IpNet;
use schemars::JsonSchema;

pub use redis::{RedisNode, RedisSettings, RedisTopology};
pub use tls::{Certificate, ClientCa, Hsts, NodeTls, SameSite, TenantTls, TlsVersions};

/// Everything in one config directory, valid as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Listeners and node-wide limits.
    pub server: Server,
    /// What is spoken on the `https` listeners.
    pub tls: NodeTls,
    /// Where the lines live.
    pub store: Store,
    /// Master secrets; `None` when the files name none (`sluice demo` makes one, `sluice run` refuses).
    pub keys: Option<Keys>,
    /// Tenants by file name order; host patterns are unique across all of them.
    pub tenants: Vec<Arc<Tenant>>,
}

/// `[server]`: listeners and node-wide limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Plain HTTP listeners.
    pub http: Vec<SocketAddr>,
    /// TLS listeners.
    pub https: Vec<SocketAddr>,
    /// Health and metrics; `None` switches it off.
    pub admin: Option<SocketAddr>,
    /// Peers whose `X-Forwarded-For` / `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Worker threads of the proxy; `None`: one per core.
    pub threads: Option<usize>,
    /// How long requests in flight may take after a stop signal before they are cut.
    pub drain_timeout: Duration,
    /// Most client connections at once; the next one is closed before it is read.
    pub connections_max: usize,
    /// Whether HTTP/2 is offered on the `https` listeners.
    pub http2: bool,
    /// Most requests under way at once, over all connections; the next one is refused.
    pub requests_max: usize,
}

/// `[store]`: where the lines live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// In this process, with state files in this directory. One node only.
    Embedded {
        /// Where the state files are kept.
        state_dir: PathBuf,
    },
    /// In Redis or Valkey, shared by a fleet.
    Redis {
        /// `redis://`, `rediss://`, `redis+sentinel://` or `redis+cluster://`, as written; never with a password.
        url: Secret,
        /// What the URL says, taken apart, and everything else a connection needs.
        settings: Box<RedisSettings>,
        /// Marks this node has seen, so that a wiped store is healed after a full restart too.
        state_dir: PathBuf,
    },
}

/// `[keys]`: master secrets by name. `current` signs, all of them verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Name of the secret that signs.
    pub current: String,
    /// At least the current one; each 32 bytes or more.
    pub secrets: BTreeMap<String, Secret>,
}

/// Bytes that never reach a diagnostics, an error or a metric: `Debug` hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps secret bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }
    /// The bytes themselves, for the one place that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// One site owner's file, `tenants/NAME.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Stable name: part of every token's key and of every store key.
    pub name: Name,
    /// Host names this tenant answers for.
    pub hosts: Vec<HostPattern>,
    /// Where admitted requests go.
    pub origin: Origin,
    /// Cross-origin answers for requests that may not enter; `None`: no CORS headers.
    pub cors: Option<Cors>,
    /// Certificates and what goes with them; `None`: no HTTPS of this node's own.
    pub tls: Option<TenantTls>,
    /// `SameSite` of our cookies over HTTPS.
    pub same_site: SameSite,
    /// Whether answers get a preset of security headers, unless the origin sets them.
    pub strict_headers: bool,
    /// Queues; names and path prefixes are unique within the tenant.
    pub queues: Vec<Arc<Queue>>,
}

/// `[origin]`: where admitted requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// At least one, resolved.
    pub servers: Vec<SocketAddr>,
    /// TCP connect.
    pub connect_timeout: Duration,
    /// Between two reads of the answer.
    pub read_timeout: Duration,
    /// Between two writes of the request.
    pub write_timeout: Duration,
    /// Idle pooled connections are closed after this; keep it below the origin's own keep-alive.
    pub idle_timeout: Duration,
}

/// `[cors]`: which other origins may read the state of a parked request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Exact origins (`https://app.example.com`), or the one entry `*`.
    pub allowed_origins: Vec<String>,
    /// Whether cookies may come along; not with `*`.
    pub allow_credentials: bool,
    /// How long a browser may keep the preflight's answer.
    pub max_age: Duration,
}

/// `[[queue]]`: one line of visitors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Stable name: part of cookie names, token keys and store keys.
    pub name: Name,
    /// Prefixes of the normalised path; the longest match over all queues wins.
    pub paths: Vec<String>,
    /// Most visitors called in any 60 s.
    pub release_per_minute: NonZeroU32,
    /// Most visitors called in one instant, at most `release_per_minute`.
    pub burst: NonZeroU32,
    /// Most visitors called or inside at once.
    pub max_active: Option<NonZeroU32>,
    /// Most visitors in line at once; at the bound newcomers are told it is full.
    pub max_waiting: NonZeroU32,
    /// A visitor inside without a request for so long has left.
    pub session_idle: Duration,
    /// A visit ends after this, however active.
    pub session_max: Duration,
    /// A called visitor who does not enter within this gives the seat back and stands first in line again.
    pub claim_within: Duration,
    /// How long after being passed over a visitor may come back and be called next.
    pub return_within: Duration,
    /// What the queue does now.
    pub mode: Mode,
    /// What newcomers get while the store is away; `None` only with the embedded store.
    pub on_store_loss: Option<OnStoreLoss>,
    /// Status of the waiting page.
    pub wait_status: WaitStatus,
    /// Shown to everybody in line, as plain text; at most 500 characters.
    pub message: Option<String>,
}

/// What a queue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everybody passes; visits are only observed.
    Open,
    /// Visitors are called at the release rate.
    Auto,
    /// Nobody is called; newcomers join the line.
    Hold,
    /// The line is served at the release rate until it is empty, then everybody passes.
    Drain,
    /// Nobody is called and nobody joins; visitors inside stay.
    Closed,
}

impl Mode {
    /// Every mode with the word for it in files, JSON and metrics.
    pub const ALL: [(&'static str, Self); 5] = [
        ("open", Self::Open),
        ("auto", Self::Auto),
        ("hold", Self::Hold),
        ("drain", Self::Drain),
        ("closed", Self::Closed),
    ];
}

/// What happens to newcomers while a shared store is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnStoreLoss {
    /// Nobody new gets in.
    Hold,
    /// The head goes on by time at the release rate.
    Trickle,
    /// Everyone gets in once the store has been away for 5 s.
    Admit,
}

impl OnStoreLoss {
    /// Every choice with the word for it in files, JSON and metrics.
    pub const ALL: [(&'static str, Self); 3] =
        [("hold", Self::Hold), ("trickle", Self::Trickle), ("admit", Self::Admit)];
}

/// Status code of the waiting page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitStatus {
    /// 200
    Ok,
    /// 202
    Accepted,
    /// 429
    TooManyRequests,
    /// 503
    ServiceUnavailable,
}

impl WaitStatus {
    /// Every status a waiting page may have.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Accepted, Self::TooManyRequests, Self::ServiceUnavailable];

    /// The number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::Accepted => 202,
            Self::TooManyRequests => 429,
            Self::ServiceUnavailable => 503,
        }
    }
}

/// A tenant's or queue's name: 1 to 32 of `a-z 0-9 - _`, starting with a letter or digit.
///
/// Safe in cookie names, file names, metric labels and store keys as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Longest name in bytes.
    pub const LEN_MAX: usize = 32;

    /// Accepts a name, or returns `None`.
    pub fn new(text: &str) -> Option<Self> {
        let valid = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let starts = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        (starts && text.len() <= Self::LEN_MAX && text.bytes().all(valid)).then(|| Self(text.into()))
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host name a tenant answers for: exact, or every name below a suffix.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// `shop.example.com`, lower case, no port.
    Exact(String),
    /// `*.shop.example.com` as `shop.example.com`: one or more labels in front.
    Below(String),
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(suffix) => write!(f, "*.{suffix}"),
        }
    }
}
