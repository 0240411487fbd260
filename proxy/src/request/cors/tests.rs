use proptest::prelude::*;

use super::*;

const MAX_AGE: Duration = Duration::from_secs(600);
const SHOP: &str = "https://shop.example.com";

fn cors(origins: &[&str], allow_credentials: bool) -> Cors {
    Cors { allow_credentials, ..Cors::new(origins.iter().map(|origin| (*origin).to_owned()).collect()) }
}

fn asking(origin: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ORIGIN, HeaderValue::from_str(origin).expect("header value"));
    headers
}

fn text(fields: &Fields) -> Vec<String> {
    fields.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII"))).collect()
}

#[test]
fn without_cors_nothing_is_said() {
    assert_eq!(preflight(None, &asking(SHOP), MAX_AGE), []);
    assert_eq!(parked(None, &asking(SHOP)), []);
}

#[test]
fn an_allowed_origin_reads_the_state() {
    assert_eq!(
        text(&parked(Some(&cors(&["https://a.example", SHOP], true)), &asking(SHOP))),
        [
            "vary: Origin",
            "access-control-allow-credentials: true",
            "access-control-allow-origin: https://shop.example.com",
            "access-control-expose-headers: Sluice-State, Retry-After, Sluice-Ticket, Sluice-Pass",
        ]
    );
    let anybody = parked(Some(&cors(&["*"], true)), &asking(SHOP));
    assert_eq!(text(&anybody)[1], "access-control-allow-origin: *");
}

#[test]
fn other_origins_learn_nothing() {
    let cors = cors(&[SHOP], true);
    for origin in
        ["https://evil.example", "http://shop.example.com", "https://shop.example.com.evil.example", "null", "*", ""]
    {
        assert_eq!(text(&parked(Some(&cors), &asking(origin))), ["vary: Origin"], "{origin}");
        assert_eq!(preflight(Some(&cors), &asking(origin), MAX_AGE).len(), 1, "{origin}");
    }
    assert_eq!(text(&parked(Some(&cors), &HeaderMap::new())), ["vary: Origin"]);
    let mut twice = asking(SHOP);
    twice.append(header::ORIGIN, HeaderValue::from_static("https://evil.example"));
    assert_eq!(text(&parked(Some(&cors), &twice)), ["vary: Origin"]);
}

#[test]
fn a_preflight_allows_what_it_asks_for() {
    let mut headers = asking(SHOP);
    headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
    headers.insert(header::ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("content-type, sluice-ticket"));
    assert_eq!(
        text(&preflight(Some(&cors(&[SHOP], false)), &headers, MAX_AGE)),
        [
            "vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
            "access-control-allow-origin: https://shop.example.com",
            "access-control-allow-methods: PUT",
            "access-control-allow-headers: content-type, sluice-ticket",
            "access-control-max-age: 600",
        ]
    );
}

proptest! {
    /// Nothing is echoed but methods and lists of names.
    #[test]
    fn an_echo_carries_nothing_else(method in "[ -~]{0,12}", names in "[ -~]{0,40}", long in any::<bool>()) {
        let mut headers = asking(SHOP);
        let names = if long { names.repeat(100) } else { names };
        headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_str(&method).expect("ASCII"));
        headers.insert(header::ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_str(&names).expect("ASCII"));
        for (name, value) in preflight(Some(&cors(&[SHOP], false)), &headers, MAX_AGE) {
            let echoed = value.as_bytes();
            let allowed = match name {
                header::ACCESS_CONTROL_ALLOW_METHODS => Method::from_bytes(echoed).is_ok(),
                header::ACCESS_CONTROL_ALLOW_HEADERS => {
                    echoed.len() <= 1024 && !echoed.iter().any(|b| b"\"();:<>@[]{}/?=\\".contains(b))
                }
                _ => true,
            };
            prop_assert!(allowed, "{name}: {value:?}");
        }
    }
}
