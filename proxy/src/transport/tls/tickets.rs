//! Session tickets: what a client was promised, sealed, so that it may resume its session on any node of a fleet.
//!
//! Keys are random and live for a few periods, so what was recorded cannot be read once they are gone. The nodes of a fleet
//! share them; each node seals with the newest and opens with all it has. Tickets of clients that had to show a
//! certificate are sealed by keys of their own, one for each set of authorities: a session that was begun without a
//! certificate can never be resumed where one is required, nor after the authorities have changed.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{self, SHA256, SHA256_OUTPUT_LEN},
    hkdf::{HKDF_SHA256, Salt},
    rand::{SecureRandom, SystemRandom},
};
use rustls::server::ProducesTickets;
use sluice_config::ClientCa;

use super::TlsError;

/// A key seals for this long.
pub(super) const TICKET_PERIOD: Duration = Duration::from_secs(6 * 3_600);
/// And opens for this many periods: the one in which it seals, two after it, and one before, since the clocks of a fleet
/// differ.
const TICKET_KEYS_MAX: usize = 4;
/// Bytes of a key's name, in front of each ticket.
pub(super) const NAME_BYTES: usize = 16;
/// Bytes of a key.
pub(super) const SECRET_BYTES: usize = 32;
/// The longest ticket that is looked at: a session with a chain of client certificates in it.
const TICKET_BYTES_MAX: usize = 16 << 10;

/// One key and its name.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct TicketKey {
    name: [u8; NAME_BYTES],
    secret: [u8; SECRET_BYTES],
}

impl TicketKey {
    /// # Errors
    /// If the system has no random bytes.
    pub(super) fn random() -> Result<Self, TlsError> {
        let mut key = Self { name: [0; NAME_BYTES], secret: [0; SECRET_BYTES] };
        let random = SystemRandom::new();
        random.fill(&mut key.name).and_then(|()| random.fill(&mut key.secret)).map_err(|_| TlsError::Random)?;
        Ok(key)
    }

    /// As it is handed to other nodes, sealed.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [&self.name[..], &self.secret[..]].concat()
    }

    /// And back; `None`: it is none.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (name, secret) = bytes.split_at_checked(NAME_BYTES)?;
        Some(Self { name: name.try_into().ok()?, secret: secret.try_into().ok()? })
    }

    /// The key of one set of authorities.
    fn for_clients(&self, context: &[u8]) -> Option<LessSafeKey> {
        let info = [b"sluice session ticket", context];
        let derived = Salt::new(HKDF_SHA256, &self.name).extract(&self.secret);
        let key = UnboundKey::from(derived.expand(&info, &CHACHA20_POLY1305).ok()?);
        Some(LessSafeKey::new(key))
    }
}

/// Without the secret.
impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey(…)")
    }
}

/// The keys of a node. The first one seals.
#[derive(Debug)]
pub(crate) struct TicketKeys(ArcSwap<Vec<TicketKey>>);

impl TicketKeys {
    /// Begins with a key of this node's own.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub(crate) fn new() -> Result<Self, TlsError> {
        Ok(Self(ArcSwap::from_pointee(vec![TicketKey::random()?])))
    }

    /// Seals with the first of these from now on, and opens with all of them. Those from before open as long as there is
    /// room for them.
    pub(super) fn learn(&self, keys: Vec<TicketKey>) {
        let before = self.0.load();
        let mut all: Vec<TicketKey> = Vec::with_capacity(TICKET_KEYS_MAX);
        for key in keys.iter().chain(before.iter()) {
            if all.len() < TICKET_KEYS_MAX && all.iter().all(|known| known.name != key.name) {
                all.push(key.clone());
            }
        }
        self.0.store(Arc::new(all));
    }
}

/// Seals and opens tickets of clients of whom the same is asked.
#[derive(Debug)]
pub(super) struct Ticketer {
    keys: Arc<TicketKeys>,
    /// Digest of the authorities; empty: clients show no certificate.
    context: Vec<u8>,
}

impl Ticketer {
    pub(super) fn new(keys: Arc<TicketKeys>, ca: Option<&ClientCa>) -> Self {
        let context = ca.map_or_else(Vec::new, |ca| {
            let mut all = digest::Context::new(&SHA256);
            for certificate in &ca.certificates {
                // Each by its own digest, so that where one ends is no question.
                all.update(digest::digest(&SHA256, certificate).as_ref());
            }
            let digest = all.finish();
            debug_assert_eq!(digest.as_ref().len(), SHA256_OUTPUT_LEN);
            digest.as_ref().to_vec()
        });
        Self { keys, context }
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    /// In seconds. A ticket opens for at least this long.
    fn lifetime(&self) -> u32 {
        u32::try_from(2 * TICKET_PERIOD.as_secs()).unwrap_or(u32::MAX)
    }

    /// Name, nonce, sealed session with its tag.
    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys.0.load();
        let newest = keys.first()?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut ticket = Vec::with_capacity(NAME_BYTES + NONCE_LEN + plain.len() + CHACHA20_POLY1305.tag_len());
        ticket.extend_from_slice(&newest.name);
        ticket.extend_from_slice(&nonce);
        ticket.extend_from_slice(plain);
        let key = newest.for_clients(&self.context)?;
        let sealed = &mut ticket[NAME_BYTES + NONCE_LEN..];
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(newest.name), sealed).ok()?;
        ticket.extend_from_slice(tag.as_ref());
        (ticket.len() <= TICKET_BYTES_MAX).then_some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > TICKET_BYTES_MAX {
            return None;
        }
        let (name, rest) = ticket.split_at_checked(NAME_BYTES)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let keys = self.keys.0.load();
        // Names are no secret.
        let key = keys.iter().find(|key| key.name == name)?;
        let mut plain = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = key.for_clients(&self.context)?.open_in_place(nonce, Aad::from(key.name), &mut plain).ok()?.len();
        plain.truncate(opened);
        Some(plain)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rustls::pki_types::CertificateDer;

    use super::*;

    fn ca(bytes: &[u8]) -> ClientCa {
        ClientCa { certificates: vec![CertificateDer::from(bytes.to_vec())] }
    }

    #[test]
    fn a_ticket_opens_on_every_node_that_has_the_key() {
        let key = TicketKey::random().unwrap();
        let nodes: Vec<_> = (0..2)
            .map(|_| {
                let keys = Arc::new(TicketKeys::new().unwrap());
                keys.learn(vec![key.clone()]);
                Ticketer::new(keys, None)
            })
            .collect();
        let ticket = nodes[0].encrypt(b"a session").unwrap();
        assert_eq!(nodes[1].decrypt(&ticket).unwrap(), b"a session");
    }

    #[test]
    fn a_ticket_opens_for_three_more_keys_and_no_longer() {
        let keys = Arc::new(TicketKeys::new().unwrap());
        let ticketer = Ticketer::new(keys.clone(), None);
        let ticket = ticketer.encrypt(b"a session").unwrap();
        for _ in 1..TICKET_KEYS_MAX {
            keys.learn(vec![TicketKey::random().unwrap()]);
            assert!(ticketer.decrypt(&ticket).is_some());
        }
        keys.learn(vec![TicketKey::random().unwrap()]);
        assert!(ticketer.decrypt(&ticket).is_none());
    }

    #[test]
    fn the_same_key_twice_takes_no_place_of_another() {
        let keys = Arc::new(TicketKeys::new().unwrap());
        let ticketer = Ticketer::new(keys.clone(), None);
        let ticket = ticketer.encrypt(b"a session").unwrap();
        let key = TicketKey::random().unwrap();
        (0..10).for_each(|_| keys.learn(vec![key.clone()]));
        assert!(ticketer.decrypt(&ticket).is_some());
    }

    #[test]
    fn a_session_without_a_client_certificate_is_not_resumed_where_one_is_required() {
        let keys = Arc::new(TicketKeys::new().unwrap());
        let [none, one, other] =
            [None, Some(ca(b"one")), Some(ca(b"other"))].map(|ca| Ticketer::new(keys.clone(), ca.as_ref()));
        for (from, to) in [(&none, &one), (&one, &none), (&one, &other)] {
            assert!(to.decrypt(&from.encrypt(b"a session").unwrap()).is_none());
        }
        assert!(one.decrypt(&one.encrypt(b"a session").unwrap()).is_some());
    }

    #[test]
    fn nothing_but_a_whole_ticket_opens() {
        let ticketer = Ticketer::new(Arc::new(TicketKeys::new().unwrap()), None);
        let ticket = ticketer.encrypt(b"a session").unwrap();
        for end in 0..ticket.len() {
            assert!(ticketer.decrypt(&ticket[..end]).is_none());
            let mut altered = ticket.clone();
            altered[end] ^= 1;
            assert!(ticketer.decrypt(&altered).is_none());
        }
        assert!(ticketer.decrypt(&vec![0; TICKET_BYTES_MAX + 1]).is_none());
        assert!(ticketer.encrypt(&vec![0; TICKET_BYTES_MAX]).is_none(), "none that would not be looked at");
    }
}
