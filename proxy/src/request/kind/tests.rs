use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const CHROME: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8";

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("header name");
        headers.append(name, HeaderValue::from_str(value).expect("header value"));
    }
    headers
}

fn kind(method: &str, lines: &[(&str, &str)]) -> Kind {
    classify(&method.parse().expect("method"), Version::HTTP_11, &map(lines))
}

#[test]
fn page_loads() {
    for lines in [
        &[("accept", CHROME)][..],
        &[("accept", "text/html")],
        &[("accept", "TEXT/HTML ; q=0.1")],
        &[("accept", "application/xhtml+xml")],
        &[("accept", "text/*")],
        &[("accept", "image/png"), ("accept", "text/html;level=1")],
        &[("accept", "text/html, application/json")],
        &[("accept", CHROME), ("x-requested-with", "com.example.app")],
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe"), ("accept", "*/*")],
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty")],
        &[("sec-fetch-mode", "navigate"), ("x-requested-with", "XMLHttpRequest")],
        &[("sec-fetch-mode", "nested-navigate")],
        &[("sec-fetch-dest", "document")],
    ] {
        assert_eq!(kind("GET", lines), Kind::Navigation, "{lines:?}");
        assert_eq!(kind("HEAD", lines), Kind::Navigation, "{lines:?}");
    }
}

#[test]
fn fetches() {
    for lines in [
        &[][..],
        &[("accept", "*/*")],
        &[("accept", "")],
        &[("accept", "application/json, text/plain, */*")],
        &[("accept", "application/json, text/html;q=0.5")],
        &[("accept", "text/html;q=0")],
        &[("accept", "text/html;q=0.000, */*")],
        &[("accept", "text/html;q=0, text/*, application/xhtml+xml")],
        &[("accept", "text/html;q=nonsense")],
        &[("accept", "text/html;q=2")],
        &[("accept", "text/htmlx, xtext/html")],
        &[("accept", "image/avif,image/webp,*/*;q=0.8")],
        &[("accept", CHROME), ("x-requested-with", "XMLHttpRequest")],
        &[("accept", CHROME), ("origin", "https://shop.example.com")],
        &[("accept", CHROME), ("sec-fetch-mode", "cors")],
        &[("accept", CHROME), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
        &[("accept", CHROME), ("sec-fetch-dest", "script")],
        &[("accept", CHROME), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "object")],
        &[("accept", CHROME), ("sec-fetch-mode", "")],
    ] {
        assert_eq!(kind("GET", lines), Kind::Fetch, "{lines:?}");
    }
    assert_eq!(kind("OPTIONS", &[]), Kind::Fetch);
    assert_eq!(kind("OPTIONS", &[("origin", "https://a.example")]), Kind::Fetch);
}

#[test]
fn unsafe_methods_and_forms() {
    let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    let navigate = ("sec-fetch-mode", "navigate");
    assert_eq!(kind("POST", &[form, navigate]), Kind::FormPost);
    assert_eq!(kind("POST", &[form, ("accept", CHROME), ("origin", "https://a.example")]), Kind::FormPost);
    assert_eq!(kind("POST", &[("content-type", "Multipart/Form-Data; boundary=x"), navigate]), Kind::FormPost);
    assert_eq!(kind("POST", &[("content-type", "text/plain"), navigate]), Kind::FormPost);
    assert_eq!(kind("POST", &[form]), Kind::Unsafe);
    assert_eq!(kind("POST", &[form, ("sec-fetch-mode", "cors"), ("accept", CHROME)]), Kind::Unsafe);
    assert_eq!(kind("POST", &[("content-type", "application/json"), navigate]), Kind::Unsafe);
    assert_eq!(kind("POST", &[navigate]), Kind::Unsafe);
    assert_eq!(kind("PUT", &[form, navigate]), Kind::Unsafe);
    for method in ["PUT", "PATCH", "DELETE", "PROPFIND", "get", "QUERY"] {
        assert_eq!(kind(method, &[("accept", CHROME)]), Kind::Unsafe, "{method}");
    }
}

#[test]
fn preflights() {
    let lines = [("origin", "https://a.example"), ("access-control-request-method", "PUT")];
    assert_eq!(kind("OPTIONS", &lines), Kind::Preflight);
    assert_eq!(kind("GET", &lines), Kind::Fetch);
}

#[test]
fn websocket_handshakes() {
    let lines = [("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];
    assert_eq!(kind("GET", &lines), Kind::Upgrade);
    assert_eq!(kind("POST", &lines), Kind::Unsafe);
    assert_eq!(kind("GET", &lines[..1]), Kind::Fetch);
    assert_eq!(kind("GET", &lines[1..]), Kind::Fetch);
    assert_eq!(kind("GET", &[("connection", "upgrade"), ("upgrade", "h2c"), ("accept", CHROME)]), Kind::Navigation);
    for version in [Version::HTTP_10, Version::HTTP_2] {
        assert_eq!(classify(&Method::GET, version, &map(&lines)), Kind::Fetch);
    }
}

#[test]
fn event_streams() {
    assert_eq!(kind("GET", &[("accept", "text/event-stream")]), Kind::EventStream);
    assert_eq!(kind("GET", &[("accept", "text/event-stream"), ("sec-fetch-mode", "cors")]), Kind::EventStream);
    assert_eq!(kind("GET", &[("accept", "text/event-stream;q=0")]), Kind::Fetch);
    assert_eq!(kind("POST", &[("accept", "text/event-stream")]), Kind::Unsafe);
}

#[test]
fn grpc_calls() {
    for media in ["application/grpc", "application/grpc+proto", "Application/gRPC-web-text", "application/grpc;x=y"] {
        assert_eq!(kind("POST", &[("content-type", media)]), Kind::Grpc, "{media}");
        assert_eq!(kind("GET", &[("content-type", media)]), Kind::Fetch, "{media}");
    }
    for media in ["application/grpcfoo", "application/grp", "application/json"] {
        assert_eq!(kind("POST", &[("content-type", media)]), Kind::Unsafe, "{media}");
    }
}

#[test]
fn prefetches() {
    for line in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("sec-purpose", "prefetch ; anonymous-client-ip"),
        ("purpose", "Prefetch"),
        ("x-moz", "prefetch"),
        ("purpose", "prerender"),
    ] {
        assert_eq!(
            kind("GET", &[line, ("accept", CHROME), ("sec-fetch-mode", "navigate")]),
            Kind::Prefetch,
            "{line:?}"
        );
        assert_eq!(kind("POST", &[line]), Kind::Unsafe, "{line:?}");
    }
    assert_eq!(kind("GET", &[("sec-purpose", "prefetched")]), Kind::Fetch);
}

#[test]
fn weights() {
    for (text, expected) in [
        ("0", Some(0)),
        ("1", Some(1000)),
        ("0.", Some(0)),
        ("0.5", Some(500)),
        ("0.001", Some(1)),
        ("1.000", Some(1000)),
        ("1.001", None),
        ("0.0001", None),
        (".5", None),
        ("-1", None),
        ("0.x", None),
        ("", None),
    ] {
        assert_eq!(qvalue(text.as_bytes()), expected, "{text}");
    }
    assert_eq!(weight(b""), Some(1000));
    assert_eq!(weight(b"; level=1 ; Q=0.7; q=0"), Some(700));
}

#[test]
fn a_hostile_list_is_not_read_to_its_end() {
    let long = format!("{}text/html", "a/b,".repeat(4000));
    assert_eq!(kind("GET", &[("accept", &long)]), Kind::Fetch);
}

proptest! {
    /// A script over HTTPS never gets HTML, whatever else it sends.
    #[test]
    fn a_script_gets_no_page(
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "OPTIONS"]),
        mode in prop::sample::select(vec!["cors", "no-cors", "same-origin", "websocket", "x"]),
        accept in "[ -~]{0,40}",
        content_type in prop::sample::select(vec!["text/plain", "application/x-www-form-urlencoded", "text/html"]),
    ) {
        let kind = kind(method, &[("sec-fetch-mode", mode), ("accept", &accept), ("content-type", content_type)]);
        prop_assert!(!matches!(kind, Kind::Navigation | Kind::FormPost));
    }

    #[test]
    fn reading_accept_never_panics(value in prop::collection::vec(0x20_u8..=0xff, 0..200)) {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            let mut headers = HeaderMap::new();
            headers.append(header::ACCEPT, value);
            classify(&Method::GET, Version::HTTP_11, &headers);
        }
    }
}
