//! Signed tokens: what a visitor carries from one request to the next, checked without a store.
//!
//! | kind | says | taken as valid |
//! |---|---|---|
//! | [`Slip`] | arrived, has no number yet | as long as the caller accepts its age |
//! | [`Ticket`] | holds a number in line | in the epoch of the line |
//! | [`Pass`] | may enter | in the epoch of the line, until it expires |
//! | [`Move`] | a ticket on its way to another device | in the epoch of the line, until it expires; once, by the store |
//!
//! # Format
//!
//! A token is a JSON Web Signature in compact form (RFC 7515): `header.payload.mac`, each part base64url without
//! padding, signed with HMAC-SHA-256.
//!
//! ```text
//! {"alg":"HS256","kid":"2026-11","typ":"sluice-ticket"}
//! {"t":"shop","q":"sale","e":3,"l":0,"n":4711,"i":1763712000000,"f":812,"s":640}
//! ```
//!
//! | claim | in | meaning |
//! |---|---|---|
//! | `t`, `q` | all | tenant, queue |
//! | `i` | all | issued at, ms; of a move, its ticket |
//! | `d` | slip, move | id |
//! | `l` | slip | lane, unless it is the first |
//! | `e`, `l`, `n` | ticket, pass, move | epoch, slot of the lane, place in it |
//! | `f`, `s` | ticket, move | stood ahead at first, fewest shown ahead |
//! | `x` | pass, move | expires at, ms |
//! | `h` | pass | hard end, ms |
//! | `b` | any, optional | [`Binding`] to network or user agent |
//!
//! Claims are unsigned integers in this order, names are plain text, and there is exactly one way to write each
//! payload. Times are the line's clock, in ms since 1970, at most [`TIME_MS_MAX`].
//!
//! # What is checked, in this order
//!
//! 1. The length, before anything else looks at the bytes.
//! 2. The encoded header is byte for byte one that we mint for this kind. It is compared, never parsed, so there is
//!    no algorithm to talk us into; it selects the key.
//! 3. The MAC over the bytes as received. Its encoding is canonical, so a token cannot be written in two ways.
//! 4. The payload, by a decoder that knows only our own spelling. Nothing of it is read before the MAC has held.
//! 5. Tenant and queue, [`Binding`], epoch, expiry.
//!
//! # Keys
//!
//! Every master secret gives one key per tenant, queue and kind: `HKDF-SHA256(salt = "sluice v1", secret, info)` with
//! `info` the three of kind, tenant and queue, each behind its length as 64 bits, big-endian. A token of another
//! tenant, queue or kind therefore fails at the MAC already. The hash of a [`Binding`] has a key of its own, with
//! `binding` in place of the kind. Nothing of the software's version is in a key or in a token: a deploy voids
//! nothing.
//!
//! ```
//! use sluice_admission::token::{Binding, Keyring, Refused, Ticket};
//! use sluice_config::settings::{Keys, Name, Secret};
//!
//! let secrets = [("2026-11".to_owned(), Secret::new([7; 32]))].into();
//! let keyring = Keyring::new(&Keys { current: "2026-11".to_owned(), secrets })?;
//! let (tenant, queue) = (Name::new("shop").unwrap(), Name::new("sale").unwrap());
//! let keys = keyring.mint_keys(&tenant, &queue);
//!
//! let ticket =
//!     Ticket { epoch: 3, number: 4711, issued_at_ms: 1_763_712_000_000, ahead_first: 812, ahead_shown: 640 };
//! let token = keys.sign_ticket(&ticket, Binding::NONE);
//! assert_eq!(keys.verify_ticket(&token, 3, Binding::NONE), Ok(ticket));
//! assert_eq!(keys.verify_ticket(&token, 4, Binding::NONE), Err(Refused::Epoch));
//! # Ok::<(), sluice_admission::token::KeyringError>(())
//! ```

mod binding;
mod claims;
mod keyring;
mod keys;
mod payload;
mod refused;

pub use self::{
    binding::Binding,
    claims::{Kind, Move, Pass, Slip, Ticket},
    keyring::{KID_LEN_MAX, Keyring, KeyringError, SECRET_LEN_MIN},
    keys::QueueKeys,
    refused::Refused,
};

/// Longest token in bytes, ours or anybody's: longer input is refused unread.
pub const LEN_MAX: usize = 1024;

/// Latest time a token can carry: the end of the year 9999, in ms since 1970. A later one is minted as this.
///
/// Far below 2^53, so every reader of JSON gets it exactly.
pub const TIME_MS_MAX: u64 = 253_402_300_799_999;
