//! Who made the client send a request, and what that may do to a visitor's place.
//!
//! Over HTTPS our cookies come along from everywhere (`SameSite=None`), since a payment or sign-on page sends its
//! visitor back by a form of another site. So a cookie no longer shows that the visitor, or the site itself, wanted
//! the request. Browsers tell: in `Sec-Fetch-Site`, which no page can set, or else by `Origin`.
//!
//! | the request | is | a pass lets through | pass and seat live on, the origin may end the visit | marks presence, takes a number, enters | leaves |
//! |---|---|---|---|---|---|
//! | of the same origin; typed, or from a bookmark; of a client that is no browser | [`Own`] | yes | yes | yes | yes |
//! | page load or form in the window itself: a link, the way back from a payment | [`Led`] | yes | yes | yes | no |
//! | of another host of the same site, or of the same tenant | [`Led`] | yes | yes | yes | no |
//! | script of an origin that `[cors]` names | [`Led`] | yes | yes | yes | no |
//! | script of any origin, without our cookies, if `[cors]` allows `*` | [`Led`] | yes | yes | yes | no |
//! | anything else of another site: image, script, fetch, WebSocket, frame | [`Embedded`] | yes | no | no | no |
//!
//! [`Own`]: Initiator::Own
//! [`Led`]: Initiator::Led
//! [`Embedded`]: Initiator::Embedded
//!
//! Whoever owns a page that visitors look at can therefore load a window of theirs with this site, which they see. They
//! cannot, behind the visitors' backs, give up a place, use up a call, hold a seat or a place for somebody who has gone,
//! end a visit by loading the address of a log-out, or take numbers.
//!
//! A frame with a pass is let through, because the bank's page that asks for a password often stands in one, and sends
//! its answer from there. Parked, a frame of another site shows nothing, as the policy of our pages forbids it.
//!
//! Over plain HTTP, and in browsers of before 2023, there is no `Sec-Fetch-Site`. `Origin` then says who has sent a form
//! or a script's request; where it is foreign, our cookies count for nothing. An image gives no sign of who embeds it:
//! over plain HTTP our cookies do not come along with it (`SameSite=Lax`), and these browsers keep cookies back from
//! embedded resources by themselves.

use http::{HeaderMap, HeaderName, header};
use sluice_config::{HostPattern, Tenant};

use super::Kind;
use crate::request::cookies;

/// Who made the client send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Initiator {
    /// The site itself, the visitor, or a program: may do everything.
    Own,
    /// Somebody else, openly or with the owner's leave: may do everything but give up a place.
    Led,
    /// A page of another site, unseen: may use what the visitor has, and changes nothing.
    Embedded,
}

/// What was asked for, as far as origins are compared with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Lower case, without a port.
    pub(crate) host: &'a str,
    /// If the client named one.
    pub(crate) port: Option<u16>,
    /// Whether the visitor's connection is HTTPS.
    pub(crate) secure: bool,
    /// Who answers for the host.
    pub(crate) tenant: &'a Tenant,
}

/// Finds out who made the client send a request of this kind.
pub(crate) fn of(headers: &HeaderMap, kind: Kind, asked: &Asked<'_>) -> Initiator {
    let origin = headers.get(header::ORIGIN).map(|origin| origin.as_bytes());
    match (headers.get(&SEC_FETCH_SITE).map(|site| site.as_bytes()), origin) {
        (Some(b"same-origin" | b"none"), _) => Initiator::Own,
        (Some(b"same-site"), _) => Initiator::Led,
        (Some(_), _) if is_in_the_window(headers, kind) || is_welcome(headers, origin, asked) => Initiator::Led,
        (Some(_), _) => Initiator::Embedded,
        (None, None) => Initiator::Own,
        (None, Some(origin)) if Origin::read(origin).is_some_and(|origin| origin.is(asked)) => Initiator::Own,
        // What comes without our cookies takes nothing that is the visitor's.
        (None, _) if is_page(kind) || !cookies::any_of_ours(headers) || is_welcome(headers, origin, asked) => {
            Initiator::Led
        }
        (None, _) => Initiator::Embedded,
    }
}

/// The host of the page that sent a form, as far as the browser tells.
pub(crate) fn sender(headers: &HeaderMap) -> Option<&str> {
    let host = Origin::read(headers.get(header::ORIGIN)?.as_bytes())?.host;
    (host.len() <= HOST_BYTES_MAX).then_some(host)
}

/// Longest host name (RFC 1035, 2.3.4).
const HOST_BYTES_MAX: usize = 253;

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

fn is_page(kind: Kind) -> bool {
    matches!(kind, Kind::Navigation | Kind::FormPost)
}

/// Whether what comes back is shown in the visitor's window, with this site's address above it.
fn is_in_the_window(headers: &HeaderMap, kind: Kind) -> bool {
    let in_a_frame = headers.get(&SEC_FETCH_DEST).is_some_and(|destination| {
        matches!(destination.as_bytes(), b"iframe" | b"frame" | b"fencedframe" | b"object" | b"embed")
    });
    // A frame's mode in browsers of 2019.
    let nested = headers.get(&SEC_FETCH_MODE).is_some_and(|mode| mode == "nested-navigate");
    is_page(kind) && !in_a_frame && !nested
}

/// Whether the site that sends the request is one of the tenant's own, or one that the tenant has named.
///
/// An image carries no `Origin`, but as a rule a `Referer`. A page can keep it back and cannot forge it.
fn is_welcome(headers: &HeaderMap, origin: Option<&[u8]>, asked: &Asked<'_>) -> bool {
    let origin = origin.filter(|&origin| origin != b"null");
    let Some(sender) = origin.or_else(|| headers.get(header::REFERER).map(|page| origin_of(page.as_bytes()))) else {
        return false;
    };
    let mut named = asked.tenant.cors.iter().flat_map(|cors| &cors.allowed_origins);
    Origin::read(sender).is_some_and(|sender| sender.is_of_the_tenant(asked))
        || named.any(|allowed| match allowed.as_str() {
            // The owner asks for no names. Then cookies, which browsers send unasked, prove nothing.
            "*" => origin.is_some() && !cookies::any_of_ours(headers),
            allowed => allowed.as_bytes() == sender,
        })
}

/// Scheme and authority of an address.
fn origin_of(address: &[u8]) -> &[u8] {
    let authority = address.windows(3).position(|at| at == b"://").map_or(address.len(), |at| at + 3);
    let end = address[authority..].iter().position(|&b| b == b'/').map_or(address.len(), |length| authority + length);
    &address[..end]
}

/// An origin as browsers write it, of which only those of web pages matter.
#[derive(Debug, PartialEq, Eq)]
struct Origin<'a> {
    secure: bool,
    host: &'a str,
    port: u16,
}

impl<'a> Origin<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let (secure, authority) = match text.split_once("://")? {
            ("https", authority) => (true, authority),
            ("http", authority) => (false, authority),
            _ => return None,
        };
        // The colons of an IPv6 address stand in brackets.
        let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (authority, default_port(secure)),
        };
        (!host.is_empty()).then_some(Self { secure, host, port })
    }

    /// Whether it is the origin of what was asked for.
    fn is(&self, asked: &Asked<'_>) -> bool {
        let port = asked.port.unwrap_or(default_port(self.secure));
        self.is_as_secure(asked) && self.host.eq_ignore_ascii_case(asked.host) && self.port == port
    }

    fn is_of_the_tenant(&self, asked: &Asked<'_>) -> bool {
        let host = self.host.to_ascii_lowercase();
        self.is_as_secure(asked)
            && asked.tenant.hosts.iter().any(|pattern| match pattern {
                HostPattern::Exact(name) => *name == host,
                HostPattern::Below(suffix) => {
                    host.strip_suffix(suffix.as_str()).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
                }
            })
    }

    /// A page that came over plain HTTP may be anybody's. The other way round, a proxy in front of us may speak HTTPS
    /// without being trusted to say so.
    fn is_as_secure(&self, asked: &Asked<'_>) -> bool {
        self.secure || !asked.secure
    }
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

#[cfg(test)]
mod tests;
