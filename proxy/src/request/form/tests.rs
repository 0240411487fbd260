use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn fields(body: &str) -> Option<Vec<(String, String)>> {
    read(body.as_bytes())
}

fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    Some(pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
}

#[test]
fn pairs_are_read_in_their_order_and_as_often_as_they_come() {
    assert_eq!(fields(""), pairs(&[]));
    assert_eq!(fields("a=1&b=&a=2&c"), pairs(&[("a", "1"), ("b", ""), ("a", "2"), ("c", "")]));
    assert_eq!(fields("&&a=1&"), pairs(&[("a", "1")]));
    assert_eq!(fields("a+b=c+d%2B%26%3d&x=y=z"), pairs(&[("a b", "c d+&="), ("x", "y=z")]));
    assert_eq!(fields("%C3%BC=%E2%82%AC&l=1%0D%0A2"), pairs(&[("ü", "€"), ("l", "1\r\n2")]));
    assert_eq!(fields("a=100%&b=%zz&c=%4"), pairs(&[("a", "100%"), ("b", "%zz"), ("c", "%4")]));
}

#[test]
fn what_a_page_would_not_send_as_it_came_is_not_read() {
    for body in ["=1", "a=1&=", "a=%00", "a=%FF", "%E4=1", "a=1%0A2", "a=1%0D2", "_charset_=", "_CharSet_=windows-1252"]
    {
        assert_eq!(fields(body), None, "{body}");
    }
    assert_eq!(fields("_charset_=UTF-8"), pairs(&[("_charset_", "UTF-8")]));
}

#[test]
fn a_form_is_bounded_in_bytes_and_in_fields() {
    let of = |count: usize| "a=1&".repeat(count);
    assert_eq!(fields(&of(FIELDS_MAX)).map(|fields| fields.len()), Some(FIELDS_MAX));
    assert_eq!(fields(&of(FIELDS_MAX + 1)), None);
    let long = |bytes: usize| format!("a={}", "x".repeat(bytes - 2));
    assert!(fields(&long(BYTES_MAX)).is_some());
    assert_eq!(fields(&long(BYTES_MAX + 1)), None);
}

#[test]
fn only_the_usual_encoding_is_read() {
    let readable = |content_type: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        is_readable(&headers)
    };
    assert!(readable("application/x-www-form-urlencoded"));
    assert!(readable("Application/X-WWW-Form-Urlencoded ; charset=utf-8"));
    for other in ["multipart/form-data; boundary=x", "text/plain", "application/x-www-form-urlencoded-not", ""] {
        assert!(!readable(other), "{other}");
    }
    assert!(!is_readable(&HeaderMap::new()));
}

/// As a browser writes it.
fn encoded(text: &str) -> String {
    let keeps = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'-' | b'.' | b'_');
    let piece = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if keeps(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(piece).collect()
}

proptest! {
    #[test]
    fn whatever_a_browser_sends_is_read_as_it_was_meant(
        sent in prop::collection::vec(("[^\0\r\n]{1,8}", "[^\0\r\n]{0,8}"), 0..8)
    ) {
        prop_assume!(sent.iter().all(|(name, _)| !name.eq_ignore_ascii_case("_charset_")));
        let body: Vec<_> = sent.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        prop_assert_eq!(fields(&body.join("&")), Some(sent));
    }

    #[test]
    fn no_bytes_at_all_do_any_harm(body in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Some(fields) = read(&body) {
            prop_assert!(fields.iter().all(|(name, value)| !name.is_empty() && !value.contains('\0')));
        }
    }
}
