#![allow(clippy::unwrap_used)]

use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use serde_json::json;
use sluice_config::{IssuerRole, Name, Role, WebhookUrl};

use super::*;

const NOW_S: u64 = 1_763_712_000;

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// An issuer with a key of each kind that is made here.
struct Login {
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Login {
    fn new() -> Self {
        let rng = SystemRandom::new();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &rng).unwrap();
        let ed = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&rng).unwrap().as_ref()).unwrap();
        Self { ec, ed }
    }

    fn keys(&self) -> Vec<Jwk> {
        let point = self.ec.public_key().as_ref();
        let ec = json!({ "kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig", "x": encoded(&point[1..33]), "y": encoded(&point[33..]) });
        let ed = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": encoded(self.ed.public_key()) });
        [ec, ed].iter().map(|key| Jwk::of(key).unwrap()).collect()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = match header["kid"].as_str() {
            Some("ec") => self.ec.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec(),
            _ => self.ed.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", encoded(signature))
    }
}

fn issuer() -> Issuer {
    let role = |value: &str, role, tenants: Option<&str>| IssuerRole {
        value: value.to_owned(),
        role,
        tenants: tenants.map(|tenant| vec![Name::new(tenant).unwrap()]),
    };
    Issuer {
        name: "https://login.example.com".to_owned(),
        audience: "sluice".to_owned(),
        keys: WebhookUrl { https: true, host: "login.example.com".into(), port: 443, target: "/keys".into() },
        claim: "groups".to_owned(),
        roles: vec![role("ops", Role::Admin, None), role("ticketing", Role::Manager, Some("shop"))],
        login: None,
    }
}

fn claims() -> Value {
    json!({ "iss": "https://login.example.com", "sub": "ann", "aud": "sluice", "iat": NOW_S, "exp": NOW_S + 600,
        "groups": ["staff", "ticketing"], "email": "ann@example.com" })
}

fn es256() -> Value {
    json!({ "alg": "ES256", "kid": "ec", "typ": "JWT" })
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = claims();
    change(&mut claims);
    claims
}

#[test]
fn a_token_of_the_issuer_gives_the_role_of_its_group() {
    let login = Login::new();
    let who = |header: &Value, claims: &Value| verify(&issuer(), &login.keys(), &login.sign(header, claims), NOW_S);
    let (ann, made_ms) = who(&es256(), &claims()).unwrap();
    assert_eq!((&*ann.id, ann.role, ann.via, made_ms), ("oidc:ann", Role::Manager, Via::Issuer, NOW_S * 1_000));
    assert!(ann.sees("shop") && !ann.sees("other"));
    let eddsa = json!({ "alg": "EdDSA", "kid": "ed" });
    let both = with(|c| (c["groups"], c["aud"]) = (json!(["ticketing", "ops"]), json!(["x", "sluice"])));
    let (admin, _) = who(&eddsa, &both).unwrap();
    assert_eq!((admin.role, admin.tenants), (Role::Admin, None), "the first of the file that fits");
    assert_eq!(who(&eddsa, &with(|c| c["groups"] = json!("ops"))).unwrap().0.role, Role::Admin);
}

#[test]
fn what_another_issuer_time_or_purpose_has_signed_is_of_no_use() {
    let login = Login::new();
    let result = |claims: &Value| verify(&issuer(), &login.keys(), &login.sign(&es256(), claims), NOW_S);
    for (what, claims) in [
        ("issuer", with(|c| c["iss"] = json!("https://login.example.com/"))),
        ("audience", with(|c| c["aud"] = json!("shop"))),
        ("audiences", with(|c| c["aud"] = json!(["shop", "Sluice"]))),
        ("expired", with(|c| (c["iat"], c["exp"]) = (json!(NOW_S - 600), json!(NOW_S - 60)))),
        ("not yet", with(|c| c["nbf"] = json!(NOW_S + 61))),
        ("of tomorrow", with(|c| (c["iat"], c["exp"]) = (json!(NOW_S + 61), json!(NOW_S + 600)))),
        ("for a week", with(|c| c["exp"] = json!(NOW_S + 604_800))),
        ("for ever", with(|c| c["exp"] = json!(u64::MAX))),
        ("no subject", with(|c| c["sub"] = json!(""))),
        ("a subject of two lines", with(|c| c["sub"] = json!("ann\nadmin"))),
        ("no group", with(|c| c["groups"] = json!(["staff"]))),
        ("a group that is none", with(|c| c["groups"] = json!({ "ops": true }))),
    ] {
        assert_eq!(result(&claims), Err(Unknown::Token), "{what}");
    }
    for missing in ["iss", "sub", "aud", "iat", "exp"] {
        let claims = with(|c| drop(c.as_object_mut().unwrap().remove(missing)));
        assert_eq!(result(&claims), Err(Unknown::Token), "{missing}");
    }
}

#[test]
fn the_key_decides_the_algorithm_and_the_token_nothing() {
    let login = Login::new();
    let result = |token: &str| verify(&issuer(), &login.keys(), token, NOW_S);
    let good = login.sign(&es256(), &claims());
    assert!(result(&good).is_ok());
    for header in [
        json!({ "alg": "none", "kid": "ec" }),
        json!({ "alg": "EdDSA", "kid": "ec" }),
        json!({ "alg": "es256", "kid": "ec" }),
        json!({ "alg": "ES256", "kid": "ec", "crit": ["b64"], "b64": false }),
        json!({ "alg": "ES256" }),
    ] {
        assert!(result(&login.sign(&header, &claims())).is_err(), "{header}");
    }
    assert_eq!(result(&login.sign(&json!({ "alg": "ES256", "kid": "new" }), &claims())), Err(Unknown::Key));
    // The public key as the secret of a MAC, and a key that comes along.
    let point = login.ec.public_key();
    let head = format!("{}.{}", encoded(r#"{"alg":"HS256","kid":"ec"}"#), encoded(claims().to_string()));
    let mac = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, point.as_ref()), head.as_bytes());
    assert_eq!(result(&format!("{head}.{}", encoded(mac))), Err(Unknown::Token));
    let stranger = Login::new();
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": encoded(&stranger.ec.public_key().as_ref()[1..33]), "y": encoded(&stranger.ec.public_key().as_ref()[33..]) });
    let header = json!({ "alg": "ES256", "kid": "ec", "jwk": jwk, "jku": "https://attacker.example/keys" });
    assert_eq!(result(&stranger.sign(&header, &claims())), Err(Unknown::Token));
    let (signed, _) = good.rsplit_once('.').unwrap();
    for token in [format!("{signed}."), signed.to_owned(), String::new(), "..".to_owned(), "x".repeat(20_000)] {
        assert!(result(&token).is_err());
    }
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        // The last character has bits that stand for nothing, and a decoder refuses them.
        assert!(result(&String::from_utf8(bytes).unwrap()).is_err(), "character {at}");
    }
}

/// The example of RFC 7515, appendix A.2.
#[test]
fn rsa_signatures_are_those_of_the_standard() {
    let key = json!({ "kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" });
    let signed = b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = Jwk::of(&key).unwrap();
    assert_eq!(key.algorithm(), "RS256");
    assert!(key.verifies(signed, &signature) && !key.verifies(&signed[1..], &signature));
}

#[test]
fn keys_for_other_purposes_are_left_out() {
    for key in [
        json!({ "kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB" }),
        json!({ "kty": "RSA", "alg": "PS512", "n": "AQAB", "e": "AQAB" }),
        json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }),
        json!({ "kty": "oct", "k": "AAAA" }),
        json!({}),
    ] {
        assert_eq!(Jwk::of(&key), None, "{key}");
    }
}

#[test]
fn a_login_takes_the_token_of_this_client_and_this_login_alone() {
    let login = Login::new();
    let client = sluice_config::IssuerLogin {
        client_id: "dash".into(),
        client_secret: None,
        authorize: "https://login.example.com/authorize".into(),
        token: issuer().keys,
        dashboard: "https://ops.example.com".into(),
        scopes: Vec::new(),
        lasts: Duration::from_secs(3_600),
    };
    let result = |header: &Value, claims: &Value| {
        person(&issuer(), &client, &login.keys(), &login.sign(header, claims), "n-1", NOW_S)
    };
    let with = |change: &dyn Fn(&mut Value)| {
        let mut claims = claims();
        (claims["aud"], claims["nonce"]) = (json!("dash"), json!("n-1"));
        change(&mut claims);
        claims
    };
    let ann = result(&es256(), &with(&|_| {})).unwrap();
    assert_eq!((&*ann.sub, ann.value.as_deref()), ("ann", Some("ticketing")));
    assert_eq!(ann.name.as_deref(), Some("ann@example.com"));
    let nobody = result(&es256(), &with(&|c| c["groups"] = json!(["staff"]))).unwrap();
    assert_eq!(nobody.value, None, "they are known, and nothing is theirs");
    let lines = result(&es256(), &with(&|c| c["email"] = json!("ann\nroot"))).unwrap();
    assert_eq!(lines.name, None);
    let several = with(&|c| (c["aud"], c["azp"]) = (json!(["dash", "shop"]), json!("dash")));
    assert!(result(&es256(), &several).is_ok());
    for (what, claims) in [
        ("of another login", with(&|c| c["nonce"] = json!("n-2"))),
        ("of no login", with(&|c| drop(c.as_object_mut().unwrap().remove("nonce")))),
        ("for the API", with(&|c| c["aud"] = json!("sluice"))),
        ("for several, and none has asked", with(&|c| c["aud"] = json!(["dash", "shop"]))),
        ("asked for by another", with(&|c| c["azp"] = json!("shop"))),
        ("expired", with(&|c| (c["iat"], c["exp"]) = (json!(NOW_S - 600), json!(NOW_S - 60)))),
        ("of another issuer", with(&|c| c["iss"] = json!("https://attacker.example"))),
    ] {
        assert_eq!(result(&es256(), &claims), Err(Unknown::Token), "{what}");
    }
    assert_eq!(result(&json!({ "alg": "none", "kid": "ec" }), &with(&|_| {})), Err(Unknown::Token));
    let bearer = verify(&issuer(), &login.keys(), &login.sign(&es256(), &with(&|_| {})), NOW_S);
    assert_eq!(bearer.err(), Some(Unknown::Token), "what a login is given is no bearer of the API");
}
