//! Tokens under the real keys that we would never mint: what stands behind the MAC holds by itself.

use sluice_admission::token::{Kind, LEN_MAX, Refused, TIME_MS_MAX};

use super::{
    assert_refused,
    forge::{Forge, decode, encode, parts},
    keys, present, token,
};

/// The payload we mint.
fn payload(kind: Kind) -> String {
    decode(parts(&token(&keys(), kind))[1])
}

/// The payload with the value of one claim replaced.
fn with(kind: Kind, claim: &str, value: &str) -> String {
    let payload = payload(kind);
    let key = format!(r#""{claim}":"#);
    let start = payload.find(&key).expect("a claim of this kind") + key.len();
    let len = payload[start..].find([',', '}']).expect("more behind");
    format!("{}{value}{}", &payload[..start], &payload[start + len..])
}

/// Every claim that is an integer, with its bound.
fn integers(kind: Kind) -> &'static [(&'static str, u64)] {
    const MAX: u64 = u64::MAX;
    const SLOT_MAX: u64 = 7;
    const PLACE_MAX: u64 = (1 << 50) - 1;
    match kind {
        Kind::Slip => &[("d", MAX), ("i", TIME_MS_MAX)],
        Kind::Ticket => &[("e", MAX), ("l", SLOT_MAX), ("n", PLACE_MAX), ("i", TIME_MS_MAX), ("f", MAX), ("s", MAX)],
        Kind::Move => &[
            ("e", MAX),
            ("l", SLOT_MAX),
            ("n", PLACE_MAX),
            ("i", TIME_MS_MAX),
            ("f", MAX),
            ("s", MAX),
            ("d", MAX),
            ("x", TIME_MS_MAX),
        ],
        Kind::Pass => {
            &[("e", MAX), ("l", SLOT_MAX), ("n", PLACE_MAX), ("i", TIME_MS_MAX), ("x", TIME_MS_MAX), ("h", TIME_MS_MAX)]
        }
    }
}

#[test]
fn the_forge_signs_what_we_sign() {
    for kind in Kind::ALL {
        assert_eq!(Forge::new().payload(kind, payload(kind)), token(&keys(), kind));
    }
}

#[test]
fn only_our_header_is_a_header() {
    let keys = keys();
    for kind in Kind::ALL {
        let typ = kind.as_str();
        let other_typ = if kind == Kind::Pass { "ticket" } else { "pass" };
        let headers = [
            format!(r#"{{"alg":"none","kid":"2026-11","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":"None","kid":"2026-11","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":"","kid":"2026-11","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":null,"kid":"2026-11","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":["HS256"],"kid":"2026-11","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":"hs256","kid":"2026-11","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":"HS512","kid":"2026-11","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":"RS256","kid":"2026-11","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"kid":"2026-11","typ":"sluice-{typ}"}}"#),
            // Another secret, or none.
            format!(r#"{{"alg":"HS256","kid":"2026-12","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":"HS256","kid":"2026-1","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":"HS256","kid":"2026-111","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":"HS256","kid":"","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":"HS256","kid":"../../dev/null","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":"HS256","typ":"sluice-{typ}"}}"#),
            // Another kind, or none.
            format!(r#"{{"alg":"HS256","kid":"2026-11","typ":"sluice-{other_typ}"}}"#),
            r#"{"alg":"HS256","kid":"2026-11","typ":"JWT"}"#.to_owned(),
            r#"{"alg":"HS256","kid":"2026-11"}"#.to_owned(),
            // The same said differently.
            format!(r#"{{"alg":"none","alg":"HS256","kid":"2026-11","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":"HS256","alg":"none","kid":"2026-11","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":"HS256","kid":"2026-11","kid":"2026-11","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"kid":"2026-11","alg":"HS256","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"alg":"HS256","kid":"2026-11","typ":"sluice-{typ}","crit":[]}}"#),
            format!(r#"{{"alg":"HS256","kid":"2026-11","typ":"sluice-{typ}","jwk":{{"kty":"oct","k":""}}}}"#),
            format!(r#"{{"alg":"HS256","kid":"2026-11","typ":"sluice-{typ}","zip":"DEF"}}"#),
            format!(r#"{{"alg": "HS256","kid":"2026-11","typ":"sluice-{typ}"}}"#),
            format!(r#" {{"alg":"HS256","kid":"2026-11","typ":"sluice-{typ}"}}"#),
            format!("{{\"alg\":\"HS256\",\"kid\":\"2026-11\",\"typ\":\"sluice-{typ}\"}}\n"),
            format!(r#"{{"alg":"\u0048S256","kid":"2026-11","typ":"sluice-{typ}"}}"#),
            format!(r#"{{"ALG":"HS256","kid":"2026-11","typ":"sluice-{typ}"}}"#),
            String::new(),
            "{}".to_owned(),
            "null".to_owned(),
        ];
        for header in headers {
            let token = Forge::new().token(kind, &header, payload(kind));
            assert_refused(present(&keys, kind, &token), Refused::Header, &header);
            // With no MAC at all, as the algorithm `none` has it.
            let [header_text, payload_text, _] = parts(&token);
            assert_refused(present(&keys, kind, format!("{header_text}.{payload_text}.")), Refused::Header, &header);
        }
        let ours = encode(Forge::new().header(kind));
        for spelled in [format!("{ours}="), format!("{ours}=="), format!("{ours}A"), ours.to_lowercase()] {
            let token = Forge::new().seal(kind, &format!("{spelled}.{}", encode(payload(kind))));
            assert_refused(present(&keys, kind, token), Refused::Header, spelled);
        }
    }
}

#[test]
fn a_header_does_not_lend_its_key() {
    // The older secret is valid too, but not under the current one's name; and the key of one kind not for another.
    let keys = keys();
    let old = Forge { secret: super::secret(100), ..Forge::new() };
    for kind in Kind::ALL {
        assert_refused(present(&keys, kind, old.payload(kind, payload(kind))), Refused::Mac, "older secret");
        for other in Kind::ALL.into_iter().filter(|other| *other != kind) {
            let token = Forge::new().token(other, Forge::new().header(kind), payload(kind));
            assert_refused(present(&keys, kind, token), Refused::Mac, format!("{kind:?} by the key of {other:?}"));
        }
    }
}

#[test]
fn only_our_integers_are_integers() {
    let keys = keys();
    let never = [
        "",
        "-1",
        "-0",
        "-1763712000000",
        "+1",
        "00",
        "01",
        "007",
        "1.0",
        "1.",
        ".5",
        "1e3",
        "1E3",
        "1e-3",
        "1e400",
        "0x10",
        "0b1",
        "1_000",
        "1n",
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "null",
        "true",
        "undefined",
        "\"1\"",
        "\"\"",
        "[1]",
        "[]",
        "{}",
        " 1",
        "1 ",
        "\t1",
        "1\n",
        "\u{a0}1",
        "\u{661}",
        "\u{ff11}",
        "1\0",
        "\\u0031",
        "1/**/",
        "18446744073709551616",
        "18446744073709551617",
        "99999999999999999999",
        "100000000000000000000",
        "340282366920938463463374607431768211456",
        "00000000000000000000000000000001",
    ];
    for kind in Kind::ALL {
        for (claim, max) in integers(kind) {
            for value in never {
                let token = Forge::new().payload(kind, with(kind, claim, value));
                assert_refused(present(&keys, kind, token), Refused::Malformed, format!("{kind:?} {claim}={value:?}"));
            }
            if let Some(beyond) = max.checked_add(1) {
                for value in [beyond, u64::MAX] {
                    let token = Forge::new().payload(kind, with(kind, claim, &value.to_string()));
                    assert_refused(present(&keys, kind, token), Refused::Malformed, format!("{claim}={value}"));
                }
            }
            // Both ends of the range are read, and judged by what they mean.
            for value in [0, *max] {
                let token = Forge::new().payload(kind, with(kind, claim, &value.to_string()));
                let want = match *claim {
                    "e" => Err(Refused::Epoch),
                    "x" | "h" if value == 0 => Err(Refused::Expired),
                    _ => Ok(()),
                };
                assert_eq!(present(&keys, kind, token), want, "{kind:?} {claim}={value}");
            }
        }
        // Digits without end stop at the length.
        let long = "1".repeat(600);
        let token = Forge::new().payload(kind, with(kind, "i", &long));
        let want = if token.len() > LEN_MAX { Refused::TooLong } else { Refused::Malformed };
        assert_refused(present(&keys, kind, token), want, "600 digits");
    }
}

#[test]
fn only_our_payload_is_a_payload() {
    let keys = keys();
    for kind in Kind::ALL {
        let ours = payload(kind);
        let open = ours.strip_suffix('}').expect("an object");
        let mut tricks = vec![
            // Nothing, and other values.
            String::new(),
            "{}".into(),
            "[]".into(),
            "null".into(),
            "0".into(),
            "\"\"".into(),
            "}".into(),
            format!("[{ours}]"),
            format!("\"{ours}\""),
            format!("{{{ours}}}"),
            // Something behind, before, between.
            format!("{ours} "),
            format!("{ours}\n"),
            format!("{ours}\0"),
            format!("{ours}}}"),
            format!("{ours},"),
            format!("{ours}{ours}"),
            format!("{ours}//"),
            format!(" {ours}"),
            format!("\u{feff}{ours}"),
            format!("{open},}}"),
            format!("{open} }}"),
            format!("{open}"),
            ours.replace(',', ", "),
            ours.replace(':', ": "),
            ours.replace("\",\"", "\"\n,\""),
            ours.replace('{', "{ "),
            // A claim twice, too many, or not one of this kind.
            format!(r#"{open},"i":1763712000000}}"#),
            format!(r#"{open},"t":"shop"}}"#),
            format!(r#"{{"t":"shop",{}"#, &ours[1..]),
            format!(r#"{{"i":1,{}"#, &ours[1..]),
            format!(r#"{open},"exp":9999999999}}"#),
            format!(r#"{open},"x":1}}"#),
            format!(r#"{open},"":0}}"#),
            format!(r#"{open},"__proto__":{{}}}}"#),
            // Keys and names spelled otherwise.
            ours.replace("\"i\"", "\"I\""),
            ours.replace("\"i\"", "\"\\u0069\""),
            ours.replace("\"i\"", "i"),
            ours.replace("\"i\"", "'i'"),
            ours.replace("\"i\":", "\"i\""),
            ours.replace("\"i\":", "\"i\"="),
            ours.replace("shop", "\\u0073hop"),
            ours.replace("shop", "sh\\/op"),
            ours.replace("shop", "Shop"),
            ours.replace("shop", "shop "),
            ours.replace("shop", "sh\u{f6}p"),
            ours.replace("shop", ""),
            ours.replace("sale", ""),
            ours.replace("sale", "sale\0"),
            ours.replace("\"shop\"", "null"),
            ours.replace("\"shop\"", "[\"shop\"]"),
            ours.replace("shop", &"s".repeat(33)),
            ours.replace("sale", &"s".repeat(400)),
            // Something behind a binding, or a binding that is none.
            format!(r#"{open},"b":"{}"}}x"#, "A".repeat(22)),
            format!(r#"{open},"b":"{}"}}}}"#, "A".repeat(22)),
            format!(r#"{open},"b":"{}","z":1}}"#, "A".repeat(22)),
            format!(r#"{open},"b":""}}"#),
            format!(r#"{open},"b":null}}"#),
            format!(r#"{open},"b":0}}"#),
            format!(r#"{open},"b":"{}"}}"#, "A".repeat(21)),
            format!(r#"{open},"b":"{}"}}"#, "A".repeat(23)),
            format!(r#"{open},"b":"{}"}}"#, "A".repeat(43)),
            format!(r#"{open},"b":"{}B"}}"#, "A".repeat(21)),
            format!(r#"{open},"b":"{}=="}}"#, "A".repeat(20)),
            format!(r#"{open},"b":"{}=="}}"#, "A".repeat(22)),
            format!(r#"{open},"b":"+{}"}}"#, "A".repeat(21)),
            format!(r#"{open},"b":"{}" }}"#, "A".repeat(22)),
            format!(r#"{open},"b":"{0}","b":"{0}"}}"#, "A".repeat(22)),
            format!(r#"{open},"b":"{}"#, "A".repeat(22)),
        ];
        // Without one claim, and with two neighbours swapped.
        let claims: Vec<&str> = open[1..].split(',').collect();
        for at in 0..claims.len() {
            let mut fewer = claims.clone();
            fewer.remove(at);
            tricks.push(format!("{{{}}}", fewer.join(",")));
            if at > 0 {
                let mut swapped = claims.clone();
                swapped.swap(at - 1, at);
                tricks.push(format!("{{{}}}", swapped.join(",")));
            }
        }
        // The payload of another kind.
        tricks.extend(Kind::ALL.into_iter().filter(|other| *other != kind).map(payload));
        // Cut anywhere.
        tricks.extend((0..ours.len()).map(|len| ours[..len].to_owned()));

        for trick in tricks {
            let token = Forge::new().payload(kind, &trick);
            assert_refused(present(&keys, kind, token), Refused::Malformed, format!("{kind:?}: {trick}"));
        }
        for bytes in [&b"\xff"[..], b"\xc3\x28", b"\0", &[0; 500], &[b'{'; 500], &[b'['; 500]] {
            let token = Forge::new().payload(kind, bytes);
            assert_refused(present(&keys, kind, token), Refused::Malformed, format!("{kind:?}: {bytes:?}"));
        }
    }
}

#[test]
fn every_bit_of_a_payload_counts() {
    // Under the real key a changed payload says something else, or nothing: it never says the same.
    let keys = keys();
    for kind in Kind::ALL {
        let ours = payload(kind).into_bytes();
        for at in 0..ours.len() {
            for byte in 0..=u8::MAX {
                let mut altered = ours.clone();
                altered[at] = byte;
                let digits = ours[at].is_ascii_digit() && byte.is_ascii_digit();
                let named = (6..10).contains(&at) || (17..21).contains(&at);
                let got = present(&keys, kind, Forge::new().payload(kind, &altered));
                if altered != ours && !digits {
                    let first = at == 6 || at == 17;
                    let name_char =
                        byte.is_ascii_lowercase() || byte.is_ascii_digit() || !first && b"-_".contains(&byte);
                    let want = if named && name_char { Refused::Elsewhere } else { Refused::Malformed };
                    assert_refused(got, want, format!("{kind:?}: {byte:#04x} at {at}"));
                }
            }
        }
    }
}

#[test]
fn the_names_inside_are_checked_too() {
    let keys = keys();
    for kind in Kind::ALL {
        let ours = payload(kind);
        for (tenant, queue) in [("shop", "other"), ("other", "sale"), ("sale", "shop"), ("sho", "psale"), ("s", "s")] {
            let names = format!(r#""t":"{tenant}","q":"{queue}""#);
            let token = Forge::new().payload(kind, ours.replace(r#""t":"shop","q":"sale""#, &names));
            assert_refused(present(&keys, kind, token), Refused::Elsewhere, names);
        }
    }
}

#[test]
fn a_payload_has_one_spelling() {
    let keys = keys();
    for kind in Kind::ALL {
        let header = encode(Forge::new().header(kind));
        let ours = encode(payload(kind));
        let mut spellings = vec![
            String::new(),
            format!("{ours}="),
            format!("{ours}=="),
            format!("{ours}A"),
            format!("{ours}\n"),
            format!("{ours} "),
            format!("+{}", &ours[1..]),
            format!("/{}", &ours[1..]),
            format!("\u{e9}{}", &ours[1..]),
        ];
        // Bits behind the last byte, where the length leaves any.
        let (start, last) = ours.split_at(ours.len() - 1);
        if !ours.len().is_multiple_of(4) {
            spellings
                .extend(('A'..='Z').chain('a'..='z').map(|c| format!("{start}{c}")).filter(|s| !s.ends_with(last)));
        }
        for spelled in spellings {
            let token = Forge::new().seal(kind, &format!("{header}.{spelled}"));
            assert_refused(present(&keys, kind, token), Refused::Malformed, format!("{kind:?}: {spelled}"));
        }
    }
}
