use rcgen::date_time_ymd;
use rustls::{
    SignatureAlgorithm, SignatureScheme,
    sign::{CertifiedKey, Signer, SigningKey},
};

use super::*;
use crate::testing::{Dir, ORIGIN, QUEUE, certificates::Pair, now};

const HTTPS: &str = "[server]\nhttps = [\"127.0.0.1:8443\"]\n";
const SHOP: &str = "certificates = [{ chain = \"tls/shop.pem\", key = { file = \"tls/shop.key\" } }]\n";

/// Hosts share no cookies, and that is meant.
const APART: &str = "[cookies]\ndomain = \"off\"\n";

/// A node with a tenant that answers for these hosts, with a certificate for these names.
fn serving(hosts: &str, lines: &str, pair: &Pair) -> Dir {
    let tenant = format!("name = \"shop\"\nhosts = [{hosts}]\n{ORIGIN}[tls]\n{SHOP}{lines}\n{QUEUE}");
    Dir::node(HTTPS).with_pair("shop", pair).with("tenants/shop.toml", &tenant)
}

fn shop(lines: &str, pair: &Pair) -> Vec<String> {
    serving("\"shop.example.com\"", lines, pair).config().notes(now())
}

#[track_caller]
fn is_noted(notes: &[String], says: &[&str]) {
    let [note] = notes else { panic!("not one note: {notes:#?}") };
    assert!(says.iter().all(|says| note.contains(says)), "{note}");
}

/// A certificate for the shop that begins and ends on these days of 2026.
fn between(begin: (u8, u8), end: (u8, u8)) -> Pair {
    Pair::with(&["shop.example.com"], |params| {
        params.not_before = date_time_ymd(2026, begin.0, begin.1);
        params.not_after = date_time_ymd(2026, end.0, end.1);
    })
}

#[test]
fn a_config_as_it_should_be_has_no_notes() {
    assert!(Dir::new().config().notes(now()).is_empty());
    assert!(shop("hsts = \"180d\"", &Pair::new(&["shop.example.com"])).is_empty());
}

#[test]
fn certificates_without_https_do_nothing() {
    let pair = Pair::new(&["shop.example.com"]);
    let dir = serving("\"shop.example.com\"", "", &pair).with("sluice.toml", "[server]\n");
    is_noted(&dir.config().notes(now()), &["[tls] of shop does nothing", "`https` of [server]"]);
    let default = "[tls]\ndefault_certificate = { chain = \"tls/x.pem\", key = { file = \"tls/x.key\" } }\n";
    let dir = Dir::node(default).with_pair("x", &pair);
    is_noted(&dir.config().notes(now()), &["`default_certificate` does nothing"]);
}

#[test]
fn hosts_that_no_certificate_covers_are_named() {
    let hosts = "\"shop.example.com\", \"b.example.com\", \"*.example.org\"";
    let notes = serving(hosts, APART, &Pair::new(&["shop.example.com", "a.example.org"])).config().notes(now());
    is_noted(&notes, &["shop: no certificate covers b.example.com and *.example.org"]);

    let other = format!("name = \"other\"\nhosts = [\"other.example.com\"]\n{ORIGIN}{QUEUE}");
    let dir = serving("\"shop.example.com\"", "", &Pair::new(&["shop.example.com"])).with("tenants/other.toml", &other);
    is_noted(&dir.config().notes(now()), &["other: no certificate covers other.example.com"]);
    let default = "[tls]\ndefault_certificate = { chain = \"tls/x.pem\", key = { file = \"tls/x.key\" } }\n";
    let dir = dir.with("sluice.toml", &format!("{HTTPS}{default}")).with_pair("x", &Pair::new(&["*.example.com"]));
    assert!(dir.config().notes(now()).is_empty(), "the default certificate covers it");
}

#[test]
fn a_star_of_a_certificate_is_one_label_and_a_tenants_is_more() {
    let notes = serving("\"*.example.com\"", APART, &Pair::new(&["*.example.com"])).config().notes(now());
    is_noted(&notes, &["shop: ", "is one label", "*.example.com"]);
}

#[test]
fn hosts_on_which_a_visitor_waits_again_are_named() {
    let notes = |hosts: &str, lines: &str| {
        let tenant = format!("name = \"shop\"\nhosts = [{hosts}]\n{ORIGIN}{lines}{QUEUE}");
        Dir::new().with("tenants/shop.toml", &tenant).config().notes(now())
    };
    let (parent, siblings) = ("\"example.com\", \"www.example.com\"", "\"a.example.com\", \"b.example.com\"");
    assert!(notes(parent, "").is_empty() && notes("\"example.com\"", "").is_empty());
    is_noted(&notes(siblings, ""), &["waits again on a.example.com and b.example.com", "domain = \"example.com\""]);
    is_noted(&notes("\"*.example.com\"", ""), &["waits again on *.example.com", "domain = \"example.com\""]);
    is_noted(&notes(&format!("{parent}, \"example.net\""), ""), &["waits again on example.net", "no cookies between"]);
    assert!(notes(siblings, "[cookies]\ndomain = \"example.com\"\n").is_empty());
    assert!(notes(siblings, APART).is_empty());
}

#[test]
fn a_prefix_that_leaves_out_the_page_it_names_is_noted() {
    let notes = |paths: &str| {
        let queue = format!("[[queue]]\nname = \"shop\"\nrelease_per_minute = 60\npaths = [{paths}]\n");
        let tenant = format!("name = \"shop\"\nhosts = [\"a.example\"]\n{ORIGIN}{queue}");
        Dir::new().with("tenants/shop.toml", &tenant).config().notes(now())
    };
    is_noted(&notes("\"/checkout/\""), &["`/checkout/` of queue shop", "write \"/checkout\""]);
    assert!(notes("\"/\", \"/checkout\"").is_empty() && notes("\"/Checkout/\", \"/checkout\"").is_empty());
}

#[test]
fn an_origin_that_is_a_listener_of_the_node_is_noted() {
    let notes = |http: &str, server: &str| {
        let node = format!("[server]\nhttp = [\"{http}\"]\n");
        let tenant = format!("name = \"a\"\nhosts = [\"a.example\"]\n[origin]\nservers = [\"{server}\"]\n{QUEUE}");
        Dir::node(&node).with("tenants/shop.toml", &tenant).config().notes(now())
    };
    is_noted(&notes("127.0.0.1:8080", "127.0.0.1:8080"), &["127.0.0.1:8080 is a listener of this node", "508"]);
    is_noted(&notes("0.0.0.0:80", "127.0.0.1:80"), &["is a listener of this node"]);
    assert!(notes("0.0.0.0:80", "192.0.2.1:80").is_empty() && notes("127.0.0.1:80", "127.0.0.1:81").is_empty());
}

#[test]
fn a_certificate_that_ends_soon_is_noted() {
    is_noted(&shop("", &between((1, 1), (6, 14))), &["shop.example.com ends on 2026-06-14 00:00 UTC", "renew"]);
    assert!(shop("", &between((1, 1), (6, 15))).is_empty());
    // What has ended while the node ran is no panic.
    let config = serving("\"shop.example.com\"", "", &between((1, 1), (6, 14))).config();
    is_noted(&config.notes(now() + Duration::from_secs(100 * DAY_S)), &["ends on 2026-06-14"]);
}

#[test]
fn long_hsts_with_a_new_certificate_is_noted() {
    let new = between((5, 31), (12, 1));
    assert!(shop("hsts = \"180d\"", &new).is_empty(), "a day old");
    let config = serving("\"shop.example.com\"", "hsts = \"180d\"", &new).config();
    let a_second_before = now() - Duration::from_secs(1);
    is_noted(&config.notes(a_second_before), &["`hsts`", "5months", "not a day old", "\"1h\""]);
    assert!(shop("hsts = \"1h\"", &between((6, 1), (12, 1))).is_empty());
    assert!(shop("", &between((6, 1), (12, 1))).is_empty());
}

/// A key that is RSA by its word alone; making a real one takes a tool that the tests do without.
#[derive(Debug)]
struct Rsa;

impl SigningKey for Rsa {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        None
    }
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

#[test]
fn an_rsa_key_alone_is_noted() {
    let config = serving("\"shop.example.com\"", "", &Pair::new(&["shop.example.com"])).config();
    let tenant = Tenant::clone(&config.tenants[0]);
    let ecdsa = tenant.tls.as_ref().unwrap().certificates[0].clone();
    let rsa = Arc::new(Certificate {
        pair: Arc::new(CertifiedKey::new(ecdsa.pair.cert.clone(), Arc::new(Rsa))),
        ..Certificate::clone(&ecdsa)
    });
    let with = |certificates: &[&Arc<Certificate>]| {
        let certificates = certificates.iter().map(|certificate| Arc::clone(certificate)).collect();
        let tls = Some(TenantTls { certificates, ..tenant.tls.clone().unwrap() });
        let tenants = vec![Arc::new(Tenant { tls, ..tenant.clone() })];
        Config { tenants, ..config.clone() }.notes(now())
    };
    is_noted(&with(&[&rsa]), &["shop.example.com has an RSA key", "ECDSA P-256"]);
    assert!(with(&[&rsa, &ecdsa]).is_empty() && with(&[&ecdsa, &rsa]).is_empty());
    is_noted(&with(&[&rsa, &rsa])[..1], &["has an RSA key"]);
}

#[test]
fn notes_are_bounded() {
    let mut dir = serving("\"shop.example.com\"", "", &Pair::new(&["shop.example.com"]));
    for nth in 0..NOTES_MAX + 3 {
        let tenant = format!("name = \"t{nth}\"\nhosts = [\"t{nth}.example.com\"]\n{ORIGIN}{QUEUE}");
        dir = dir.with(&format!("tenants/t{nth}.toml"), &tenant);
    }
    let notes = dir.config().notes(now());
    assert_eq!(notes.len(), NOTES_MAX + 1);
    assert_eq!(notes[NOTES_MAX], "and 3 more of the kind");
}

#[test]
fn a_time_that_a_hidden_tab_cannot_keep_is_named() {
    let with = |line: &str| {
        let tenant = format!("name = \"shop\"\nhosts = [\"shop.example.com\"]\n{ORIGIN}{QUEUE}{line}\n");
        Dir::node("[server]\n").with("tenants/shop.toml", &tenant).config().notes(now())
    };
    is_noted(&with("return_within = \"30s\""), &["shop: `return_within` of queue shop is 30 s", "at least 65 s"]);
    assert!(with("return_within = \"65s\"\nclaim_within = \"10s\"").is_empty());
}
