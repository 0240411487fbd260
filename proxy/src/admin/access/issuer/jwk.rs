//! One public key of an issuer.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;

/// A key, and what it is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Jwk {
    kid: Option<String>,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Jwk {
    /// A key that can verify tokens; others of a set (for encryption, on other curves) are left out.
    pub(super) fn of(key: &Value) -> Option<Self> {
        let text = |name: &str| key[name].as_str();
        let bytes = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let kind = match (text("kty")?, text("crv")) {
            ("RSA", None) => Kind::Rsa { n: bytes("n")?, e: bytes("e")? },
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                (x.len() == 32 && y.len() == 32).then(|| Kind::P256([&[4], &*x, &*y].concat()))?
            }
            ("OKP", Some("Ed25519")) => Kind::Ed25519(bytes("x")?),
            _ => return None,
        };
        let key = Self { kid: text("kid").map(str::to_owned), kind };
        text("alg").is_none_or(|alg| alg == key.algorithm()).then_some(key)
    }

    pub(super) fn kid(&self) -> Option<&String> {
        self.kid.as_ref()
    }

    /// The one algorithm that this key is used with.
    pub(super) fn algorithm(&self) -> &'static str {
        match self.kind {
            Kind::Rsa { .. } => "RS256",
            Kind::P256(_) => "ES256",
            Kind::Ed25519(_) => "EdDSA",
        }
    }

    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.kind {
            Kind::Rsa { n, e } => {
                // A modulus has no zeros before it.
                let n: Vec<u8> = n.iter().copied().skip_while(|byte| *byte == 0).collect();
                RsaPublicKeyComponents { n: &n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            }
            Kind::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature),
            Kind::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature),
        };
        verified.is_ok()
    }
}
