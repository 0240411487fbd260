#![allow(clippy::unwrap_used)]
use super::*;

fn answer(status: u16, fields: &[(&'static str, &'static str)]) -> ResponseHeader {
    let mut head = ResponseHeader::build(status, None).unwrap();
    for (name, value) in fields {
        head.append_header(*name, *value).unwrap();
    }
    head
}

#[test]
fn an_answer_is_to_be_kept_if_any_cache_is_told_so() {
    for (status, fields, kept) in [
        (304, &[][..], true),
        (200, &[], false),
        (200, &[("cache-control", "public")], true),
        (200, &[("cache-control", "private, max-age=60")], true),
        (200, &[("cache-control", "Max-Age = 31536000, immutable")], true),
        (200, &[("cache-control", "max-age=0, must-revalidate")], false),
        (200, &[("cache-control", "no-store")], false),
        (200, &[("cache-control", "no-cache"), ("cdn-cache-control", "max-age=60")], true),
        (200, &[("surrogate-control", "max-age=60")], true),
        (200, &[("expires", "0")], false),
        (200, &[("expires", "Thu, 01 Jan 2099 00:00:00 GMT")], true),
        (200, &[("cache-control", "no-store"), ("expires", "Thu, 01 Jan 2099 00:00:00 GMT")], false),
    ] {
        assert_eq!(is_to_be_kept(&answer(status, fields)), kept, "{status} {fields:?}");
    }
}

#[test]
fn a_private_answer_says_nothing_else_to_caches_of_any_dialect() {
    let fields = [
        ("cache-control", "public, max-age=60"),
        ("cdn-cache-control", "max-age=60"),
        ("cloudflare-cdn-cache-control", "max-age=60"),
        ("vercel-cdn-cache-control", "max-age=60"),
        ("surrogate-control", "max-age=60"),
        ("x-accel-expires", "60"),
        ("edge-control", "cache-maxage=60"),
        ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
        ("etag", "\"a\""),
    ];
    let mut head = answer(200, &fields);
    keep_private(&mut head);
    let mut names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "etag"]);
    assert_eq!(head.headers[header::CACHE_CONTROL], "no-store, private");
}

#[test]
fn assets_are_what_pages_show_or_run() {
    let fetched = |destination: &'static str| {
        let fields = [(HeaderName::from_static("sec-fetch-dest"), HeaderValue::from_static(destination))];
        is_asset(&fields.into_iter().collect())
    };
    assert!(["image", "style", "script", "font", "video", "manifest", "serviceworker"].iter().all(|d| fetched(d)));
    assert!(!["document", "iframe", "empty", ""].iter().any(|d| fetched(d)) && !is_asset(&HeaderMap::new()));
}
