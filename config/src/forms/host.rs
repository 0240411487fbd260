//! Host names (RFC 1123) and the patterns tenants answer for.

use std::{fmt, net::Ipv4Addr};

use crate::diagnostics::{Wrong, words};

/// What [`pattern`] accepts, for editors; a few mistakes too many pass.
pub(crate) const PATTERN: &str = r"^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$";

const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// A host name a tenant answers for: exact, or every name below a suffix.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// `shop.example.com`, lower case, no port.
    Exact(String),
    /// `*.shop.example.com` as `shop.example.com`: one or more labels in front.
    Below(String),
}

impl HostPattern {
    /// Whether it means a host (lower case, no port).
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Below(suffix) => {
                host.strip_suffix(suffix.as_str()).is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

/// A host pattern in lower case: `shop.example.com`, or `*.example.com` for every name below.
pub(crate) fn pattern(written: &str) -> Result<HostPattern, Wrong> {
    if written == "*" {
        return Err(Wrong::malformed(
            "a bare `*` would answer for every host that points here",
            "name the hosts: \"shop.example.com\", or \"*.example.com\" for every name below one",
        ));
    }
    match written.strip_prefix("*.") {
        Some(below) => name(below).map(HostPattern::Below),
        None => name(written).map(HostPattern::Exact),
    }
}

/// A host name or IPv4 address in lower case.
pub(crate) fn name(written: &str) -> Result<String, Wrong> {
    let lower = written.to_ascii_lowercase();
    refuse_more_than_a_host(&lower)?;
    if !lower.is_ascii() {
        return Err(Wrong::malformed(
            "a host name has ASCII letters only",
            "write the name as browsers send it, in its `xn--` form",
        ));
    }
    if lower.contains('*') {
        return Err(Wrong::malformed(
            "`*` may only stand for whole labels in front",
            "write \"*.example.com\": it matches every name below example.com",
        ));
    }
    if lower.len() > NAME_BYTES_MAX {
        return Err(Wrong::malformed("the host name is too long", format!("DNS allows {NAME_BYTES_MAX} characters")));
    }
    for label in lower.split('.') {
        check_label(label)?;
    }
    // Browsers take a name that ends in a number for an IPv4 address.
    let last = lower.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) && lower.parse::<Ipv4Addr>().is_err() {
        return Err(Wrong::malformed(
            "this is neither a name nor an IPv4 address",
            "an address has four numbers up to 255: \"192.0.2.10\"",
        ));
    }
    Ok(lower)
}

fn check_label(label: &str) -> Result<(), Wrong> {
    let valid = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let message = match label {
        "" => "a label of the host name is empty",
        label if label.len() > LABEL_BYTES_MAX => "a label of the host name is longer than 63 characters",
        label if label.starts_with('-') || label.ends_with('-') => {
            "a label of a host name neither starts nor ends with `-`"
        }
        label if !label.bytes().all(valid) => "a host name has letters, digits, `-` and dots only",
        _ => return Ok(()),
    };
    Err(Wrong::malformed(message, "write a name such as \"shop.example.com\""))
}

/// The commonest slips: a URL, a port, a path, a dot at the end.
fn refuse_more_than_a_host(written: &str) -> Result<(), Wrong> {
    if written.is_empty() {
        return Err(Wrong::malformed("the host name is empty", "write a name such as \"shop.example.com\""));
    }
    if let Some((_, rest)) = written.split_once("://") {
        let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
        return Err(Wrong::malformed("a host, not a URL", write_only(host)));
    }
    if let Some((host, _)) = written.split_once('/') {
        return Err(Wrong::malformed(
            "a host has no path: queues have `paths`",
            write_only(host.split(':').next().unwrap_or_default()),
        ));
    }
    if let Some((host, rest)) = written.split_once(':') {
        let (message, help) = match rest.bytes().all(|b| b.is_ascii_digit()) {
            true => (
                "a host has no port: it is the same host on every listener, and `[server]` names their ports",
                write_only(host),
            ),
            false => ("`:` has no place in a host name", "IPv6 addresses are not supported as hosts".into()),
        };
        return Err(Wrong::malformed(message, help));
    }
    if let Some(host) = written.strip_suffix('.') {
        return Err(Wrong::malformed("leave out the dot at the end", write_only(host)));
    }
    Ok(())
}

fn write_only(host: &str) -> String {
    match host {
        "" => "write a name such as \"shop.example.com\"".to_owned(),
        host => format!("write \"{}\"", words::harmless(host)),
    }
}
