//! Tokens of people: signed by a key that is derived from the master secret, so they need no store.
//!
//! The form is that of visitors' tokens, a JSON Web Signature with HMAC-SHA-256: the header is compared byte for byte
//! with the one that is minted here, so it cannot choose an algorithm, and nothing is read before the MAC has held. Keys
//! are derived for this purpose and kind alone, so a visitor's token is never one of these.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use serde::{Deserialize, Serialize};
use sluice_admission::token::Keyring;
use sluice_config::Role;

use super::{Principal, Via};

/// Longest life of a token.
pub(crate) const LIFE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A session ends after this without a request.
pub(crate) const SESSION_IDLE: Duration = Duration::from_secs(30 * 60);
/// A session ends after this, whatever happens.
pub(crate) const SESSION_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// Clocks of nodes differ by less.
pub(super) const LEEWAY_MS: u64 = 60_000;
/// Longer tokens are refused unread.
const BYTES_MAX: usize = 4_096;
/// What a token is for. One of another kind does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first door: used as a bearer, or given for a session once.
    Token,
    /// The dashboard's cookie.
    Session,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Token => "sluice-admin",
            Self::Session => "sluice-session",
        }
    }
}

/// What a token says. Times in ms since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    /// Random: which token, or which session, it is.
    pub(crate) id: String,
    /// Who it was made for.
    pub(crate) sub: String,
    role: String,
    tenants: Option<Vec<String>>,
    iat: u64,
    exp: u64,
    /// No session of it lives longer.
    end: u64,
    /// Of a session that began with a login at the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) issued: Option<Issued>,
}

/// What stands for the role and the tenants of somebody who has logged in at the issuer: the config is asked for these at
/// each request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issued {
    pub(super) issuer: String,
    /// The value of the claim.
    pub(super) value: String,
    began: u64,
}

impl Claims {
    /// A token for a person, made now.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub(crate) fn new(
        sub: String,
        role: Role,
        tenants: Option<Vec<String>>,
        life: Duration,
        now_ms: u64,
    ) -> Result<Self, ring::error::Unspecified> {
        let mut id = [0; 16];
        SystemRandom::new().fill(&mut id)?;
        let exp = now_ms + ms(life.min(LIFE_MAX));
        let id = BASE64_URL_SAFE_NO_PAD.encode(id);
        Ok(Self { id, sub, role: role.as_str().to_owned(), tenants, iat: now_ms, exp, end: exp, issued: None })
    }

    /// The session of somebody who has just logged in at an issuer, which gave this value of the claim. It gives nothing
    /// by itself.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub(super) fn of_issuer(
        sub: String,
        issuer: String,
        value: String,
        lasts: Duration,
        now_ms: u64,
    ) -> Result<Self, ring::error::Unspecified> {
        let lasts = lasts.min(SESSION_MAX);
        let new = Self::new(sub, Role::Viewer, Some(Vec::new()), lasts.min(SESSION_IDLE), now_ms)?;
        Ok(Self { end: now_ms + ms(lasts), issued: Some(Issued { issuer, value, began: now_ms }), ..new })
    }

    /// What it is called among those that are void.
    pub(crate) fn name(&self, kind: Kind) -> String {
        let kind = if kind == Kind::Token { "token" } else { "session" };
        format!("{kind}:{}", self.id)
    }

    /// When a token was made.
    pub(super) fn made_ms(&self) -> u64 {
        self.iat
    }

    /// When a session began, however often it was renewed.
    pub(super) fn began_ms(&self) -> u64 {
        match &self.issued {
            Some(issued) => issued.began,
            None => self.end.saturating_sub(ms(SESSION_MAX)),
        }
    }

    /// Until when it can be good.
    pub(crate) fn end_ms(&self) -> u64 {
        self.end
    }

    pub(super) fn principal(&self, via: Via) -> Principal {
        let role = Role::from_name(&self.role).unwrap_or(Role::Viewer);
        Principal { id: format!("person:{}", self.sub), via, role, tenants: self.tenants.clone() }
    }

    /// The session that begins with this token.
    pub(super) fn session(&self, now_ms: u64) -> Self {
        let end = now_ms + ms(SESSION_MAX);
        Self { iat: now_ms, exp: now_ms + ms(SESSION_IDLE), end, ..self.clone() }
    }

    /// The same session with more time, once a tenth of its idle time has passed.
    pub(super) fn renewed(&self, now_ms: u64) -> Option<Self> {
        let is_due = now_ms >= self.iat + ms(SESSION_IDLE) / 10 && now_ms < self.end;
        is_due.then(|| Self { iat: now_ms, exp: (now_ms + ms(SESSION_IDLE)).min(self.end), ..self.clone() })
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Signs and verifies. The secret that signs is the current one; all of them verify.
pub(crate) struct Signer {
    secrets: Vec<[u8; 32]>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("secrets", &self.secrets.len()).finish()
    }
}

impl Signer {
    pub(crate) fn new(keyring: &Keyring) -> Self {
        Self { secrets: keyring.secrets_for("admin") }
    }

    pub(crate) fn sign(&self, claims: &Claims, kind: Kind) -> String {
        // Claims are plain strings and numbers, which always serialize.
        let payload = serde_json::to_vec(claims).unwrap_or_default();
        let signed = format!("{}.{}", header(kind), BASE64_URL_SAFE_NO_PAD.encode(payload));
        let mac = hmac::sign(&key(&self.secrets[0], kind.as_str()), signed.as_bytes());
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac))
    }

    /// What a token says, if it is ours, of this kind, and has not expired.
    pub(crate) fn verify(&self, token: &str, kind: Kind, now_ms: u64) -> Option<Claims> {
        if token.len() > BYTES_MAX {
            return None;
        }
        let (signed, mac) = token.rsplit_once('.')?;
        let (head, payload) = signed.split_once('.')?;
        if head != header(kind) {
            return None;
        }
        let mac = BASE64_URL_SAFE_NO_PAD.decode(mac).ok()?;
        let holds = |secret: &[u8; 32]| hmac::verify(&key(secret, kind.as_str()), signed.as_bytes(), &mac).is_ok();
        if !self.secrets.iter().any(holds) {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let in_time = claims.iat <= now_ms + LEEWAY_MS && now_ms < claims.exp.min(claims.end);
        (in_time && Role::from_name(&claims.role).is_some()).then_some(claims)
    }
}

fn header(kind: Kind) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","typ":"{}"}}"#, kind.as_str()))
}

/// A key for this purpose alone.
pub(super) fn key(secret: &[u8; 32], purpose: &str) -> hmac::Key {
    let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), purpose.as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
}

#[cfg(test)]
mod tests;
