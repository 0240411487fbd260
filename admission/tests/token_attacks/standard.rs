//! What we mint is a JSON Web Signature that any other implementation of the standard verifies.

use sluice_admission::token::{Binding, Kind, Refused};

use super::{
    EPOCH, NOW_MS, PASS,
    forge::{Forge, decode, encode, hmac, parts},
    keys, present, token,
};

/// Minted by another program (Python's `hmac` and `hashlib`) from the description of the format alone.
const SLIP: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjIwMjYtMTEiLCJ0eXAiOiJzbHVpY2Utc2xpcCJ9.\
    eyJ0Ijoic2hvcCIsInEiOiJzYWxlIiwiZCI6ODE5ODU1MjkyMTY0ODY4OTUsImkiOjE3NjM3MTIwMDAwMDB9.\
    NY8gbBl1SX0pI-qeR4N5CJcYI4K_jCVe_lXXi-L8Mig";
const TICKET: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjIwMjYtMTEiLCJ0eXAiOiJzbHVpY2UtdGlja2V0In0.\
    eyJ0Ijoic2hvcCIsInEiOiJzYWxlIiwiZSI6MywibCI6MCwibiI6NDcxMSwiaSI6MTc2MzcxMjAwMDAwMCwiZiI6ODEyLCJzIjo2NDB9.\
    65bgK6j_Cv16mr7n2GXClikdHARUwWXMMVi52u9bBg8";
const PASS_UNBOUND: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjIwMjYtMTEiLCJ0eXAiOiJzbHVpY2UtcGFzcyJ9.\
    eyJ0Ijoic2hvcCIsInEiOiJzYWxlIiwiZSI6MywibCI6MCwibiI6NDcxMSwiaSI6MTc2MzcxMjAwMDAwMCwieCI6MTc2MzcxMjYwMDAwMCwia\
    CI6MTc2Mzc1NTIwMDAwMH0.4z39HAMeUvzjRBBJLCSqgpojGfBxtHt-OHVzkJZstOE";
const MOVE: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjIwMjYtMTEiLCJ0eXAiOiJzbHVpY2UtbW92ZSJ9.\
    eyJ0Ijoic2hvcCIsInEiOiJzYWxlIiwiZSI6MywibCI6MCwibiI6NDcxMSwiaSI6MTc2MzcxMjAwMDAwMCwiZiI6ODEyLCJzIjo2NDAsImQiOj\
    IzMDk3Mzc5NjcsIngiOjE3NjM3MTI2MDAwMDB9.\
    2zYCBM0pFvm5aI6rknkT0ROz0LIjEZT_UREJfUlxkv8";
const PASS_BOUND: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjIwMjYtMTEiLCJ0eXAiOiJzbHVpY2UtcGFzcyJ9.\
    eyJ0Ijoic2hvcCIsInEiOiJzYWxlIiwiZSI6MywibCI6MCwibiI6NDcxMSwiaSI6MTc2MzcxMjAwMDAwMCwieCI6MTc2MzcxMjYwMDAwMCwia\
    CI6MTc2Mzc1NTIwMDAwMCwiYiI6IjZMa3pNUUhVZXdrdl9TZUNGOE50T0EifQ.Hvirulum_k2qH8A76AmwyfLJ-_WSaUVNAmiE4eq37xE";

#[test]
fn tokens_are_those_of_another_implementation() {
    // Anything that changes these voids every token in the hands of visitors.
    let keys = keys();
    let minted = Kind::ALL.map(|kind| token(&keys, kind));
    assert_eq!(minted.each_ref().map(String::as_str), [SLIP, TICKET, PASS_UNBOUND, MOVE]);

    let client = Binding { network: Some(&[198, 51, 100]), user_agent: Some(b"curl/8.5") };
    assert_eq!(keys.sign_pass(&PASS, client), PASS_BOUND);
    assert_eq!(keys.verify_pass(PASS_BOUND, EPOCH, NOW_MS, client), Ok(PASS));
}

#[test]
fn the_mac_is_that_of_the_standard() {
    // RFC 7515, appendix A.1: the key, what is signed, and its MAC.
    let key = [
        3, 35, 53, 75, 43, 15, 165, 188, 131, 126, 6, 101, 119, 123, 166, 143, 90, 179, 40, 230, 240, 84, 201, 40, 169,
        15, 132, 178, 210, 80, 46, 191, 211, 251, 90, 146, 210, 6, 71, 239, 150, 138, 180, 195, 119, 98, 61, 34, 61,
        46, 33, 114, 5, 46, 79, 8, 192, 205, 154, 245, 103, 208, 128, 163,
    ];
    let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
        eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    assert_eq!(encode(hmac(&key, &[signed.as_bytes()])), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");

    // The same function over our tokens.
    for kind in Kind::ALL {
        let token = token(&keys(), kind);
        let [header, payload, _] = parts(&token);
        assert_eq!(Forge::new().seal(kind, &format!("{header}.{payload}")), token);
    }
}

#[test]
fn a_token_reads_as_documented() {
    let [header, payload, mac] = parts(TICKET);
    assert_eq!(decode(header), r#"{"alg":"HS256","kid":"2026-11","typ":"sluice-ticket"}"#);
    assert_eq!(decode(payload), r#"{"t":"shop","q":"sale","e":3,"l":0,"n":4711,"i":1763712000000,"f":812,"s":640}"#);
    assert_eq!(mac.len(), 43);
}

#[test]
fn a_token_is_safe_in_a_cookie_and_in_a_header() {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    for kind in Kind::ALL {
        let token = token(&keys(), kind);
        assert!(token.bytes().all(safe));
        assert_eq!(token.capacity(), token.len(), "one allocation of the right size");
    }
}

#[test]
fn nothing_printed_tells_a_secret_or_a_token() {
    let ring = super::keyring(&[("2026-11", 0)]);
    let keys = ring.mint_keys(&super::name("shop"), &super::name("sale"));
    let mut printed = vec![format!("{ring:?} {ring:#?}"), format!("{keys:?} {keys:#?}")];
    for refused in Refused::ALL {
        printed.push(format!("{refused:?} {refused} {}", refused.as_str()));
    }
    for kind in Kind::ALL {
        let token = token(&keys, kind);
        printed.push(format!("{:?}", present(&keys, kind, format!("{token}A"))));
        printed.push(format!("{:?}", present(&keys, kind, token.replace("eyJ", "eyX"))));
    }
    for claims in [
        format!("{:?}", keys.verify_slip(SLIP, Binding::NONE)),
        format!("{:?}", keys.verify_ticket(TICKET, EPOCH, Binding::NONE)),
        format!("{:?}", keys.verify_pass(PASS_UNBOUND, EPOCH, NOW_MS, Binding::NONE)),
        format!("{:?}", keys.verify_move(MOVE, EPOCH, NOW_MS, Binding::NONE)),
    ] {
        assert!(claims.starts_with("Ok("));
        printed.push(claims);
    }
    // The secret counts up from zero: any three bytes of it in any of the usual spellings would show.
    for text in printed {
        for tell in ["1, 2, 3", "010203", "01, 02, 03", "\\x01", "AQID", "eyJ", "Prk", "hmac"] {
            assert!(!text.contains(tell), "{tell} in {text}");
        }
        for token in [SLIP, TICKET, PASS_UNBOUND, MOVE] {
            assert!(parts(token).iter().all(|part| !text.contains(part)), "a token in {text}");
        }
    }
}

#[test]
fn reasons_are_a_bounded_set_of_labels() {
    let labels: std::collections::BTreeSet<_> = Refused::ALL.iter().map(|refused| refused.as_str()).collect();
    assert_eq!(labels.len(), Refused::ALL.len());
    assert!(labels.iter().all(|label| label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
}
