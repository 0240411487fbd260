//! From plain HTTP to HTTPS.
//!
//! With 308, so that a form arrives as the form that it is. The target is the host that was asked for, which a tenant
//! answers for and a certificate of the tenant covers, with path and query as they came: nobody can be led elsewhere.

use std::fmt::Write as _;

use http::HeaderValue;
use sluice_config::TenantTls;

use crate::request::{client::Client, path::NormalPath, syntax::strict::Facts};

/// A certificate authority asks for these over plain HTTP, to see who answers for a host.
pub(crate) const ACME_PREFIX: &str = "/.well-known/acme-challenge/";
/// Where HTTPS is if nothing is said about it.
const HTTPS_PORT: u16 = 443;

/// Where a request is to be repeated over HTTPS; `None`: it is served as it came.
///
/// `is_covered`: there is a certificate for the host. `https_port` is where this node speaks HTTPS, if it does.
pub(crate) fn to_https(
    facts: &Facts<'_>,
    path: &NormalPath<'_>,
    client: &Client,
    tls: Option<&TenantTls>,
    is_covered: impl FnOnce() -> bool,
    https_port: Option<u16>,
) -> Option<HeaderValue> {
    let (_, https_port) = (tls.filter(|tls| tls.redirect_http)?, https_port?);
    if client.secure || path.as_str().starts_with(ACME_PREFIX) || !is_covered() {
        return None;
    }
    let mut target = format!("https://{}", facts.host);
    // A proxy that takes visitors' plain HTTP takes their HTTPS as well, and where the usual place is.
    if https_port != HTTPS_PORT && !client.scheme_is_a_proxys {
        let _ = write!(target, ":{https_port}");
    }
    let mut target = target.into_bytes();
    target.extend_from_slice(facts.path);
    if let Some(query) = facts.query {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    // What a target may hold a field may hold.
    HeaderValue::from_bytes(&target).ok()
}

#[cfg(test)]
mod tests;
