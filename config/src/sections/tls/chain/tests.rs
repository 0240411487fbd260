use rcgen::{BasicConstraints, IsCa, date_time_ymd};

use super::*;
use crate::testing::{
    Dir, ORIGIN, QUEUE,
    certificates::{Authority, Pair, dns},
};

/// A tenant with these hosts and one certificate.
fn serving(hosts: &str, pair: &Pair) -> Dir {
    let tls = "[tls]\ncertificates = [{ chain = «\"tls/shop.pem\"», key = { file = \"tls/shop.key\" } }]\n";
    let tenant = format!("name = \"shop\"\nhosts = [{hosts}]\n{ORIGIN}{tls}{QUEUE}");
    Dir::new().with_pair("shop", pair).with("tenants/shop.toml", &tenant)
}

fn shop(pair: &Pair) -> Dir {
    serving("\"shop.example.com\"", pair)
}

fn own(dir: &Dir) -> crate::settings::Certificate {
    crate::settings::Certificate::clone(&dir.only_tenant().tls.unwrap().certificates[0])
}

#[test]
fn names_and_dates_are_those_of_the_first_certificate() {
    let pair = Pair::with(&["shop.example.com", "*.Example.com", "192.0.2.1", "2001:db8::1"], |params| {
        params.not_before = date_time_ymd(2026, 5, 1);
        params.not_after = date_time_ymd(2026, 8, 1);
        params.subject_alt_names.push(dns("192.0.2.2"));
        params.subject_alt_names.push(dns("f*.example.com"));
    });
    let own = own(&shop(&pair));
    let exact = |name: &str| HostPattern::Exact(name.to_owned());
    let below = HostPattern::Below("example.com".to_owned());
    assert_eq!(own.names, [exact("shop.example.com"), below, exact("192.0.2.1"), exact("2001:db8::1")]);
    assert_eq!((own.not_before_s, own.not_after_s), (1_777_593_600, 1_785_542_400));
    assert!(own.covers("a.example.com") && !own.covers("a.b.example.com") && !own.covers("192.0.2.2"));
}

#[test]
fn a_certificate_is_valid_now() {
    let on = |before: (i32, u8, u8), after: (i32, u8, u8)| {
        shop(&Pair::with(&["shop.example.com"], |params| {
            params.not_before = date_time_ymd(before.0, before.1, before.2);
            params.not_after = date_time_ymd(after.0, after.1, after.2);
        }))
    };
    let first_and_last = [on((2026, 6, 1), (2026, 7, 1)), on((2026, 5, 1), (2026, 6, 1))];
    assert!(first_and_last.iter().all(|dir| dir.load().is_ok()));
    on((2026, 1, 1), (2026, 5, 31)).is_wrong(Kind::Certificate, "has expired on 2026-05-31 00:00 UTC", "renew it");
    on((2026, 6, 2), (2027, 1, 1)).is_wrong(Kind::Certificate, "not valid before 2026-06-02 00:00 UTC", "clock");
    on((1960, 1, 1), (1969, 1, 1)).is_wrong(Kind::Certificate, "has expired on 1970-01-01", "renew it");
}

#[test]
fn each_certificate_is_issued_by_the_next() {
    let root = Authority::root("Root");
    let middle = root.below("Middle");
    let pair = middle.issue(&["shop.example.com"]);
    let chain = |parts: &[&str]| shop(&Pair { chain: parts.concat(), key: pair.key.clone() });
    let (own, middle_pem, root_pem) = (pair.chain.as_str(), middle.pem(), root.pem());
    for whole in [&[own][..], &[own, &middle_pem], &[own, &middle_pem, &root_pem]] {
        assert!(chain(whole).load().is_ok(), "{}", whole.len());
    }
    chain(&[own, &root_pem]).is_wrong(
        Kind::Certificate,
        "certificate 1 is issued by CN=Middle, and certificate 2 is CN=Root",
        "own certificate first",
    );
    chain(&[own, &middle_pem, &middle_pem]).is_wrong(
        Kind::Certificate,
        "certificate 2 is issued by CN=Root, and certificate 3 is CN=Middle",
        "may be left out",
    );
    let namesake = Authority::root("Middle").pem();
    chain(&[own, &namesake]).is_wrong(
        Kind::Certificate,
        "certificate 2 is CN=Middle with another key",
        "the one that issued it",
    );
    chain(&[&root_pem, &middle_pem, own]).is_wrong(Kind::Certificate, "an authority's", "own certificate first");
}

#[test]
fn an_authoritys_certificate_is_no_servers() {
    let authority =
        Pair::with(&["shop.example.com"], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    shop(&authority).is_wrong(Kind::Certificate, "refuse it as a server's own", "CA:FALSE");
    let said_so = Pair::with(&["shop.example.com"], |params| params.is_ca = IsCa::ExplicitNoCa);
    assert!(shop(&said_so).load().is_ok());
}

#[test]
fn a_certificate_names_hosts_in_the_field_for_them() {
    shop(&Pair::new(&[])).is_wrong(Kind::Certificate, "names no host", "subjectAltName");
    let only_mail = Pair::with(&[], |params| {
        params.subject_alt_names.push(rcgen::SanType::Rfc822Name("a@example.com".try_into().unwrap()));
    });
    shop(&only_mail).is_wrong(Kind::Certificate, "names no host", "subjectAltName");
    let names: Vec<_> = (0..1001).map(|nth| format!("h{nth}.example.com")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    shop(&Pair::new(&names)).is_wrong(Kind::Certificate, "has 1001 names", "at most 1000");
}

#[test]
fn a_certificate_covers_a_host_of_its_tenant() {
    let covers = |hosts: &str, names: &[&str]| {
        let dir = serving(hosts, &Pair::new(names));
        let covers = dir.load().is_ok();
        if !covers {
            dir.is_wrong(Kind::Certificate, "covers none of the tenant's hosts", &format!("it covers {}", names[0]));
        }
        covers
    };
    assert!(covers("\"a.example.com\", \"b.example.com\"", &["b.example.com", "c.example.com"]));
    assert!(!covers("\"a.example.com\"", &["example.com"]));
    assert!(covers("\"a.example.com\"", &["*.example.com"]));
    assert!(!covers("\"example.com\"", &["*.example.com"]));
    assert!(!covers("\"a.b.example.com\"", &["*.example.com"]), "a `*` is one label");
    assert!(covers("\"*.example.com\"", &["*.example.com"]));
    assert!(covers("\"*.example.com\"", &["a.b.example.com"]));
    assert!(covers("\"*.example.com\"", &["*.b.example.com"]));
    assert!(!covers("\"*.b.example.com\"", &["*.example.com"]));
    assert!(!covers("\"*.example.com\"", &["example.com"]));
    assert!(!covers("\"*.example.com\"", &["shopexample.com"]));
    assert!(covers("\"127.0.0.1\"", &["127.0.0.1"]));
    assert!(!covers("\"127.0.0.1\"", &["127.0.0.2", "*.0.0.1"]));
    assert!(covers("\"xn--bcher-kva.example\"", &["xn--bcher-kva.example"]));
}

#[test]
fn everything_wrong_with_a_chain_is_said() {
    let pair = Pair::with(&["other.example.com"], |params| params.not_after = date_time_ymd(2026, 1, 1));
    let chain = pair.chain.clone() + &Authority::root("Stranger").pem();
    let messages: Vec<_> = shop(&Pair { chain, ..pair }).mistakes().iter().map(|m| m.message().to_owned()).collect();
    assert_eq!(messages.len(), 3, "{messages:?}");
    for says in ["has expired", "out of order", "covers none"] {
        assert!(messages.iter().any(|message| message.contains(says)), "{messages:?}");
    }
}

#[test]
fn what_is_no_certificate_has_its_number() {
    let own = Pair::new(&["shop.example.com"]);
    let nonsense = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    let pair = Pair { chain: own.chain + nonsense, key: own.key };
    shop(&pair).is_wrong(Kind::Certificate, "certificate 2 in the file is damaged", "anew");
}
