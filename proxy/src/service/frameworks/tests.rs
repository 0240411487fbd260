#![allow(clippy::unwrap_used)]
use http::{Uri, Version};

use super::*;
use crate::{
    request::syntax::strict::{Head, check},
    service::answer,
};

/// The answer to a request of this method and target, with these fields.
fn dressed(kind: Kind, method: Method, target: &str, fields: &[(&'static str, &str)]) -> Answer {
    let mut headers: HeaderMap = fields
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect();
    headers.insert(header::HOST, HeaderValue::from_static("shop.example.com"));
    let head = Head {
        method: &method,
        target: target.as_bytes(),
        uri: &Uri::default(),
        version: Version::HTTP_11,
        headers: &headers,
        raw: None,
    };
    dress(answer::plain(429, "wait\n"), kind, &method, &headers, &check(head).unwrap())
}

fn field<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.head.headers.get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn htmx_is_told_to_load_the_page_anew() {
    for (kind, method) in [(Kind::Fetch, Method::GET), (Kind::Unsafe, Method::POST)] {
        let answer = dressed(kind, method, "/part", &[("hx-request", "true")]);
        assert_eq!((field(&answer, "hx-refresh"), answer.head.status.as_u16()), (Some("true"), 429));
    }
    assert_eq!(field(&dressed(Kind::Fetch, Method::GET, "/part", &[]), "hx-refresh"), None);
    assert_eq!(field(&dressed(Kind::Navigation, Method::GET, "/", &[("hx-request", "true")]), "hx-refresh"), None);
}

#[test]
fn inertia_is_led_to_a_page_of_this_host() {
    let inertia = ("x-inertia", "true");
    let leads_to = |method: Method, target: &str, referer: &str| {
        let answer = dressed(Kind::Fetch, method, target, &[inertia, ("referer", referer)]);
        assert_eq!(answer.head.status, StatusCode::CONFLICT);
        field(&answer, "x-inertia-location").unwrap().to_owned()
    };
    assert_eq!(leads_to(Method::GET, "/cart?x=1", ""), "/cart?x=1");
    assert_eq!(leads_to(Method::GET, "//evil.example/", ""), "/");
    assert_eq!(leads_to(Method::POST, "/pay", "https://shop.example.com/cart?x=1"), "/cart?x=1");
    assert_eq!(leads_to(Method::POST, "/pay", "https://shop.example.com:8443/cart"), "/cart");
    for elsewhere in ["https://evil.example/x", "https://shop.example.com//evil.example/", "nonsense", ""] {
        assert_eq!(leads_to(Method::POST, "/pay", elsewhere), "/", "{elsewhere}");
    }
}

#[test]
fn a_frame_of_turbo_gets_a_page_that_makes_it_load_anew() {
    let answer = dressed(Kind::Fetch, Method::GET, "/part", &[("turbo-frame", "cart")]);
    assert!(String::from_utf8_lossy(&answer.body).contains(r#"name="turbo-visit-control" content="reload""#));
    assert_eq!(field(&answer, "content-length"), Some(answer.body.len().to_string().as_str()));
    assert!(field(&answer, "content-type").unwrap().starts_with("text/html"));
}
