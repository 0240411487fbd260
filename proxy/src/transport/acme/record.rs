//! A certificate as it is kept, and which of two is the better one.

use std::{fmt, sync::Arc};

use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use sluice_config::{Certificate, Unusable};

use super::schedule::Life;

/// What an authority has issued, and the key that it was issued for. Kept sealed only.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// The URL of the authority's directory.
    pub(super) directory: String,
    /// In PEM, the certificate itself first.
    pub(super) chain: String,
    /// In PEM.
    pub(super) key: String,
}

/// Without the key.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// Which certificate it is, for nodes that tell each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    directory: String,
    not_after_s: u64,
    digest: String,
}

impl Version {
    /// The higher, the better: from the authority that is configured, then the one that ends last. No two have the same.
    pub(super) fn rank(&self, directory: &str) -> (bool, u64, &str) {
        (self.directory == directory, self.not_after_s, &self.digest)
    }

    /// Whether it is from this authority.
    pub(super) fn is_from(&self, directory: &str) -> bool {
        self.directory == directory
    }

    pub(super) fn has_ended(&self, now_s: u64) -> bool {
        self.not_after_s <= now_s
    }
}

/// A certificate that can be used for its host.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) record: Record,
    pub(super) certificate: Arc<Certificate>,
    pub(super) version: Version,
    spread: u16,
}

impl Held {
    /// # Errors
    /// If it does not cover the host, the key is another's, or it is not valid now.
    pub(super) fn new(record: Record, host: &str, now_s: u64) -> Result<Self, Unusable> {
        let certificate = Arc::new(Certificate::issued(&record.chain, &record.key, host, now_s)?);
        let digest = digest(&SHA256, certificate.pair.cert.first().map_or(&[][..], |own| own));
        let [first, second, ..] = *digest.as_ref() else { unreachable!("a digest has 32 bytes") };
        let hex = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let not_after_s = certificate.not_after_s;
        let version = Version { directory: record.directory.clone(), not_after_s, digest: hex };
        Ok(Self { record, certificate, version, spread: u16::from_be_bytes([first, second]) })
    }

    /// What it says of its renewal.
    pub(super) fn life(&self) -> Life {
        let Certificate { not_before_s, not_after_s, .. } = *self.certificate;
        Life { not_before_s, not_after_s, spread: self.spread }
    }

    /// The certificate itself.
    pub(super) fn own(&self) -> Option<&CertificateDer<'static>> {
        self.certificate.pair.cert.first()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn made(host: &str, directory: &str) -> Record {
        let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
        Record { directory: directory.into(), chain: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    const NOW_S: u64 = 1_780_272_000;

    #[test]
    fn a_certificate_is_used_for_its_own_host_with_its_own_key_and_in_its_own_time() {
        let record = made("shop.example.com", "here");
        assert!(Held::new(record.clone(), "shop.example.com", NOW_S).is_ok());
        let refused = |record: Record, host: &str, now_s| Held::new(record, host, now_s).unwrap_err().to_string();
        assert!(refused(record.clone(), "www.example.com", NOW_S).contains("covers none"));
        assert!(refused(record.clone(), "shop.example.com", u64::MAX / 2).contains("expired"));
        assert!(refused(record.clone(), "shop.example.com", 0).contains("not valid before"));
        let other = made("shop.example.com", "here");
        let mixed = Record { key: other.key, ..record.clone() };
        assert!(refused(mixed, "shop.example.com", NOW_S).contains("does not belong"));
        let cut = Record { chain: record.chain[..record.chain.len() / 2].into(), ..record };
        refused(cut, "shop.example.com", NOW_S);
    }

    #[test]
    fn the_configured_authoritys_is_better_then_the_one_that_ends_last() {
        let version = |directory: &str, not_after_s, digest: &str| Version {
            directory: directory.into(),
            not_after_s,
            digest: digest.into(),
        };
        let all = [version("there", 9, "a"), version("here", 1, "a"), version("here", 1, "b"), version("here", 2, "a")];
        assert!(all.windows(2).all(|pair| pair[0].rank("here") < pair[1].rank("here")));
    }

    #[test]
    fn no_key_is_shown() {
        let record = made("shop.example.com", "here");
        let held = Held::new(record.clone(), "shop.example.com", NOW_S).unwrap();
        assert!(!format!("{record:?} {held:?}").contains("PRIVATE KEY"));
    }
}
