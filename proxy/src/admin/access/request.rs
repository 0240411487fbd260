//! What a request shows of who asks, before anything is done for it.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, Method, header, request::Parts},
};

use super::Principal;
use crate::{
    admin::api::{Api, answer::Problem},
    sinks::time::now_ms,
};

/// The dashboard's cookie.
pub(crate) const SESSION_COOKIE: &str = "sluice_admin";
/// What a request with a cookie needs that changes something.
pub(crate) const CSRF_HELP: &str =
    "send it from the dashboard itself, as JSON; programs send a key or a token in Authorization instead of the cookie";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who asks, known and allowed to ask at all.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) principal: Principal,
}

impl FromRequestParts<Arc<Api>> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let now_ms = now_ms();
        let visitor = match bearer(&parts.headers) {
            Some(written) => {
                let principal = match api.access.bearer(written, now_ms) {
                    Some(principal) => Some(principal),
                    None => api.access.issued(written, now_ms).await,
                };
                let principal = principal.ok_or_else(Problem::unknown)?;
                Self { principal }
            }
            None => {
                let cookie = session_cookie(&parts.headers).ok_or_else(Problem::unknown)?;
                let (principal, _) = api.access.session(cookie, now_ms).ok_or_else(Problem::unknown)?;
                if !parts.method.is_safe() && !is_from_us(&parts.method, &parts.headers) {
                    return Err(Problem::forged());
                }
                Self { principal }
            }
        };
        if !api.pace.allows(&visitor.principal.id, now_ms) {
            return Err(Problem::too_fast());
        }
        Ok(visitor)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let written = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = written.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The session cookie.
pub(crate) fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, SESSION_COOKIE)
}

/// The cookie of this name.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == wanted).then_some(value))
}

/// Whether a browser sent this from the dashboard: cookies come along with requests of other sites as well.
pub(crate) fn is_from_us(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_json = text(header::CONTENT_TYPE).is_some_and(|kind| kind.split(';').next() == Some("application/json"));
    let host = text(header::HOST);
    let same_site = match (text(SEC_FETCH_SITE), text(header::ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => host.is_some() && origin.split_once("://").map(|(_, origin)| origin) == host,
        (None, None) => false,
    };
    same_site && (is_json || *method == Method::DELETE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn requests_of_other_sites_are_not_from_us() {
        const JSON: (&str, &str) = ("content-type", "application/json");
        const HOST: (&str, &str) = ("host", "localhost:9901");
        let post = |fields: &[_]| is_from_us(&Method::POST, &headers(fields));
        assert!(post(&[JSON, HOST, ("sec-fetch-site", "same-origin")]));
        assert!(post(&[JSON, HOST, ("origin", "http://localhost:9901")]));
        assert!(!post(&[JSON, HOST]));
        assert!(!post(&[JSON, HOST, ("sec-fetch-site", "same-site")]));
        assert!(!post(&[JSON, HOST, ("origin", "http://localhost:9900")]));
        assert!(!post(&[JSON, HOST, ("origin", "null")]));
        assert!(!post(&[HOST, ("sec-fetch-site", "same-origin"), ("content-type", "text/plain")]));
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(session_cookie(&headers(&[("cookie", "a=b; sluice_admin=x.y.z; c=d")])), Some("x.y.z"));
        assert_eq!(session_cookie(&headers(&[("cookie", "xsluice_admin=x")])), None);
        assert_eq!(bearer(&headers(&[("authorization", "bearer  abc")])), Some("abc"));
        assert_eq!(bearer(&headers(&[("authorization", "Basic abc")])), None);
    }
}
