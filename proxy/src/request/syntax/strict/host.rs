//! The host a request is for (RFC 9110, 7.2; RFC 9112, 3.2 and 3.3).

use std::borrow::Cow;
use std::net::Ipv6Addr;

use http::uri::Authority;

use super::{One, Violation};
use crate::request::syntax::scan::{find, split};

/// A host, ready to look a tenant up by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host<'a> {
    /// Lower case, without a dot at the end; an IPv6 address in its brackets.
    pub(super) name: Cow<'a, str>,
    pub(super) port: Option<u16>,
}

/// The host, from the authority of an absolute target or of HTTP/2 if there is one, or else from `Host`.
///
/// Where both are there they must agree. RFC 9112 would have the authority win; but then `Host` must be replaced on
/// the way to the origin, and a client that means well sends the same in both.
pub(super) fn read<'a>(
    target: Option<&'a [u8]>,
    uri: Option<&'a Authority>,
    field: One<'a>,
) -> Result<Host<'a>, Violation> {
    let field = match field {
        One::Absent => None,
        One::Once(value) => Some(parse(value.as_bytes())),
        One::Repeated => return Err(Violation::HostRepeated),
    };
    let authority = target.or(uri.map(|authority| authority.as_str().as_bytes())).map(parse);
    match (authority.transpose()?, field.transpose()?) {
        (Some(authority), Some(field)) if !authority.is(&field) => Err(Violation::HostConflict),
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(Violation::HostMissing),
    }
}

impl Host<'_> {
    /// Whether the two are one host. A port that is meant if none is written is as good as none.
    fn is(&self, other: &Self) -> bool {
        let written = |port: Option<u16>| port.filter(|port| !matches!(port, 80 | 443));
        let same_port = self.port == other.port || (written(self.port).is_none() && written(other.port).is_none());
        // `:80` and `:443` are two.
        let two_defaults = self.port.is_some() && other.port.is_some() && self.port != other.port;
        self.name == other.name && same_port && !two_defaults
    }
}

/// Longest host name (RFC 1035, 2.3.4), and longest part of one between two dots.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

fn parse(text: &[u8]) -> Result<Host<'_>, Violation> {
    let text = str::from_utf8(text).map_err(|_| Violation::HostMalformed)?;
    if text.is_empty() {
        return Err(Violation::HostEmpty);
    }
    let (name, port) = split_port(text).ok_or(Violation::HostMalformed)?;
    let name = if name.starts_with('[') {
        Some(name).filter(|name| is_bracketed_v6(name))
    } else {
        // `shop.example.com.` is the same host, spelt so that no search domain is tried.
        Some(name.strip_suffix('.').unwrap_or(name)).filter(|name| is_name(name))
    };
    let name = name.ok_or(Violation::HostMalformed)?;
    let name = if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    };
    Ok(Host { name, port })
}

/// `None` if there is a port and it is not one of 1 to 65535 in at most five plain digits. An empty one is none (RFC 3986,
/// 3.2.3).
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let after_brackets = if text.starts_with('[') { text.rfind(']').map_or(0, |at| at + 1) } else { 0 };
    let Some(colon) = find(b':', &text.as_bytes()[after_brackets..]).map(|at| at + after_brackets) else {
        return Some((text, None));
    };
    let (name, digits) = (&text[..colon], &text[colon + 1..]);
    if digits.is_empty() {
        return Some((name, None));
    }
    if digits.len() > 5 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let port = digits.parse().ok().filter(|&port: &u16| port > 0)?;
    Some((name, Some(port)))
}

/// A registered name as it is in use: letters, digits, `-`, `_` in parts between dots. The grammar of URIs allows
/// more (`%`, `!`, `,`…), none of which resolves, and all of which has been used to confuse.
fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && split(b'.', name.as_bytes()).all(|label| {
            (1..=LABEL_BYTES_MAX).contains(&label.len())
                && label.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

fn is_bracketed_v6(name: &str) -> bool {
    name.strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}
