//! Anything at all: nothing panics, and nothing verifies that we did not mint.

use proptest::{collection::vec, prelude::*};
use sluice_admission::line::LaneId;
use sluice_admission::token::{Binding, Kind, Pass, Slip, TIME_MS_MAX, Ticket};

use super::{
    EPOCH, NOW_MS,
    forge::{Forge, decode, encode, parts},
    keys, present, token,
};

/// One change to a token.
#[derive(Clone, Debug)]
enum Change {
    Set(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Swap(usize, usize),
    Repeat(usize, usize),
    Cut(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0..400_usize;
    // Mostly bytes that belong in a token.
    let byte = || prop_oneof![4 => prop::sample::select(b"ABCXYZabcxyz0189-_.=+/".to_vec()), 1 => any::<u8>()];
    prop_oneof![
        (at.clone(), byte()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at.clone(), byte()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        at.clone().prop_map(Change::Remove),
        (at.clone(), at.clone()).prop_map(|(a, b)| Change::Swap(a, b)),
        (at.clone(), 1..1200_usize).prop_map(|(at, len)| Change::Repeat(at, len)),
        at.prop_map(Change::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match *change {
        Change::Set(at, byte) => bytes[at % len] = byte,
        Change::Insert(at, byte) => bytes.insert(at % len, byte),
        Change::Remove(at) => drop(bytes.remove(at % len)),
        Change::Swap(a, b) => bytes.swap(a % len, b % len),
        Change::Repeat(at, count) => {
            let start = at % len;
            let copied = bytes[start..(start + count).min(len)].to_vec();
            bytes.splice(start..start, copied);
        }
        Change::Cut(at) => bytes.truncate(at % len),
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::ALL.to_vec())
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(TIME_MS_MAX), 0..=TIME_MS_MAX]
}

fn integer() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), any::<u64>(), 0..1_000_u64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_bytes_are_refused(kind in kind(), bytes in vec(any::<u8>(), 0..2048)) {
        prop_assert!(present(&keys(), kind, bytes).is_err());
    }

    #[test]
    fn any_text_is_refused(kind in kind(), text in "\\PC*") {
        prop_assert!(present(&keys(), kind, text).is_err());
    }

    #[test]
    fn anything_in_the_shape_of_a_token_is_refused(
        kind in kind(),
        header in "[A-Za-z0-9_-]{0,80}",
        payload in "[A-Za-z0-9_-]{0,200}",
        mac in "[A-Za-z0-9_-]{0,50}",
        ours in any::<bool>(),
    ) {
        let header = if ours { encode(Forge::new().header(kind)) } else { header };
        let token = [header, payload, mac].join(".");
        prop_assert!(present(&keys(), kind, token).is_err());
    }

    #[test]
    fn a_changed_token_is_refused(kind in kind(), changes in vec(change(), 1..6)) {
        let keys = keys();
        let token = token(&keys, kind).into_bytes();
        let mut changed = token.clone();
        changes.iter().for_each(|change| apply(&mut changed, change));
        prop_assert_eq!(present(&keys, kind, &changed).is_ok(), changed == token);
    }

    #[test]
    fn a_changed_payload_under_the_real_key_is_ours_or_refused(kind in kind(), changes in vec(change(), 1..6)) {
        let keys = keys();
        let mut payload = decode(parts(&token(&keys, kind))[1]).into_bytes();
        changes.iter().for_each(|change| apply(&mut payload, change));
        let forged = Forge::new().payload(kind, &payload);
        // What is read, minted again, is the same token: there is no second way to write anything.
        let bound = Binding::NONE;
        let again = match kind {
            Kind::Slip => keys.verify_slip(&forged, bound).map(|slip| keys.sign_slip(&slip, bound)),
            Kind::Ticket => keys.verify_ticket(&forged, EPOCH, bound).map(|ticket| keys.sign_ticket(&ticket, bound)),
            Kind::Pass => keys.verify_pass(&forged, EPOCH, NOW_MS, bound).map(|pass| keys.sign_pass(&pass, bound)),
            Kind::Move => keys.verify_move(&forged, EPOCH, NOW_MS, bound).map(|of| keys.sign_move(&of, bound)),
        };
        if let Ok(again) = again {
            prop_assert_eq!(again, forged);
        }
    }

    #[test]
    fn any_payload_under_the_real_key_is_refused(kind in kind(), payload in vec(any::<u8>(), 0..700)) {
        prop_assert!(present(&keys(), kind, Forge::new().payload(kind, payload)).is_err());
    }

    #[test]
    fn anything_signed_is_read_back(
        (id, epoch, ahead_first, ahead_shown) in (integer(), integer(), integer(), integer()),
        number in integer().prop_map(|number| number % (1 << 53)),
        (issued_at_ms, expires_at_ms, ends_at_ms) in (time(), time(), time()),
        lane in "[a-z]{1,20}".prop_map(|name| LaneId::named(&sluice_config::Name::new(&name).expect("it is a name"))),
        network in proptest::option::of(vec(any::<u8>(), 0..20)),
        user_agent in proptest::option::of(vec(any::<u8>(), 0..300)),
    ) {
        let keys = keys();
        let client = Binding { network: network.as_deref(), user_agent: user_agent.as_deref() };

        let slip = Slip { id, issued_at_ms, lane };
        prop_assert_eq!(keys.verify_slip(keys.sign_slip(&slip, client), client), Ok(slip));

        let ticket = Ticket { epoch, number, issued_at_ms, ahead_first, ahead_shown };
        prop_assert_eq!(keys.verify_ticket(keys.sign_ticket(&ticket, client), epoch, client), Ok(ticket));

        let pass = Pass { epoch, number, issued_at_ms, expires_at_ms, ends_at_ms };
        if let Some(last_ms) = expires_at_ms.min(ends_at_ms).checked_sub(1) {
            prop_assert_eq!(keys.verify_pass(keys.sign_pass(&pass, client), epoch, last_ms, client), Ok(pass));
        }
    }
}
