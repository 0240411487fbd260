//! Tokens of a company's own login: JSON Web Tokens of one issuer, checked by its published keys.
//!
//! What a token may be signed with is decided by the key that is named, never by the token: RS256 by RSA keys of 2048 bits
//! and more, ES256 by keys on P-256, EdDSA by Ed25519. Nothing in a token leads to a key (`jku`, `x5u`, `jwk` are not read),
//! `crit` is refused, and issuer, audience and times are checked after the signature. Keys are fetched when the node
//! starts, every [`FETCH_EVERY`], and at most once in [`FETCH_PAUSE`] for a key that is not known. While the issuer is
//! away the last keys stand for [`KEYS_KEPT`].

mod fetch;
mod jwk;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};
use sluice_config::Issuer;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use self::jwk::Jwk;
use super::{Principal, Via};

const FETCH_EVERY: Duration = Duration::from_secs(600);
const FETCH_PAUSE: Duration = Duration::from_secs(30);
const KEYS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer tokens are refused unread.
const BYTES_MAX: usize = 16 << 10;
/// Clocks differ by less.
const LEEWAY_S: u64 = 60;
/// A token that lives longer is refused.
const LIFE_S_MAX: u64 = 24 * 60 * 60;

/// The keys of an issuer, as they were fetched last.
#[derive(Debug, Default)]
pub(crate) struct Issuers {
    keys: ArcSwap<Keys>,
    fetched: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Keys {
    /// Whose they are.
    url: String,
    all: Vec<Jwk>,
    at: Option<Instant>,
}

/// Why a token says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// It may be signed by a key that is new.
    Key,
    /// It is of no use.
    Token,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    iat: u64,
    exp: u64,
    #[serde(default)]
    nbf: u64,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Issuers {
    /// Who comes with a token, and when it was made (ms since 1970).
    pub(crate) fn verify(&self, issuer: &Issuer, token: &str, now_ms: u64) -> Result<(Principal, u64), Unknown> {
        let keys = self.keys.load();
        let is_fresh = keys.at.is_some_and(|at| at.elapsed() < KEYS_KEPT) && keys.url == issuer.keys.to_string();
        let all = if is_fresh { &*keys.all } else { &[] };
        verify(issuer, all, token, now_ms / 1_000)
    }

    /// Fetches the keys, unless that was done a moment ago. True: they were fetched.
    pub(crate) async fn refresh(&self, issuer: &Issuer) -> bool {
        let mut fetched = self.fetched.lock().await;
        if fetched.is_some_and(|at| at.elapsed() < FETCH_PAUSE) && self.keys.load().url == issuer.keys.to_string() {
            return false;
        }
        *fetched = Some(Instant::now());
        match fetch::keys(&issuer.keys).await {
            Ok(all) => {
                tracing::debug!(issuer = issuer.name, keys = all.len(), "keys of the issuer fetched");
                self.keys.store(Arc::new(Keys { url: issuer.keys.to_string(), all, at: Some(Instant::now()) }));
                true
            }
            Err(error) => {
                tracing::warn!(issuer = issuer.name, %error, "keys of the issuer not fetched; the last ones stand");
                false
            }
        }
    }
}

/// Keeps the keys of whichever issuer is configured fresh, for as long as the node lives.
pub(crate) async fn keep(access: Arc<super::Access>) {
    loop {
        if let Some(issuer) = access.issuer() {
            access.issuers.refresh(&issuer).await;
        }
        sleep(FETCH_EVERY).await;
    }
}

fn verify(issuer: &Issuer, keys: &[Jwk], token: &str, now_s: u64) -> Result<(Principal, u64), Unknown> {
    let bad = || Unknown::Token;
    if token.len() > BYTES_MAX {
        return Err(bad());
    }
    let (signed, signature) = token.rsplit_once('.').ok_or_else(bad)?;
    let (head, payload) = signed.split_once('.').ok_or_else(bad)?;
    let header: Header = part(head).ok_or_else(bad)?;
    if header.crit.is_some() {
        return Err(bad());
    }
    let key = match &header.kid {
        Some(kid) => keys.iter().find(|key| key.kid() == Some(kid)),
        None if keys.len() == 1 => keys.first(),
        None => None,
    };
    let key = key.ok_or(Unknown::Key)?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| bad())?;
    if header.alg != key.algorithm() || !key.verifies(signed.as_bytes(), &signature) {
        return Err(bad());
    }
    let claims: Claims = part(payload).ok_or_else(bad)?;
    let is_for_us = match &claims.aud {
        Audience::One(one) => *one == issuer.audience,
        Audience::Several(all) => all.contains(&issuer.audience),
    };
    let is_in_time = claims.iat <= now_s + LEEWAY_S
        && claims.nbf <= now_s + LEEWAY_S
        && now_s < claims.exp.saturating_add(LEEWAY_S)
        && claims.exp.saturating_sub(claims.iat) <= LIFE_S_MAX;
    let is_plain = !claims.sub.is_empty() && claims.sub.len() <= 180 && !claims.sub.chars().any(char::is_control);
    if claims.iss != issuer.name || !is_for_us || !is_in_time || !is_plain {
        return Err(bad());
    }
    let values: Vec<&str> = match claims.rest.get(&issuer.claim) {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let role = issuer.roles.iter().find(|role| values.contains(&&*role.value)).ok_or_else(bad)?;
    let tenants = role.tenants.as_ref().map(|tenants| tenants.iter().map(ToString::to_string).collect());
    let principal = Principal { id: format!("oidc:{}", claims.sub), via: Via::Issuer, role: role.role, tenants };
    Ok((principal, claims.iat * 1_000))
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests;
