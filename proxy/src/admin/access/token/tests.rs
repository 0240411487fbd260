#![allow(clippy::unwrap_used)]

use sluice_config::{Keys, settings::Secret};

use super::*;

const NOW_MS: u64 = 1_763_712_000_000;

fn signer(secret: u8) -> Signer {
    let secrets = [("k".to_owned(), Secret::new([secret; 32]))].into();
    Signer::new(&Keyring::new(&Keys { current: "k".into(), secrets }).unwrap())
}

fn claims(life: Duration) -> Claims {
    Claims::new("ann".into(), Role::Manager, Some(vec!["shop".into()]), life, NOW_MS).unwrap()
}

#[test]
fn a_token_is_valid_until_it_expires_and_no_longer_than_a_day() {
    let (signer, minute) = (signer(1), Duration::from_secs(60));
    let token = signer.sign(&claims(minute), Kind::Token);
    let read = signer.verify(&token, Kind::Token, NOW_MS + 59_999).unwrap();
    assert_eq!(read.principal(Via::Token).tenants.unwrap(), ["shop"]);
    assert_eq!(signer.verify(&token, Kind::Token, NOW_MS + 60_000), None);
    let token = signer.sign(&claims(LIFE_MAX * 30), Kind::Token);
    assert_eq!(signer.verify(&token, Kind::Token, NOW_MS + ms(LIFE_MAX)), None);
}

#[test]
fn a_token_of_another_kind_secret_or_time_does_not_verify() {
    let claims = claims(LIFE_MAX);
    let token = signer(1).sign(&claims, Kind::Token);
    assert!(signer(1).verify(&token, Kind::Token, NOW_MS).is_some());
    assert_eq!(signer(1).verify(&token, Kind::Session, NOW_MS), None);
    assert_eq!(signer(2).verify(&token, Kind::Token, NOW_MS), None);
    assert_eq!(signer(1).verify(&token, Kind::Token, NOW_MS - LEEWAY_MS - 1), None, "made in the future");
}

#[test]
fn whatever_is_changed_in_a_token_it_does_not_verify() {
    let signer = signer(1);
    let token = signer.sign(&claims(LIFE_MAX), Kind::Token);
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        // The last character of a base64 text may stand for bits that are not used.
        assert!(changed == token || signer.verify(&changed, Kind::Token, NOW_MS).is_none(), "{at}");
    }
    let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"sluice-admin"}"#);
    let payload = token.split('.').nth(1).unwrap();
    for forged in
        [format!("{none}.{payload}."), format!("{none}.{payload}"), "..".into(), String::new(), "x".repeat(9_999)]
    {
        assert_eq!(signer.verify(&forged, Kind::Token, NOW_MS), None, "{forged}");
    }
}

#[test]
fn a_session_ends_after_half_an_hour_without_a_request_and_after_half_a_day_with() {
    let signer = signer(1);
    let mut session = claims(Duration::from_secs(60)).session(NOW_MS);
    let verify = |claims: &Claims, now_ms| signer.verify(&signer.sign(claims, Kind::Session), Kind::Session, now_ms);
    assert!(verify(&session, NOW_MS + ms(SESSION_IDLE) - 1).is_some(), "it outlives its token");
    assert!(verify(&session, NOW_MS + ms(SESSION_IDLE)).is_none());
    assert_eq!(session.renewed(NOW_MS + 1_000), None, "not with each request");
    let mut now_ms = NOW_MS;
    while verify(&session, now_ms).is_some() {
        session = session.renewed(now_ms).unwrap_or(session);
        now_ms += 600_000;
    }
    assert_eq!(now_ms - NOW_MS, ms(SESSION_MAX));
}

#[test]
fn a_session_began_when_its_token_was_given_however_often_it_was_renewed() {
    let token = claims(LIFE_MAX);
    let mut session = token.session(NOW_MS + 5_000);
    for minute in 1..=60 {
        session = session.renewed(NOW_MS + 5_000 + minute * 300_000).unwrap_or(session);
    }
    assert_eq!((token.made_ms(), session.began_ms()), (NOW_MS, NOW_MS + 5_000));
    assert_ne!(token.name(Kind::Token), session.name(Kind::Session), "a token that was used up leaves its session");
}

#[test]
fn a_session_of_a_login_at_the_issuer_lasts_as_long_as_that_may_and_gives_nothing_by_itself() {
    let signer = signer(1);
    let hour = Duration::from_secs(3_600);
    let of = |lasts| Claims::of_issuer("ann".into(), "https://a.example".into(), "ops".into(), lasts, NOW_MS).unwrap();
    let mut session = of(hour);
    let verify = |claims: &Claims, now_ms| signer.verify(&signer.sign(claims, Kind::Session), Kind::Session, now_ms);
    assert_eq!(verify(&session, NOW_MS).unwrap(), session);
    assert!(verify(&session, NOW_MS + ms(SESSION_IDLE)).is_none());
    let mut now_ms = NOW_MS;
    while verify(&session, now_ms).is_some() {
        session = session.renewed(now_ms).unwrap_or(session);
        now_ms += 600_000;
    }
    assert_eq!((now_ms - NOW_MS, session.began_ms()), (ms(hour), NOW_MS));
    assert_eq!(of(SESSION_MAX * 9).end_ms(), NOW_MS + ms(SESSION_MAX));
    let principal = session.principal(Via::Session);
    assert_eq!((principal.role, principal.tenants), (Role::Viewer, Some(Vec::new())));
}
