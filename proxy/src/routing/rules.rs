//! The rules of a queue: which of them decides about a request, and what kept the others from it.
//!
//! Pure, and the same for serving and for `sluice explain`. A rule is what the config has read; nothing is compiled here, and
//! nothing is allocated.
//!
//! A request may have several readings: its path ([`NormalPath::readings`]), a field that comes twice, a parameter that
//! comes twice. Which of them the origin takes is unknown. So a rule that passes needs every reading to match, and one that
//! queues, into whichever lane, or refuses needs any; under `not` it is the other way round. Where that is less than certain it errs towards the
//! queue.

#[cfg(test)]
mod tests;

use std::{fmt, net::IpAddr};

use http::{HeaderMap, HeaderName, Method, header};
use sluice_config::{Conditions, PathPattern, Pattern, Rule, RuleAction};

use crate::request::{
    cookies,
    kind::Kind,
    path::NormalPath,
    syntax::scan::split,
    syntax::strict::{Facts, Head},
};

/// What of a request rules look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'r> {
    path: &'r NormalPath<'r>,
    method: &'r Method,
    /// The method that a preflight announces, which counts in the place of its own.
    announced: Option<&'r [u8]>,
    host: &'r str,
    client: IpAddr,
    headers: &'r HeaderMap,
    query: Option<&'r [u8]>,
}

impl<'r> Subject<'r> {
    /// A request whose client has this address.
    pub(crate) fn of(
        head: Head<'r>,
        kind: Kind,
        facts: &'r Facts<'r>,
        path: &'r NormalPath<'r>,
        client: IpAddr,
    ) -> Self {
        let announced = head.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD).map(|method| method.as_bytes());
        let announced = announced.filter(|_| kind == Kind::Preflight);
        let Facts { host, query, .. } = facts;
        Self { path, method: head.method, announced, host, client, headers: head.headers, query: *query }
    }
}

/// The rule that decides about a request, and its number from 0. `None`: the queue does.
pub(crate) fn deciding<'q>(rules: &'q [Rule], subject: &Subject<'_>) -> Option<(usize, &'q Rule)> {
    rules.iter().enumerate().find(|(_, rule)| failed(rule, subject).is_none())
}

/// The first condition of a rule that a request does not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed<'q> {
    Method,
    Host,
    Client,
    Path,
    Header(&'q HeaderName),
    Cookie(&'q str),
    Query(&'q str),
    /// It meets all that it must not be.
    Not,
}

impl fmt::Display for Failed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("the method"),
            Self::Host => f.write_str("the host"),
            Self::Client => f.write_str("the client's address"),
            Self::Path => f.write_str("the path"),
            Self::Header(name) => write!(f, "the header field {name}"),
            Self::Cookie(name) => write!(f, "the cookie {name}"),
            Self::Query(name) => write!(f, "the parameter {name}"),
            Self::Not => f.write_str("what stands in `not`"),
        }
    }
}

/// What keeps a rule from matching; `None`: it matches.
pub(crate) fn failed<'q>(rule: &'q Rule, subject: &Subject<'_>) -> Option<Failed<'q>> {
    let of_all = if rule.action == RuleAction::Pass { Of::Every } else { Of::Any };
    if let Some(failed) = first_failed(&rule.when.all, subject, of_all) {
        return Some(failed);
    }
    let not = rule.when.not.as_ref()?;
    first_failed(not, subject, of_all.reversed()).is_none().then_some(Failed::Not)
}

/// Of how many readings something has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Every,
    Any,
}

impl Of {
    fn reversed(self) -> Self {
        match self {
            Self::Every => Self::Any,
            Self::Any => Self::Every,
        }
    }

    /// Whether it holds of so many of these, of which there is at least one.
    fn holds<T>(self, mut readings: impl Iterator<Item = T>, holds: impl Fn(T) -> bool) -> bool {
        let Some(first) = readings.next().map(&holds) else { return false };
        match self {
            Self::Every => first && readings.all(holds),
            Self::Any => first || readings.any(holds),
        }
    }
}

/// What costs least is asked first.
fn first_failed<'q>(conditions: &'q Conditions, subject: &Subject<'_>, of: Of) -> Option<Failed<'q>> {
    let Conditions { methods, paths, path_regex, hosts, clients, headers, cookies, query } = conditions;
    if !methods.is_empty() && !methods.iter().any(|method| is_method(method, subject)) {
        return Some(Failed::Method);
    }
    if !hosts.is_empty() && !hosts.iter().any(|host| host.matches(subject.host)) {
        return Some(Failed::Host);
    }
    if clients.as_ref().is_some_and(|clients| !clients.contains(subject.client)) {
        return Some(Failed::Client);
    }
    let is_path = |pattern: &PathPattern, path: &str| {
        // Most origins take a page with a slash behind it for the same page.
        let bare = || path.strip_suffix('/').filter(|bare| of == Of::Any && !bare.is_empty());
        pattern.matches(path) || bare().is_some_and(|bare| pattern.matches(bare))
    };
    let of_globs = |path: &str| paths.is_empty() || paths.iter().any(|pattern| is_path(pattern, path));
    let is_meant = |path: &str| of_globs(path) && path_regex.as_ref().is_none_or(|pattern| is_path(pattern, path));
    if (!paths.is_empty() || path_regex.is_some()) && !of.holds(subject.path.readings(), is_meant) {
        return Some(Failed::Path);
    }
    for (name, pattern) in headers {
        if !of.holds(subject.headers.get_all(name).iter(), |value| pattern.matches(value.as_bytes())) {
            return Some(Failed::Header(name));
        }
    }
    for (name, pattern) in cookies {
        if !of.holds(cookies::values(subject.headers, name), |value| pattern.matches(unquoted(value))) {
            return Some(Failed::Cookie(name));
        }
    }
    for (name, pattern) in query {
        if !of.holds(parameters(subject.query, name), |value| matches_decoded(pattern, value, of)) {
            return Some(Failed::Query(name));
        }
    }
    None
}

fn is_method(wanted: &Method, subject: &Subject<'_>) -> bool {
    let method = subject.announced.unwrap_or(subject.method.as_str().as_bytes());
    method == wanted.as_str().as_bytes() || (*wanted == Method::GET && method == Method::HEAD.as_str().as_bytes())
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value)
}

/// The values of a parameter, as they are spelt.
fn parameters<'r>(query: Option<&'r [u8]>, name: &str) -> impl Iterator<Item = &'r [u8]> {
    query.into_iter().flat_map(|query| split(b'&', query)).filter_map(move |pair| {
        let (spelt, value) = match memchr::memchr(b'=', pair) {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        };
        decoded(spelt).eq(name.bytes()).then_some(value)
    })
}

/// Most bytes of a value of a parameter that is spelt with escapes.
const DECODED_BYTES_MAX: usize = 512;

fn matches_decoded(pattern: &Pattern, spelt: &[u8], of: Of) -> bool {
    if memchr::memchr2(b'%', b'+', spelt).is_none() {
        return pattern.matches(spelt);
    }
    let mut value = [0; DECODED_BYTES_MAX];
    let mut length = 0;
    for byte in decoded(spelt) {
        let Some(place) = value.get_mut(length) else {
            // Too long to be judged: what waits by mistake loses less than what passes by mistake.
            return of == Of::Any;
        };
        *place = byte;
        length += 1;
    }
    pattern.matches(&value[..length])
}

/// A name or a value of a query as programs read it: `+` is a space. An escape that is none stands for itself.
fn decoded(spelt: &[u8]) -> impl Iterator<Item = u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut rest = spelt;
    std::iter::from_fn(move || {
        let (&byte, behind) = rest.split_first()?;
        rest = behind;
        Some(match (byte, behind) {
            (b'+', _) => b' ',
            (b'%', [high, low, behind @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = behind;
                    high << 4 | low
                }
                _ => byte,
            },
            _ => byte,
        })
    })
}
