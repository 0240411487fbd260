//! Our tokens among everybody's cookies, and none of them for the origin.
//!
//! A queue has four cookies ([`Token`]), each with a name for each [`Scope`]: over HTTPS it carries the `__Host-` prefix,
//! which browsers accept only from this very host, so that a page on a sibling domain cannot plant one. Where hosts of a
//! tenant share their cookies it is `__Secure-`, which any host below the shared name may set. Over plain HTTP nothing
//! prevents anything, and a planted cookie may even come first; so [`find`] gives every candidate of a name, and the
//! caller takes the first that verifies. A client that brings nothing under the name of the scope is asked for the others as
//! well, once: a site that moves to HTTPS, or begins to share cookies, takes its visitors along.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use sluice_config::SameSite;

use super::Edit;
use crate::request::syntax::scan::{before, split};

/// Values kept of one name; what comes after is looked for again when it is needed.
const KEPT: usize = 4;

/// The tokens that travel in cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Token {
    /// Arrived, no number yet.
    Slip,
    /// A number in line.
    Ticket,
    /// May enter.
    Pass,
    /// The number is on its way to another device.
    Move,
}

/// Where a cookie comes from and goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// Over plain HTTP.
    Plain,
    /// Over HTTPS, this host alone.
    Host,
    /// Over HTTPS, all hosts that share it.
    Domain,
}

/// The names of one queue's cookie for one token. Made once per configuration, not per request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CookieName {
    of_host: Box<str>,
    of_domain: Box<str>,
}

impl CookieName {
    /// The name of `token`'s cookie in the queue of this name.
    pub(crate) fn new(token: Token, queue: &str) -> Self {
        let token = match token {
            Token::Slip => "slip",
            Token::Ticket => "ticket",
            Token::Pass => "pass",
            Token::Move => "move",
        };
        let name = |prefix: &str| format!("{prefix}{OURS}{token}_{queue}").into();
        Self { of_host: name(HOST_PREFIX), of_domain: name(SECURE_PREFIX) }
    }

    /// The name as the browser sends it.
    pub(crate) fn as_str(&self, scope: Scope) -> &str {
        match scope {
            Scope::Plain => &self.of_host[HOST_PREFIX.len()..],
            Scope::Host => &self.of_host,
            Scope::Domain => &self.of_domain,
        }
    }
}

/// The values found under one name, in the order in which they came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidates<'a> {
    values: [&'a [u8]; KEPT],
    /// How many there are, those that are not kept included.
    len: usize,
    headers: &'a HeaderMap,
    name: &'a str,
}

impl<'a> Candidates<'a> {
    /// The values as they were sent: anything but `;`, perhaps empty, perhaps in quotes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let kept = self.values.into_iter().take(self.len);
        // Hardly a client has more, and a head holds no more of them than are quickly verified.
        let more = (self.len > KEPT).then(|| values(self.headers, self.name).skip(KEPT));
        kept.chain(more.into_iter().flatten())
    }

    /// Whether the cookie was not sent at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn push(&mut self, value: &'a [u8]) {
        if let Some(free) = self.values.get_mut(self.len) {
            *free = value;
        }
        self.len += 1;
    }
}

/// The values under one name, quotes and all.
pub(crate) fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    pairs(headers).filter_map(|pair| value_of(pair, name))
}

fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let after_name = pair.strip_prefix(name.as_bytes())?.trim_ascii_start();
    after_name.strip_prefix(b"=").map(<[u8]>::trim_ascii_start)
}

/// The values of several cookies, found in one pass over all `Cookie` lines, without allocating.
///
/// HTTP/2 clients send each cookie on a line of its own, so there may be many lines.
pub(crate) fn find<'a, const N: usize>(headers: &'a HeaderMap, names: [&'a str; N]) -> [Candidates<'a>; N] {
    let mut found = names.map(|name| Candidates { values: [b""; KEPT], len: 0, headers, name });
    for pair in pairs(headers) {
        for candidates in &mut found {
            if let Some(value) = value_of(pair, candidates.name) {
                candidates.push(value);
            }
        }
    }
    found
}

/// Whether a request brings any token of ours, of whichever queue.
pub(crate) fn any_of_ours(headers: &HeaderMap) -> bool {
    pairs(headers).any(is_token)
}

/// What must change before the origin sees these headers: it gets none of our cookies and no `Sluice-*` field.
///
/// Everybody else's cookies stay byte for byte. They go out on one line even if they came on several: that is how
/// HTTP/1.1 wants them, and pingora does not join the lines of HTTP/2 (RFC 9113, 8.2.3).
pub(crate) fn strip(headers: &HeaderMap, edits: &mut Vec<Edit>) {
    strip_cookies(headers, edits);
    for name in headers.keys() {
        // CGI-like origins read `sluice_pass` as `Sluice-Pass`.
        if name.as_str().strip_prefix("sluice").is_some_and(|rest| rest.starts_with(['-', '_'])) {
            edits.push(Edit::Remove(name.clone()));
        }
    }
}

/// How a browser is to keep a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keep<'a> {
    /// Under which of its names, and with what goes with it.
    pub(crate) scope: Scope,
    /// The hosts at and below this name share it; not with [`Scope::Host`].
    pub(crate) domain: Option<&'a str>,
    /// Whether it comes along with a form that another site posts. Over plain HTTP browsers take no `None`, so there
    /// it stays at home.
    pub(crate) same_site: SameSite,
    /// In whole seconds.
    pub(crate) max_age: Duration,
}

/// A `Set-Cookie` value for a token of ours; `None` if `value` is not made of cookie characters. A `max_age` of zero
/// makes the browser forget the cookie.
pub(crate) fn set_cookie(name: &CookieName, value: &str, keep: Keep<'_>) -> Option<HeaderValue> {
    // RFC 6265, 4.1.1. A `;` would start an attribute.
    let is_cookie_octet = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\');
    if !value.bytes().all(is_cookie_octet) {
        return None;
    }
    debug_assert!(keep.scope != Scope::Host || keep.domain.is_none(), "browsers would refuse it");
    let name = name.as_str(keep.scope);
    let reach = match (keep.scope, keep.same_site) {
        (Scope::Plain, _) => "Lax",
        (_, SameSite::None) => "None; Secure",
        (_, SameSite::Lax) => "Lax; Secure",
    };
    let domain = keep.domain.map_or_else(String::new, |domain| format!("; Domain={domain}"));
    let max_age = keep.max_age.as_secs();
    HeaderValue::try_from(format!("{name}={value}; Path=/{domain}; Max-Age={max_age}; HttpOnly; SameSite={reach}")).ok()
}

/// The language that a visitor has chosen on a page of ours. The page's script sets it; it is no token.
pub(crate) const LANGUAGE: &str = "sluice_language";
const HOST_PREFIX: &str = "__Host-";
const SECURE_PREFIX: &str = "__Secure-";
const OURS: &str = "sluice_";

/// All cookie pairs of all lines, without the white space around them. The pieces between two `;`, so some are empty.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::COOKIE).iter().flat_map(|line| split(b';', line.as_bytes())).map(<[u8]>::trim_ascii)
}

/// Whether a pair, or a name without a value, is not for the origin.
fn is_ours(pair: &[u8]) -> bool {
    is_token(pair) || before(b'=', pair).trim_ascii_end() == LANGUAGE.as_bytes()
}

/// Whether a pair, or a name without a value, starts like a token of ours.
fn is_token(pair: &[u8]) -> bool {
    let prefixed = [HOST_PREFIX, SECURE_PREFIX].into_iter().find_map(|prefix| pair.strip_prefix(prefix.as_bytes()));
    let pair = prefixed.unwrap_or(pair);
    pair.strip_prefix(OURS.as_bytes())
        .is_some_and(|rest| [&b"slip_"[..], b"ticket_", b"pass_", b"move_"].iter().any(|token| rest.starts_with(token)))
}

fn strip_cookies(headers: &HeaderMap, edits: &mut Vec<Edit>) {
    let mut lines = headers.get_all(header::COOKIE).iter();
    let several_lines = lines.next().is_some() && lines.next().is_some();
    if !several_lines && !pairs(headers).any(is_ours) {
        return;
    }
    let length: usize = headers.get_all(header::COOKIE).iter().map(|line| line.len() + 2).sum();
    let mut kept = Vec::with_capacity(length);
    for line in headers.get_all(header::COOKIE) {
        keep_others(line.as_bytes(), &mut kept);
    }
    // What is left of a field value is a field value; should that ever fail, no cookie is safer than ours.
    edits.push(match HeaderValue::from_bytes(&kept) {
        Ok(value) if !kept.is_empty() => Edit::Set(header::COOKIE, value),
        _ => Edit::Remove(header::COOKIE),
    });
}

/// Appends a line without our cookies, otherwise as it was, behind what is there already.
fn keep_others(line: &[u8], kept: &mut Vec<u8>) {
    let start = kept.len();
    for piece in split(b';', line).filter(|piece| !is_ours(piece.trim_ascii())) {
        if kept.len() > start {
            kept.push(b';');
            kept.extend_from_slice(piece);
        } else {
            // In front of a line's first cookie stands what separates it from the line before.
            kept.extend_from_slice(if start > 0 { b"; " } else { b"" });
            kept.extend_from_slice(piece.trim_ascii_start());
        }
    }
}

#[cfg(test)]
mod tests;
