//! Caches on the way: none keeps an answer that carries a pass, and an answer that carries none keeps its own caching.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora_http::ResponseHeader;

use crate::request::{
    syntax::list::members,
    syntax::scan::{before, split},
};

/// Whether a page fetches it to show or run it, as browsers say. Such a thing is kept for long, and what it would hand
/// out does as well on the next page or call.
pub(super) fn is_asset(headers: &HeaderMap) -> bool {
    static SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
    const PAGES_AND_CALLS: [&[u8]; 6] = [b"document", b"iframe", b"frame", b"fencedframe", b"empty", b""];
    headers.get(&SEC_FETCH_DEST).is_some_and(|destination| !PAGES_AND_CALLS.contains(&destination.as_bytes()))
}

/// Whether the origin wants an answer to be kept by anybody, or says that what is kept is still good.
pub(super) fn is_to_be_kept(head: &ResponseHeader) -> bool {
    if head.status == StatusCode::NOT_MODIFIED {
        return true;
    }
    let mut fields = head.headers.keys().filter(|name| is_for_caches(name));
    let mut directives = fields.by_ref().flat_map(|name| members(&head.headers, name)).peekable();
    if directives.peek().is_some() {
        return directives.any(|directive| {
            let name = before(b'=', directive).trim_ascii_end();
            let seconds = split(b'=', directive).nth(1).map(<[u8]>::trim_ascii);
            let lasts = seconds.is_some_and(|seconds| !matches!(seconds, b"0" | b"\"0\""));
            let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
            is("immutable") || is("public") || (lasts && (is("max-age") || is("s-maxage")))
        });
    }
    // An answer of HTTP/1.0: it lasts until then, if it is a time at all.
    head.headers.get(header::EXPIRES).is_some_and(|at| at.len() > 2)
}

/// Sees to it that no cache keeps an answer: it is one visitor's.
pub(super) fn keep_private(head: &mut ResponseHeader) {
    let others: Vec<_> = head.headers.keys().filter(|name| is_for_caches(name)).cloned().collect();
    for name in others {
        head.remove_header(&name);
    }
    head.remove_header(&header::EXPIRES);
    // Fails only for more fields than a head may have; what was removed made room, or there was some.
    let _ = head.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store, private"));
}

/// `Cache-Control`, and what caches of one sort or another obey before it: targeted fields (RFC 9213) such as
/// `CDN-Cache-Control` and `Cloudflare-CDN-Cache-Control`, and those of an older time.
fn is_for_caches(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.ends_with("cache-control")
        || matches!(
            name,
            "surrogate-control" | "edge-control" | "x-accel-expires" | "x-cache-ttl" | "cache-control-ttl"
        )
}

#[cfg(test)]
mod tests;
