use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

/// A request with `Host: shop.example.com`, to be bent out of shape.
#[derive(Clone)]
struct Request {
    method: &'static str,
    target: Vec<u8>,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    raw: Option<Vec<u8>>,
}

impl Request {
    fn new(target: &str) -> Self {
        let request = Self {
            method: "GET",
            target: target.as_bytes().to_vec(),
            uri: Uri::default(),
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            raw: None,
        };
        request.field("host", "shop.example.com")
    }

    fn field(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("header name");
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("header value"));
        self
    }

    fn without_host(mut self) -> Self {
        self.headers.remove("host");
        self
    }

    fn host(self, value: &str) -> Self {
        self.without_host().field("host", value)
    }

    fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    fn version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    fn raw(self, raw: &[u8]) -> Self {
        Self { raw: Some(raw.to_vec()), ..self }
    }

    /// Checks it and hands the facts over.
    fn facts(&self, look: impl FnOnce(Facts<'_>)) {
        look(self.check_with(&self.method.parse().expect("method")).expect("in order"));
    }

    fn violation(&self) -> Option<Violation> {
        self.check_with(&self.method.parse().expect("method")).err()
    }

    fn check_with<'a>(&'a self, method: &'a Method) -> Result<Facts<'a>, Violation> {
        check(Head {
            method,
            target: &self.target,
            uri: &self.uri,
            version: self.version,
            headers: &self.headers,
            raw: self.raw.as_deref(),
        })
    }
}

#[test]
fn an_ordinary_request() {
    Request::new("/a/b?c=d?e").raw(b"GET /a/b?c=d?e HTTP/1.1\r\nHost: shop.example.com\r\n\r\n").facts(|facts| {
        let expected = Facts {
            host: Cow::Borrowed("shop.example.com"),
            port: None,
            form: Form::Origin,
            path: b"/a/b",
            query: Some(b"c=d?e"),
            body: Body::None,
            upgrade: None,
        };
        assert_eq!(facts, expected);
        assert!(matches!(facts.host, Cow::Borrowed(_)), "a host in lower case is not copied");
    });
}

#[test]
fn versions_and_methods() {
    assert_eq!(Request::new("/").version(Version::HTTP_09).violation(), Some(Violation::Version));
    assert_eq!(Request::new("/").version(Version::HTTP_3).violation(), Some(Violation::Version));
    assert_eq!(Request::new("/").version(Version::HTTP_10).violation(), None);
    assert_eq!(Request::new("/").method("TRACE").violation(), Some(Violation::MethodRefused));
    assert_eq!(Request::new("shop.example.com:80").method("CONNECT").violation(), Some(Violation::MethodRefused));
    assert_eq!(Request::new("/").method("UPDATEREDIRECTREF").violation(), None);
    assert_eq!(Request::new("/").method("ABCDEFGHIJKLMNOPQRSTUVWXY").violation(), Some(Violation::MethodTooLong));
}

#[test]
fn targets() {
    Request::new("http://shop.example.com?x").facts(|facts| {
        assert_eq!((facts.form, facts.path, facts.query), (Form::Absolute, &b"/"[..], Some(&b"x"[..])));
    });
    Request::new("HTTPS://shop.example.com:8443/a").host("SHOP.example.com:8443").facts(|facts| {
        assert_eq!((facts.form, facts.path, facts.port), (Form::Absolute, &b"/a"[..], Some(8443)));
    });
    Request::new("*").method("OPTIONS").facts(|facts| {
        assert_eq!((facts.form, facts.path), (Form::Asterisk, &b"*"[..]));
    });
    for target in [
        "*",
        "",
        "a",
        "?x",
        "shop.example.com:80",
        "ftp://shop.example.com/",
        "http:/shop.example.com/",
        "http:shop",
        "://",
    ] {
        assert_eq!(Request::new(target).violation(), Some(Violation::TargetForm), "{target}");
    }
    for target in ["/a b", "/\0", "/a\tb", "/a\u{7f}", "/a#b", "http://shop.example.com/#"] {
        assert_eq!(Request::new(target).violation(), Some(Violation::TargetBytes), "{target:?}");
    }
    assert_eq!(Request::new(&format!("/{}", "a".repeat(TARGET_BYTES_MAX))).violation(), Some(Violation::TargetTooLong));
    assert_eq!(Request::new(&format!("/{}", "a".repeat(TARGET_BYTES_MAX - 1))).violation(), None);
}

#[test]
fn hosts() {
    for (value, name, port) in [
        ("Shop.Example.COM", "shop.example.com", None),
        ("shop.example.com.", "shop.example.com", None),
        ("shop.example.com.:80", "shop.example.com", Some(80)),
        ("my_shop-1.example:65535", "my_shop-1.example", Some(65535)),
        ("127.0.0.1:8080", "127.0.0.1", Some(8080)),
        ("[::1]", "[::1]", None),
        ("[2001:DB8::1]:443", "[2001:db8::1]", Some(443)),
        ("localhost", "localhost", None),
        ("shop.example.com:", "shop.example.com", None),
    ] {
        Request::new("/").host(value).facts(|facts| assert_eq!((&*facts.host, facts.port), (name, port), "{value}"));
    }
    let long = format!("{}.example", "a".repeat(64));
    let longer = format!("{}example", "a.".repeat(124));
    for value in [
        "a.example,b.example",
        "a b",
        "a.example b.example",
        "user@a.example",
        "user:x@a.example",
        ":80",
        "a:0",
        "a:65536",
        "a:000080",
        "a:+80",
        "a:8 0",
        "a:80:80",
        "a:http",
        ".",
        "..",
        ".a",
        "a..b",
        "a..",
        "a/b",
        "a?b",
        "a#b",
        "a%2eb",
        "http://a",
        "[",
        "]",
        "[]",
        "[::1",
        "::1",
        "[::1]x",
        "[::1].",
        "[::1%25eth0]",
        "[v1.x]",
        "[1.2.3.4]",
        "é.example",
        "a\\b",
        "a;b",
        "*",
        &long,
        &longer,
    ] {
        assert_eq!(Request::new("/").host(value).violation(), Some(Violation::HostMalformed), "{value}");
    }
    assert_eq!(Request::new("/").host("").violation(), Some(Violation::HostEmpty));
    assert_eq!(Request::new("/").without_host().violation(), Some(Violation::HostMissing));
    assert_eq!(Request::new("/").without_host().version(Version::HTTP_10).violation(), Some(Violation::HostMissing));
    let same_again = Request::new("/").field("host", "shop.example.com");
    assert_eq!(same_again.violation(), Some(Violation::HostRepeated));
}

#[test]
fn hosts_in_two_places_must_agree() {
    assert_eq!(Request::new("http://other.example/").violation(), Some(Violation::HostConflict));
    assert_eq!(Request::new("http://shop.example.com:80/").violation(), None, "the port that is meant anyway");
    assert_eq!(Request::new("http://shop.example.com:8080/").violation(), Some(Violation::HostConflict));
    assert_eq!(Request::new("http://u@shop.example.com/").violation(), Some(Violation::HostMalformed));
    assert_eq!(Request::new("http:///x").violation(), Some(Violation::HostEmpty));
    assert_eq!(Request::new("http://shop.example.com/").host("bad,host").violation(), Some(Violation::HostMalformed));
    Request::new("http://Shop.example.com/").without_host().facts(|facts| assert_eq!(facts.host, "shop.example.com"));

    let mut request = Request::new("/").without_host().version(Version::HTTP_2);
    request.uri = Uri::from_static("https://shop.example.com:8443/");
    request.facts(|facts| {
        assert_eq!((&*facts.host, facts.port, facts.body), ("shop.example.com", Some(8443), Body::Stream))
    });
    assert_eq!(request.clone().field("host", "other.example").violation(), Some(Violation::HostConflict));
    assert_eq!(request.field("host", "shop.example.com:8443").violation(), None);
}

#[test]
fn bodies() {
    for (value, body) in
        [("0", Body::None), ("5", Body::Length(5)), ("9223372036854775807", Body::Length(i64::MAX as u64))]
    {
        Request::new("/").field("content-length", value).facts(|facts| assert_eq!(facts.body, body, "{value}"));
    }
    Request::new("/").field("transfer-encoding", "Chunked").facts(|facts| assert_eq!(facts.body, Body::Chunked));
    for value in ["", "+5", "-5", "5 5", "5a", "0x5", "5.0", "٥", "9223372036854775808", "05", "00", "0200"] {
        assert_eq!(
            Request::new("/").field("content-length", value).violation(),
            Some(Violation::LengthMalformed),
            "{value}"
        );
    }
    for value in ["5,5", "5, 6", ","] {
        assert_eq!(
            Request::new("/").field("content-length", value).violation(),
            Some(Violation::LengthRepeated),
            "{value}"
        );
    }
    let types = Request::new("/").field("content-type", "text/plain").field("content-type", "text/plain");
    assert_eq!(types.violation(), Some(Violation::TypeRepeated));
    let twice = Request::new("/").field("content-length", "5").field("content-length", "5");
    assert_eq!(twice.violation(), Some(Violation::LengthRepeated));
    for (value, violation) in [
        ("gzip, chunked", Violation::CodingUnknown),
        ("identity", Violation::CodingUnknown),
        ("xchunked", Violation::CodingUnknown),
        ("chunked, chunked", Violation::CodingRepeated),
        ("chunked, gzip, chunked", Violation::CodingRepeated),
        ("", Violation::CodingMalformed),
        ("chunked,", Violation::CodingMalformed),
        (",chunked", Violation::CodingMalformed),
        ("chunked;q=1", Violation::CodingMalformed),
        ("\"chunked\"", Violation::CodingMalformed),
        ("chunked chunked", Violation::CodingMalformed),
    ] {
        assert_eq!(Request::new("/").field("transfer-encoding", value).violation(), Some(violation), "{value}");
    }
    let chunked = Request::new("/").field("transfer-encoding", "chunked");
    assert_eq!(chunked.clone().field("transfer-encoding", "chunked").violation(), Some(Violation::CodingRepeated));
    assert_eq!(chunked.clone().field("content-length", "5").violation(), Some(Violation::LengthWithCoding));
    assert_eq!(chunked.clone().version(Version::HTTP_10).violation(), Some(Violation::CodingMalformed));
    assert_eq!(chunked.version(Version::HTTP_2).violation(), Some(Violation::CodingMalformed));
}

#[test]
fn upgrades() {
    let asking = |protocol| Request::new("/").field("upgrade", protocol).field("connection", "keep-alive, Upgrade");
    asking("WebSocket").facts(|facts| assert_eq!(facts.upgrade, Some(Upgrade::WebSocket)));
    asking("h2c").facts(|facts| assert_eq!(facts.upgrade, Some(Upgrade::Other)));
    asking("websocket, h2c").facts(|facts| assert_eq!(facts.upgrade, Some(Upgrade::Other)));
    asking("").facts(|facts| assert_eq!(facts.upgrade, Some(Upgrade::Other)));
    asking("h2c").field("content-length", "5").facts(|facts| assert_eq!(facts.body, Body::Length(5)));
    asking("websocket").version(Version::HTTP_10).facts(|facts| assert_eq!(facts.upgrade, None));
    assert_eq!(asking("websocket").field("content-length", "5").violation(), Some(Violation::UpgradeWithBody));
    assert_eq!(asking("websocket").field("transfer-encoding", "chunked").violation(), Some(Violation::UpgradeWithBody));
    // A hop in between has dropped `Connection`, as it should, and left the other.
    let unannounced = Request::new("/").field("upgrade", "h2c");
    unannounced.facts(|facts| assert_eq!(facts.upgrade, None));
    unannounced.clone().field("connection", "close").facts(|facts| assert_eq!(facts.upgrade, None));
    assert_eq!(unannounced.version(Version::HTTP_2).violation(), Some(Violation::UpgradeUnannounced));
}

#[test]
fn fields() {
    let many = |count| (1..count).fold(Request::new("/"), |request, _| request.field("x", "y"));
    assert_eq!(many(FIELDS_MAX).violation(), None);
    assert_eq!(many(FIELDS_MAX + 1).violation(), Some(Violation::FieldCount));
    let many_cookies = (0..200).fold(Request::new("/"), |request, _| request.field("cookie", "a=b"));
    assert_eq!(many_cookies.clone().version(Version::HTTP_2).violation(), None);
    assert_eq!(many_cookies.violation(), Some(Violation::FieldCount));

    let long = "a".repeat(VALUE_BYTES_MAX);
    assert_eq!(Request::new("/").field("x", &long).violation(), None);
    assert_eq!(Request::new("/").field("x", &format!("{long}a")).violation(), Some(Violation::FieldSize));
    let four = (0..4).fold(Request::new("/"), |request, _| request.field("x", &long));
    assert_eq!(four.violation(), Some(Violation::FieldSize));

    assert_eq!(Request::new("/").field("content_length", "5").violation(), Some(Violation::FieldName));
    assert_eq!(Request::new("/").field("Transfer_Encoding", "chunked").violation(), Some(Violation::FieldName));
    assert_eq!(Request::new("/").field("my_field", "x").violation(), None);
    assert_eq!(Request::new("/").field("x", "tab\tand obs-text é").violation(), None);
}

#[test]
fn a_length_beside_a_coding_shows_only_in_the_bytes() {
    // As pingora hands it over: the length is gone from the map.
    let chunked = Request::new("/").field("transfer-encoding", "chunked");
    for (fields, violation) in [
        ("Content-LENGTH: 5\r\n", Some(Violation::LengthWithCoding)),
        ("X-Content-Length: 5\r\nX: content-length: 5\r\n", None),
        ("", None),
    ] {
        let raw = format!("GET / HTTP/1.1\r\n{fields}Transfer-Encoding: chunked\r\n\r\n");
        assert_eq!(chunked.clone().raw(raw.as_bytes()).violation(), violation, "{fields}");
    }
}

fn fields_of_framing() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let name = prop::sample::select(vec!["content-length", "transfer-encoding", "host", "upgrade", "connection"]);
    let value = prop_oneof![
        prop::sample::select(vec![
            "5",
            "0",
            "chunked",
            "upgrade",
            "websocket",
            "a.example",
            "shop.example.com",
            "gzip"
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,8}",
        "(chunked|5|a\\.example|websocket)[ ,;:+.-]{0,2}(chunked|5)?",
    ];
    prop::collection::vec((name, value), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// What is let through has one host, one length at most, and no two ways to frame its body.
    #[test]
    fn what_passes_has_one_reading(
        fields in fields_of_framing(),
        target in "(/|http://a.example/|[ -~]{0,3})[!-~]{0,6}",
    ) {
        let request = fields.iter().fold(Request::new(&target), |request, (name, value)| request.field(name, value));
        let method = Method::GET;
        let Ok(facts) = request.check_with(&method) else { return Ok(()) };
        let all = |name: &str| request.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
        let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
        prop_assert_eq!(all("host").len(), 1);
        prop_assert!(lengths.len() + codings.len() <= 1);
        prop_assert!(lengths.iter().all(|length| length.iter().all(u8::is_ascii_digit)));
        prop_assert!(codings.iter().all(|coding| coding.eq_ignore_ascii_case(b"chunked")));
        prop_assert_eq!(facts.body == Body::Chunked, !codings.is_empty());
        prop_assert!(facts.path.starts_with(b"/") && !facts.path.contains(&b'?'));
        prop_assert!(facts.host.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()));
        let announced = all("connection").concat().to_ascii_lowercase().windows(7).any(|word| word == b"upgrade");
        prop_assert!(facts.upgrade.is_none() || announced);
    }

    #[test]
    fn no_bytes_make_it_panic(
        target in prop::collection::vec(any::<u8>(), 0..60),
        host in prop::collection::vec(0x20_u8..=0xff, 0..40),
        raw in prop::option::of(prop::collection::vec(any::<u8>(), 0..100)),
    ) {
        let mut request = Request::new("/");
        if let Ok(host) = HeaderValue::from_bytes(&host) {
            request.headers.insert("host", host);
        }
        request.target = target;
        request.raw = raw;
        let violation = request.violation();
        prop_assert!(violation.is_none_or(|v| matches!(v.status(), 400..=599) && !v.reason().is_empty()));
    }
}
