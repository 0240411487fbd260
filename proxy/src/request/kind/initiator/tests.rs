use http::{HeaderValue, Method, Version};
use sluice_config::{Cors, Name};

use super::*;
use crate::request::kind;

const COOKIE: (&str, &str) = ("cookie", "theirs=1; __Host-sluice_ticket_shop=x");
const CROSS_SITE: (&str, &str) = ("sec-fetch-site", "cross-site");

fn tenant(allowed_origins: &[&str]) -> Tenant {
    Tenant {
        hosts: vec![HostPattern::Exact("shop.example".into()), HostPattern::Below("shop.test".into())],
        cors: (!allowed_origins.is_empty())
            .then(|| Cors::new(allowed_origins.iter().map(ToString::to_string).collect())),
        ..Tenant::new(Name::new("shop").expect("a name"), sluice_config::Origin::new(Vec::new()))
    }
}

/// Of a request to `shop.example` over HTTPS.
fn initiator(method: &Method, fields: &[(&'static str, &'static str)], allowed_origins: &[&str]) -> Initiator {
    asked(method, fields, allowed_origins, true, None)
}

fn asked(
    method: &Method,
    fields: &[(&'static str, &'static str)],
    allowed_origins: &[&str],
    secure: bool,
    port: Option<u16>,
) -> Initiator {
    let headers: HeaderMap =
        fields.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
    let kind = kind::classify(method, Version::HTTP_11, &headers);
    of(&headers, kind, &Asked { host: "shop.example", port, secure, tenant: &tenant(allowed_origins) })
}

fn browser(destination: &'static str) -> Vec<(&'static str, &'static str)> {
    let mode = match destination {
        "document" | "iframe" | "frame" | "fencedframe" | "object" | "embed" => "navigate",
        "websocket" => "websocket",
        "empty" => "cors",
        _ => "no-cors",
    };
    vec![COOKIE, CROSS_SITE, ("sec-fetch-mode", mode), ("sec-fetch-dest", destination)]
}

#[test]
fn the_site_itself_the_visitor_and_programs_may_do_everything() {
    for site in ["same-origin", "none"] {
        assert_eq!(initiator(&Method::POST, &[COOKIE, ("sec-fetch-site", site)], &[]), Initiator::Own, "{site}");
    }
    assert_eq!(initiator(&Method::POST, &[COOKIE], &[]), Initiator::Own);
    assert_eq!(initiator(&Method::GET, &[], &[]), Initiator::Own);
}

#[test]
fn another_host_of_the_same_site_may_not_give_up_a_place() {
    assert_eq!(initiator(&Method::POST, &[COOKIE, ("sec-fetch-site", "same-site")], &[]), Initiator::Led);
}

#[test]
fn a_link_and_the_way_back_from_a_payment_lead_here() {
    assert_eq!(initiator(&Method::GET, &browser("document"), &[]), Initiator::Led);
    let form = [&browser("document")[..], &[("content-type", "application/x-www-form-urlencoded")]].concat();
    assert_eq!(initiator(&Method::POST, &form, &[]), Initiator::Led);
    // A service worker that passes a page load on.
    let fields = [COOKIE, CROSS_SITE, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty")];
    assert_eq!(initiator(&Method::GET, &fields, &[]), Initiator::Led);
}

#[test]
fn whatever_another_site_embeds_is_embedded() {
    for destination in ["image", "script", "style", "font", "video", "empty", "websocket", "iframe", "object", "embed"]
    {
        let fields = [&browser(destination)[..], &[("accept", "text/html")]].concat();
        assert_eq!(initiator(&Method::GET, &fields, &[]), Initiator::Embedded, "{destination}");
        assert_eq!(initiator(&Method::POST, &fields, &[]), Initiator::Embedded, "{destination}");
    }
    let nested = [COOKIE, CROSS_SITE, ("sec-fetch-mode", "nested-navigate")];
    assert_eq!(initiator(&Method::GET, &nested, &[]), Initiator::Embedded);
    // A word that no browser says yet is taken for the worst.
    assert_eq!(initiator(&Method::GET, &[("sec-fetch-site", "near-by")], &[]), Initiator::Embedded);
}

#[test]
fn a_page_loaded_ahead_of_its_visitor_is_embedded() {
    let fields = [&browser("document")[..], &[("sec-purpose", "prefetch")]].concat();
    assert_eq!(initiator(&Method::GET, &fields, &[]), Initiator::Embedded);
}

#[test]
fn scripts_of_origins_that_the_tenant_names_are_welcome() {
    let script = |origin| [&browser("empty")[..], &[("origin", origin)]].concat();
    let named = ["https://app.example", "https://other.example"];
    assert_eq!(initiator(&Method::GET, &script("https://app.example"), &named), Initiator::Led);
    for origin in ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null", ""] {
        assert_eq!(initiator(&Method::GET, &script(origin), &named), Initiator::Embedded, "{origin}");
    }
}

#[test]
fn an_origin_that_is_allowed_as_one_of_all_gains_nothing_from_a_visitors_cookies() {
    let script = |cookie| [CROSS_SITE, ("sec-fetch-mode", "cors"), ("origin", "https://evil.example"), cookie];
    assert_eq!(initiator(&Method::GET, &script(COOKIE), &["*"]), Initiator::Embedded);
    assert_eq!(initiator(&Method::GET, &script(("cookie", "theirs=1")), &["*"]), Initiator::Led);
    // An image tells no origin, so the owner has not been asked about it.
    let image = [CROSS_SITE, ("sec-fetch-mode", "no-cors"), ("referer", "https://evil.example/page")];
    assert_eq!(initiator(&Method::GET, &image, &["*"]), Initiator::Embedded);
}

#[test]
fn hosts_of_the_same_tenant_are_at_home_with_each_other() {
    let script = |origin| [&browser("empty")[..], &[("origin", origin)]].concat();
    let image = |page| [&browser("image")[..], &[("referer", page)]].concat();
    for origin in ["https://shop.example", "https://www.shop.test", "https://a.b.SHOP.test:8443"] {
        assert_eq!(initiator(&Method::GET, &script(origin), &[]), Initiator::Led, "{origin}");
    }
    assert_eq!(initiator(&Method::GET, &script("https://www.shop.test"), &["*"]), Initiator::Led);
    assert_eq!(initiator(&Method::GET, &image("https://www.shop.test/tickets?a=https://x"), &[]), Initiator::Led);
    for origin in ["https://shop.test", "https://evilshop.test", "https://.shop.test", "http://www.shop.test"] {
        assert_eq!(initiator(&Method::GET, &script(origin), &[]), Initiator::Embedded, "{origin}");
    }
    for page in ["https://evil.example/https://www.shop.test/", "https://www.shop.test@evil.example/", "about:blank"] {
        assert_eq!(initiator(&Method::GET, &image(page), &[]), Initiator::Embedded, "{page}");
    }
}

#[test]
fn without_fetch_metadata_the_origin_of_a_form_or_script_decides() {
    let script = |origin| [COOKIE, ("origin", origin), ("accept", "application/json")];
    for origin in ["https://shop.example", "https://SHOP.example:443"] {
        assert_eq!(initiator(&Method::POST, &script(origin), &[]), Initiator::Own, "{origin}");
    }
    for origin in ["https://evil.example", "http://shop.evil", "null", "file://", "x"] {
        assert_eq!(initiator(&Method::POST, &script(origin), &[]), Initiator::Embedded, "{origin}");
        assert_eq!(initiator(&Method::GET, &script(origin), &[]), Initiator::Embedded, "{origin}");
        // Without our cookies there is nothing of the visitor's to take.
        assert_eq!(initiator(&Method::POST, &[("origin", origin)], &[]), Initiator::Led, "{origin}");
        let form = [COOKIE, ("origin", origin), ("accept", "text/html"), ("content-type", "text/plain")];
        assert_eq!(initiator(&Method::POST, &form, &[]), Initiator::Led, "{origin}");
    }
}

#[test]
fn over_plain_http_the_port_counts_and_a_proxy_may_have_taken_tls_off() {
    let over_http = |origin, port| asked(&Method::POST, &[COOKIE, ("origin", origin)], &[], false, port);
    assert_eq!(over_http("http://shop.example", None), Initiator::Own);
    assert_eq!(over_http("http://shop.example:8080", Some(8080)), Initiator::Own);
    assert_eq!(over_http("https://shop.example", None), Initiator::Own);
    assert_ne!(over_http("http://shop.example", Some(8080)), Initiator::Own);
    assert_ne!(over_http("http://shop.example:8080", None), Initiator::Own);
    // A page that came over plain HTTP may be anybody's.
    assert_ne!(initiator(&Method::POST, &[COOKIE, ("origin", "http://shop.example:443")], &[]), Initiator::Own);
}

#[test]
fn an_origin_is_read_as_browsers_write_it() {
    let read = |text: &'static str| Origin::read(text.as_bytes());
    assert_eq!(read("https://[::1]:8443"), Some(Origin { secure: true, host: "[::1]", port: 8443 }));
    assert_eq!(read("http://[::1]"), Some(Origin { secure: false, host: "[::1]", port: 80 }));
    for odd in ["", "https://", "https://:80", "https://a:", "https://a:99999", "//a", "chrome-extension://abc"] {
        assert_eq!(read(odd), None, "{odd}");
    }
}

#[test]
fn the_sender_of_a_form_is_named_if_it_has_a_name() {
    let of = |origin: &str| {
        let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::try_from(origin).expect("a value"))]);
        sender(&headers).map(str::to_owned)
    };
    assert_eq!(of("https://bank.example:8443").as_deref(), Some("bank.example"));
    for nameless in ["null", "", "file://", &format!("https://{}", "a".repeat(254))] {
        assert_eq!(of(nameless), None, "{nameless}");
    }
    assert_eq!(sender(&HeaderMap::new()), None);
}
