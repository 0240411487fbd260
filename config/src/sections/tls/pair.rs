//! A certificate with its chain and its private key.

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use rustls::{
    SignatureAlgorithm,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::{CertifiedKey, SigningKey},
};

use crate::{
    declare::{Key, Nested, Required, Section, Value},
    diagnostics::{Kind, Read, Wrong},
    forms::host::HostPattern,
    limits::{CERTIFICATE_FILE_BYTES_MAX, CHAIN_CERTIFICATES, SECRET_FILE_BYTES_MAX},
    outside::Outside,
    sections::{
        secret::Kept,
        tls::{
            chain::{self, Purpose},
            pem::PemFile,
        },
    },
};

const CHAIN_HELP: &str =
    "name the PEM file of the certificate and those that lead to its root: `chain = \"tls/shop.pem\"`";
const KEY_HELP: &str = "name the file of the private key: `key = { file = \"tls/shop.key\" }`";
const ISSUE_HELP: &str =
    "issue a certificate for a new key: ECDSA P-256 is the one that every client takes, at the least cost";

/// A certificate with its chain and its private key, which belongs to it.
#[derive(Clone)]
pub struct Certificate {
    /// The chain, the server's own certificate first, and the key.
    pub pair: Arc<CertifiedKey>,
    /// The hosts it covers; of `Below`, one label in front, as the standards have it.
    pub names: Vec<HostPattern>,
    /// Begin of its validity, in seconds since 1970.
    pub not_before_s: u64,
    /// End of its validity, in seconds since 1970.
    pub not_after_s: u64,
}

/// Why a certificate that was issued is of no use.
#[derive(Debug)]
pub struct Unusable(String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

impl Certificate {
    /// A certificate that was issued for a host (lower case, no port), and its key, both in PEM.
    ///
    /// # Errors
    /// If they do not belong together, do not cover the host, or are not valid at this time (seconds since 1970).
    pub fn issued(chain: &str, key: &str, host: &str, now_s: u64) -> Result<Self, Unusable> {
        let unusable = |wrong: Wrong| Unusable(wrong.message);
        if chain.len() > CERTIFICATE_FILE_BYTES_MAX {
            return Err(Unusable("the chain is too long".to_owned()));
        }
        let certificates = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.map_err(|_| Unusable("the PEM of the chain is damaged".to_owned()))?;
        if !CHAIN_CERTIFICATES.contains(&certificates.len()) {
            return Err(Unusable(format!("the chain has {} certificates", certificates.len())));
        }
        let host = HostPattern::Exact(host.to_owned());
        let own = chain::judge(&certificates, &host, now_s).map_err(unusable)?;
        let pair = CertifiedKey::new(certificates, private_key(key).map_err(unusable)?);
        if pair.keys_match().is_err() {
            return Err(Unusable("the key does not belong to the certificate".to_owned()));
        }
        let chain::Own { names, not_before_s, not_after_s } = own;
        Ok(Self { pair: Arc::new(pair), names, not_before_s, not_after_s })
    }

    /// Whether it covers a host (lower case, no port).
    pub fn covers(&self, host: &str) -> bool {
        self.names.iter().any(|name| match name {
            HostPattern::Exact(name) => name == host,
            HostPattern::Below(suffix) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == suffix)
            }
        })
    }

    /// Whether its key is an RSA key, which takes many times the processor time of an ECDSA key.
    pub fn is_rsa(&self) -> bool {
        self.pair.key.algorithm() == SignatureAlgorithm::RSA
    }
}

/// A key belongs to one certificate only, so the chain tells them apart.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.pair.cert == other.pair.cert
    }
}

impl Eq for Certificate {}

/// Without the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names, not_before_s, not_after_s, .. } = self;
        f.debug_struct("Certificate")
            .field("names", names)
            .field("not_before_s", not_before_s)
            .field("not_after_s", not_after_s)
            .finish_non_exhaustive()
    }
}

pub(crate) static SECTION: Section =
    Section { name: "a certificate", doc: "", may_hold_secrets: false, keys: &[&CHAIN, &KEY] };

static CHAIN: Key<PemFile> = Key {
    name: "chain",
    doc: "PEM file, from the config folder: the server's own certificate, with 1 to 1,000 names, then the one that \
          issued it, and so on; the root may be left out",
    kind: PemFile { certificates: Some(CHAIN_CERTIFICATES), bytes_max: CERTIFICATE_FILE_BYTES_MAX },
    absent: Required(CHAIN_HELP),
};

static KEY: Key<Kept> = Key {
    name: "key",
    doc: "Private key in PEM that belongs to the certificate, not encrypted: ECDSA P-256 or P-384, RSA of at least \
          2,048 bits, Ed25519",
    kind: Kept { example: "key = { file = \"tls/shop.key\" }" },
    absent: Required(KEY_HELP),
};

/// Reads `{ chain = …, key = … }`. With `hosts`, the certificate covers at least one of them.
pub(super) fn read(
    value: Value<'_>,
    pair: &Nested,
    outside: &Outside<'_>,
    hosts: Option<&[HostPattern]>,
) -> Read<Arc<Certificate>> {
    read_for(value, pair, outside, Purpose::Server(hosts))
}

/// Reads the same for a client, whose certificate need not name a host.
pub(crate) fn read_client(value: Value<'_>, pair: &Nested, outside: &Outside<'_>) -> Read<Arc<Certificate>> {
    read_for(value, pair, outside, Purpose::Client)
}

fn read_for(value: Value<'_>, pair: &Nested, outside: &Outside<'_>, purpose: Purpose<'_>) -> Read<Arc<Certificate>> {
    pair.read(value, |table| {
        let chain = table.read_with(&CHAIN, |value| {
            let certificates = CHAIN.kind.certificates(value, outside)?;
            let own = chain::check(value, &certificates, outside, purpose)?;
            Ok((certificates, own))
        });
        let key = table.read_with(&KEY, |value| {
            let pem = KEY.kind.content(value, outside)?;
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
