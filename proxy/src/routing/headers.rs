//! What a tenant wants on every answer, and what no answer of an origin may carry.

use http::{HeaderName, HeaderValue, header};
use pingora_http::ResponseHeader;
use sluice_config::Tenant;

/// The preset `headers = "strict"`: nothing that breaks a page that was written with care.
static STRICT: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
];

/// Fields for every answer of a tenant, made once for each config.
#[derive(Debug)]
pub(crate) struct TenantHeaders {
    hsts: Option<HeaderValue>,
    strict: bool,
}

impl TenantHeaders {
    pub(crate) fn of(tenant: &Tenant) -> Self {
        let hsts = tenant.tls.as_ref().and_then(|tls| tls.hsts).and_then(|hsts| {
            let subdomains = if hsts.subdomains { "; includeSubDomains" } else { "" };
            HeaderValue::try_from(format!("max-age={}{subdomains}", hsts.max_age.as_secs())).ok()
        });
        Self { hsts, strict: tenant.strict_headers }
    }

    /// Adds what is not there yet: whoever made the answer knows better.
    pub(crate) fn put_on(&self, head: &mut ResponseHeader, secure: bool) {
        // Says that the answer is still to come.
        if head.status.is_informational() {
            return;
        }
        // RFC 6797, 7.2: never over plain HTTP, where anybody could have said it.
        let hsts = self.hsts.iter().filter(|_| secure).map(|hsts| (&header::STRICT_TRANSPORT_SECURITY, hsts));
        let strict = STRICT.iter().filter(|_| self.strict).map(|(name, value)| (name, value));
        for (name, value) in hsts.chain(strict) {
            if !head.headers.contains_key(name) {
                // Fails only for more fields than a head may have, and then it goes without.
                let _ = head.insert_header(name, value);
            }
        }
    }
}

/// Takes off an origin's answer what is about the origin's own connection: another way to reach it would lead past us.
pub(crate) fn take_off(head: &mut ResponseHeader) {
    head.remove_header(&header::ALT_SVC);
}

#[cfg(test)]
mod tests;
