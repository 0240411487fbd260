#![allow(clippy::unwrap_used)]

use super::*;

fn request(method: &str, target: &str, fields: &[(&'static str, &str)]) -> RequestHeader {
    let mut request = RequestHeader::build(method, target.as_bytes(), None).unwrap();
    request.set_version(Version::HTTP_11);
    for (name, value) in fields {
        request.append_header(*name, *value).unwrap();
    }
    request
}

fn head(request: &RequestHeader, edits: &[Edit], body: Body) -> String {
    String::from_utf8(Ask::new(request, edits, body, false, false, None).unwrap().head).unwrap()
}

#[test]
fn what_is_between_the_client_and_us_goes_no_further() {
    let request = request(
        "GET",
        "/a?b=%20c",
        &[
            ("HOST", "shop.example.com"),
            ("connection", "keep-alive, X-Hop, Upgrade"),
            ("X-Hop", "1"),
            ("Keep-Alive", "5"),
            ("Proxy-Connection", "close"),
            ("TE", "trailers"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "x"),
            ("Proxy-Authorization", "secret"),
            ("x-OWN", "a"),
            ("x-OWN", "b"),
        ],
    );
    let expected = "GET /a?b=%20c HTTP/1.1\r\nHost: shop.example.com\r\nx-OWN: a\r\nx-OWN: b\r\n\r\n";
    assert_eq!(head(&request, &[], Body::None), expected);
}

#[test]
fn edits_replace_and_remove_every_value() {
    let request = request("GET", "/", &[("Host", "h"), ("Cookie", "a=1"), ("Cookie", "b=2"), ("X-Original-URL", "/x")]);
    let edits = [
        Edit::Set(header::COOKIE, HeaderValue::from_static("b=2")),
        Edit::Remove(HeaderName::from_static("x-original-url")),
    ];
    assert_eq!(head(&request, &edits, Body::None), "GET / HTTP/1.1\r\nHost: h\r\ncookie: b=2\r\n\r\n");
}

#[test]
fn the_target_is_in_origin_form() {
    for (target, sent) in
        [("http://h/a//b?c", "/a//b?c"), ("http://h", "/"), ("http://h?c", "/?c"), ("/%2f/", "/%2f/"), ("*", "*")]
    {
        let head = head(&request("OPTIONS", target, &[("Host", "h")]), &[], Body::None);
        assert!(head.starts_with(&format!("OPTIONS {sent} HTTP/1.1\r\n")), "{head}");
    }
}

#[test]
fn the_framing_is_ours() {
    let post = |fields: &[(&'static str, &str)]| request("POST", "/", &[&[("Host", "h")], fields].concat());
    for (fields, body, ended, framing, lines) in [
        (&[("Content-Length", "5")][..], Body::Length(5), false, Outgoing::Plain, "Content-Length: 5\r\n"),
        (
            &[("Transfer-Encoding", "chunked")],
            Body::Chunked,
            false,
            Outgoing::Chunked,
            "Transfer-Encoding: chunked\r\n",
        ),
        (&[("Content-Length", "0")], Body::None, true, Outgoing::Plain, "Content-Length: 0\r\n"),
        (&[], Body::None, true, Outgoing::Plain, ""),
        (&[], Body::Stream, false, Outgoing::Chunked, "Transfer-Encoding: chunked\r\n"),
        (&[], Body::Stream, true, Outgoing::Plain, "Content-Length: 0\r\n"),
    ] {
        let ask = Ask::new(&post(fields), &[], body, ended, false, None).unwrap();
        assert_eq!(ask.framing, framing);
        assert_eq!(ask.head, format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n").as_bytes());
    }
}

#[test]
fn a_client_cannot_have_fields_removed_that_say_who_it_is() {
    for value in ["x-forwarded-for", "close, Host", "a,b,c,d,e,f,g,h,i,j", "\"x\""] {
        let request = request("GET", "/", &[("Host", "h"), ("Connection", value)]);
        assert!(Ask::new(&request, &[], Body::None, true, false, None).is_err(), "{value}");
    }
}

#[test]
fn a_post_is_never_one_to_send_twice() {
    for (method, may) in [("GET", true), ("DELETE", true), ("POST", false), ("PATCH", false), ("REPORT", false)] {
        let ask = Ask::new(&request(method, "/", &[("Host", "h")]), &[], Body::None, true, false, None).unwrap();
        assert_eq!(ask.is_idempotent, may, "{method}");
    }
}
