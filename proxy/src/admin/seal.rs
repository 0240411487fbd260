//! Signatures of what leaves the fleet and must be known again: reports, and the head of the audit log.
//!
//! The key is Ed25519, from a seed that is derived from the master secret for this alone, so every node of a fleet signs
//! alike and none keeps a file for it. A text is signed by a last line of its own:
//!
//! `sluice-signature-v1 PUBLIC-KEY SIGNATURE`, both in base64, over the purpose, a line feed, and the text up to that line.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sluice_admission::token::Keyring;

const MARK: &str = "sluice-signature-v1 ";
/// What the keys are derived for.
const PURPOSE: &str = "report signature";

/// What a text is. One of another kind does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Report,
    Checkpoint,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Report => "sluice-report-v1",
            Self::Checkpoint => "sluice-checkpoint-v1",
        }
    }

    fn signed(self, text: &str) -> Vec<u8> {
        [self.as_str(), "\n", text].concat().into_bytes()
    }
}

/// Why a text is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsealed {
    #[error("it does not end with a signature")]
    Unsigned,
    #[error("it was signed by another key, that of another fleet perhaps")]
    OtherKey,
    #[error("it is not what was signed: a character was changed, or it is no text of this kind")]
    Changed,
}

/// Signs for a fleet.
pub(crate) struct Seal(Ed25519KeyPair);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Seal").field(&self.public_key()).finish()
    }
}

impl Seal {
    /// One for each master secret, that of the current one first.
    pub(crate) fn all(keyring: &Keyring) -> Vec<Self> {
        let of = |seed: [u8; 32]| Ed25519KeyPair::from_seed_unchecked(&seed).ok().map(Self);
        keyring.secrets_for(PURPOSE).into_iter().filter_map(of).collect()
    }

    /// The public key in base64, by which others know what was signed.
    pub(crate) fn public_key(&self) -> String {
        BASE64_STANDARD.encode(self.0.public_key())
    }

    /// The text with its signature. It ends with a line feed, which is added if need be.
    pub(crate) fn sign(&self, purpose: Purpose, text: &str) -> String {
        let text = if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
        let signature = BASE64_STANDARD.encode(self.0.sign(&purpose.signed(&text)));
        format!("{text}{MARK}{} {signature}\n", self.public_key())
    }
}

/// The text of a signed one, if one of these public keys has signed it.
///
/// # Errors
/// If it is not what was signed.
pub(crate) fn open<'t>(purpose: Purpose, signed: &'t str, keys: &[String]) -> Result<&'t str, Unsealed> {
    let whole = signed.strip_suffix('\n').unwrap_or(signed);
    let (text, last) = match whole.rfind('\n') {
        Some(at) => whole.split_at(at + 1),
        None => return Err(Unsealed::Unsigned),
    };
    let (key, signature) = last.strip_prefix(MARK).and_then(|rest| rest.split_once(' ')).ok_or(Unsealed::Unsigned)?;
    if !keys.iter().any(|known| known == key) {
        return Err(Unsealed::OtherKey);
    }
    let bytes = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| Unsealed::Changed);
    let verified = UnparsedPublicKey::new(&ED25519, bytes(key)?).verify(&purpose.signed(text), &bytes(signature)?);
    verified.map(|()| text).map_err(|_| Unsealed::Changed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sluice_config::{Keys, Secret};

    use super::*;

    fn seal(byte: u8) -> Seal {
        let secrets = [("a".to_owned(), Secret::new([byte; 32]))].into();
        Seal::all(&Keyring::new(&Keys { current: "a".to_owned(), secrets }).unwrap()).remove(0)
    }

    #[test]
    fn what_was_signed_is_known_again_by_its_key_and_nothing_else_is() {
        let (ours, other) = (seal(1), seal(2));
        let signed = ours.sign(Purpose::Report, "{\n  \"a\": 1\n}");
        let keys = [ours.public_key()];
        assert_eq!(open(Purpose::Report, &signed, &keys), Ok("{\n  \"a\": 1\n}\n"));
        assert_eq!(open(Purpose::Checkpoint, &signed, &keys), Err(Unsealed::Changed));
        assert_eq!(open(Purpose::Report, &signed, &[other.public_key()]), Err(Unsealed::OtherKey));
        assert_eq!(open(Purpose::Report, "{}\n", &keys), Err(Unsealed::Unsigned));
        for at in 0..signed.len() - 1 {
            let mut bytes = signed.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(altered) = String::from_utf8(bytes) else { continue };
            assert!(open(Purpose::Report, &altered, &keys).is_err(), "byte {at}");
        }
        assert!(!format!("{ours:?}").contains("Ed25519KeyPair"));
    }
}
