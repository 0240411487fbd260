//! What the authority asks for to see who answers for a host: proofs by the tokens that it has given out.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sluice_admission::store::StoreError;
use tokio::{sync::Semaphore, time::timeout};

use super::vault::{self, Vault};

/// How long a proof lies in the store: longer than a try may take.
const KEEP: Duration = Duration::from_secs(600);
/// Longest token that is looked for. Authorities give out about forty characters.
const TOKEN_BYTES_MAX: usize = 128;
/// Tokens that are looked for in the store at once. One over the bound waits.
const LOOKUPS_MAX: usize = 8;
/// How long a token waits to be looked for. Then it counts as unknown: authorities ask again, from several places.
const LOOKUP_WITHIN: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Challenges {
    /// Those that this node has been given, by token.
    own: Mutex<HashMap<String, String>>,
    lookups: Semaphore,
}

impl Default for Challenges {
    fn default() -> Self {
        Self { own: Mutex::default(), lookups: Semaphore::new(LOOKUPS_MAX) }
    }
}

/// A proof that is given for as long as this lives.
pub(super) struct Given<'c> {
    challenges: &'c Challenges,
    token: String,
}

impl Challenges {
    /// Has every node give a proof.
    ///
    /// # Errors
    /// If the store did not answer.
    pub(super) async fn give<'c>(&'c self, vault: &Vault, token: &str, proof: &str) -> Result<Given<'c>, StoreError> {
        vault.put_challenge(token, proof, KEEP).await?;
        self.own.lock().unwrap_or_else(PoisonError::into_inner).insert(token.to_owned(), proof.to_owned());
        Ok(Given { challenges: self, token: token.to_owned() })
    }

    /// The proof for a token; `None`: it is none of ours.
    pub(super) async fn proof(&self, vault: &Vault, token: &str) -> Option<String> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        if let Some(proof) = self.own.lock().unwrap_or_else(PoisonError::into_inner).get(token) {
            return Some(proof.clone());
        }
        if !vault.is_shared() {
            return None;
        }
        let _lookup = timeout(LOOKUP_WITHIN, self.lookups.acquire()).await.ok()?.ok()?;
        match vault.shared(&vault::challenge(token)).await {
            Ok(found) => String::from_utf8(found??).ok(),
            Err(error) => {
                tracing::debug!(%error, "ACME: a token could not be looked for");
                None
            }
        }
    }
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        self.challenges.own.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.token);
    }
}
