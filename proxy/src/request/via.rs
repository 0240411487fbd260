//! What a request has come through (`Via`, RFC 9110, 7.6.3), and how far it may go (`Max-Forwards`, 7.6.2).
//!
//! Each tenant of a fleet has a name of its own there. A request that carries it has been here before, for this tenant:
//! the origin leads back to us, by a name that was moved or by another node. It would come again for as long as there
//! are connections, so it is refused at once. Two Sluices in a row have different names, and so have two tenants of one
//! node, one of which is the other's origin.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};

use super::Edit;
use crate::request::syntax::list::members;

/// What the names of tenants begin with; then come the tenant's own and the fleet's.
const PREFIX: &str = "sluice-";

/// The name of a fleet, which tenants' names in `Via` are made of. Empty: this is no node, and nothing has come through it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fleet(Box<str>);

impl Fleet {
    /// A name that other fleets do not have, made of a secret for this purpose alone.
    pub(crate) fn of(secret: &[u8]) -> Self {
        const SHOWN_BYTES: usize = 6;
        let name = ring::digest::digest(&ring::digest::SHA256, secret);
        Self(name.as_ref().iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether a request has come through this fleet before, for this tenant.
    pub(crate) fn has_sent(&self, headers: &HeaderMap, tenant: &str) -> bool {
        !self.0.is_empty()
            && headers.contains_key(header::VIA)
            && members(headers, &header::VIA).any(|hop| {
                let received_by = hop.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).nth(1);
                received_by.is_some_and(|by| self.is_named(tenant, by))
            })
    }

    /// Says of a request for an origin that it has come through here.
    pub(crate) fn sign(&self, headers: &HeaderMap, version: Version, tenant: &str, edits: &mut Vec<Edit>) {
        let protocol = match version {
            Version::HTTP_2 => "2",
            Version::HTTP_10 => "1.0",
            _ => "1.1",
        };
        if !headers.contains_key(header::VIA) {
            edits.extend(Edit::set(header::VIA, format_args!("{protocol} {PREFIX}{tenant}-{}", self.0)));
            return;
        }
        let mut via = Vec::new();
        for line in headers.get_all(header::VIA).iter().filter(|line| !line.is_empty()) {
            via.extend_from_slice(line.as_bytes());
            via.extend_from_slice(b", ");
        }
        for part in [protocol, " ", PREFIX, tenant, "-", &*self.0] {
            via.extend_from_slice(part.as_bytes());
        }
        edits.extend(HeaderValue::from_bytes(&via).ok().map(|via| Edit::Set(header::VIA, via)));
    }

    /// Whether that is the tenant's name.
    fn is_named(&self, tenant: &str, name: &[u8]) -> bool {
        let rest = name.strip_prefix(PREFIX.as_bytes()).and_then(|rest| rest.strip_prefix(tenant.as_bytes()));
        rest.and_then(|rest| rest.strip_prefix(b"-")).is_some_and(|fleet| fleet == self.0.as_bytes())
    }
}

/// How many more programs an OPTIONS may be passed on by, if it says so. Of other methods it means nothing.
pub(crate) fn max_forwards(method: &Method, headers: &HeaderMap) -> Option<u32> {
    let value = headers.get(&MAX_FORWARDS).filter(|_| *method == Method::OPTIONS)?;
    let digits = value.as_bytes();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    // More than fits is as good as no bound.
    is_number.then(|| value.to_str().ok()?.parse().ok()).flatten()
}

/// Counts this program.
pub(crate) fn count_down(method: &Method, headers: &HeaderMap, edits: &mut Vec<Edit>) {
    if let Some(left) = max_forwards(method, headers) {
        edits.push(Edit::Set(MAX_FORWARDS.clone(), HeaderValue::from(left.saturating_sub(1))));
    }
}

static MAX_FORWARDS: HeaderName = HeaderName::from_static("max-forwards");

#[cfg(test)]
mod tests;
