#![allow(clippy::unwrap_used)]

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, Method, Uri, Version};
use rustls::{crypto::ring::sign::any_supported_type, sign::CertifiedKey};
use sluice_config::{Certificate, HostPattern};

use super::*;
use crate::request::{client, syntax::strict};

fn tls(redirect_http: bool, names: &[HostPattern]) -> TenantTls {
    let made = rcgen::generate_simple_self_signed(["shop.example".into()]).unwrap();
    let key = any_supported_type(&rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into()));
    let pair = Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], key.unwrap()));
    let certificate = Certificate { pair, names: names.to_vec(), not_before_s: 0, not_after_s: u64::MAX };
    TenantTls { redirect_http, ..TenantTls::new(vec![Arc::new(certificate)]) }
}

fn covering() -> TenantTls {
    tls(true, &[HostPattern::Exact("shop.example".into()), HostPattern::Below("shop.example".into())])
}

/// Where a request for a target and host is sent.
fn redirected(
    target: &str,
    host: &str,
    tls: Option<&TenantTls>,
    port: Option<u16>,
    proxy: Option<&str>,
) -> Option<String> {
    let peer: IpAddr = "192.0.2.1".parse().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(http::header::HOST, HeaderValue::try_from(host).unwrap());
    if let Some(scheme) = proxy {
        headers.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::try_from(scheme).unwrap());
    }
    let uri = Uri::default();
    let facts = strict::check(strict::Head {
        method: &Method::POST,
        target: target.as_bytes(),
        uri: &uri,
        version: Version::HTTP_11,
        headers: &headers,
        raw: None,
    });
    let facts = facts.unwrap();
    let path = NormalPath::parse(facts.path).unwrap();
    let trusted = proxy.map(|_| "192.0.2.0/24".parse().unwrap());
    let client = client::resolve(peer, false, trusted.as_slice(), &headers);
    let is_covered = || tls.is_some_and(|tls| tls.certificates.iter().any(|known| known.covers(&facts.host)));
    to_https(&facts, &path, &client, tls, is_covered, port).map(|to| to.to_str().unwrap().to_owned())
}

#[test]
fn a_request_is_repeated_over_https_as_it_was_spelt() {
    let to = |target: &str, host, port| redirected(target, host, Some(&covering()), Some(port), None).unwrap();
    assert_eq!(to("/", "shop.example", 443), "https://shop.example/");
    assert_eq!(to("/a%20b?c=%2F&d", "SHOP.example:8080", 443), "https://shop.example/a%20b?c=%2F&d");
    assert_eq!(to("/?", "www.shop.example", 8443), "https://www.shop.example:8443/?");
    assert_eq!(to("http://shop.example/x?y", "shop.example", 443), "https://shop.example/x?y");
    assert_eq!(to("/.sluice/status?queue=shop", "shop.example", 443), "https://shop.example/.sluice/status?queue=shop");
}

#[test]
fn nobody_is_led_to_another_host() {
    for target in ["/@evil.example/", "/evil.example:443/", "/?https://evil.example", "/:@evil.example"] {
        let to = redirected(target, "shop.example", Some(&covering()), Some(443), None).unwrap();
        let (host, rest) = to.strip_prefix("https://").unwrap().split_once('/').unwrap();
        assert_eq!((host, format!("/{rest}").as_str()), ("shop.example", target));
    }
}

#[test]
fn what_cannot_be_or_need_not_be_is_not_redirected() {
    let tls_on = covering();
    let tls_off = tls(false, &tls_on.certificates[0].names);
    let to = |target, host, tls, port, proxy| redirected(target, host, tls, port, proxy);
    assert_eq!(to("/", "shop.example", None, Some(443), None), None, "no certificate");
    assert_eq!(to("/", "shop.example", Some(&tls_on), None, None), None, "no HTTPS on this node");
    assert_eq!(to("/", "a.b.shop.example", Some(&tls_on), Some(443), None), None, "a host that no certificate covers");
    assert_eq!(to("/", "shop.example", Some(&tls_off), Some(443), None), None, "not wanted");
    assert_eq!(to("/", "shop.example", Some(&tls_on), Some(443), Some("https")), None, "HTTPS by a proxy's word");
    assert_eq!(to("/.well-known/acme-challenge/token", "shop.example", Some(&tls_on), Some(443), None), None);
    assert!(to("/.well-known/acme-challenger", "shop.example", Some(&tls_on), Some(443), None).is_some());
}

#[test]
fn behind_a_proxy_https_is_where_the_proxy_takes_it() {
    let to = redirected("/x", "shop.example", Some(&covering()), Some(8443), Some("http"));
    assert_eq!(to.as_deref(), Some("https://shop.example/x"));
}
