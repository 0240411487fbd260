//! Master secrets, and the keys derived from them for every queue.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{hkdf, hmac};
use sluice_config::settings::{Keys, Name};

use super::{
    Kind, QueueKeys,
    keys::{Key, KindKeys},
};

/// Fewest bytes of a master secret: the strength of the MAC.
pub const SECRET_LEN_MIN: usize = 32;
/// Longest name of a master secret in bytes.
pub const KID_LEN_MAX: usize = 64;

/// The master secrets of a node, ready to derive from. `Debug` shows their names only.
#[derive(Clone)]
pub struct Keyring {
    current: Master,
    others: Vec<Master>,
}

/// Why a set of master secrets cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// `current` names none of the secrets.
    #[error("the current secret {kid:?} is not among the secrets")]
    CurrentMissing {
        /// The name looked for.
        kid: String,
    },
    /// The name cannot stand in a token's header as it is.
    #[error("secret name {kid:?} is not 1 to {KID_LEN_MAX} printable ASCII characters without quote and backslash")]
    Name {
        /// The name.
        kid: String,
    },
    /// Shorter than [`SECRET_LEN_MIN`].
    #[error("secret {kid:?} is shorter than {SECRET_LEN_MIN} bytes")]
    Short {
        /// The secret's name.
        kid: String,
    },
}

impl Keyring {
    /// Takes the secrets over: `current` signs, all of them verify.
    ///
    /// # Errors
    ///
    /// A name that a header could not carry, a secret too short to be one, or no current secret.
    pub fn new(keys: &Keys) -> Result<Self, KeyringError> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"sluice v1");
        let mut current = None;
        let mut others = Vec::new();
        for (kid, secret) in &keys.secrets {
            let kid = kid.clone();
            let plain = |b: u8| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
            if !(1..=KID_LEN_MAX).contains(&kid.len()) || !kid.bytes().all(plain) {
                return Err(KeyringError::Name { kid });
            }
            if secret.expose().len() < SECRET_LEN_MIN {
                return Err(KeyringError::Short { kid });
            }
            let is_current = kid == keys.current;
            let master = Master { prk: salt.extract(secret.expose()), kid };
            if is_current {
                current = Some(master);
            } else {
                others.push(master);
            }
        }
        let current = current.ok_or_else(|| KeyringError::CurrentMissing { kid: keys.current.clone() })?;
        Ok(Self { current, others })
    }

    /// Secrets for something other than tokens, one derived from each master secret, that of the current one first. No two
    /// purposes share one.
    pub fn secrets_for(&self, purpose: &str) -> Vec<[u8; SECRET_LEN_MIN]> {
        let of = |master: &Master| {
            let mut secret = [0; SECRET_LEN_MIN];
            let lens = ["secret", purpose].map(|field| (field.len() as u64).to_be_bytes());
            let info = [&lens[0][..], b"secret", &lens[1], purpose.as_bytes()];
            let okm = master.prk.expand(&info, hkdf::HKDF_SHA256);
            okm.and_then(|okm| okm.fill(&mut secret)).expect("HKDF gives up to 255 times the 32 bytes asked for");
            secret
        };
        std::iter::once(&self.current).chain(&self.others).map(of).collect()
    }

    /// Derives everything one queue needs. Done once per queue and config; signing and verifying derive nothing.
    pub fn mint_keys(&self, tenant: &Name, queue: &Name) -> QueueKeys {
        let of_kind = |kind| KindKeys {
            current: self.current.derive(kind, tenant, queue),
            others: self.others.iter().map(|master| master.derive(kind, tenant, queue)).collect(),
        };
        QueueKeys {
            slip: of_kind(Kind::Slip),
            ticket: of_kind(Kind::Ticket),
            pass: of_kind(Kind::Pass),
            moves: of_kind(Kind::Move),
            tenant: tenant.clone(),
            queue: queue.clone(),
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others: Vec<_> = self.others.iter().map(|master| &master.kid).collect();
        f.debug_struct("Keyring").field("current", &self.current.kid).field("others", &others).finish_non_exhaustive()
    }
}

/// A master secret after HKDF's extraction; the secret itself is not kept.
#[derive(Clone)]
struct Master {
    kid: String,
    prk: hkdf::Prk,
}

impl Master {
    fn derive(&self, kind: Kind, tenant: &Name, queue: &Name) -> Key {
        let header = format!(r#"{{"alg":"HS256","kid":"{}","typ":"sluice-{}"}}"#, self.kid, kind.as_str());
        Key {
            header: BASE64_URL_SAFE_NO_PAD.encode(header).into(),
            mac: self.expand([kind.as_str(), tenant.as_str(), queue.as_str()]),
            binding: self.expand(["binding", tenant.as_str(), queue.as_str()]),
        }
    }

    fn expand(&self, fields: [&str; 3]) -> hmac::Key {
        // With a length in front of each, no two lists of fields are the same bytes.
        let lens = fields.map(|field| (field.len() as u64).to_be_bytes());
        let info: Vec<&[u8]> = lens.iter().zip(fields).flat_map(|(len, field)| [&len[..], field.as_bytes()]).collect();
        let okm = self.prk.expand(&info, hmac::HMAC_SHA256);
        okm.expect("HKDF gives up to 255 times the 32 bytes asked for").into()
    }
}

#[cfg(test)]
mod tests;
