use crate::{
    diagnostics::Kind,
    testing::{
        Dir,
        certificates::{Authority, Pair},
        queue, tls,
    },
};

/// A node with these lines in `[acme]`, and a tenant that wants certificates.
fn with(lines: &str) -> Dir {
    Dir::node(&format!("[server]\n[acme]\n{lines}\n")).with("tenants/shop.toml", &tls("acme = true"))
}

#[test]
fn without_more_it_is_the_authority_that_most_take() {
    let acme = with("accept_terms = true").config().acme.unwrap();
    assert_eq!(acme.directory.url(), "https://acme-v02.api.letsencrypt.org/directory");
    assert_eq!((acme.contact.len(), acme.ca), (0, None));
    assert_eq!(Dir::new().config().acme, None);
}

#[test]
fn every_key_arrives() {
    let acme = with(
        "accept_terms = true\ndirectory = \"https://ca.example.com:14000/dir\"\ncontact = [\"mailto:ops@example.com\"]\nca_file = \"ca.pem\"",
    );
    let acme = acme.with("ca.pem", &Authority::root("Own").pem()).config().acme.unwrap();
    assert_eq!(acme.directory.url(), "https://ca.example.com:14000/dir");
    assert_eq!(acme.contact, ["mailto:ops@example.com"]);
    assert_eq!(acme.ca.unwrap().len(), 1);
    let staging = with("accept_terms = true\ndirectory = \"letsencrypt-staging\"").config().acme.unwrap();
    assert!(staging.directory.url().starts_with("https://acme-staging-v02."));
}

#[test]
fn terms_are_accepted_by_the_owner_alone() {
    with("").with("sluice.toml", "[server]\n«[acme]»\n").is_wrong(Kind::Missing, "`accept_terms`", "terms of service");
    with("accept_terms = «false»").is_wrong(Kind::Conflict, "terms of service", "leave out [acme]");
}

#[test]
fn an_authority_is_one_that_is_known_or_a_url_over_tls() {
    let directory = |written: &str| with(&format!("accept_terms = true\ndirectory = «\"{written}\"»"));
    directory("http://ca.example.com/dir").is_wrong(Kind::Malformed, "plain HTTP", "https://");
    directory("lets-encrypt").is_wrong(Kind::Malformed, "no authority of that name", "\"letsencrypt\"");
}

#[test]
fn a_contact_is_one_mail_address() {
    for wrong in ["ops@example.com", "mailto:ops", "mailto:a@example.com,b@example.com", "mailto:@example.com"] {
        with(&format!("accept_terms = true\ncontact = [«\"{wrong}\"»]")).is_wrong(Kind::Malformed, "mailto:", "ops@");
    }
}

const ACME: &str = "[server]\n[acme]\naccept_terms = true\n";

#[test]
fn a_tenant_has_certificates_of_its_own_or_by_acme() {
    let with = |lines: &str| Dir::node(ACME).with("tenants/shop.toml", &tls(lines));
    let settings = with("acme = true").only_tenant().tls.unwrap();
    assert!(settings.acme && settings.certificates.is_empty() && settings.redirect_http);
    let own = "certificates = [{ chain = \"tls/shop.pem\", key = { file = \"tls/shop.key\" } }]";
    let pair = Pair::new(&["shop.example.com"]);
    with(&format!("{own}\nacme = «true»")).with_pair("shop", &pair).is_wrong(
        Kind::Conflict,
        "`certificates`",
        "one of",
    );
    let both = with(&format!("{own}\nacme = false")).with_pair("shop", &pair);
    assert!(!both.only_tenant().tls.unwrap().acme);
    let none = tls("acme = false").replace("[tls]", "«[tls]»");
    Dir::node(ACME).with("tenants/shop.toml", &none).is_wrong(
        Kind::Missing,
        "`certificates` is missing",
        "acme = true",
    );
}

#[test]
fn a_tenant_that_wants_certificates_needs_an_authority() {
    Dir::tenant(&tls("acme = «true»")).is_wrong(Kind::Missing, "no [acme] in sluice.toml", "accept_terms = true");
    // What is wrong with sluice.toml is reported, and nothing that may follow from it.
    assert_eq!(Dir::tenant(&tls("acme = true")).with_bytes("sluice.toml", &[0xff]).mistakes().len(), 1);
}

#[test]
fn what_cannot_be_proven_over_http_is_not_asked_for() {
    let of = |hosts: &str| tls("acme = «true»").replace("[\"shop.example.com\"]", hosts);
    let with = |hosts: &str| Dir::node(ACME).with("tenants/shop.toml", &of(hosts));
    with("[\"shop.example.com\", \"*.shop.example.com\"]").is_wrong(
        Kind::Conflict,
        "*.shop.example.com",
        "`certificates`",
    );
    with("[\"192.0.2.1\"]").is_wrong(Kind::Conflict, "192.0.2.1", "`certificates`");
}

#[test]
fn there_is_an_end_to_the_hosts() {
    let mut dir = Dir::node(ACME).without("tenants/shop.toml");
    for nth in 0..11 {
        let hosts: Vec<_> = (0..100).map(|host| format!("\"h{host}.t{nth}.example.com\"")).collect();
        let acme = if nth == 10 { "acme = «true»" } else { "acme = true" };
        let text = tls(acme).replace("\"shop.example.com\"", &hosts.join(", "));
        dir = dir.with(
            &format!("tenants/t{nth:02}.toml"),
            &text.replace("name = \"shop\"\nhosts", &format!("name = \"t{nth}\"\nhosts")),
        );
    }
    dir.is_wrong(Kind::OutOfRange, "1,100 hosts", "1,000");
}

#[test]
fn a_config_says_which_certificates_it_asks_for() {
    let other = queue("").replace("\"shop", "\"other");
    let config = Dir::node(ACME).with("tenants/shop.toml", &tls("acme = true")).with("tenants/z.toml", &other).config();
    let hosts: Vec<_> = config.acme_hosts().map(|(tenant, host)| (tenant.name.as_str(), host)).collect();
    assert_eq!(hosts, [("shop", "shop.example.com")]);
}
