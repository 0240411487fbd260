//! Proof for an origin that a request has come through Sluice: `Sluice-Proof`, a JSON Web Token (RFC 7519) signed with
//! HMAC-SHA-256.
//!
//! It says which tenant it is for and when it was made. It names no request, so one is made every ten seconds, and a
//! request costs the bytes alone. It is no secret from those who are behind Sluice, only from clients.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::{ArcSwap, Guard};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderName;
use ring::hmac;
use serde::Serialize;
use sluice_config::{Name, Proof as Settings};

/// The field of a request to the origin.
pub(in crate::upstream) const FIELD: &str = "Sluice-Proof";
pub(in crate::upstream) const NAME: HeaderName = HeaderName::from_static("sluice-proof");
/// Another one is made after this.
const MADE_EVERY_S: u64 = 10;
/// One is good for so long after it was made: long enough for a request that waits for room at a server.
const LIFE_S: u64 = 60;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// What a token says; times in seconds since 1970.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'static str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

/// Makes the proof of one origin.
pub(in crate::upstream) struct Proof {
    key: hmac::Key,
    tenant: Name,
    current: ArcSwap<Made>,
}

/// A token, and when it was made.
#[derive(Debug)]
pub(in crate::upstream) struct Made {
    token: String,
    at_s: u64,
}

impl Made {
    pub(in crate::upstream) fn token(&self) -> &str {
        &self.token
    }
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proof").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl Proof {
    pub(in crate::upstream) fn new(settings: &Settings, tenant: &Name) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, settings.secret.expose());
        let made = make(&key, tenant, now_s());
        Self { key, tenant: tenant.clone(), current: ArcSwap::from_pointee(made) }
    }

    /// The token to send now.
    pub(in crate::upstream) fn now(&self) -> Guard<Arc<Made>> {
        self.at(now_s())
    }

    /// Those who find it old at the same time each make the same one. A clock that was set back makes another, too.
    fn at(&self, now_s: u64) -> Guard<Arc<Made>> {
        let current = self.current.load();
        if (current.at_s..current.at_s + MADE_EVERY_S).contains(&now_s) {
            return current;
        }
        self.current.store(Arc::new(make(&self.key, &self.tenant, now_s)));
        self.current.load()
    }
}

fn make(key: &hmac::Key, tenant: &Name, at_s: u64) -> Made {
    let claims = Claims { iss: "sluice", aud: tenant.as_str(), iat: at_s, exp: at_s.saturating_add(LIFE_S) };
    let claims = serde_json::to_string(&claims).unwrap_or_default();
    let mut token = BASE64_URL_SAFE_NO_PAD.encode(HEADER);
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let tag = hmac::sign(key, token.as_bytes());
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(tag, &mut token);
    Made { token, at_s }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};
    use sluice_config::Secret;

    use super::*;

    fn proof() -> Proof {
        let settings = Settings { secret: Secret::new("0123456789abcdef0123456789abcdef") };
        Proof::new(&settings, &Name::new("shop").unwrap())
    }

    fn text(made: &Guard<Arc<Made>>) -> String {
        made.token.clone()
    }

    /// The claims of a token whose signature holds.
    fn claims(token: &str) -> Value {
        let (signed, tag) = token.rsplit_once('.').unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"0123456789abcdef0123456789abcdef");
        hmac::verify(&key, signed.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(tag).unwrap()).unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(header).unwrap(), HEADER.as_bytes());
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
    }

    #[test]
    fn a_token_says_whose_it_is_and_lives_for_a_minute() {
        let token = text(&proof().at(2_000_000_000));
        assert_eq!(
            claims(&token),
            json!({ "iss": "sluice", "aud": "shop", "iat": 2_000_000_000_u64, "exp": 2_000_000_060_u64 })
        );
    }

    #[test]
    fn one_is_made_every_ten_seconds_and_when_the_clock_was_set_back() {
        let proof = proof();
        let at = |now_s| claims(&text(&proof.at(now_s)))["iat"].as_u64().unwrap();
        assert_eq!([at(1_000), at(1_009), at(1_010), at(1_019), at(500)], [1_000, 1_000, 1_010, 1_010, 500]);
    }
}
