//! Valid tokens, changed without the key.

use sluice_admission::token::{Kind, LEN_MAX, Refused};

use super::{
    assert_refused,
    forge::{decode, encode, parts},
    keys, present, token,
};

#[test]
fn no_byte_can_be_another() {
    let keys = keys();
    for kind in Kind::ALL {
        let token = token(&keys, kind);
        let header_len = parts(&token)[0].len();
        for at in 0..token.len() {
            for byte in 0..=u8::MAX {
                let mut altered = token.clone().into_bytes();
                if altered[at] == byte {
                    continue;
                }
                let was_dot = std::mem::replace(&mut altered[at], byte) == b'.';
                let want = match at {
                    _ if was_dot || byte == b'.' => Refused::Format,
                    _ if at < header_len => Refused::Header,
                    _ => Refused::Mac,
                };
                assert_refused(present(&keys, kind, &altered), want, format!("{kind:?}: {byte:#04x} at {at}"));
            }
        }
    }
}

#[test]
fn no_two_bits_can_be_flipped() {
    let keys = keys();
    let ticket = token(&keys, Kind::Ticket).into_bytes();
    let flip = |bytes: &mut [u8], bit: usize| bytes[bit / 8] ^= 1 << (bit % 8);
    for first in 0..ticket.len() * 8 {
        // Neighbours within a group of base64, and the same bit of the next characters.
        for second in [1, 2, 5, 6, 7, 8, 16, 24, 32].map(|distance| first + distance) {
            if second < ticket.len() * 8 {
                let mut altered = ticket.clone();
                flip(&mut altered, first);
                flip(&mut altered, second);
                assert!(present(&keys, Kind::Ticket, &altered).is_err(), "bits {first} and {second}");
            }
        }
    }
}

#[test]
fn nothing_can_be_cut_off() {
    let keys = keys();
    for kind in Kind::ALL {
        let token = token(&keys, kind);
        let signed_len = token.len() - 44;
        for len in 0..token.len() {
            // With the second dot there are three parts, even if the last is empty.
            let want = if len <= signed_len { Refused::Format } else { Refused::Mac };
            assert_refused(present(&keys, kind, &token[..len]), want, format!("{kind:?} cut to {len}"));
            assert!(present(&keys, kind, &token[token.len() - len..]).is_err(), "{kind:?}: last {len}");
        }
        for at in 0..token.len() {
            let without = [&token[..at], &token[at + 1..]].concat();
            assert!(present(&keys, kind, without).is_err(), "{kind:?} without byte {at}");
        }
    }
}

#[test]
fn nothing_can_be_added() {
    let keys = keys();
    for kind in Kind::ALL {
        let token = token(&keys, kind);
        for byte in 0..=u8::MAX {
            let behind = [token.as_bytes(), &[byte]].concat();
            let want = if byte == b'.' { Refused::Format } else { Refused::Mac };
            assert_refused(present(&keys, kind, behind), want, format!("{kind:?} and then {byte:#04x}"));
            let before = [&[byte], token.as_bytes()].concat();
            let want = if byte == b'.' { Refused::Format } else { Refused::Header };
            assert_refused(present(&keys, kind, before), want, format!("{byte:#04x} and then {kind:?}"));
        }
        for at in 0..=token.len() {
            for byte in [b'A', b'-', b'.', b'=', b' ', 0, 0xff] {
                let within = [&token.as_bytes()[..at], &[byte], &token.as_bytes()[at..]].concat();
                assert!(present(&keys, kind, within).is_err(), "{kind:?} with {byte:#04x} at {at}");
            }
        }
        for (extended, want) in [
            (format!("{token}{token}"), Refused::Format),
            (format!("{token}.{token}"), Refused::Format),
            (format!("{token},{token}"), Refused::Format),
            (format!("{token}; x"), Refused::Mac),
            (format!("\"{token}\""), Refused::Header),
            (format!("Bearer {token}"), Refused::Header),
        ] {
            assert_refused(present(&keys, kind, &extended), want, format!("{kind:?} extended"));
        }
    }
}

#[test]
fn length_is_bounded_first() {
    let keys = keys();
    for kind in Kind::ALL {
        let token = token(&keys, kind);
        for filler in ["A", ".", "\0", "\u{e9}"] {
            let long = format!("{token}{}", filler.repeat(64 * 1024));
            assert_refused(present(&keys, kind, long), Refused::TooLong, "64 KiB behind a token");
            assert_refused(present(&keys, kind, filler.repeat(64 * 1024)), Refused::TooLong, "64 KiB of one thing");
        }
        let at_bound = format!("{token}{}", "A".repeat(LEN_MAX - token.len()));
        assert_refused(present(&keys, kind, &at_bound), Refused::Mac, "as long as allowed");
        assert_refused(present(&keys, kind, at_bound + "A"), Refused::TooLong, "one byte too long");
        assert_refused(present(&keys, kind, ""), Refused::Format, "empty");
        for dots in 1..=LEN_MAX {
            let want = if dots == 2 { Refused::Header } else { Refused::Format };
            assert_refused(present(&keys, kind, ".".repeat(dots)), want, format!("{dots} dots"));
        }
    }
}

#[test]
fn parts_do_not_mix() {
    let keys = keys();
    let tokens = Kind::ALL.map(|kind| token(&keys, kind));
    for kind in Kind::ALL {
        for header in 0..3 {
            for payload in 0..3 {
                for mac in 0..3 {
                    let [h, p, m] = [parts(&tokens[header])[0], parts(&tokens[payload])[1], parts(&tokens[mac])[2]];
                    let whole = header == payload && payload == mac;
                    let want = match Kind::ALL[header] == kind {
                        false => Err(Refused::Header),
                        true if whole => Ok(()),
                        true => Err(Refused::Mac),
                    };
                    assert_eq!(present(&keys, kind, format!("{h}.{p}.{m}")), want, "{kind:?}: {header}{payload}{mac}");
                }
            }
        }
        let [h, p, m] = parts(&tokens[0]);
        for order in [[h, m, p], [p, h, m], [p, m, h], [m, h, p], [m, p, h], ["", p, m], [h, "", m], [h, p, ""]] {
            assert!(present(&keys, kind, order.join(".")).is_err(), "parts in another order");
        }
    }
}

#[test]
fn characters_do_not_move_across_a_dot() {
    let keys = keys();
    for kind in Kind::ALL {
        let token = token(&keys, kind);
        let [header, payload, mac] = parts(&token);
        let all = [header, payload, mac].concat();
        for first in 0..=all.len() {
            // Every place of the first dot with the second in place, and the other way round.
            for second in [first, header.len() + payload.len(), first + payload.len()] {
                if second < first || second > all.len() || (first, second - first) == (header.len(), payload.len()) {
                    continue;
                }
                let moved = format!("{}.{}.{}", &all[..first], &all[first..second], &all[second..]);
                let want = if first == header.len() { Refused::Mac } else { Refused::Header };
                assert_refused(present(&keys, kind, moved), want, format!("{kind:?}: dots at {first} and {second}"));
            }
        }
    }
}

#[test]
fn characters_do_not_move_between_claims() {
    let keys = keys();
    for kind in Kind::ALL {
        let token = token(&keys, kind);
        let [header, payload, mac] = parts(&token);
        let text = decode(payload);
        let chars: Vec<char> = text.chars().collect();
        // Every character to every other place: digits from number to number, letters from tenant to queue.
        for from in 0..chars.len() {
            for to in 0..chars.len() {
                let mut moved = chars.clone();
                let taken = moved.remove(from);
                moved.insert(to, taken);
                if moved != chars {
                    let altered = format!("{header}.{}.{mac}", encode(moved.iter().collect::<String>()));
                    assert_refused(present(&keys, kind, altered), Refused::Mac, format!("{kind:?}: {from} to {to}"));
                }
            }
        }
    }
}

#[test]
fn a_token_has_one_spelling() {
    let keys = keys();
    for kind in Kind::ALL {
        let token = token(&keys, kind);
        let [header, payload, mac] = parts(&token);
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

        // 43 characters carry 258 bits: two of the last are unused, so three other spellings of the same MAC exist.
        let (start, last) = mac.split_at(42);
        let value = alphabet.find(last).expect("a character of the alphabet");
        for other in (value & !3..).take(4).filter(|other| *other != value) {
            let spelled = format!("{header}.{payload}.{start}{}", &alphabet[other..=other]);
            assert_refused(present(&keys, kind, spelled), Refused::Mac, "trailing bits");
        }
        for (spelled, want) in [
            (format!("{token}="), Refused::Mac),
            (format!("{token}=="), Refused::Mac),
            (format!("{token}%3D"), Refused::Mac),
            (format!("{token}\n"), Refused::Mac),
            (format!("{header}.{payload}=.{mac}"), Refused::Mac),
            (format!("{header}.{payload}==.{mac}"), Refused::Mac),
            (format!("{header}=.{payload}.{mac}"), Refused::Header),
            (format!("{header}.{payload}.{mac}").to_uppercase(), Refused::Header),
        ] {
            assert_refused(present(&keys, kind, &spelled), want, &spelled);
        }
    }
    // The other alphabet: a MAC that uses both characters, found among tokens of many slips.
    let slip = (0..1000)
        .map(|id| keys.sign_slip(&super::Slip { id, ..super::SLIP }, super::Binding::NONE))
        .find(|token| parts(token)[2].contains('-') && parts(token)[2].contains('_'))
        .expect("one in a few MACs has both");
    let [header, payload, mac] = parts(&slip);
    assert_eq!(present(&keys, Kind::Slip, &slip), Ok(()));
    for mac in [mac.replace('-', "+"), mac.replace('_', "/"), mac.replace('-', "+").replace('_', "/")] {
        assert_refused(present(&keys, Kind::Slip, format!("{header}.{payload}.{mac}")), Refused::Mac, mac);
    }
}
