//! Tokens of a company's own login: JSON Web Tokens of one issuer, checked by its published keys.
//!
//! What a token may be signed with is decided by the key that is named, never by the token: RS256 by RSA keys of 2048 bits
//! and more, ES256 by keys on P-256, EdDSA by Ed25519. Nothing in a token leads to a key (`jku`, `x5u`, `jwk` are not read),
//! `crit` is refused, and issuer, audience and times are checked after the signature. Keys are fetched when the node
//! starts, every [`FETCH_EVERY`], and at most once in [`FETCH_PAUSE`] for a key that is not known. While the issuer is
//! away the last keys stand for [`KEYS_KEPT`].

pub(crate) mod fetch;
mod jwk;
pub(crate) mod login;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};
use sluice_config::{Issuer, IssuerLogin, IssuerRole};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use self::{jwk::Jwk, login::Attempt};
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

/// Who has logged in at the issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) sub: String,
    /// What the issuer calls them in words, if it does.
    pub(crate) name: Option<String>,
    /// The value of the claim that stands for a role; `None`: none does.
    pub(crate) value: Option<String>,
}

/// Why nobody is logged in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoLogin {
    /// The issuer gives no token for the code.
    #[error("the issuer gives no token: {0}")]
    Exchange(fetch::Failed),
    /// What it gives is no token of its keys for this client and this login.
    #[error("the issuer's token is signed by no known key, or is not for this client, time or login")]
    Token,
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
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    azp: Option<String>,
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
        self.with_keys(issuer, |keys| verify(issuer, keys, token, now_ms / 1_000))
    }

    /// Who has logged in, for the code that a browser came back with. Keys are fetched anew for one that is not known.
    pub(crate) async fn log_in(
        &self,
        issuer: &Issuer,
        login: &IssuerLogin,
        attempt: &Attempt,
        code: &str,
        now_ms: u64,
    ) -> Result<Person, NoLogin> {
        let token = attempt.exchange(login, code).await.map_err(NoLogin::Exchange)?;
        let verify =
            || self.with_keys(issuer, |keys| person(issuer, login, keys, &token, &attempt.nonce, now_ms / 1_000));
        let found = match verify() {
            Err(Unknown::Key) if self.refresh(issuer).await => verify(),
            found => found,
        };
        found.map_err(|_| NoLogin::Token)
    }

    fn with_keys<T>(&self, issuer: &Issuer, verify: impl FnOnce(&[Jwk]) -> T) -> T {
        let keys = self.keys.load();
        let is_fresh = keys.at.is_some_and(|at| at.elapsed() < KEYS_KEPT) && keys.url == issuer.keys.to_string();
        verify(if is_fresh { &keys.all } else { &[] })
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

/// A principal whose role is that of a value of the claim.
pub(super) fn principal(sub: &str, via: Via, role: &IssuerRole) -> Principal {
    let tenants = role.tenants.as_ref().map(|tenants| tenants.iter().map(ToString::to_string).collect());
    Principal { id: format!("oidc:{sub}"), via, role: role.role, tenants }
}

fn verify(issuer: &Issuer, keys: &[Jwk], token: &str, now_s: u64) -> Result<(Principal, u64), Unknown> {
    let claims = claims(issuer, &issuer.audience, keys, token, now_s)?;
    let role = role(issuer, &claims).ok_or(Unknown::Token)?;
    Ok((principal(&claims.sub, Via::Issuer, role), claims.iat * 1_000))
}

/// OpenID Connect Core, section 3.1.3.7: beside what holds for every token, it is for this client, and for this login.
fn person(
    issuer: &Issuer,
    login: &IssuerLogin,
    keys: &[Jwk],
    token: &str,
    nonce: &str,
    now_s: u64,
) -> Result<Person, Unknown> {
    let claims = claims(issuer, &login.client_id, keys, token, now_s)?;
    let is_ours = match (&claims.azp, &claims.aud) {
        (Some(azp), _) => *azp == login.client_id,
        (None, Audience::Several(all)) => all.len() == 1,
        (None, Audience::One(_)) => true,
    };
    if !is_ours || claims.nonce.as_deref() != Some(nonce) {
        return Err(Unknown::Token);
    }
    let is_plain = |name: &&str| (1..=100).contains(&name.len()) && !name.chars().any(char::is_control);
    let name = ["preferred_username", "email", "name"].into_iter();
    let name = name.filter_map(|claim| claims.rest.get(claim)?.as_str()).find(is_plain).map(str::to_owned);
    let value = role(issuer, &claims).map(|role| role.value.clone());
    Ok(Person { name, value, sub: claims.sub })
}

/// What the first value that fits stands for.
fn role<'i>(issuer: &'i Issuer, claims: &Claims) -> Option<&'i IssuerRole> {
    let values: Vec<&str> = match claims.rest.get(&issuer.claim) {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    issuer.roles.iter().find(|role| values.contains(&&*role.value))
}

/// What a token says, if a key of the issuer has signed it for this audience and time.
fn claims(issuer: &Issuer, audience: &str, keys: &[Jwk], token: &str, now_s: u64) -> Result<Claims, Unknown> {
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
        Audience::One(one) => one == audience,
        Audience::Several(all) => all.iter().any(|one| one == audience),
    };
    let is_in_time = claims.iat <= now_s + LEEWAY_S
        && claims.nbf <= now_s + LEEWAY_S
        && now_s < claims.exp.saturating_add(LEEWAY_S)
        && claims.exp.saturating_sub(claims.iat) <= LIFE_S_MAX;
    let is_plain = !claims.sub.is_empty() && claims.sub.len() <= 180 && !claims.sub.chars().any(char::is_control);
    match claims.iss == issuer.name && is_for_us && is_in_time && is_plain {
        true => Ok(claims),
        false => Err(bad()),
    }
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests;
