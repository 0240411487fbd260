use std::time::Duration;

use crate::{
    SameSite,
    diagnostics::Kind,
    settings::Hsts,
    testing::{
        Dir, TENANT,
        certificates::{Authority, Pair},
        queue, tls,
    },
};

const SHOP: &str = "certificates = [{ chain = \"tls/shop.pem\", key = { file = \"tls/shop.key\" } }]\n";

/// A tenant with a good certificate and these lines in `[tls]`.
fn with(lines: &str) -> Dir {
    Dir::new()
        .with_pair("shop", &Pair::new(&["shop.example.com"]))
        .with("tenants/shop.toml", &tls(&format!("{SHOP}{lines}")))
}

#[test]
fn a_certificate_alone_will_do() {
    assert_eq!(Dir::new().only_tenant().tls, None);
    let tls = with("").only_tenant().tls.unwrap();
    assert_eq!(tls.certificates.len(), 1);
    assert!(tls.redirect_http);
    assert_eq!((tls.hsts, tls.client_ca), (None, None));
}

#[test]
fn every_key_arrives() {
    let lines = "redirect_http = false\nhsts = \"180d\"\nhsts_subdomains = true\nclient_ca_file = \"tls/clients.pem\"";
    let authorities = Authority::root("One").pem() + &Authority::root("Two").pem();
    let tls = with(lines).with("tls/clients.pem", &authorities).only_tenant().tls.unwrap();
    assert!(!tls.redirect_http);
    assert_eq!(tls.hsts, Some(Hsts { max_age: Duration::from_secs(180 * 86_400), subdomains: true }));
    assert_eq!(tls.client_ca.unwrap().certificates.len(), 2);
}

#[test]
fn there_is_a_certificate_and_none_twice() {
    Dir::tenant(&tls("redirect_http = true").replace("[tls]", "«[tls]»")).is_wrong(
        Kind::Missing,
        "`certificates` is missing",
        "or leave out the table",
    );
    Dir::tenant(&tls("certificates = «[]»")).is_wrong(Kind::OutOfRange, "0 entries", "1 to 200");
    let entry = "{ chain = \"tls/shop.pem\", key = { file = \"tls/shop.key\" } }";
    let twice = tls(&format!("certificates = [{entry}, «{entry}»]"));
    with("").with("tenants/shop.toml", &twice).is_wrong(Kind::Duplicate, "this certificate is taken", "one of the two");
}

#[test]
fn hsts_is_off_or_a_time_that_browsers_count() {
    let hsts = |written: &str| with(&format!("hsts = {written}"));
    let max_age = |written: &str| hsts(written).only_tenant().tls.unwrap().hsts.map(|hsts| hsts.max_age);
    assert_eq!(max_age("\"off\""), None);
    assert_eq!(max_age("\"0s\""), Some(Duration::ZERO), "takes back what browsers have seen");
    assert_eq!(max_age("\"2years\""), Some(Duration::from_secs(63_115_200)));
    hsts("«\"63115201s\"»").is_wrong(Kind::OutOfRange, "`hsts`", "0s to 2years");
    hsts("«\"1500ms\"»").is_wrong(Kind::Malformed, "whole seconds", "parts of a second");
    hsts("«true»").is_wrong(Kind::WrongType, "a duration", "hsts = ");
}

#[test]
fn subdomains_need_hsts() {
    for hsts in ["", "hsts = \"off\"\n"] {
        with(&format!("{hsts}hsts_subdomains = «true»")).is_wrong(Kind::Conflict, "without `hsts`", "hsts = \"1h\"");
        assert!(with(&format!("{hsts}hsts_subdomains = false")).load().is_ok());
    }
}

#[test]
fn authorities_of_clients_may_sign() {
    let dir = || with("client_ca_file = «\"tls/clients.pem\"»");
    let mixed = Authority::root("Root").pem() + &Pair::new(&["client.example.com"]).chain;
    dir().with("tls/clients.pem", &mixed).is_wrong(Kind::Certificate, "certificate 2 in the file may not sign", "sign");
    dir().with("tls/clients.pem", "").is_wrong(Kind::Certificate, "not PEM", "");
    dir().is_wrong(Kind::Unreadable, "cannot be read", "tls/clients.pem");
    let many = Authority::root("Root").pem().repeat(101);
    dir().with("tls/clients.pem", &many).is_wrong(Kind::Certificate, "more than 100", "needed here");
}

#[test]
fn cookies_come_along_unless_told_otherwise() {
    let same_site = |lines: &str| Dir::tenant(&queue(lines)).only_tenant().cookies.same_site;
    assert_eq!(same_site(""), SameSite::None);
    assert_eq!(same_site("[cookies]\nsame_site = \"none\""), SameSite::None);
    assert_eq!(same_site("[cookies]\nsame_site = \"lax\""), SameSite::Lax);
    Dir::tenant(&queue("[cookies]\nsame_site = «\"strict\"»")).is_wrong(
        Kind::Malformed,
        "no such same_site",
        "\"lax\"",
    );
}

#[test]
fn strict_headers_are_asked_for_by_name() {
    let headers = |line: &str| Dir::tenant(&format!("{line}\n{}", queue("")));
    assert!(!headers("").only_tenant().strict_headers);
    assert!(headers("headers = \"strict\"").only_tenant().strict_headers);
    headers("headers = «\"lax\"»").is_wrong(Kind::Malformed, "no such headers", "write \"strict\"");
    headers("headers = «true»").is_wrong(Kind::WrongType, "a string", "headers");
}

#[test]
fn hosts_that_are_wrong_hide_nothing_of_the_certificates() {
    let tenant = tls(SHOP).replace(TENANT, "name = \"shop\"\nhosts = [«\"a/b\"»]\n");
    with("").with("tenants/shop.toml", &tenant).is_wrong(Kind::Malformed, "no path", "\"a\"");
}
