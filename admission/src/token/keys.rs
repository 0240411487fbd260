//! Signing and verifying the tokens of one queue.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::hmac;
use sluice_config::settings::Name;

use super::{
    Binding, KID_LEN_MAX, Kind, LEN_MAX, Move, Pass, Refused, Slip, Ticket,
    payload::{self, Claims, PAYLOAD_LEN_MAX},
};

/// Signs and verifies the tokens of one queue of one tenant. `Debug` shows which, and no key.
#[derive(Clone)]
pub struct QueueKeys {
    pub(super) tenant: Name,
    pub(super) queue: Name,
    pub(super) slip: KindKeys,
    pub(super) ticket: KindKeys,
    pub(super) pass: KindKeys,
    pub(super) moves: KindKeys,
}

impl QueueKeys {
    /// Mints a slip.
    pub fn sign_slip(&self, slip: &Slip, binding: Binding<'_>) -> String {
        self.sign(slip, binding)
    }

    /// Mints a ticket.
    pub fn sign_ticket(&self, ticket: &Ticket, binding: Binding<'_>) -> String {
        self.sign(ticket, binding)
    }

    /// Mints a pass.
    pub fn sign_pass(&self, pass: &Pass, binding: Binding<'_>) -> String {
        self.sign(pass, binding)
    }

    /// Mints what a link carries to another device.
    pub fn sign_move(&self, of: &Move, binding: Binding<'_>) -> String {
        self.sign(of, binding)
    }

    /// Reads a slip. It has no epoch and no expiry of its own: how old one may be is for the caller to say.
    ///
    /// # Errors
    ///
    /// Any reason but [`Refused::Epoch`] and [`Refused::Expired`].
    pub fn verify_slip(&self, token: impl AsRef<[u8]>, binding: Binding<'_>) -> Result<Slip, Refused> {
        self.verify(token.as_ref(), binding)
    }

    /// Reads a ticket of the line's `epoch` (`None`: not known yet). It holds as long as the epoch does.
    ///
    /// # Errors
    ///
    /// Any reason but [`Refused::Expired`].
    pub fn verify_ticket(
        &self,
        token: impl AsRef<[u8]>,
        epoch: impl Into<Option<u64>>,
        binding: Binding<'_>,
    ) -> Result<Ticket, Refused> {
        let ticket: Ticket = self.verify(token.as_ref(), binding)?;
        if epoch.into().is_some_and(|epoch| ticket.epoch != epoch) {
            return Err(Refused::Epoch);
        }
        Ok(ticket)
    }

    /// Reads a pass of the line's `epoch` (`None`: not known yet) that has not run out by `now_ms` on the line's clock.
    ///
    /// No leeway is added: the seat behind a pass is counted as free by the same clock, so a longer pass would be a
    /// visitor too many. A caller whose idea of that clock may be ahead subtracts the uncertainty from `now_ms`.
    ///
    /// # Errors
    ///
    /// Any reason.
    pub fn verify_pass(
        &self,
        token: impl AsRef<[u8]>,
        epoch: impl Into<Option<u64>>,
        now_ms: u64,
        binding: Binding<'_>,
    ) -> Result<Pass, Refused> {
        let pass: Pass = self.verify(token.as_ref(), binding)?;
        if epoch.into().is_some_and(|epoch| pass.epoch != epoch) {
            return Err(Refused::Epoch);
        }
        if now_ms >= pass.expires_at_ms.min(pass.ends_at_ms) {
            return Err(Refused::Expired);
        }
        Ok(pass)
    }

    /// Reads what a link carries, of the line's `epoch` (`None`: not known yet), if it has not run out by `now_ms` on the
    /// line's clock.
    ///
    /// # Errors
    ///
    /// Any reason.
    pub fn verify_move(
        &self,
        token: impl AsRef<[u8]>,
        epoch: impl Into<Option<u64>>,
        now_ms: u64,
        binding: Binding<'_>,
    ) -> Result<Move, Refused> {
        let of: Move = self.verify(token.as_ref(), binding)?;
        if epoch.into().is_some_and(|epoch| of.ticket.epoch != epoch) {
            return Err(Refused::Epoch);
        }
        if now_ms >= of.expires_at_ms {
            return Err(Refused::Expired);
        }
        Ok(of)
    }

    fn sign<C: Claims>(&self, claims: &C, binding: Binding<'_>) -> String {
        let key = &self.keys(C::KIND).current;
        let payload = payload::encode(&self.tenant, &self.queue, claims, binding.tag(&key.binding));
        let payload_len = base64_len(payload.as_bytes().len());

        let mut token = String::with_capacity(key.header.len() + 1 + payload_len + 1 + MAC_TEXT_LEN);
        token.push_str(&key.header);
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(payload.as_bytes(), &mut token);
        let mac = hmac::sign(&key.mac, token.as_bytes());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(mac, &mut token);
        token
    }

    fn verify<C: Claims>(&self, token: &[u8], binding: Binding<'_>) -> Result<C, Refused> {
        if token.len() > LEN_MAX {
            return Err(Refused::TooLong);
        }
        let parts = Parts::split(token).ok_or(Refused::Format)?;
        let key = self.keys(C::KIND).find(parts.header).ok_or(Refused::Header)?;
        if !key.made(parts.signed, parts.mac) {
            return Err(Refused::Mac);
        }

        let mut buffer = [0; LEN_MAX.div_ceil(4) * 3];
        let len = BASE64_URL_SAFE_NO_PAD.decode_slice(parts.payload, &mut buffer).map_err(|_| Refused::Malformed)?;
        let payload = payload::decode::<C>(&buffer[..len]).ok_or(Refused::Malformed)?;
        if payload.tenant != self.tenant.as_str().as_bytes() || payload.queue != self.queue.as_str().as_bytes() {
            return Err(Refused::Elsewhere);
        }
        // An early exit of this comparison tells nothing: a tag cannot be varied without breaking the MAC.
        if let (Some(theirs), Some(ours)) = (payload.tag, binding.tag(&key.binding))
            && theirs != ours
        {
            return Err(Refused::Binding);
        }
        Ok(payload.claims)
    }

    fn keys(&self, kind: Kind) -> &KindKeys {
        match kind {
            Kind::Slip => &self.slip,
            Kind::Ticket => &self.ticket,
            Kind::Pass => &self.pass,
            Kind::Move => &self.moves,
        }
    }
}

impl fmt::Debug for QueueKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueKeys").field("tenant", &self.tenant).field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// The keys of one queue for one kind of token.
#[derive(Clone)]
pub(super) struct KindKeys {
    pub(super) current: Key,
    pub(super) others: Vec<Key>,
}

impl KindKeys {
    /// The key whose tokens carry exactly this encoded header.
    fn find(&self, header: &[u8]) -> Option<&Key> {
        std::iter::once(&self.current).chain(&self.others).find(|key| key.header.as_bytes() == header)
    }
}

/// One derived key, with the encoded header of every token it signs.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) header: Box<str>,
    pub(super) mac: hmac::Key,
    pub(super) binding: hmac::Key,
}

impl Key {
    /// Whether `mac` is the canonical text of this key's MAC of `signed`; compared in constant time.
    fn made(&self, signed: &[u8], mac: &[u8]) -> bool {
        // The decoder wants room for whole groups; it refuses padding and trailing bits.
        let mut bytes = [0; MAC_TEXT_LEN.div_ceil(4) * 3];
        match BASE64_URL_SAFE_NO_PAD.decode_slice(mac, &mut bytes) {
            Ok(len) => hmac::verify(&self.mac, signed, &bytes[..len]).is_ok(),
            Err(_) => false,
        }
    }
}

/// A token taken apart at its two dots.
struct Parts<'a> {
    header: &'a [u8],
    payload: &'a [u8],
    mac: &'a [u8],
    /// Header, dot and payload as received.
    signed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(token: &'a [u8]) -> Option<Self> {
        let mut dots = memchr::memchr_iter(b'.', token);
        let (first, second) = (dots.next()?, dots.next()?);
        let (header, payload, mac) = (&token[..first], &token[first + 1..second], &token[second + 1..]);
        dots.next().is_none().then_some(Self { header, payload, mac, signed: &token[..second] })
    }
}

/// Characters of `len` bytes in base64 without padding.
const fn base64_len(len: usize) -> usize {
    (len * 4).div_ceil(3)
}

/// Characters of a MAC.
const MAC_TEXT_LEN: usize = base64_len(32);

// Whatever we mint, we read.
const _: () = {
    let header_len_max = r#"{"alg":"HS256","kid":"","typ":"sluice-ticket"}"#.len() + KID_LEN_MAX;
    assert!(base64_len(header_len_max) + 1 + base64_len(PAYLOAD_LEN_MAX) + 1 + MAC_TEXT_LEN <= LEN_MAX);
};
