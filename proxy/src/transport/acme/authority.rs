//! An authority, and what is said to it (RFC 8555, with the advice of RFC 9773).

use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use tokio::time::sleep;

use super::{
    Acme,
    http::Https,
    record::{Held, Record},
    schedule::Failed,
    vault,
};
use crate::upstream::tls_trusting;

/// How often a step is made again whose nonce the authority has refused: it gives a new one along. The library tries three
/// times before it says so.
const NONCE_TRIES: u32 = 8;
/// How often the state of an order is looked at, and for how long.
const POLL: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(250)).backoff(1.5).timeout(Duration::from_secs(60));
/// How long another node is waited for that makes the account.
const ACCOUNT_LOOKS: u32 = 40;
const ACCOUNT_LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is asked for.
pub(super) struct Ask<'a> {
    pub(super) acme: &'a Acme,
    pub(super) settings: &'a sluice_config::Acme,
    pub(super) host: &'a str,
    /// The certificate that there is.
    pub(super) held: Option<&'a Held>,
}

/// Why there is no certificate.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) failed: Failed,
    pub(super) why: String,
}

/// When to renew a certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// Within this range, in seconds since 1970; ask again after so many.
    Within { window_s: (u64, u64), ask_after_s: u64 },
    /// Not known now.
    Unknown,
    /// The authority never says.
    Never,
}

/// Who issues certificates.
pub(super) trait Authority: Send + 'static {
    /// Asks for a certificate.
    fn order(&mut self, ask: Ask<'_>) -> impl Future<Output = Result<Record, Refusal>> + Send;

    /// Asks when to renew the certificate that there is.
    fn advice(&mut self, ask: Ask<'_>) -> impl Future<Output = Advice> + Send;
}

/// An authority by its directory.
#[derive(Default)]
pub(super) struct Directory {
    session: Option<Session>,
}

/// What stays from one order to the next.
struct Session {
    settings: sluice_config::Acme,
    https: Https,
    account: Account,
}

/// Makes a step again while the authority refuses nothing but its nonce.
macro_rules! again {
    ($step:expr) => {{
        let mut left = NONCE_TRIES;
        loop {
            match $step {
                Err(Error::Api(problem)) if is(&problem, "badNonce") && left > 0 => left -= 1,
                done => break done,
            }
        }
    }};
}

fn is(problem: &Problem, name: &str) -> bool {
    let named = problem.r#type.as_deref().and_then(|kind| kind.strip_prefix("urn:ietf:params:acme:error:"));
    named == Some(name)
}

impl Authority for Directory {
    async fn order(&mut self, ask: Ask<'_>) -> Result<Record, Refusal> {
        let session = self.session(&ask).await?;
        // What was said to an earlier question is no answer to this one.
        session.https.take_retry_after_s();
        let refusal = |error, session: &Session| refusal(error, session.https.take_retry_after_s());
        match issue(&session.account, &ask).await {
            // The authority has forgotten the account: another one is made.
            Err(Error::Api(problem)) if is(&problem, "accountDoesNotExist") => {
                self.session = None;
                let session = self.open(&ask, true).await?;
                issue(&session.account, &ask).await.map_err(|error| refusal(error, session))
            }
            issued => issued.map_err(|error| refusal(error, session)),
        }
    }

    async fn advice(&mut self, ask: Ask<'_>) -> Advice {
        let Some(Ok(id)) = ask.held.and_then(Held::own).map(CertificateIdentifier::try_from) else {
            return Advice::Unknown;
        };
        let Ok(session) = self.session(&ask).await else { return Advice::Unknown };
        match session.account.renewal_info(&id).await {
            Ok((info, ask_after)) => {
                let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
                let window = info.suggested_window;
                let window_s = (seconds(window.start.unix_timestamp()), seconds(window.end.unix_timestamp()));
                Advice::Within { window_s, ask_after_s: ask_after.as_secs() }
            }
            Err(Error::Unsupported(_)) => Advice::Never,
            Err(error) => {
                tracing::debug!(host = ask.host, %error, "ACME: no advice about a renewal");
                Advice::Unknown
            }
        }
    }
}

impl Directory {
    async fn session(&mut self, ask: &Ask<'_>) -> Result<&Session, Refusal> {
        if self.session.as_ref().is_some_and(|session| session.settings != *ask.settings) {
            self.session = None;
        }
        match self.session {
            Some(ref session) => Ok(session),
            None => self.open(ask, false).await,
        }
    }

    /// Opens the account of the fleet, or makes one. `anew`: the one that there is has been forgotten.
    async fn open(&mut self, ask: &Ask<'_>, anew: bool) -> Result<&Session, Refusal> {
        let tls = tls_trusting(ask.settings.ca.clone());
        let https = Https::new(tls.map_err(|error| unavailable(&error))?);
        let opened = account(ask, &https, anew).await;
        let account = opened.map_err(|error| refusal(error, https.take_retry_after_s()))?;
        Ok(self.session.insert(Session { settings: ask.settings.clone(), https, account }))
    }
}

async fn account(ask: &Ask<'_>, https: &Https, anew: bool) -> Result<Account, Error> {
    let (vault, directory) = (&ask.acme.vault, ask.settings.directory.url());
    let name = vault::account(directory);
    let mut is_held = false;
    if !anew {
        for _ in 0..ACCOUNT_LOOKS {
            let shared = vault.shared(&name).await.map_err(|error| Error::Other(error.into()))?;
            let known = match shared.flatten() {
                Some(shared) => Some(shared),
                None => vault.recall(&name).await.map(|(kept, _)| kept),
            };
            if let Some(known) = known {
                vault.keep(&name, &known).await;
                let credentials: AccountCredentials = serde_json::from_slice(&known)?;
                if is_held || vault.hold(&name).await.unwrap_or(false) {
                    // Nodes that have none find it, sealed with the current secret.
                    let _ = vault.publish(&name, &known).await;
                    vault.free(&name).await;
                }
                return Account::builder_with_http(Box::new(https.clone())).from_credentials(credentials).await;
            }
            if is_held {
                break;
            }
            // Looked for once more when it is held: another node may have been about to give it back.
            is_held = vault.hold(&name).await.map_err(|error| Error::Other(error.into()))?;
            if !is_held {
                sleep(ACCOUNT_LOOK_EVERY).await;
            }
        }
    }
    if !is_held && !vault.hold(&name).await.map_err(|error| Error::Other(error.into()))? {
        return Err(Error::Other("another node is making the account".into()));
    }
    let made = make_account(ask, https).await;
    if let Ok((_, credentials)) = &made {
        let text = serde_json::to_vec(credentials)?;
        vault.keep(&name, &text).await;
        let _ = vault.publish(&name, &text).await;
        tracing::info!(directory, "ACME: account made");
    }
    vault.free(&name).await;
    made.map(|(account, _)| account)
}

async fn make_account(ask: &Ask<'_>, https: &Https) -> Result<(Account, AccountCredentials), Error> {
    let contact: Vec<_> = ask.settings.contact.iter().map(String::as_str).collect();
    // That the terms are agreed to is what `accept_terms` of the config says, without which there are no settings.
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let directory = ask.settings.directory.url();
    again!(Account::builder_with_http(Box::new(https.clone())).create(&new, directory.to_owned(), None).await)
}

/// One order from beginning to end.
async fn issue(account: &Account, ask: &Ask<'_>) -> Result<Record, Error> {
    let directory = ask.settings.directory.url();
    let identifiers = [Identifier::Dns(ask.host.to_owned())];
    let replaced = ask.held.filter(|held| held.version.is_from(directory)).and_then(Held::own);
    let replaces = replaced.and_then(|own| CertificateIdentifier::try_from(own).ok());
    let mut order = match replaces {
        None => again!(account.new_order(&NewOrder::new(&identifiers)).await)?,
        // Renewals that say what they replace are exempt from bounds. Not every authority knows them, or knows the old one.
        Some(id) => match again!(account.new_order(&NewOrder::new(&identifiers).replaces(id.clone())).await) {
            Err(Error::Unsupported(_)) => again!(account.new_order(&NewOrder::new(&identifiers)).await)?,
            Err(Error::Api(problem)) if is(&problem, "alreadyReplaced") || is(&problem, "malformed") => {
                again!(account.new_order(&NewOrder::new(&identifiers)).await)?
            }
            ordered => ordered?,
        },
    };
    let mut given = Vec::new();
    if order.state().status == OrderStatus::Pending {
        again!(prove(&mut order, ask, &mut given).await)?;
        again!(order.poll_ready(&POLL).await)?;
    }
    if order.state().status != OrderStatus::Ready {
        return Err(Error::Other(Box::new(Unproven(why_not(&mut order).await))));
    }
    let key = again!(order.finalize().await)?;
    let chain = again!(order.poll_certificate(&POLL).await)?;
    Ok(Record { directory: directory.to_owned(), chain, key })
}

/// Gives the proofs that the authority wants, and says so.
async fn prove<'a>(
    order: &mut Order,
    ask: &Ask<'a>,
    given: &mut Vec<super::challenges::Given<'a>>,
) -> Result<(), Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut challenge = authorization
            .challenge(ChallengeType::Http01)
            .ok_or_else(|| Error::Other(Box::new(Unproven("the authority offers no proof over HTTP".to_owned()))))?;
        let (token, proof) = (challenge.token.clone(), challenge.key_authorization());
        let acme = ask.acme;
        let placed = acme.challenges.give(&acme.vault, &token, proof.as_str()).await;
        given.push(placed.map_err(|error| Error::Other(error.into()))?);
        again!(challenge.set_ready().await)?;
    }
    Ok(())
}

/// What the authority has seen in the place of a proof.
async fn why_not(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if let Ok(state) = again!(authorization.refresh().await)
            && let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref())
        {
            return problem.to_string();
        }
    }
    "the authority says no more".to_owned()
}

/// The host could not be proven.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unproven(String);

fn unavailable(error: &dyn std::error::Error) -> Refusal {
    Refusal { failed: Failed::Unavailable { retry_after_s: None }, why: error.to_string() }
}

/// Whose failure it is.
fn refusal(error: Error, retry_after_s: Option<u64>) -> Refusal {
    let failed = match &error {
        Error::Api(problem) if is(problem, "rateLimited") => Failed::RateLimited { retry_after_s },
        Error::Api(problem) if is(problem, "badNonce") || is(problem, "serverInternal") => {
            Failed::Unavailable { retry_after_s }
        }
        Error::Api(problem) if problem.status.is_some_and(|status| status >= 500) => {
            Failed::Unavailable { retry_after_s }
        }
        Error::Api(_) | Error::Timeout(_) | Error::Str(_) => Failed::Host { retry_after_s },
        Error::Other(cause) if cause.is::<Unproven>() => Failed::Host { retry_after_s },
        _ => Failed::Unavailable { retry_after_s },
    };
    Refusal { failed, why: chain_of(&error) }
}

/// An error with what has caused it.
fn chain_of(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut said: Vec<String> = Vec::new();
    for cause in causes.map(ToString::to_string) {
        if said.last().is_none_or(|last| !last.contains(&cause)) {
            said.push(cause);
        }
    }
    said.join(": ")
}
