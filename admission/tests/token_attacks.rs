//! Attacks on the tokens, through the public interface only. One room per attacker:
//!
//! - `altered`: has valid tokens and changes them.
//! - `astray`: uses a valid token where, when or as whom it is not valid.
//! - `forged`: has the keys, so that everything behind the MAC is tried too.
//! - `random`: has time, and sends anything.
//! - `standard`: is no attacker but another implementation of the same standard.
//!
//! `forge` is a second implementation of keys and MAC, on nothing but SHA-256: what it signs shows that the keys are
//! the documented ones, and lets `forged` write payloads that the library never would.

#[path = "token_attacks/altered.rs"]
mod altered;
#[path = "token_attacks/astray.rs"]
mod astray;
#[path = "token_attacks/forge.rs"]
mod forge;
#[path = "token_attacks/forged.rs"]
mod forged;
#[path = "token_attacks/random.rs"]
mod random;
#[path = "token_attacks/standard.rs"]
mod standard;

use sluice_admission::line::LaneId;
use sluice_admission::token::{Binding, Keyring, Kind, Move, Pass, QueueKeys, Refused, Slip, Ticket};
use sluice_config::settings::{Keys, Name, Secret};

const NOW_MS: u64 = 1_763_712_000_000;
const EPOCH: u64 = 3;
const SLIP: Slip = Slip { id: 0x0123_4567_89ab_cdef, issued_at_ms: NOW_MS, lane: LaneId::FIRST };
const TICKET: Ticket = Ticket { epoch: EPOCH, number: 4711, issued_at_ms: NOW_MS, ahead_first: 812, ahead_shown: 640 };
const PASS: Pass = Pass {
    epoch: EPOCH,
    number: 4711,
    issued_at_ms: NOW_MS,
    expires_at_ms: NOW_MS + 600_000,
    ends_at_ms: NOW_MS + 43_200_000,
};

const MOVE: Move = Move { ticket: TICKET, id: 0x89ab_cdef, expires_at_ms: NOW_MS + 600_000 };

/// 32 bytes counting up from `first`.
fn secret(first: u8) -> [u8; 32] {
    std::array::from_fn(|i| first.wrapping_add(i.to_le_bytes()[0]))
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a valid name")
}

/// A keyring of secrets named by their first byte, the first of them current.
fn keyring(secrets: &[(&str, u8)]) -> Keyring {
    let by_name = secrets.iter().map(|(kid, first)| ((*kid).to_owned(), Secret::new(secret(*first))));
    Keyring::new(&Keys { current: secrets[0].0.to_owned(), secrets: by_name.collect() }).expect("valid keys")
}

/// The keys under attack: `shop`'s queue `sale`, secret `2026-11`, with an older one still around. The names differ in
/// more than one byte, so that no flipped byte of one header makes the other.
fn keys() -> QueueKeys {
    keyring(&[("2026-11", 0), ("older", 100)]).mint_keys(&name("shop"), &name("sale"))
}

/// One valid token.
fn token(keys: &QueueKeys, kind: Kind) -> String {
    match kind {
        Kind::Slip => keys.sign_slip(&SLIP, Binding::NONE),
        Kind::Ticket => keys.sign_ticket(&TICKET, Binding::NONE),
        Kind::Pass => keys.sign_pass(&PASS, Binding::NONE),
        Kind::Move => keys.sign_move(&MOVE, Binding::NONE),
    }
}

/// Presents a token as one of `kind`, now, in the current epoch.
fn present(keys: &QueueKeys, kind: Kind, token: impl AsRef<[u8]>) -> Result<(), Refused> {
    match kind {
        Kind::Slip => keys.verify_slip(token, Binding::NONE).map(|_| ()),
        Kind::Ticket => keys.verify_ticket(token, EPOCH, Binding::NONE).map(|_| ()),
        Kind::Pass => keys.verify_pass(token, EPOCH, NOW_MS, Binding::NONE).map(|_| ()),
        Kind::Move => keys.verify_move(token, EPOCH, NOW_MS, Binding::NONE).map(|_| ()),
    }
}

/// Asserts one refusal, naming what was tried.
#[track_caller]
fn assert_refused(got: Result<(), Refused>, want: Refused, attempt: impl std::fmt::Display) {
    assert_eq!(got, Err(want), "{attempt}");
}
