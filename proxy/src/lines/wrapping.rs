//! Secrets that leave the process: sealed with a key that only nodes with the same master secrets have.
//!
//! What is sealed is bound to the name under which it lies, so that one is never taken for another. A master secret that is
//! on its way out still opens what it has sealed; the caller hears of it, and seals it anew.

use std::sync::Arc;

use arc_swap::ArcSwap;
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use sluice_admission::token::Keyring;

/// Seals for one purpose. Those of another purpose have other keys.
#[derive(Debug)]
pub(crate) struct Wrapping {
    purpose: &'static str,
    /// One of each master secret, the current one first; empty until a config was taken.
    keys: ArcSwap<Vec<LessSafeKey>>,
}

/// What was sealed.
pub(crate) struct Unwrapped {
    pub(crate) plain: Vec<u8>,
    /// Whether the current master secret has sealed it.
    pub(crate) is_current: bool,
}

impl Wrapping {
    pub(crate) fn new(purpose: &'static str) -> Self {
        Self { purpose, keys: ArcSwap::default() }
    }

    /// Seals with a key of the current one of these master secrets from now on; what any of them has sealed can be opened.
    /// True: it was another one that sealed before.
    pub(crate) fn take(&self, keyring: &Keyring) -> bool {
        const PROBE: &str = "probe";
        let before = self.wrap(PROBE, b"");
        let key = |secret: [u8; 32]| UnboundKey::new(&CHACHA20_POLY1305, &secret).map(LessSafeKey::new).ok();
        self.keys.store(Arc::new(keyring.secrets_for(self.purpose).into_iter().filter_map(key).collect()));
        before.is_some_and(|before| self.unwrap(PROBE, &before).is_none_or(|opened| !opened.is_current))
    }

    /// Nonce, then what is sealed with its tag. `None`: there is no key, or no random byte.
    pub(crate) fn wrap(&self, name: &str, plain: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys.load();
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let aad = Aad::from(name.as_bytes());
        keys.first()?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    /// `None`: it was not sealed under this name, or by a master secret that this node does not have.
    pub(crate) fn unwrap(&self, name: &str, wrapped: &[u8]) -> Option<Unwrapped> {
        let (nonce, sealed) = wrapped.split_at_checked(NONCE_LEN)?;
        self.keys.load().iter().enumerate().find_map(|(nth, key)| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut plain = sealed.to_vec();
            let opened = key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut plain).ok()?.len();
            plain.truncate(opened);
            Some(Unwrapped { plain, is_current: nth == 0 })
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use sluice_config::{Keys, Secret};

    use super::*;

    /// Of these master secrets, each of one byte over and over.
    pub(crate) fn keyring(current: &str, secrets: &[(&str, u8)]) -> Keyring {
        let secrets = secrets.iter().map(|&(name, byte)| (name.to_owned(), Secret::new(vec![byte; 32])));
        Keyring::new(&Keys { current: current.to_owned(), secrets: secrets.collect() }).unwrap()
    }

    fn wrapping(purpose: &'static str, current: &str, secrets: &[(&str, u8)]) -> Wrapping {
        let wrapping = Wrapping::new(purpose);
        wrapping.take(&keyring(current, secrets));
        wrapping
    }

    #[test]
    fn what_is_sealed_is_opened_by_every_node_with_the_master_secret_and_by_no_other() {
        let wrapped = wrapping("a", "old", &[("old", 1)]).wrap("name", b"secret").unwrap();
        let both = wrapping("a", "new", &[("new", 2), ("old", 1)]).unwrap("name", &wrapped).unwrap();
        assert_eq!((both.plain.as_slice(), both.is_current), (&b"secret"[..], false));
        assert!(wrapping("a", "old", &[("new", 2), ("old", 1)]).unwrap("name", &wrapped).unwrap().is_current);
        assert!(wrapping("a", "new", &[("new", 2)]).unwrap("name", &wrapped).is_none());
        assert!(wrapping("b", "old", &[("old", 1)]).unwrap("name", &wrapped).is_none(), "another purpose");
        assert!(Wrapping::new("a").wrap("name", b"secret").is_none(), "no key yet");
    }

    #[test]
    fn nothing_is_opened_but_what_was_sealed_under_the_name() {
        let wrapping = wrapping("a", "a", &[("a", 1)]);
        let wrapped = wrapping.wrap("name", b"secret").unwrap();
        assert!(wrapping.unwrap("other", &wrapped).is_none());
        for at in 0..wrapped.len() {
            assert!(wrapping.unwrap("name", &wrapped[..at]).is_none());
            let mut altered = wrapped.clone();
            altered[at] ^= 1;
            assert!(wrapping.unwrap("name", &altered).is_none());
        }
        assert!(!wrapped.windows(6).any(|bytes| bytes == b"secret"));
    }
}
