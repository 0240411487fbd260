//! Signs whatever it is given: the documented derivation and MAC, written again on nothing but SHA-256.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::digest;
use sluice_admission::token::Kind;

/// The right keys in the wrong hands.
pub(super) struct Forge<'a> {
    pub(super) secret: [u8; 32],
    pub(super) kid: &'a str,
    pub(super) tenant: &'a str,
    pub(super) queue: &'a str,
}

impl Forge<'_> {
    /// The forge for the keys under attack.
    pub(super) fn new() -> Self {
        Self { secret: super::secret(0), kid: "2026-11", tenant: "shop", queue: "sale" }
    }

    /// The header we mint.
    pub(super) fn header(&self, kind: Kind) -> String {
        format!(r#"{{"alg":"HS256","kid":"{}","typ":"sluice-{}"}}"#, self.kid, kind.as_str())
    }

    /// A token of this payload, with the header we mint.
    pub(super) fn payload(&self, kind: Kind, payload: impl AsRef<[u8]>) -> String {
        self.token(kind, self.header(kind), payload)
    }

    /// A token of this header and payload.
    pub(super) fn token(&self, kind: Kind, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.seal(kind, &format!("{}.{}", encode(header), encode(payload)))
    }

    /// Appends the MAC of a text that may be anything.
    pub(super) fn seal(&self, kind: Kind, signed: &str) -> String {
        format!("{signed}.{}", encode(hmac(&self.derive(kind.as_str()), &[signed.as_bytes()])))
    }

    /// HKDF (RFC 5869) of one block.
    fn derive(&self, purpose: &str) -> [u8; 32] {
        let prk = hmac(b"sluice v1", &[&self.secret]);
        let mut info = Vec::new();
        for field in [purpose, self.tenant, self.queue] {
            info.extend((field.len() as u64).to_be_bytes());
            info.extend(field.as_bytes());
        }
        hmac(&prk, &[&info, &[1]])
    }
}

/// HMAC-SHA-256 (RFC 2104) for keys of up to one block.
pub(super) fn hmac(key: &[u8], message: &[&[u8]]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(b, k)| *b ^= k);
        block
    };
    let hash = |first: &[u8], rest: &[&[u8]]| -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(first);
        rest.iter().for_each(|part| context.update(part));
        context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
    };
    hash(&pad(0x5c), &[&hash(&pad(0x36), message)])
}

/// base64url without padding.
pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The three parts of a token as text.
pub(super) fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().expect("three parts")
}

/// One part of a token, decoded.
pub(super) fn decode(part: &str) -> String {
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("text")
}
