//! A certificate with its chain and its private key.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustls::{
    crypto::ring,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
    sign::{CertifiedKey, SigningKey},
};

use crate::{
    declare::{Section, Value},
    diagnostics::{Kind, Read, Wrong},
    limits::{CHAIN_CERTIFICATES, SECRET_FILE_BYTES_MAX},
    outside::Outside,
    sections::{pem, secret, tls::chain},
    settings::{Certificate, HostPattern},
};

const CHAIN_HELP: &str =
    "name the PEM file of the certificate and those that lead to its root: `chain = \"tls/shop.pem\"`";
const KEY_HELP: &str = "name the file of the private key: `key = { file = \"tls/shop.key\" }`";
const ISSUE_HELP: &str =
    "issue a certificate for a new key: ECDSA P-256 is the one that every client takes, at the least cost";

/// What the two tables of a pair are called where it stands.
#[derive(Clone, Copy)]
pub(super) struct Sections {
    pub(super) pair: Section,
    pub(super) key: Section,
}

/// Reads `{ chain = …, key = … }`. With `hosts`, the certificate covers at least one of them.
pub(super) fn read(
    value: Value<'_>,
    sections: Sections,
    outside: &Outside<'_>,
    hosts: Option<&[HostPattern]>,
) -> Read<Arc<Certificate>> {
    value.table(sections.pair, |table| {
        let chain = table.required("chain", CHAIN_HELP, |value| {
            let certificates = pem::certificates(value, outside, CHAIN_CERTIFICATES)?;
            let own = chain::check(value, &certificates, outside, hosts)?;
            Ok((certificates, own))
        });
        let key = table.required("key", KEY_HELP, |value| {
            let pem = secret::content(value, sections.key, outside)?;
            let key = private_key(&pem).map_err(|wrong| value.wrong(wrong))?;
            Ok((key, value))
        });
        let ((certificates, own), (key, value)) = (chain?, key?);
        let pair = CertifiedKey::new(certificates, key);
        if pair.keys_match().is_err() {
            return Err(value.wrong(Wrong::new(
                Kind::Certificate,
                "the key does not belong to the certificate",
                "name the key that the certificate was issued for; both change together when it is renewed",
            )));
        }
        let chain::Own { names, not_before_s, not_after_s } = own;
        Ok(Arc::new(Certificate { pair: Arc::new(pair), names, not_before_s, not_after_s }))
    })
}

/// The one private key in a PEM text. No message shows any of it.
fn private_key(pem: &str) -> Result<Arc<dyn SigningKey>, Wrong> {
    let wrong = |message: &str, help: &str| Wrong::new(Kind::Secret, message, help);
    if pem.len() > SECRET_FILE_BYTES_MAX {
        return Err(wrong("the key is too long", "put nothing there but the key"));
    }
    // The forms of PKCS #8 and of OpenSSL's older files.
    if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") || pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(wrong(
            "the key is encrypted, and Sluice has no way to ask for its passphrase",
            "decrypt it, and let only Sluice's user read it: openssl pkey -in OLD.key -out NEW.key",
        ));
    }
    let mut keys = PrivateKeyDer::pem_slice_iter(pem.as_bytes());
    let key = match (keys.next(), keys.next()) {
        (Some(Ok(key)), None) => key,
        (Some(Err(_)), _) | (_, Some(Err(_))) => {
            return Err(wrong("the PEM of the key is damaged", "copy the key anew from where it was made"));
        }
        (Some(_), Some(_)) => {
            return Err(wrong("there is more than one private key", "leave only the certificate's own"));
        }
        (None, _) if pem.contains("BEGIN CERTIFICATE") => {
            return Err(wrong("there is a certificate and no private key", "the certificate belongs in `chain`"));
        }
        (None, _) => {
            return Err(wrong("there is no private key in PEM", "it begins with `-----BEGIN PRIVATE KEY-----`"));
        }
    };
    let key = ring::default_provider().key_provider.load_private_key(key);
    key.map_err(|_| {
        wrong("the key is damaged, or neither ECDSA P-256 or P-384, RSA of 2,048 bits or more, nor Ed25519", ISSUE_HELP)
    })
}
