use std::time::Duration;

use super::*;

fn of(hsts: Option<&'static str>, strict: bool) -> TenantHeaders {
    TenantHeaders { hsts: hsts.map(HeaderValue::from_static), strict }
}

fn head(status: u16, fields: &[(&'static str, &'static str)]) -> ResponseHeader {
    let mut head = ResponseHeader::build(status, None).expect("a status");
    for &(name, value) in fields {
        head.append_header(name, value).expect("a field");
    }
    head
}

fn field<'h>(head: &'h ResponseHeader, name: &str) -> Option<&'h str> {
    let mut values = head.headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().expect("ASCII"));
    assert!(values.next().is_none(), "{name} is there twice");
    value
}

#[test]
fn hsts_is_said_over_https_only_and_the_origins_own_word_wins() {
    let headers = of(Some("max-age=3600"), false);
    for (secure, fields, expected) in [
        (true, &[][..], Some("max-age=3600")),
        (false, &[], None),
        (true, &[("Strict-Transport-Security", "max-age=0")], Some("max-age=0")),
    ] {
        let mut head = head(200, fields);
        headers.put_on(&mut head, secure);
        assert_eq!(field(&head, "strict-transport-security"), expected);
    }
    let mut early = head(103, &[]);
    headers.put_on(&mut early, true);
    assert_eq!(field(&early, "strict-transport-security"), None);
}

#[test]
fn hsts_is_spelt_as_browsers_read_it() {
    let spelt = |max_age, subdomains| {
        let hsts = sluice_config::Hsts { max_age: Duration::from_secs(max_age), subdomains };
        let tls = sluice_config::TenantTls { hsts: Some(hsts), ..sluice_config::TenantTls::new(Vec::new()) };
        let name = sluice_config::Name::new("shop").expect("a name");
        let tenant = Tenant { tls: Some(tls), ..Tenant::new(name, sluice_config::Origin::new(Vec::new())) };
        TenantHeaders::of(&tenant).hsts.expect("it is on")
    };
    assert_eq!(spelt(3600, false), "max-age=3600");
    assert_eq!(spelt(31_536_000, true), "max-age=31536000; includeSubDomains");
}

#[test]
fn the_strict_preset_adds_what_the_origin_has_not_set() {
    let mut plain = head(200, &[("X-Frame-Options", "DENY")]);
    of(None, true).put_on(&mut plain, false);
    assert_eq!(field(&plain, "x-content-type-options"), Some("nosniff"));
    assert_eq!(field(&plain, "referrer-policy"), Some("strict-origin-when-cross-origin"));
    assert_eq!(field(&plain, "x-frame-options"), Some("DENY"));
    let mut without = head(200, &[]);
    of(None, false).put_on(&mut without, true);
    assert!(without.headers.is_empty());
}

#[test]
fn no_other_way_to_the_origin_is_offered() {
    let mut head = head(200, &[("Alt-Svc", "h3=\":443\""), ("alt-svc", "h2=\":8443\""), ("Server", "x")]);
    take_off(&mut head);
    assert_eq!((field(&head, "alt-svc"), field(&head, "server")), (None, Some("x")));
}
