use std::time::Duration;

use crate::{
    NodeTls, TlsVersions,
    diagnostics::Kind,
    testing::{Dir, certificates::Pair},
};

fn node(lines: &str) -> Dir {
    Dir::node(&format!("[server]\n[tls]\n{lines}\n"))
}

#[test]
fn without_the_table_all_is_at_its_default() {
    assert_eq!(Dir::new().config().tls, NodeTls::default());
    assert_eq!(node("").config().tls, NodeTls::default());
}

#[test]
fn every_key_arrives() {
    let pair = Pair::new(&["anything.example.org"]);
    let lines = "versions = [\"1.3\"]\nsession_tickets = false\nhandshake_timeout = \"3s\"\n\
                 default_certificate = { chain = \"tls/x.pem\", key = { file = \"tls/x.key\" } }";
    let tls = node(lines).with_pair("x", &pair).config().tls;
    assert_eq!(tls.versions, TlsVersions::Only13);
    assert!(!tls.session_tickets);
    assert_eq!(tls.handshake_timeout, Duration::from_secs(3));
    assert!(tls.default_certificate.unwrap().covers("anything.example.org"));
}

#[test]
fn tls_1_3_is_always_spoken() {
    let versions = |written: &str| node(&format!("versions = {written}"));
    assert_eq!(versions("[\"1.3\", \"1.2\"]").config().tls.versions, TlsVersions::From12);
    versions("«[\"1.2\"]»").is_wrong(Kind::Conflict, "TLS 1.2 without 1.3", "[\"1.2\", \"1.3\"]");
    versions("[\"1.3\", «\"1.3\"»]").is_wrong(Kind::Duplicate, "this version is taken", "one of the two");
    versions("[«\"1.1\"»]").is_wrong(Kind::Malformed, "no such versions", "\"1.2\" or \"1.3\"");
    versions("«[]»").is_wrong(Kind::OutOfRange, "0 entries", "1 to 2");
    versions("«\"1.3\"»").is_wrong(Kind::WrongType, "a list", "[\"1.3\"]");
}

#[test]
fn mistakes_of_the_default_certificate_have_their_places() {
    let pair = Pair::new(&[]);
    let lines = "default_certificate = { chain = «\"tls/x.pem\"», key = { file = «\"nowhere.key\"» } }";
    node(lines).with_pair("x", &pair).check_marks();
    let mistake = node("default_certificate = \"tls/x.pem\"").mistakes().remove(0);
    assert_eq!((mistake.kind(), mistake.line(), mistake.column()), (Kind::WrongType, 3, 23));
    assert!(mistake.help().contains("{ chain = \"tls/default.pem\", key = "), "{mistake:?}");
}
