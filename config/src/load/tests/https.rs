//! TLS is spoken with a certificate, whichever file it stands in.

use super::*;
use crate::testing::tls;

const HTTPS: &str = "[server]\nhttps = «[\"127.0.0.1:8443\"]»\n";

#[test]
fn https_without_any_certificate_is_a_mistake() {
    Dir::node(HTTPS).is_wrong(Kind::Missing, "no tenant has a certificate", "default_certificate");
    assert!(Dir::node("[server]\nhttps = []\n").load().is_ok());
    // Other mistakes do not hide it, and it comes in its place.
    let node = format!("{HTTPS}threads = «0»\n[keys]\n«curent» = 1\nsecrets = {{ a = {{ env = \"SLUICE_KEY\" }} }}\n");
    let dir = Dir::node(&node.replace("[keys]", "«[keys]»")).with("tenants/shop.toml", &queue("burst = «0»"));
    dir.check_marks();
}

#[test]
fn one_certificate_will_do_for_https() {
    let pair = Pair::new(&["shop.example.com"]);
    let certificate = "{ chain = \"tls/shop.pem\", key = { file = \"tls/shop.key\" } }";
    let node = HTTPS.replace(['«', '»'], "");
    let by_tenant = Dir::node(&node).with("tenants/shop.toml", &tls(&format!("certificates = [{certificate}]")));
    assert!(by_tenant.with_pair("shop", &pair).load().is_ok());
    let by_default = Dir::node(&format!("{node}[tls]\ndefault_certificate = {certificate}\n"));
    assert!(by_default.with_pair("shop", &pair).load().is_ok());
}

#[test]
fn a_certificate_may_stand_in_what_could_not_be_read() {
    let node = HTTPS.replace(['«', '»'], "");
    let kinds = |dir: Dir| dir.mistakes().iter().map(Mistake::kind).collect::<Vec<_>>();
    let with = |tenant: &str| Dir::node(&node).with("tenants/other.toml", tenant);
    assert_eq!(kinds(with("[tls\n")), [Kind::Syntax]);
    assert_eq!(kinds(with("").with_bytes("tenants/other.toml", &[0xff])), [Kind::Unreadable]);
    assert_eq!(kinds(with(&tls("certificates = 1").replace("shop", "other"))), [Kind::WrongType]);
    assert_eq!(kinds(Dir::node(&node).without("tenants")), [Kind::Unreadable]);
    assert_eq!(kinds(Dir::node(&format!("{node}nonsense\n"))), [Kind::Syntax]);
}
