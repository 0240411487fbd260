//! What a page of another origin may read of an answer of ours.
//!
//! A browser hides an answer from a script of another origin unless the answer itself allows it. A parked request must
//! be able to tell its script that it is parked, so the tenant's `[cors]` says who may read that. It says nothing of
//! answers of the origin, and the origin answers preflights itself wherever the request they are for would reach it. Only
//! where that would be parked is the preflight answered here, so that the script gets to read so.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use sluice_config::Cors;

/// Header fields to add to an answer.
pub(crate) type Fields = Vec<(HeaderName, HeaderValue)>;

/// Longest `Access-Control-Request-Headers` that is echoed.
const REQUEST_HEADERS_BYTES_MAX: usize = 1024;

/// The fields of the answer to a preflight (status 204). Empty without `[cors]`: the browser then blocks the request.
///
/// Every method and header asked for is allowed, for `max_age`: the request itself is parked, or meets an endpoint of
/// ours. Whether its answer may be read is decided there once more.
pub(crate) fn preflight(cors: Option<&Cors>, headers: &HeaderMap, max_age: Duration) -> Fields {
    let Some(cors) = cors else { return Fields::new() };
    let mut fields = vec![(
        header::VARY,
        HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    )];
    if !allow_origin(cors, headers, &mut fields) {
        return fields;
    }
    // Both are echoed only if they are what they should be: an echo is a place to inject into.
    if let Some(method) = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)
        && Method::from_bytes(method.as_bytes()).is_ok()
    {
        fields.push((header::ACCESS_CONTROL_ALLOW_METHODS, method.clone()));
    }
    if let Some(names) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS)
        && is_list_of_names(names.as_bytes())
    {
        fields.push((header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone()));
    }
    fields.push((header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(max_age.as_secs())));
    fields
}

/// The fields of the answer to a parked request. Empty without `[cors]`.
pub(crate) fn parked(cors: Option<&Cors>, headers: &HeaderMap) -> Fields {
    let Some(cors) = cors else { return Fields::new() };
    // Also when the origin is refused: a cache must not hand that answer to one that is allowed.
    let mut fields = vec![(header::VARY, HeaderValue::from_static("Origin"))];
    if allow_origin(cors, headers, &mut fields) {
        let readable = HeaderValue::from_static("Sluice-State, Retry-After, Sluice-Ticket, Sluice-Pass");
        fields.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, readable));
    }
    fields
}

/// Adds the fields that name the allowed origin, if the one that asks is allowed.
fn allow_origin(cors: &Cors, headers: &HeaderMap, fields: &mut Fields) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
    let allowed = if cors.allowed_origins.iter().any(|allowed| allowed == "*") {
        HeaderValue::from_static("*")
    } else if cors.allowed_origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
        origin.clone()
    } else {
        return false;
    };
    // Browsers refuse the two together, and a config that holds both does not validate.
    if cors.allow_credentials && allowed != "*" {
        fields.push((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
    }
    fields.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed));
    true
}

fn is_list_of_names(text: &[u8]) -> bool {
    text.len() <= REQUEST_HEADERS_BYTES_MAX
        && text.split(|&b| b == b',').all(|name| HeaderName::from_bytes(name.trim_ascii()).is_ok())
}

#[cfg(test)]
mod tests;
