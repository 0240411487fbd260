//! The store's URL: a scheme, hosts, and perhaps a database.

#[cfg(test)]
mod tests;

use std::{fmt, ops::RangeInclusive};

use crate::{
    diagnostics::{Wrong, words},
    forms::address,
};

/// What [`parse`] accepts, for editors; a few mistakes too many pass.
pub(super) const PATTERN: &str = r"^(redis|rediss|redis\+sentinel|redis\+cluster)://[^@?#\s]+$";

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
const PASSWORD_HELP: &str = "remove the part up to `@`, and write `username = \"…\"` and \
     `password = { env = \"SLUICE_STORE_PASSWORD\" }` or `{ file = \"…\" }`";

/// One host of the store's URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisNode {
    /// Host name or address, an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Logical databases.
pub(super) const DATABASES: RangeInclusive<u32> = 0..=16_383;
/// Hosts in one URL.
pub(crate) const NODES_MAX: usize = 64;

/// A store's URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoreUrl {
    pub(super) written: String,
    pub(super) scheme: Scheme,
    pub(super) nodes: Vec<RedisNode>,
    pub(super) database: Option<u32>,
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Single,
    SingleTls,
    Sentinel,
    Cluster,
}

const SCHEMES: [(&str, Scheme); 4] = [
    ("redis", Scheme::Single),
    ("rediss", Scheme::SingleTls),
    ("redis+sentinel", Scheme::Sentinel),
    ("redis+cluster", Scheme::Cluster),
];

/// `scheme://host[:port][,host[:port]]…[/database]`. No message repeats what follows the scheme.
pub(super) fn parse(written: &str) -> Result<StoreUrl, Wrong> {
    let (scheme, rest) = split_scheme(written)?;
    if rest.contains('@') {
        return Err(Wrong::malformed(
            "user and password do not stand in the URL, which gets logged and committed",
            PASSWORD_HELP,
        ));
    }
    if rest.contains(['?', '#']) {
        return Err(Wrong::malformed(
            "options do not stand in the URL",
            "write them as keys of `[store]`, such as `tls_ca_file` or `response_timeout`",
        ));
    }
    let (hosts, database) = match rest.split_once('/') {
        Some((hosts, "")) => (hosts, None),
        Some((hosts, database)) => (hosts, Some(parse_database(database)?)),
        None => (rest, None),
    };
    let default_port = if scheme == Scheme::Sentinel { SENTINEL_PORT } else { REDIS_PORT };
    let node = |host: &str| {
        let node = address::host_port(host)?;
        Ok(RedisNode { host: node.host, port: node.port.unwrap_or(default_port) })
    };
    let nodes = hosts.split(',').map(node).collect::<Result<Vec<_>, Wrong>>().map_err(about_a_host)?;
    if nodes.len() > 1 && matches!(scheme, Scheme::Single | Scheme::SingleTls) {
        return Err(Wrong::malformed(
            "several hosts, but neither Sentinels nor a cluster",
            "write one host, or \"redis+sentinel://…\" or \"redis+cluster://…\"",
        ));
    }
    if nodes.len() > NODES_MAX {
        return Err(Wrong::malformed("too many hosts", format!("{NODES_MAX} seeds are plenty")));
    }
    Ok(StoreUrl { written: written.to_owned(), scheme, nodes, database })
}

fn split_scheme(written: &str) -> Result<(Scheme, &str), Wrong> {
    let found = written.split_once("://");
    let known = |scheme: &str| SCHEMES.iter().find(|(name, _)| *name == scheme);
    if let Some((scheme, rest)) = found
        && let Some((_, scheme)) = known(scheme)
    {
        return Ok((*scheme, rest));
    }
    let all = words::list(SCHEMES.iter().map(|(name, _)| format!("{name}://")), "or");
    let help = match found.and_then(|(scheme, _)| words::closest(scheme, SCHEMES.iter().map(|(name, _)| *name))) {
        Some(scheme) => format!("did you mean {scheme}://? Possible are {all}"),
        None => format!("begin with {all}"),
    };
    Err(Wrong::malformed("no such kind of store", help))
}

fn parse_database(written: &str) -> Result<u32, Wrong> {
    let number = written.parse().ok().filter(|number| DATABASES.contains(number));
    number.ok_or_else(|| {
        Wrong::malformed("the URL's path is not a database", "write its number, such as `/0`, or nothing")
    })
}

/// The general messages about hosts may quote them, and here a password may stand in their place.
fn about_a_host(_: Wrong) -> Wrong {
    Wrong::malformed("a host in the URL is malformed", "write \"redis://store.example.com:6379\"")
}
