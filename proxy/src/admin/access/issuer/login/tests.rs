#![allow(clippy::unwrap_used)]

use std::{collections::HashMap, time::Duration};

use sluice_config::{Keys, Role, Secret, WebhookUrl};

use super::*;

const NOW_MS: u64 = 1_763_712_000_000;

fn attempts(secrets: &[u8]) -> Attempts {
    let secrets: Vec<_> = secrets.iter().map(|byte| (format!("k{byte}"), Secret::new([*byte; 32]))).collect();
    let current = secrets[0].0.clone();
    Attempts::new(&Keyring::new(&Keys { current, secrets: secrets.into_iter().collect() }).unwrap())
}

fn issuer(name: &str) -> Issuer {
    let url =
        |target: &str| WebhookUrl { https: true, host: "login.example.com".into(), port: 443, target: target.into() };
    let login = IssuerLogin {
        client_id: "dash & co".into(),
        client_secret: None,
        authorize: "https://login.example.com/authorize?tenant=7".into(),
        token: url("/token"),
        dashboard: "https://ops.example.com".into(),
        scopes: vec!["groups".into()],
        lasts: Duration::from_secs(3_600),
    };
    let role = sluice_config::IssuerRole { value: "ops".into(), role: Role::Admin, tenants: None };
    Issuer {
        name: name.into(),
        audience: "sluice".into(),
        keys: url("/keys"),
        claim: "groups".into(),
        roles: vec![role],
        login: Some(login),
    }
}

fn begin(attempts: &Attempts, issuer: &Issuer) -> Attempt {
    attempts.begin(issuer, issuer.login.as_ref().unwrap(), NOW_MS).unwrap()
}

#[test]
fn a_login_goes_on_at_any_node_of_the_fleet_for_ten_minutes() {
    let issuer = issuer("https://login.example.com");
    let login = issuer.login.as_ref().unwrap();
    let begun = begin(&attempts(&[1]), &issuer);
    let after = |attempts: Attempts, ms: u64| attempts.resume(&issuer, login, &begun.cookie, &begun.state, NOW_MS + ms);
    assert_eq!(after(attempts(&[1]), 1).unwrap(), begun, "nothing was kept at the node");
    assert_eq!(after(attempts(&[2, 1]), 599_999).unwrap(), begun, "the secret was changed meanwhile");
    assert_eq!(after(attempts(&[2]), 1), Err(NotBegun::Foreign));
    assert_eq!(after(attempts(&[1]), 600_000), Err(NotBegun::Late));
    let future = attempts(&[1]).resume(&issuer, login, &begun.cookie, &begun.state, NOW_MS - LEEWAY_MS - 1);
    assert_eq!(future, Err(NotBegun::Late));
}

#[test]
fn a_state_belongs_to_one_cookie_issuer_and_client() {
    let (attempts, issuer) = (attempts(&[1]), issuer("https://login.example.com"));
    let login = issuer.login.as_ref().unwrap();
    let (mine, other) = (begin(&attempts, &issuer), begin(&attempts, &issuer));
    let resume = |cookie: &str, state: &str| attempts.resume(&issuer, login, cookie, state, NOW_MS);
    assert_eq!(resume(&mine.cookie, &other.state), Err(NotBegun::Foreign));
    for (cookie, state) in [("", ""), (&*mine.cookie, ""), ("", &*mine.state), ("x", "x"), (&mine.cookie, &mine.cookie)]
    {
        assert_eq!(resume(cookie, state), Err(NotBegun::Foreign), "{cookie} {state}");
    }
    let later = mine.cookie.replacen(|digit: char| digit.is_ascii_digit(), "9", 1);
    assert_eq!(resume(&later, &mine.state), Err(NotBegun::Foreign), "its end is part of it");
    let long = "1.".to_owned() + &"A".repeat(10_000);
    assert_eq!(resume(&long, &mine.state), Err(NotBegun::Foreign));
    let other_issuer = super::tests::issuer("https://other.example.com");
    assert_eq!(
        attempts.resume(&other_issuer, login, &mine.cookie, &mine.state, NOW_MS),
        Err(NotBegun::Foreign),
        "the config was changed to another issuer"
    );
    let mut other_client = issuer.clone();
    let client = other_client.login.as_mut().unwrap();
    client.client_id = "shop".into();
    assert_eq!(attempts.resume(&issuer, client, &mine.cookie, &mine.state, NOW_MS), Err(NotBegun::Foreign));
}

#[test]
fn the_browser_carries_the_challenge_and_never_the_verifier() {
    let issuer = issuer("https://login.example.com");
    let begun = begin(&attempts(&[1]), &issuer);
    let url = begun.url(issuer.login.as_ref().unwrap());
    let query = url.strip_prefix("https://login.example.com/authorize?tenant=7&").unwrap();
    let fields: HashMap<_, _> = query.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
    assert_eq!(fields.len(), 8);
    assert_eq!((fields["response_type"], fields["code_challenge_method"]), ("code", "S256"));
    assert_eq!((fields["client_id"], fields["scope"]), ("dash%20%26%20co", "openid%20groups"));
    assert_eq!(fields["redirect_uri"], "https%3A%2F%2Fops.example.com%2Flogin%2Fcallback");
    assert_eq!((fields["state"], fields["nonce"]), (&*begun.state, &*begun.nonce));
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, begun.verifier.as_bytes()));
    assert_eq!(fields["code_challenge"], challenge);
    assert!((43..=128).contains(&begun.verifier.len()), "RFC 7636, section 4.1");
    let parts = [&begun.state, &begun.nonce, &begun.verifier];
    assert!(!url.contains(&begun.verifier) && !begun.cookie.contains(&begun.verifier));
    for (at, part) in parts.iter().enumerate() {
        assert!(!format!("{begun:?}").contains(part.as_str()));
        assert!(parts[at + 1..].iter().all(|other| other != part), "each by a key of its own");
    }
}

/// Colons and spaces in either part do not move where the other begins.
#[test]
fn the_secret_of_the_client_is_encoded_before_it_is_joined() {
    let value = basic("dash:1", "pass word%é").unwrap();
    let pair = value.to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
    assert_eq!(BASE64_STANDARD.decode(pair).unwrap(), b"dash%3A1:pass%20word%25%C3%A9");
    assert!(value.is_sensitive() && !format!("{value:?}").contains("Basic"));
}
