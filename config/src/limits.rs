//! A bound on everything a file can ask for, so that no config, however odd, exhausts a node.
//!
//! The reader refuses what lies outside, the schema and the manual state the same numbers.

use std::{ops::RangeInclusive, time::Duration};

const fn secs(range: RangeInclusive<u64>) -> RangeInclusive<Duration> {
    Duration::from_secs(*range.start())..=Duration::from_secs(*range.end())
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Largest TOML file, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Largest file holding a secret, in bytes: room for any key, none for a file named by mistake.
pub const SECRET_FILE_BYTES_MAX: usize = 64 << 10;
/// Largest file of certificates, in bytes.
pub const CERTIFICATE_FILE_BYTES_MAX: usize = 256 << 10;
/// Most mistakes kept of one load; the rest is counted.
pub const MISTAKES_MAX: usize = 1000;
/// Most syntax errors looked for in one file.
pub const SYNTAX_ERRORS_MAX: usize = 20;

/// Most notes made of one config; the rest is counted.
pub const NOTES_MAX: usize = 100;

/// Most files in `tenants/`.
pub const TENANTS_MAX: usize = 10_000;
/// Host patterns of one tenant.
pub const HOSTS: RangeInclusive<usize> = 1..=100;
/// Queues of one tenant.
pub const QUEUES: RangeInclusive<usize> = 1..=100;
/// Path prefixes of one queue.
pub const PATHS: RangeInclusive<usize> = 1..=50;
/// Longest path prefix, in bytes.
pub const PATH_BYTES_MAX: usize = 512;
/// Origin servers of one tenant.
pub const ORIGIN_SERVERS: RangeInclusive<usize> = 1..=100;
/// Origins that may read answers across origins.
pub const CORS_ORIGINS: RangeInclusive<usize> = 1..=100;
/// Listeners of one kind.
pub const LISTENERS: RangeInclusive<usize> = 0..=64;
/// Networks whose forwarding headers are believed.
pub const TRUSTED_PROXIES: RangeInclusive<usize> = 0..=1000;
/// Hosts in the store's URL.
pub const STORE_NODES_MAX: usize = 64;
/// Master secrets: the current one and those still honoured.
pub const SECRETS: RangeInclusive<usize> = 1..=32;
/// A master secret, in bytes. Below 32 it is weaker than the MAC it keys.
pub const SECRET_BYTES: RangeInclusive<usize> = 32..=1024;
/// Longest password of the store, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 4096;

/// Certificates of one tenant: one of each kind for each host.
pub const CERTIFICATES: RangeInclusive<usize> = 1..=2 * *HOSTS.end();
/// Certificates in one chain. Every handshake sends them all.
pub const CHAIN_CERTIFICATES: RangeInclusive<usize> = 1..=10;
/// Names in one certificate; public authorities stop at a hundred.
pub const CERTIFICATE_NAMES: RangeInclusive<usize> = 1..=1000;
/// Authorities that may sign clients' certificates. Every handshake names them all.
pub const CLIENT_CA_CERTIFICATES: RangeInclusive<usize> = 1..=100;
/// Versions of TLS: 1.3, and 1.2 beside it.
pub const TLS_VERSIONS: RangeInclusive<usize> = 1..=2;
/// From the accepted connection to the end of the handshake.
pub const HANDSHAKE_TIMEOUT: RangeInclusive<Duration> = secs(1..=MINUTE);
/// How long browsers refuse plain HTTP for a host. Zero takes back what they have seen before; the longest is two
/// years of 365.25 days.
pub const HSTS_MAX_AGE: RangeInclusive<Duration> = secs(0..=2 * 31_557_600);

/// Worker threads.
pub const THREADS: RangeInclusive<u32> = 1..=1024;
/// Client connections of one node.
pub const CONNECTIONS: RangeInclusive<u32> = 1..=1_000_000;
/// Requests under way on one node.
pub const REQUESTS: RangeInclusive<u32> = 100..=1_000_000;
/// How long a stopping node waits for requests in flight.
pub const DRAIN_TIMEOUT: RangeInclusive<Duration> = secs(0..=HOUR);

/// Visitors called per minute.
pub const RELEASE_PER_MINUTE: RangeInclusive<u32> = 1..=1_000_000;
/// Visitors called or inside.
pub const ACTIVE: RangeInclusive<u32> = 1..=10_000_000;
/// Visitors in line: ten million are some 30 MB of bitmaps.
pub const WAITING: RangeInclusive<u32> = 1..=10_000_000;
/// How long a seat outlives its last request.
pub const SESSION_IDLE: RangeInclusive<Duration> = secs(5..=12 * HOUR);
/// Hard end of a visit. Its default is the upper bound of [`SESSION_IDLE`], so the two can only clash when both are written.
pub const SESSION_MAX: RangeInclusive<Duration> = secs(10..=30 * DAY);
/// How long a called visitor may take to enter: the seat stands empty meanwhile.
pub const CLAIM_WITHIN: RangeInclusive<Duration> = secs(5..=HOUR);
/// How long after being passed over a place is kept.
pub const RETURN_WITHIN: RangeInclusive<Duration> = secs(10..=DAY);
/// Longest message to the visitors in line, in characters.
pub const MESSAGE_CHARS_MAX: usize = 500;

/// TCP connect to an origin or the store.
pub const CONNECT_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(MINUTE);
/// Between two reads or writes on an origin connection.
pub const IO_TIMEOUT: RangeInclusive<Duration> = secs(1..=HOUR);
/// How long an unused origin connection stays open.
pub const IDLE_TIMEOUT: RangeInclusive<Duration> = secs(1..=HOUR);
/// How long the store may take to answer.
pub const RESPONSE_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(30);
/// How long a browser may keep a preflight's answer; none keeps it for longer than a day.
pub const CORS_MAX_AGE: RangeInclusive<Duration> = secs(0..=DAY);
/// Logical databases of the store.
pub const DATABASE: RangeInclusive<u32> = 0..=16_383;
