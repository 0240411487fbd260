//! Bounds on what a config may ask for beside the values of its keys, so that no config, however odd, exhausts a node.
//!
//! The bounds of a key stand in its declaration.

use std::ops::RangeInclusive;

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
/// Most lanes of one queue. Each costs a line in Redis about as much at a tick as the first.
pub const LANES_MAX: usize = 8;
/// Longest path prefix, in bytes.
pub const PATH_BYTES_MAX: usize = 512;
/// A master secret, in bytes. Below 32 it is weaker than the MAC it keys.
pub const SECRET_BYTES: RangeInclusive<usize> = 32..=1024;
/// Longest password of the store, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 4096;
/// Certificates in one chain. Every handshake sends them all.
pub const CHAIN_CERTIFICATES: RangeInclusive<usize> = 1..=10;
/// Names in one certificate; public authorities stop at a hundred.
pub const CERTIFICATE_NAMES: RangeInclusive<usize> = 1..=1000;
/// Authorities that may sign clients' certificates. Every handshake names them all.
pub const CLIENT_CA_CERTIFICATES: RangeInclusive<usize> = 1..=100;
/// Hosts whose certificates are asked for by ACME. Each is looked after by every node.
pub const ACME_HOSTS_MAX: usize = 1000;
/// Addresses of one name that are used as servers of an origin.
pub const SERVER_ADDRESSES_MAX: usize = 100;
/// Longest path of a Unix socket, in bytes: what the system has room for.
pub const UNIX_PATH_BYTES_MAX: usize = 107;
/// Authorities that may sign certificates of an origin's servers.
pub const ORIGIN_CA_CERTIFICATES: RangeInclusive<usize> = 1..=1000;
/// Largest file of networks, in bytes.
pub const NETWORKS_FILE_BYTES_MAX: usize = 1 << 20;
/// Memory of what a pattern of paths becomes, in bytes.
pub const PATH_AUTOMATON_BYTES_MAX: usize = 256 << 10;
