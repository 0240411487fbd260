//! Who may do what with the API.
//!
//! | principal | comes with | how long it lives |
//! |---|---|---|
//! | a person at the first door | a token of `sluice admin token`, signed by a key derived from the master secret | at most [`token::LIFE_MAX`] |
//! | a person at the dashboard | a session cookie, for which a token was given once | [`token::SESSION_IDLE`] without a request, at most [`token::SESSION_MAX`] |
//! | a person at the dashboard, by the company's own login | a session cookie, for a code of `[admin.issuer.login]` ([`issuer::login`]) | as above, at most `lasts` |
//! | a program or a person of the company's own login | a token of `[admin.issuer]` | as the issuer says, at most a day |
//! | a program | a key whose hash is in `[[admin.key]]` | until the table is removed, or `expires` |
//!
//! There is no password, and no account that stands. What a principal may do is its role's; whose queues it may see is
//! in its list of tenants. A tenant that is not in the list does not exist for it.

pub(crate) mod issuer;
mod key;
mod principal;
mod request;
pub(crate) mod token;
pub(crate) mod void;

use std::sync::Arc;

use arc_swap::ArcSwap;
use sluice_admission::token::Keyring;
use sluice_config::{Admin, AdminKey, Issuer};

use self::issuer::{
    NoLogin, Person,
    login::{Attempt, Attempts, NotBegun},
};
pub(crate) use self::{
    key::NewKey,
    principal::{Permission, Principal, Via},
    request::{CSRF_HELP, SESSION_COOKIE, Visitor, cookie, is_from_us, session_cookie},
    token::{Claims, Signer},
};
use super::seal::{Purpose, Seal};

/// What is needed to know who asks. Taken anew with each config.
#[derive(Debug)]
pub(crate) struct Access {
    current: ArcSwap<Current>,
    void: Arc<void::Void>,
    issuers: issuer::Issuers,
}

#[derive(Debug)]
struct Current {
    signer: Signer,
    attempts: Attempts,
    seals: Vec<Seal>,
    settings: Admin,
}

impl Current {
    fn new(settings: Admin, keyring: &Keyring) -> Self {
        Self { signer: Signer::new(keyring), attempts: Attempts::new(keyring), seals: Seal::all(keyring), settings }
    }

    /// Whose session it is. For a login at the issuer, role and tenants are read from the current config.
    fn principal(&self, session: &Claims) -> Option<Principal> {
        let Some(issued) = &session.issued else { return Some(session.principal(Via::Session)) };
        let issuer = self.settings.issuer.as_ref().filter(|issuer| issuer.name == issued.issuer)?;
        issuer.login.as_ref()?;
        let role = issuer.roles.iter().find(|role| role.value == issued.value)?;
        Some(issuer::principal(&session.sub, Via::Session, role))
    }
}

impl Access {
    /// For these settings.
    pub(crate) fn new(settings: Admin, keyring: &Keyring, void: Arc<void::Void>) -> Self {
        Self {
            current: ArcSwap::from_pointee(Current::new(settings, keyring)),
            void,
            issuers: issuer::Issuers::default(),
        }
    }

    /// What is void although it has not expired.
    pub(crate) fn void(&self) -> &Arc<void::Void> {
        &self.void
    }

    /// The keys of the config, and whether each was revoked.
    pub(crate) fn keys(&self) -> Vec<(Arc<AdminKey>, bool)> {
        let current = self.current.load();
        let revoked = |key: &AdminKey| self.void.holds(&format!("key:{}", key.id), 0);
        current.settings.keys.iter().map(|key| (key.clone(), revoked(key))).collect()
    }

    /// Takes a changed config. Without `[admin]` the listener stays until the node is restarted, and no key is good.
    pub(crate) fn take(&self, settings: Option<Admin>, keyring: &Keyring) {
        let settings = settings.unwrap_or_else(|| Admin {
            hosts: Vec::new(),
            keys: Vec::new(),
            issuer: None,
            ..self.current.load().settings.clone()
        });
        self.current.store(Arc::new(Current::new(settings, keyring)));
    }

    /// A text with the fleet's signature, and the public key that verifies it.
    pub(crate) fn sign(&self, purpose: Purpose, text: &str) -> (String, String) {
        let current = self.current.load();
        // There is one for each master secret, and always a current one.
        current.seals.first().map(|seal| (seal.sign(purpose, text), seal.public_key())).unwrap_or_default()
    }

    /// Who comes with this bearer token or key; `None`: it is of no use.
    pub(crate) fn bearer(&self, written: &str, now_ms: u64) -> Option<Principal> {
        let current = self.current.load();
        match written.strip_prefix(key::PREFIX) {
            Some(_) => key::find(&current.settings.keys, written, now_ms)
                .filter(|principal| !self.void.holds(&principal.id, 0)),
            None => Some(self.token(&current, written, now_ms)?.principal(Via::Token)),
        }
    }

    /// The company's own login, if there is one.
    pub(crate) fn issuer(&self) -> Option<Arc<Issuer>> {
        self.current.load().settings.issuer.clone()
    }

    /// Who comes with a token of the company's own login; its keys are fetched anew for one that is not known.
    pub(crate) async fn issued(&self, written: &str, now_ms: u64) -> Option<Principal> {
        let issuer = self.issuer()?;
        let found = match self.issuers.verify(&issuer, written, now_ms) {
            Err(issuer::Unknown::Key) if self.issuers.refresh(&issuer).await => {
                self.issuers.verify(&issuer, written, now_ms)
            }
            found => found,
        };
        let (principal, made_ms) = found.ok()?;
        (!self.void.holds(&principal.id, made_ms)).then_some(principal)
    }

    /// Who comes with this session cookie, and the cookie that takes its place if it is time.
    pub(crate) fn session(&self, written: &str, now_ms: u64) -> Option<(Principal, Option<String>)> {
        let current = self.current.load();
        let claims = current.signer.verify(written, token::Kind::Session, now_ms)?;
        let principal = current.principal(&claims)?;
        if self.void.holds(&claims.name(token::Kind::Session), 0) || self.void.holds(&principal.id, claims.began_ms()) {
            return None;
        }
        let renewed = claims.renewed(now_ms).map(|claims| current.signer.sign(&claims, token::Kind::Session));
        Some((principal, renewed))
    }

    /// The claims of a token that may be given for a session, once. What is void is so for good.
    pub(crate) fn login_token(&self, written: &str, now_ms: u64) -> Option<Claims> {
        self.token(&self.current.load(), written, now_ms)
    }

    /// The session that begins with a token.
    pub(crate) fn begin_session(&self, token: &Claims, now_ms: u64) -> (Principal, String) {
        let session = token.session(now_ms);
        (session.principal(Via::Session), self.current.load().signer.sign(&session, token::Kind::Session))
    }

    /// A login at this issuer that begins now, and where the browser goes; `None`: there is none.
    pub(crate) fn begin_login(
        &self,
        issuer: &Issuer,
        now_ms: u64,
    ) -> Option<Result<(Attempt, String), ring::error::Unspecified>> {
        let login = issuer.login.as_ref()?;
        let begun = self.current.load().attempts.begin(issuer, login, now_ms);
        Some(begun.map(|attempt| {
            let url = attempt.url(login);
            (attempt, url)
        }))
    }

    /// Whether browsers reach the dashboard over TLS by this name, as the config says.
    pub(crate) fn is_dashboard_over_tls(&self, host: &str) -> bool {
        let issuer = self.issuer();
        let login = issuer.as_ref().and_then(|issuer| issuer.login.as_ref());
        let authority = login.and_then(|login| login.dashboard.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    }

    /// The login at this issuer that goes on with this cookie and state; `None`: there is none at all.
    pub(crate) fn resume_login(
        &self,
        issuer: &Issuer,
        cookie: &str,
        state: &str,
        now_ms: u64,
    ) -> Option<Result<Attempt, NotBegun>> {
        Some(self.current.load().attempts.resume(issuer, issuer.login.as_ref()?, cookie, state, now_ms))
    }

    /// Who has logged in at this issuer, by the code that the browser came back with.
    pub(crate) async fn log_in(
        &self,
        issuer: &Issuer,
        attempt: &Attempt,
        code: &str,
        now_ms: u64,
    ) -> Option<Result<Person, NoLogin>> {
        Some(self.issuers.log_in(issuer, issuer.login.as_ref()?, attempt, code, now_ms).await)
    }

    /// The session of somebody who has logged in at this issuer; `None`: they have no role here, or the config names
    /// another issuer by now.
    pub(crate) fn session_of(
        &self,
        issuer: &Issuer,
        person: &Person,
        now_ms: u64,
    ) -> Option<Result<(Principal, String), ring::error::Unspecified>> {
        let (lasts, value) = (issuer.login.as_ref()?.lasts, person.value.clone()?);
        let session = match Claims::of_issuer(person.sub.clone(), issuer.name.clone(), value, lasts, now_ms) {
            Ok(session) => session,
            Err(error) => return Some(Err(error)),
        };
        let current = self.current.load();
        let principal = current.principal(&session)?;
        Some(Ok((principal, current.signer.sign(&session, token::Kind::Session))))
    }

    /// What makes this session void, and until when it could be good.
    pub(crate) fn end_of_session(&self, written: &str, now_ms: u64) -> Option<(String, u64)> {
        let claims = self.current.load().signer.verify(written, token::Kind::Session, now_ms)?;
        Some((claims.name(token::Kind::Session), claims.end_ms()))
    }

    fn token(&self, current: &Current, written: &str, now_ms: u64) -> Option<Claims> {
        let claims = current.signer.verify(written, token::Kind::Token, now_ms)?;
        let is_void = self.void.holds(&claims.name(token::Kind::Token), 0)
            || self.void.holds(&claims.principal(Via::Token).id, claims.made_ms());
        (!is_void).then_some(claims)
    }

    /// Whether the API may be asked under this name: else a page of another site, whose name was made to lead here, could
    /// read it.
    pub(crate) fn knows_host(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let is_own = host == "localhost" || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        is_own || self.current.load().settings.hosts.iter().any(|pattern| pattern.matches(host))
    }
}
