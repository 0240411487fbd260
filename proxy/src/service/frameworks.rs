//! Libraries that fetch pages with scripts, and what makes each load the page anew when its request has to wait: then the
//! visitor sees the waiting page.
//!
//! | library | its request | gets beside the problem |
//! |---|---|---|
//! | htmx | `HX-Request: true` | `HX-Refresh: true` |
//! | Inertia | `X-Inertia: true` | 409 and `X-Inertia-Location` |
//! | Turbo, a frame | `Turbo-Frame` | a page that says `turbo-visit-control: reload`, in the place of the problem |
//! | Turbo, a page; React Server Components | `Accept`; `RSC: 1` | nothing: what is not theirs makes them load the page |

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{
    request::{kind::Kind, syntax::strict::Facts},
    service::answer::Answer,
};

static HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
static X_INERTIA: HeaderName = HeaderName::from_static("x-inertia");
static TURBO_FRAME: HeaderName = HeaderName::from_static("turbo-frame");
const TURBO_RELOADS: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta name=\"turbo-visit-control\" content=\"reload\"><title>Waiting</title></head><body></body></html>\n";

/// Adds to the answer to a parked request what its library goes by.
pub(super) fn dress(answer: Answer, kind: Kind, method: &Method, headers: &HeaderMap, facts: &Facts<'_>) -> Answer {
    if !matches!(kind, Kind::Fetch | Kind::Unsafe) {
        return answer;
    }
    let is = |name: &HeaderName| headers.get(name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    let mut answer = answer;
    if is(&HX_REQUEST) {
        let _ = answer.head.insert_header(HeaderName::from_static("hx-refresh"), HeaderValue::from_static("true"));
    } else if is(&X_INERTIA) {
        // A location makes it leave, and it is followed with this status only.
        let _ = answer.head.set_status(StatusCode::CONFLICT);
        let _ = answer.head.insert_header(HeaderName::from_static("x-inertia-location"), page(method, headers, facts));
    } else if headers.contains_key(&TURBO_FRAME) && method.is_safe() {
        return answer.with_page(Bytes::from_static(TURBO_RELOADS.as_bytes()));
    }
    answer
}

/// The page to be loaded: what was asked for, or where a request that changes something came from. On this host alone.
fn page(method: &Method, headers: &HeaderMap, facts: &Facts<'_>) -> HeaderValue {
    let asked = || match facts.query {
        Some(query) => [facts.path, b"?", query].concat(),
        None => facts.path.to_vec(),
    };
    let page = if method.is_safe() { Some(asked()) } else { referring_page(headers, &facts.host) };
    // Two slashes in front would be another host.
    let page = page.filter(|page| page.starts_with(b"/") && !page.starts_with(b"//"));
    page.and_then(|page| HeaderValue::from_bytes(&page).ok()).unwrap_or(HeaderValue::from_static("/"))
}

fn referring_page(headers: &HeaderMap, host: &str) -> Option<Vec<u8>> {
    let referer = headers.get(header::REFERER)?.to_str().ok()?;
    let (_, rest) = referer.split_once("://")?;
    let (authority, page) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    let (name, _) = authority.split_once(':').unwrap_or((authority, ""));
    name.eq_ignore_ascii_case(host).then(|| page.as_bytes().to_vec())
}

#[cfg(test)]
mod tests;
