use crate::{
    diagnostics::Kind,
    limits,
    testing::{
        Dir,
        certificates::{Authority, Pair},
        tls,
    },
};

/// A tenant whose chain is this file.
fn chain(content: &[u8]) -> Dir {
    let lines = "certificates = [{ chain = «\"tls/a.pem\"», key = { file = \"tls/shop.key\" } }]";
    Dir::tenant(&tls(lines)).with_pair("shop", &Pair::new(&["shop.example.com"])).with_bytes("tls/a.pem", content)
}

#[test]
fn a_file_that_holds_no_certificate_says_what_it_holds() {
    chain(b"").is_wrong(Kind::Certificate, "not PEM", "openssl x509 -inform der");
    chain(&[0x30, 0x82, 0xff, 0x00]).is_wrong(Kind::Certificate, "not PEM", "tls/a.pem");
    let request = b"-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n";
    chain(request).is_wrong(Kind::Certificate, "holds no certificate", "-----BEGIN CERTIFICATE-----");
    let key = Pair::new(&[]).key;
    let dir = chain(b"").with_private("tls/a.pem", &key);
    dir.is_wrong(Kind::Certificate, "a private key and no certificate", "the key belongs in `key`");
}

#[test]
fn a_damaged_file_says_where() {
    let pair = Pair::new(&["shop.example.com"]);
    let cut = &pair.chain[..pair.chain.len() / 2];
    chain(cut.as_bytes()).is_wrong(Kind::Certificate, "damaged after 0 certificate(s)", "anew");
    chain((pair.chain.clone() + cut).as_bytes()).is_wrong(Kind::Certificate, "damaged after 1", "anew");
    chain(pair.chain.replace("MII", "M!I").as_bytes()).is_wrong(Kind::Certificate, "damaged after 0", "anew");
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    chain(b"").without("tls/a.pem").is_wrong(Kind::Unreadable, "cannot be read", "tls/a.pem");
    chain(b"").without("tls/a.pem").with("tls/a.pem/inner", "").is_wrong(Kind::Unreadable, "not a regular file", "");
    let large = vec![b'\n'; limits::CERTIFICATE_FILE_BYTES_MAX + 1];
    chain(&large).is_wrong(Kind::Unreadable, "larger than 256 KiB", "tls/a.pem");
}

#[test]
fn a_file_has_at_most_as_many_certificates_as_a_handshake_bears() {
    let many = Authority::root("Root").pem().repeat(limits::CHAIN_CERTIFICATES.end() + 1);
    chain(many.as_bytes()).is_wrong(Kind::Certificate, "more than 10 certificates", "needed here");
}
