//! Valid tokens where, when or as whom they are not valid, and how they outlive a change of secrets.

use sluice_admission::token::{Binding, Kind, Move, Pass, Refused, TIME_MS_MAX, Ticket};

use super::{EPOCH, MOVE, NOW_MS, PASS, SLIP, TICKET, assert_refused, keyring, keys, name, present, token};

#[test]
fn everything_said_is_read_back() {
    let keys = keys();
    assert_eq!(keys.verify_slip(token(&keys, Kind::Slip), Binding::NONE), Ok(SLIP));
    assert_eq!(keys.verify_ticket(token(&keys, Kind::Ticket), EPOCH, Binding::NONE), Ok(TICKET));
    assert_eq!(keys.verify_pass(token(&keys, Kind::Pass), EPOCH, NOW_MS, Binding::NONE), Ok(PASS));
    assert_eq!(keys.verify_move(token(&keys, Kind::Move), EPOCH, NOW_MS, Binding::NONE), Ok(MOVE));
}

#[test]
fn another_kind() {
    let keys = keys();
    for minted in Kind::ALL {
        for presented in Kind::ALL.into_iter().filter(|kind| *kind != minted) {
            let got = present(&keys, presented, token(&keys, minted));
            assert_refused(got, Refused::Header, format!("{minted:?} as {presented:?}"));
        }
    }
}

#[test]
fn another_tenant_or_queue() {
    let ring = keyring(&[("2026-11", 0)]);
    let places = [
        ("shop", "sale"),
        ("shop", "sal"),
        ("shops", "ale"),
        ("sho", "psale"),
        ("shopsale", "s"),
        ("sale", "shop"),
        ("sale", "sale"),
        ("shop", "shop"),
        ("ticket", "pass"),
        ("pass", "ticket"),
        ("binding", "slip"),
    ];
    for kind in Kind::ALL {
        for minted in places {
            let token = token(&ring.mint_keys(&name(minted.0), &name(minted.1)), kind);
            for presented in places {
                let got = present(&ring.mint_keys(&name(presented.0), &name(presented.1)), kind, &token);
                let want = if minted == presented { Ok(()) } else { Err(Refused::Mac) };
                assert_eq!(got, want, "{kind:?} of {minted:?} at {presented:?}");
            }
        }
    }
}

#[test]
fn another_epoch() {
    let keys = keys();
    let (ticket, pass) = (token(&keys, Kind::Ticket), token(&keys, Kind::Pass));
    for epoch in [0, EPOCH - 1, EPOCH + 1, u64::MAX] {
        assert_eq!(keys.verify_ticket(&ticket, epoch, Binding::NONE), Err(Refused::Epoch));
        assert_eq!(keys.verify_pass(&pass, epoch, NOW_MS, Binding::NONE), Err(Refused::Epoch));
        assert_eq!(keys.verify_move(token(&keys, Kind::Move), epoch, NOW_MS, Binding::NONE), Err(Refused::Epoch));
    }
}

#[test]
fn a_pass_runs_out_to_the_millisecond() {
    let keys = keys();
    let at = |pass: &Pass, now_ms| {
        keys.verify_pass(keys.sign_pass(pass, Binding::NONE), EPOCH, now_ms, Binding::NONE).map(|_| ())
    };
    let expired = Err(Refused::Expired);

    assert_eq!(at(&PASS, PASS.expires_at_ms - 1), Ok(()));
    assert_eq!(at(&PASS, PASS.expires_at_ms), expired);
    assert_eq!(at(&PASS, u64::MAX), expired);
    // A clock behind the one that minted it: the pass is not older for that.
    assert_eq!(at(&PASS, 0), Ok(()));
    // However active the visitor, the hard end stands.
    let slid = Pass { expires_at_ms: PASS.ends_at_ms + 1, ..PASS };
    assert_eq!(at(&slid, PASS.ends_at_ms - 1), Ok(()));
    assert_eq!(at(&slid, PASS.ends_at_ms), expired);
    // Times of zero and beyond the bound.
    assert_eq!(at(&Pass { expires_at_ms: 0, ..PASS }, 0), expired);
    assert_eq!(at(&Pass { ends_at_ms: 0, ..PASS }, 0), expired);
    let endless = Pass { expires_at_ms: u64::MAX, ends_at_ms: u64::MAX, ..PASS };
    assert_eq!(at(&endless, TIME_MS_MAX - 1), Ok(()));
    assert_eq!(at(&endless, TIME_MS_MAX), expired);
}

/// A link in a history, a log or a photograph is worth nothing ten minutes later.
#[test]
fn a_move_runs_out_to_the_millisecond() {
    let keys = keys();
    let at = |expires_at_ms, now_ms| {
        let token = keys.sign_move(&Move { expires_at_ms, ..MOVE }, Binding::NONE);
        keys.verify_move(token, EPOCH, now_ms, Binding::NONE).map(|_| ())
    };
    assert_eq!(at(MOVE.expires_at_ms, MOVE.expires_at_ms - 1), Ok(()));
    assert_eq!(at(MOVE.expires_at_ms, MOVE.expires_at_ms), Err(Refused::Expired));
    assert_eq!(at(0, 0), Err(Refused::Expired));
    assert_eq!(at(u64::MAX, TIME_MS_MAX), Err(Refused::Expired));
}

#[test]
fn epoch_is_said_before_expiry() {
    let keys = keys();
    let got = keys.verify_pass(token(&keys, Kind::Pass), EPOCH + 1, u64::MAX, Binding::NONE);
    assert_eq!(got, Err(Refused::Epoch));
}

#[test]
fn a_ticket_does_not_run_out() {
    let keys = keys();
    let ancient = Ticket { issued_at_ms: 0, ..TICKET };
    let token = keys.sign_ticket(&ancient, Binding::NONE);
    assert_eq!(keys.verify_ticket(token, EPOCH, Binding::NONE), Ok(ancient));
}

#[test]
fn a_change_of_secrets_loses_nobody() {
    let of = |secrets: &[(&str, u8)]| keyring(secrets).mint_keys(&name("shop"), &name("sale"));
    let before = of(&[("old", 1)]);
    let announced = of(&[("old", 1), ("new", 2)]);
    let during = of(&[("new", 2), ("old", 1)]);
    let after = of(&[("new", 2)]);
    for kind in Kind::ALL {
        let (old, new) = (token(&before, kind), token(&during, kind));
        for keys in [&before, &announced, &during] {
            assert_eq!(present(keys, kind, &old), Ok(()));
        }
        for keys in [&announced, &during, &after] {
            assert_eq!(present(keys, kind, &new), Ok(()));
        }
        assert_refused(present(&after, kind, &old), Refused::Header, "secret taken away");
        assert_refused(present(&before, kind, &new), Refused::Header, "secret not there yet");
        assert_eq!(token(&announced, kind), old, "the current secret signs");
        // A secret replaced under the same name is not the same secret, and the same secret under another name is
        // another header.
        assert_refused(present(&of(&[("old", 3)]), kind, &old), Refused::Mac, "secret replaced");
        assert_refused(present(&of(&[("renamed", 1)]), kind, &old), Refused::Header, "secret renamed");
    }
}

#[test]
fn a_restart_and_a_second_node_change_nothing() {
    for kind in Kind::ALL {
        assert_eq!(token(&keys(), kind), token(&keys(), kind));
        assert_eq!(present(&keys().clone(), kind, token(&keys(), kind)), Ok(()));
    }
}

#[test]
fn a_bound_token_stays_with_its_client() {
    let keys = keys();
    let at = |network: &'static [u8]| Binding { network: Some(network), user_agent: None };
    let with = |agent: &'static [u8]| Binding { network: None, user_agent: Some(agent) };
    let both =
        |network: &'static [u8], agent: &'static [u8]| Binding { network: Some(network), user_agent: Some(agent) };
    let clients = [
        at(b"\xc6\x33\x64"),
        at(b"\xc6\x33\x65"),
        at(b""),
        with(b"curl/8.5"),
        with(b"\xc6\x33\x64"),
        with(b""),
        both(b"", b""),
        both(b"\xc6\x33\x64", b"curl/8.5"),
        both(b"\xc6\x33\x64", b""),
        both(b"", b"\xc6\x33\x64"),
        both(b"\xc6\x33", b"\x64curl/8.5"),
    ];
    for (i, minted) in clients.into_iter().enumerate() {
        let (slip, ticket, pass) =
            (keys.sign_slip(&SLIP, minted), keys.sign_ticket(&TICKET, minted), keys.sign_pass(&PASS, minted));
        for (j, presented) in clients.into_iter().enumerate() {
            let refused = (i != j).then_some(Refused::Binding);
            assert_eq!(keys.verify_slip(&slip, presented).err(), refused, "{i} as {j}");
            assert_eq!(keys.verify_ticket(&ticket, EPOCH, presented).err(), refused, "{i} as {j}");
            assert_eq!(keys.verify_pass(&pass, EPOCH, NOW_MS, presented).err(), refused, "{i} as {j}");
        }
        // Switched off since.
        assert_eq!(keys.verify_pass(&pass, EPOCH, NOW_MS, Binding::NONE), Ok(PASS));
    }
    // Switched on since: until it is minted anew, what was minted before passes.
    assert_eq!(keys.verify_pass(token(&keys, Kind::Pass), EPOCH, NOW_MS, clients[0]), Ok(PASS));
}

#[test]
fn a_binding_outlives_a_change_of_secrets() {
    let client = Binding { network: Some(b"\xc6\x33\x64"), user_agent: None };
    let other = Binding { network: Some(b"\xc6\x33\x65"), user_agent: None };
    let of = |secrets: &[(&str, u8)]| keyring(secrets).mint_keys(&name("shop"), &name("sale"));
    let pass = of(&[("old", 1)]).sign_pass(&PASS, client);
    let during = of(&[("new", 2), ("old", 1)]);
    assert_eq!(during.verify_pass(&pass, EPOCH, NOW_MS, client), Ok(PASS));
    assert_eq!(during.verify_pass(&pass, EPOCH, NOW_MS, other), Err(Refused::Binding));
}
