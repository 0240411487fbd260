//! How the keys of session tickets change, and how the nodes of a fleet come to have the same.
//!
//! Time is cut into periods. The key of each is random and lies in the shared store, put there by whichever node needed it
//! first, sealed by a key that only nodes with the same master secrets have. So a node that is new, or was away,
//! resumes what others have begun, and nobody who reads the store resumes anything. Without a shared store the keys
//! never leave the process. While the store does not answer, a node goes on with what it has, and makes a key of its own when the
//! next period begins.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use sluice_admission::token::Keyring;
use tokio::time::sleep;

use super::tickets::{NAME_BYTES, SECRET_BYTES, TICKET_PERIOD, TicketKey, TicketKeys};
use crate::node::Lines;

/// How often a node looks whether its keys are those of the fleet.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The key of a period opens for two more, and is made one before.
const KEEP: Duration = Duration::from_secs(4 * TICKET_PERIOD.as_secs());
const PURPOSE: &str = "tls session ticket keys";

/// Seals ticket keys for the store.
#[derive(Debug, Default)]
pub(crate) struct Wrapping(ArcSwap<Vec<LessSafeKey>>);

impl Wrapping {
    /// Wraps with keys of these master secrets from now on; what any of them has wrapped can be unwrapped.
    pub(crate) fn take(&self, keyring: &Keyring) {
        let key = |secret: [u8; SECRET_BYTES]| UnboundKey::new(&CHACHA20_POLY1305, &secret).map(LessSafeKey::new).ok();
        self.0.store(Arc::new(keyring.secrets_for(PURPOSE).into_iter().filter_map(key).collect()));
    }

    /// The name under which it lies is part of what is sealed: one period's key is never taken for another's.
    fn wrap(&self, name: &str, key: &TicketKey) -> Option<Vec<u8>> {
        let wrapping = self.0.load();
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = key.to_bytes();
        let aad = Aad::from(name.as_bytes());
        wrapping.first()?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    fn unwrap(&self, name: &str, wrapped: &[u8]) -> Option<TicketKey> {
        if wrapped.len() != NONCE_LEN + NAME_BYTES + SECRET_BYTES + CHACHA20_POLY1305.tag_len() {
            return None;
        }
        let (nonce, sealed) = wrapped.split_at(NONCE_LEN);
        self.0.load().iter().find_map(|key| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut plain = sealed.to_vec();
            TicketKey::from_bytes(key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut plain).ok()?)
        })
    }
}

/// Changes the keys for as long as the node lives.
pub(crate) async fn rotate(keys: Arc<TicketKeys>, wrapping: Arc<Wrapping>, lines: Arc<Lines>) {
    let mut sealing = None;
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let period = now.as_secs() / TICKET_PERIOD.as_secs();
        match &*lines {
            Lines::Redis(store, _) => {
                let mut shared = Vec::new();
                // The present one seals. The next is made while there is time; clocks of a fleet differ.
                for period in [period, period + 1, period.saturating_sub(1), period.saturating_sub(2)] {
                    let name = format!("tls-tickets.{period}");
                    let Ok(fresh) = TicketKey::random() else { continue };
                    let Some(wrapped) = wrapping.wrap(&name, &fresh) else { continue };
                    match store.share(&name, &wrapped, KEEP).await {
                        Ok(wrapped) => shared.push((period, wrapping.unwrap(&name, &wrapped))),
                        Err(error) => {
                            tracing::debug!(%error, "TLS ticket keys not shared");
                            break;
                        }
                    }
                }
                if let Some((_, None)) = shared.first() {
                    tracing::warn!(
                        "the fleet's keys of session tickets were wrapped with a master secret that this node does not \
                         have: its clients resume no session elsewhere"
                    );
                }
                let known: Vec<_> = shared.into_iter().filter_map(|(of, key)| Some((of, key?))).collect();
                if known.first().is_some_and(|(of, _)| *of == period) {
                    sealing = Some(period);
                    keys.learn(known.into_iter().map(|(_, key)| key).collect());
                }
            }
            Lines::Embedded(_) => {}
        }
        // On its own: a new key for each new period but the first, which it has begun with.
        if sealing.replace(period).is_some_and(|before| before != period)
            && let Ok(own) = TicketKey::random()
        {
            keys.learn(vec![own]);
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sluice_config::{Keys, Secret};

    use super::*;

    fn wrapping(current: &str, secrets: &[(&str, u8)]) -> Wrapping {
        let secrets = secrets.iter().map(|&(name, byte)| (name.to_owned(), Secret::new(vec![byte; 32])));
        let keys = Keys { current: current.to_owned(), secrets: secrets.collect() };
        let wrapping = Wrapping::default();
        wrapping.take(&Keyring::new(&keys).unwrap());
        wrapping
    }

    #[test]
    fn a_key_is_unwrapped_by_every_node_with_the_master_secret_and_by_no_other() {
        let key = TicketKey::random().unwrap();
        let wrapped = wrapping("old", &[("old", 1)]).wrap("period 1", &key).unwrap();
        assert!(wrapping("new", &[("new", 2), ("old", 1)]).unwrap("period 1", &wrapped) == Some(key));
        assert!(wrapping("new", &[("new", 2)]).unwrap("period 1", &wrapped).is_none());
    }

    #[test]
    fn nothing_is_unwrapped_but_what_was_wrapped_under_the_name() {
        let wrapping = wrapping("a", &[("a", 1)]);
        let wrapped = wrapping.wrap("period 1", &TicketKey::random().unwrap()).unwrap();
        assert!(wrapping.unwrap("period 2", &wrapped).is_none());
        for at in 0..wrapped.len() {
            assert!(wrapping.unwrap("period 1", &wrapped[..at]).is_none());
            let mut altered = wrapped.clone();
            altered[at] ^= 1;
            assert!(wrapping.unwrap("period 1", &altered).is_none());
        }
        assert!(wrapping.unwrap("period 1", b"").is_none());
    }
}
