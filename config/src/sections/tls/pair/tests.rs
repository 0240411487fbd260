use crate::{
    diagnostics::Kind,
    testing::{
        Dir, TENANT,
        certificates::{Authority, Pair},
        tls,
    },
};

const KEY: &str = "«{ file = \"tls/shop.key\" }»";

/// A tenant with one certificate, whose key is written like this.
fn with_key(pair: &Pair, key: &str) -> Dir {
    let lines = format!("certificates = [{{ chain = \"tls/shop.pem\", key = {key} }}]");
    Dir::new().with_pair("shop", pair).with("tenants/shop.toml", &tls(&lines))
}

fn shop() -> Pair {
    Pair::new(&["shop.example.com"])
}

/// What is said about a key file with this content.
fn is_wrong(content: &str, says: &str, advises: &str) {
    let dir = with_key(&shop(), KEY).with_private("tls/shop.key", content);
    dir.is_wrong(Kind::Secret, says, advises);
}

fn pem(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

#[test]
fn a_key_comes_from_a_file_or_the_environment() {
    let pair = shop();
    for key in [KEY, "{ env = \"SHOP_TLS\" }"] {
        let dir = with_key(&pair, key).with_env("SHOP_TLS", &pair.key);
        let tls = dir.only_tenant().tls.unwrap();
        assert!(tls.certificates[0].pair.keys_match().is_ok());
        assert_eq!(tls.certificates[0].pair.cert.len(), 1);
        assert!(!tls.certificates[0].is_rsa());
    }
}

#[test]
fn a_key_belongs_to_its_certificate() {
    let dir = with_key(&shop(), KEY).with_private("tls/shop.key", &shop().key);
    dir.is_wrong(Kind::Certificate, "does not belong to the certificate", "change together");
}

#[test]
fn a_key_that_is_encrypted_says_so() {
    is_wrong(&pem("ENCRYPTED PRIVATE KEY", "MIIB"), "is encrypted", "openssl pkey");
    let old = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIB";
    is_wrong(&pem("EC PRIVATE KEY", old), "is encrypted", "openssl pkey");
}

#[test]
fn a_key_is_one_of_a_kind_that_is_known() {
    is_wrong(&pem("PRIVATE KEY", "bm90IGEga2V5"), "neither ECDSA P-256", "new key");
    is_wrong(&pem("PRIVATE KEY", "not base64!"), "damaged", "anew");
    is_wrong(&shop().key[..80], "damaged", "anew");
    is_wrong(&(shop().key + &shop().key), "more than one private key", "certificate's own");
    is_wrong(&shop().chain, "a certificate and no private key", "`chain`");
    is_wrong("", "no private key", "-----BEGIN PRIVATE KEY-----");
    let long = "A".repeat(crate::limits::SECRET_FILE_BYTES_MAX + 1);
    is_wrong_at_the_file(&long, "larger than 64 KiB");
    with_key(&shop(), "«{ env = \"LONG\" }»").with_env("LONG", &long).is_wrong(Kind::Secret, "too long", "the key");
}

fn is_wrong_at_the_file(content: &str, says: &str) {
    let dir = with_key(&shop(), "{ file = «\"tls/shop.key\"» }").with_private("tls/shop.key", content);
    dir.is_wrong(Kind::Secret, says, "");
}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_refused() {
    let dir = with_key(&shop(), "{ file = «\"tls/shop.key\"» }");
    dir.set_mode("tls/shop.key", 0o640);
    dir.is_wrong(Kind::Secret, "other users may read or change the file (mode 640)", "chmod 600 ");
}

#[test]
fn chain_and_key_may_stand_in_one_file_that_nobody_else_reads() {
    let pair = shop();
    let lines = "certificates = [{ chain = «\"both.pem\"», key = { file = \"both.pem\" } }]";
    let both = pair.key.clone() + &pair.chain;
    let dir = Dir::new().with("tenants/shop.toml", &tls(lines)).with_private("both.pem", &both);
    assert!(dir.load().is_ok());
    let lines = "certificates = [{ chain = «\"both.pem\"», key = { env = \"SHOP_TLS\" } }]";
    let dir = dir.with("tenants/shop.toml", &tls(lines)).with_env("SHOP_TLS", &pair.key);
    dir.set_mode("both.pem", 0o644);
    #[cfg(unix)]
    dir.is_wrong(Kind::Secret, "other users may read or change the file (mode 644)", "chmod 600 ");
}

#[test]
fn mistakes_of_chain_and_key_are_told_together() {
    let lines =
        "certificates = [{ chain = «\"a.pem\"», key = { env = «\"NOT_SET\"» } }, «{ }», { «chian» = 1, key = 2 }]";
    let dir = Dir::tenant(&tls(lines));
    let messages: Vec<_> = dir.mistakes().iter().map(|mistake| mistake.message().to_owned()).collect();
    for says in ["cannot be read", "not set", "`chain` is missing", "`key` is missing", "unknown key in a certificate"]
    {
        assert!(messages.iter().any(|message| message.contains(says)), "{says} in {messages:#?}");
    }
}

#[test]
fn no_message_shows_a_key() {
    let root = Authority::root("Root");
    let pair = root.issue(&["shop.example.com"]);
    let body: String = pair.key.lines().nth(1).unwrap().to_owned();
    let inline = format!("\"\"\"{}\"\"\"", pair.key);
    let one_line = format!("\"{}\"", pair.key.replace('\n', "\\n"));
    let name = format!("{{ file = {one_line} }}");
    for key in [&inline, &one_line, &name, &format!("[{one_line}]"), &format!("{{ env = {one_line} }}")] {
        let errors = with_key(&pair, key).load().unwrap_err();
        let said = format!("{errors}{errors:?}{}", errors.pretty(false));
        assert!(!said.contains(&body), "{key}\n{said}");
    }
    let chain = format!("{TENANT}[tls]\ncertificates = [{{ chain = {one_line}, key = {KEY} }}]\nbroken\n");
    for file in [chain.clone(), chain.replace("broken", "")] {
        let errors = Dir::tenant(&file.replace(['«', '»'], "")).load().unwrap_err();
        let said = format!("{errors}{errors:?}{}", errors.pretty(false));
        assert!(!said.contains(&body), "{said}");
    }
}
