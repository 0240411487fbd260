use proptest::prelude::*;

use super::*;

const CLIENT: &str = "198.51.100.7";
const PEER: &str = "10.0.0.1";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn trusted() -> Vec<IpNet> {
    ["10.0.0.0/8", "2001:db8:1::/48"].map(|net| net.parse().expect("a network")).to_vec()
}

fn map(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).expect("header value"));
    }
    headers
}

fn found(peer: &str, lines: &[(&'static str, &str)]) -> String {
    resolve(ip(peer), false, &trusted(), &map(lines)).addr.to_string()
}

fn sent(client: &Client, lines: &[(&'static str, &str)]) -> Vec<String> {
    let mut edits = Vec::new();
    forward(client, "shop.example.com", Some(8443), &map(lines), &mut edits);
    let mut edits: Vec<_> = edits
        .iter()
        .map(|edit| match edit {
            Edit::Set(name, value) => format!("{name}: {}", value.to_str().expect("ASCII")),
            Edit::Remove(name) => format!("-{name}"),
        })
        .collect();
    edits.sort();
    edits
}

#[test]
fn an_untrusted_peer_is_the_client_whatever_it_says() {
    let lines = [("x-forwarded-for", "10.0.0.9, 192.0.2.1"), ("x-forwarded-proto", "https")];
    let client = resolve(ip(CLIENT), false, &trusted(), &map(&lines));
    assert_eq!((client.addr, client.secure), (ip(CLIENT), false));
    assert!(resolve(ip(CLIENT), true, &trusted(), &map(&[("x-forwarded-proto", "http")])).secure);
    assert_eq!(resolve(ip("::ffff:198.51.100.7"), false, &[], &HeaderMap::new()).addr, ip(CLIENT));
}

#[test]
fn the_list_is_walked_from_the_right_through_trusted_proxies() {
    for (value, expected) in [
        ("198.51.100.7", CLIENT),
        ("203.0.113.5, 198.51.100.7", CLIENT),
        ("10.0.0.5, 198.51.100.7, 10.0.0.2 ,10.0.0.3", CLIENT),
        ("198.51.100.7:5678, 10.0.0.2:80", CLIENT),
        ("::ffff:198.51.100.7, [2001:db8:1::2]:80", CLIENT),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:db8::7,2001:db8:1::3", "2001:db8::7"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("198.51.100.7, unknown, 10.0.0.2", "10.0.0.2"),
        ("unknown", PEER),
        ("", PEER),
        ("198.51.100.7, ,", CLIENT),
        ("é", PEER),
    ] {
        assert_eq!(found(PEER, &[("x-forwarded-for", value)]), expected, "{value}");
    }
    assert_eq!(found("::ffff:10.0.0.1", &[("x-forwarded-for", CLIENT)]), CLIENT);
    assert_eq!(found(PEER, &[("x-forwarded-for", CLIENT), ("x-forwarded-for", "10.0.0.2")]), CLIENT);
    assert_eq!(found(PEER, &[]), PEER);
}

#[test]
fn the_walk_is_bounded() {
    let list = format!("{CLIENT}{}", ", 10.0.0.2".repeat(1000));
    let client = resolve(ip(PEER), false, &trusted(), &map(&[("x-forwarded-for", &list)]));
    assert_eq!(client.addr, ip("10.0.0.2"));
    assert_eq!(client.proxies.len(), HOPS_MAX);
}

#[test]
fn the_scheme_is_the_one_of_the_clients_own_connection() {
    let secure = |lines: &[(&'static str, &str)]| resolve(ip(PEER), false, &trusted(), &map(lines)).secure;
    let two = ("x-forwarded-for", "198.51.100.7, 10.0.0.2");
    assert!(secure(&[("x-forwarded-proto", "https")]));
    assert!(secure(&[("x-forwarded-for", CLIENT), ("x-forwarded-proto", "HTTPS")]));
    assert!(secure(&[two, ("x-forwarded-proto", "https")]));
    assert!(secure(&[("x-forwarded-proto", "wss")]) && secure(&[two, ("x-forwarded-proto", "WSS, http")]));
    assert!(!resolve(ip("10.0.0.1"), true, &trusted(), &map(&[("x-forwarded-proto", "ws")])).secure);
    assert!(secure(&[two, ("x-forwarded-proto", "https, http")]));
    assert!(!secure(&[two, ("x-forwarded-proto", "https, http, http")]), "the leftmost is the client's own claim");
    assert!(!secure(&[("x-forwarded-for", CLIENT), ("x-forwarded-proto", "https, http")]));
    assert!(!secure(&[("x-forwarded-proto", "gopher")]));
    assert!(!secure(&[two]));
}

#[test]
fn the_origin_hears_of_the_client_from_us() {
    let client = resolve(ip("2001:db8::7"), true, &trusted(), &HeaderMap::new());
    assert_eq!(
        sent(&client, &[]),
        ["x-forwarded-for: 2001:db8::7", "x-forwarded-host: shop.example.com:8443", "x-forwarded-proto: https",]
    );
}

#[test]
fn hearsay_is_not_passed_on() {
    let lines = [
        ("x-forwarded-for", "203.0.113.5"),
        ("x-forwarded-port", "1"),
        ("x_forwarded_for", "203.0.113.5"),
        ("x-real-ip", "203.0.113.5"),
        ("forwarded", "for=203.0.113.5"),
        ("x-original-url", "/admin"),
        ("accept", "*/*"),
        ("my_field", "x"),
    ];
    let client = resolve(ip(CLIENT), false, &trusted(), &map(&lines));
    assert_eq!(
        sent(&client, &lines),
        [
            "-forwarded",
            "-x-forwarded-port",
            "-x-original-url",
            "-x-real-ip",
            "-x_forwarded_for",
            "x-forwarded-for: 198.51.100.7",
            "x-forwarded-host: shop.example.com:8443",
            "x-forwarded-proto: http",
        ]
    );
}

#[test]
fn what_trusted_proxies_say_is_passed_on() {
    let lines = [
        ("x-forwarded-for", "203.0.113.5, 198.51.100.7, 10.0.0.2"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-host", "other.example"),
        ("x_forwarded_port", "1"),
        ("x-rewrite-url", "/admin"),
    ];
    let client = resolve(ip(PEER), false, &trusted(), &map(&lines));
    assert_eq!(
        sent(&client, &lines),
        [
            "-x-rewrite-url",
            "-x_forwarded_port",
            "x-forwarded-for: 198.51.100.7, 10.0.0.2, 10.0.0.1",
            "x-forwarded-host: shop.example.com:8443",
            "x-forwarded-proto: http",
        ]
    );
    let alone = resolve(ip(PEER), false, &trusted(), &HeaderMap::new());
    assert!(sent(&alone, &[]).contains(&"x-forwarded-for: 10.0.0.1".to_owned()));
}

proptest! {
    /// A client behind trusted proxies is found whatever it put in front, and what it put there goes no further.
    #[test]
    fn a_client_cannot_choose_its_address(claim in "[ -~]{0,40}", proxies in 0_u8..5, secure in any::<bool>()) {
        let mut list = format!("{claim},{CLIENT}");
        let mut schemes = format!("{claim},{}", if secure { "https" } else { "http" });
        for hop in 0..proxies {
            list.push_str(&format!(", 10.0.1.{hop}"));
            schemes.push_str(", http");
        }
        let lines = [("x-forwarded-for", list.as_str()), ("x-forwarded-proto", &schemes)];
        let client = resolve(ip(PEER), false, &trusted(), &map(&lines));
        prop_assert_eq!(client.addr, ip(CLIENT));
        prop_assert_eq!(client.secure, secure);
        let expected = format!("x-forwarded-for: {}, 10.0.0.1", &list[claim.len() + 1..]);
        prop_assert!(sent(&client, &lines).contains(&expected));
    }

    #[test]
    fn no_list_makes_it_panic(list in prop::collection::vec(0x20_u8..=0xff, 0..80)) {
        if let Ok(value) = HeaderValue::from_bytes(&list) {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", value);
            let client = resolve(ip(PEER), false, &trusted(), &headers);
            let mut edits = Vec::new();
            forward(&client, "a.example", None, &headers, &mut edits);
            // X-Forwarded-For, -Host and -Proto.
            prop_assert_eq!(edits.len(), 3);
        }
    }
}

#[test]
fn names_by_which_an_origin_learns_another_path_or_host_are_a_trusted_proxys_alone() {
    let names =
        ["x-original-uri", "x-envoy-original-path", "x-matched-path", "x-invoke-path", "script-name", "path-info"];
    let more = ["x-middleware-subrequest", "x-sendfile-type", "x-accel-mapping", "wl-proxy-client-ip", "x-scheme"];
    for name in names.into_iter().chain(more) {
        let from = |peer: &str| sent(&resolve(ip(peer), false, &trusted(), &HeaderMap::new()), &[(name, "/x")]);
        assert!(from(CLIENT).contains(&format!("-{name}")), "{name}");
        assert!(!from(PEER).contains(&format!("-{name}")), "{name}");
    }
    for name in ["proxy", "x-original-url", "x-rewrite-url", "x_original_uri", "path_info", "request_uri"] {
        let from = |peer: &str| sent(&resolve(ip(peer), false, &trusted(), &HeaderMap::new()), &[(name, "/x")]);
        assert!(from(CLIENT).contains(&format!("-{name}")) && from(PEER).contains(&format!("-{name}")), "{name}");
    }
    // What merely begins alike is the site's own.
    for name in ["prefer", "priority", "range", "save-data", "want-digest", "proxy-authorization", "x-api-key"] {
        let from = sent(&resolve(ip(CLIENT), false, &trusted(), &HeaderMap::new()), &[(name, "x")]);
        assert!(!from.contains(&format!("-{name}")), "{name}");
    }
}
