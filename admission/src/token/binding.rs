//! Optional binding of a token to the client it was given to.

use ring::hmac;

/// Bytes of the tag in a payload. Nobody can search for a collision: the tag is keyed and never computed on request
/// for a chosen input, so 128 bits are ample.
pub(super) const TAG_LEN: usize = 16;

/// What a client's tokens are bound to; [`NONE`](Self::NONE) unless an operator asks for it.
///
/// People change networks while they wait and browsers update themselves, so a binding costs honest visitors their
/// place: leave it off except where resold passes are the greater harm.
///
/// The payload carries a keyed hash, so a token tells nobody the address of its owner, and it stands inside the MAC,
/// so it cannot be cut off. Both ways to switch are kind to those in line: once off, a bound token passes anywhere;
/// once on, a token minted before passes until it is minted anew. Which parts are bound is part of the hash: a change
/// from one part to two voids what was bound to one.
#[derive(Clone, Copy, Default)]
pub struct Binding<'a> {
    /// The client's network prefix, such as the first three bytes of an IPv4 address.
    pub network: Option<&'a [u8]>,
    /// The `User-Agent` as received. A request without one binds to the empty text, not to `None`: else leaving the
    /// header out would mint a token that anybody can use.
    pub user_agent: Option<&'a [u8]>,
}

impl Binding<'_> {
    /// Bound to nothing.
    pub const NONE: Self = Self { network: None, user_agent: None };

    /// The keyed hash for the payload; `None` when bound to nothing.
    pub(super) fn tag(&self, key: &hmac::Key) -> Option<[u8; TAG_LEN]> {
        if self.network.is_none() && self.user_agent.is_none() {
            return None;
        }
        let mut mac = hmac::Context::with_key(key);
        for part in [self.network, self.user_agent] {
            // Absent, empty and every split of the same bytes into two parts are all different inputs.
            mac.update(&[u8::from(part.is_some())]);
            let bytes = part.unwrap_or_default();
            mac.update(&(bytes.len() as u64).to_be_bytes());
            mac.update(bytes);
        }
        mac.sign().as_ref().first_chunk().copied()
    }
}
