//! People who log in at the issuer: OpenID Connect by authorization code, with PKCE (S256), `state` and `nonce`.
//!
//! No node keeps anything of a login that has begun: the browser has a cookie with its end and 256 random bits. State,
//! nonce and verifier are MACs of that cookie by keys that are derived from the master secret, so every node of a fleet
//! can go on with it, the cookie alone gives none of them away, and a state that holds shows that the cookie is ours and
//! belongs to it. Issuer and client are in the MAC, so a login that began under another config does not go on.

use std::time::Duration;

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use http::HeaderValue;
use ring::{
    digest::{SHA256, digest},
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use sluice_admission::token::Keyring;
use sluice_config::{Issuer, IssuerLogin};

use super::fetch::{self, Failed};
use crate::{
    admin::access::token::{LEEWAY_MS, key},
    request::path::push_escape,
};

/// How long somebody may take at the issuer.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(10 * 60);
/// Where the issuer sends browsers back to, on the dashboard's host.
pub(crate) const CALLBACK: &str = "/login/callback";
/// Longer cookies and states are refused unread.
const BYTES_MAX: usize = 100;

/// A login that has begun.
#[derive(PartialEq, Eq)]
pub(crate) struct Attempt {
    /// What the browser keeps of it.
    pub(crate) cookie: String,
    /// What comes back with the code.
    pub(crate) state: String,
    /// When it began, in ms since 1970.
    pub(crate) began_ms: u64,
    /// What the token has to hold.
    pub(super) nonce: String,
    verifier: String,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").field("began_ms", &self.began_ms).finish_non_exhaustive()
    }
}

/// Why a login does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotBegun {
    /// This browser has begun no login with this state.
    Foreign,
    /// It took too long.
    Late,
}

/// What attempts are derived by. The first secret begins them; all go on with them.
pub(crate) struct Attempts {
    secrets: Vec<[u8; 32]>,
}

impl std::fmt::Debug for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempts").field("secrets", &self.secrets.len()).finish()
    }
}

impl Attempts {
    pub(crate) fn new(keyring: &Keyring) -> Self {
        Self { secrets: keyring.secrets_for("admin login at the issuer") }
    }

    /// A login that begins now.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub(crate) fn begin(
        &self,
        issuer: &Issuer,
        login: &IssuerLogin,
        now_ms: u64,
    ) -> Result<Attempt, ring::error::Unspecified> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed)?;
        let cookie = format!("{}.{}", now_ms + back_within_ms(), BASE64_URL_SAFE_NO_PAD.encode(seed));
        let secret = self.secrets.first().ok_or(ring::error::Unspecified)?;
        Ok(attempt(secret, issuer, login, cookie, now_ms))
    }

    /// The login of this cookie, if it is the one that the state belongs to.
    ///
    /// # Errors
    /// Cookie and state do not belong together, or the login is too late.
    pub(crate) fn resume(
        &self,
        issuer: &Issuer,
        login: &IssuerLogin,
        cookie: &str,
        state: &str,
        now_ms: u64,
    ) -> Result<Attempt, NotBegun> {
        if cookie.len() > BYTES_MAX || state.len() > BYTES_MAX {
            return Err(NotBegun::Foreign);
        }
        let end_ms = cookie.split_once('.').and_then(|(end_ms, _)| end_ms.parse::<u64>().ok());
        let (Some(end_ms), Ok(tag)) = (end_ms, BASE64_URL_SAFE_NO_PAD.decode(state)) else {
            return Err(NotBegun::Foreign);
        };
        let text = bound(issuer, login, cookie);
        let holds = |secret: &&[u8; 32]| hmac::verify(&key(secret, "state"), text.as_bytes(), &tag).is_ok();
        let secret = self.secrets.iter().find(holds).ok_or(NotBegun::Foreign)?;
        let began_ms = end_ms.saturating_sub(back_within_ms());
        if now_ms >= end_ms || began_ms > now_ms + LEEWAY_MS {
            return Err(NotBegun::Late);
        }
        Ok(attempt(secret, issuer, login, cookie.to_owned(), began_ms))
    }
}

impl Attempt {
    /// What this login is called among those that are used up.
    pub(crate) fn name(&self) -> String {
        format!("login:{}", self.state)
    }

    /// Until when it can be good.
    pub(crate) fn end_ms(&self) -> u64 {
        self.began_ms + back_within_ms()
    }

    /// Where the browser goes.
    pub(crate) fn url(&self, login: &IssuerLogin) -> String {
        let scopes = [&["openid".to_owned()][..], &login.scopes].concat().join(" ");
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()));
        let asked = form(&[
            ("response_type", "code"),
            ("client_id", &login.client_id),
            ("redirect_uri", &redirect_uri(login)),
            ("scope", &scopes),
            ("state", &self.state),
            ("nonce", &self.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let joint = if login.authorize.contains('?') { '&' } else { '?' };
        format!("{}{joint}{asked}", login.authorize)
    }

    /// The token that the issuer gives for a code.
    ///
    /// # Errors
    /// Why it gives none. The code is not in it.
    pub(super) async fn exchange(&self, login: &IssuerLogin, code: &str) -> Result<String, Failed> {
        let redirect_uri = redirect_uri(login);
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", &self.verifier),
        ];
        let authorization = match &login.client_secret {
            Some(secret) => Some(basic(&login.client_id, &String::from_utf8_lossy(secret.expose()))?),
            None => {
                fields.push(("client_id", &login.client_id));
                None
            }
        };
        fetch::id_token(&login.token, form(&fields), authorization).await
    }
}

fn redirect_uri(login: &IssuerLogin) -> String {
    [&login.dashboard, CALLBACK].concat()
}

fn attempt(secret: &[u8; 32], issuer: &Issuer, login: &IssuerLogin, cookie: String, began_ms: u64) -> Attempt {
    let text = bound(issuer, login, &cookie);
    let derived = |what| BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key(secret, what), text.as_bytes()));
    Attempt { state: derived("state"), nonce: derived("nonce"), verifier: derived("verifier"), cookie, began_ms }
}

/// What the MACs are of. None of the parts holds a line feed.
fn bound(issuer: &Issuer, login: &IssuerLogin, cookie: &str) -> String {
    [cookie, &issuer.name, &login.client_id].join("\n")
}

fn back_within_ms() -> u64 {
    BACK_WITHIN.as_secs() * 1_000
}

/// Who the client is, as RFC 6749 has it in section 2.3.1: both parts are encoded as in a form.
fn basic(id: &str, secret: &str) -> Result<HeaderValue, Failed> {
    let pair = BASE64_STANDARD.encode([encoded(id), encoded(secret)].join(":"));
    let mut value = HeaderValue::from_str(&format!("Basic {pair}"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

/// A text within a form or a query: all but the unreserved characters of RFC 3986 are written as `%XX`.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => push_escape(byte, &mut out),
        }
    }
    out
}

#[cfg(test)]
mod tests;
