use std::collections::{BTreeMap, BTreeSet};

use ring::hmac::sign;
use sluice_config::settings::Secret;

use super::*;

fn keys(current: &str, secrets: &[(&str, usize)]) -> Keys {
    let secrets: BTreeMap<_, _> =
        secrets.iter().map(|(kid, len)| ((*kid).to_owned(), Secret::new(vec![7; *len]))).collect();
    Keys { current: current.to_owned(), secrets }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a valid name")
}

#[test]
fn unusable_secrets_are_told_by_name() {
    let refused = |keys: &Keys| Keyring::new(keys).err();
    let kid = |kid: &str| kid.to_owned();
    assert_eq!(refused(&keys("b", &[("a", 32)])), Some(KeyringError::CurrentMissing { kid: kid("b") }));
    assert_eq!(refused(&keys("a", &[])), Some(KeyringError::CurrentMissing { kid: kid("a") }));
    for len in [0, 1, 31] {
        assert_eq!(refused(&keys("a", &[("a", 32), ("b", len)])), Some(KeyringError::Short { kid: kid("b") }));
    }
    assert_eq!(refused(&keys("a", &[("a", 32), ("b", 1000)])), None);
}

#[test]
fn a_name_stands_in_the_header_as_it_is() {
    let longest = "x".repeat(KID_LEN_MAX);
    for fine in ["a", "2026-11", "prod key #3", "{}", &longest] {
        assert!(Keyring::new(&keys(fine, &[(fine, 32)])).is_ok(), "{fine}");
    }
    let long = "x".repeat(KID_LEN_MAX + 1);
    for kid in ["", "a\"b", "a\\b", "a\nb", "a\0", "schl\u{fc}ssel", "\u{7f}", &long] {
        let want = KeyringError::Name { kid: kid.to_owned() };
        assert_eq!(Keyring::new(&keys(kid, &[(kid, 32)])).err(), Some(want));
    }
}

#[test]
fn every_key_is_another() {
    let keyring = Keyring::new(&keys("a", &[("a", 32), ("b", 33)])).expect("valid keys");
    let mut seen = BTreeSet::new();
    let mut derived = 0;
    for (tenant, queue) in [("a", "bc"), ("ab", "c"), ("abc", "a"), ("a", "abc"), ("c", "ab"), ("pass", "slip")] {
        let keys = keyring.mint_keys(&name(tenant), &name(queue));
        for kind in [&keys.slip, &keys.ticket, &keys.pass] {
            for key in std::iter::once(&kind.current).chain(&kind.others) {
                seen.insert(sign(&key.mac, b"").as_ref().to_vec());
                derived += 1;
            }
        }
        // One binding key for all kinds, so it is counted once.
        for key in std::iter::once(&keys.slip.current).chain(&keys.slip.others) {
            seen.insert(sign(&key.binding, b"").as_ref().to_vec());
            derived += 1;
        }
    }
    assert_eq!(seen.len(), derived);
}

#[test]
fn debug_shows_names_only() {
    let keyring = Keyring::new(&keys("b", &[("a", 32), ("b", 32)])).expect("valid keys");
    assert_eq!(format!("{keyring:?}"), r#"Keyring { current: "b", others: ["a"], .. }"#);
    let keys = keyring.mint_keys(&name("shop"), &name("sale"));
    assert_eq!(format!("{keys:?}"), r#"QueueKeys { tenant: Name("shop"), queue: Name("sale"), .. }"#);
}

#[test]
fn secrets_for_other_purposes_differ_by_purpose_and_master() {
    let keyring = Keyring::new(&keys("a", &[("a", 32), ("b", 33)])).expect("usable");
    let (one, other) = (keyring.secrets_for("one"), keyring.secrets_for("other"));
    let all: BTreeSet<_> = one.iter().chain(&other).collect();
    assert_eq!((one.len(), all.len()), (2, 4));
    let turned = Keyring::new(&keys("b", &[("a", 32), ("b", 33)])).expect("usable").secrets_for("one");
    assert_eq!(turned, [one[1], one[0]], "the current one first");
}
