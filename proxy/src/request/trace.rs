//! Names of a request that go with it through every program on its way: `X-Request-Id`, and `traceparent` of W3C's Trace
//! Context.

use std::cell::Cell;

use http::{HeaderMap, HeaderName, HeaderValue};
use ring::rand::{SecureRandom as _, SystemRandom};
use sluice_config::Traceparent;

use super::Edit;

/// A name for one request, made here or by a trusted proxy.
pub(crate) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Longest name that is kept.
const ID_BYTES_MAX: usize = 64;
/// `00-` + 32 hex digits + `-` + 16 + `-` + 2.
const TRACEPARENT_BYTES: usize = 55;

/// The name of a request: that of a trusted proxy, if it is one, else a new one of 128 random bits.
pub(crate) fn request_id(headers: &HeaderMap, peer_is_trusted: bool) -> Box<str> {
    let mut given = headers.get_all(&X_REQUEST_ID).iter();
    let kept = given.next().filter(|id| peer_is_trusted && given.next().is_none() && is_id(id.as_bytes()));
    let kept = kept.and_then(|id| id.to_str().ok());
    kept.map_or_else(
        || {
            let id = hex(u128::from(random()) << 64 | u128::from(random()));
            str::from_utf8(&id).unwrap_or_default().into()
        },
        Into::into,
    )
}

fn hex(bits: u128) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (digit, byte) in text.iter_mut().zip(bits.to_be_bytes().iter().flat_map(|byte| [byte >> 4, byte & 15])) {
        *digit = DIGITS[usize::from(byte)];
    }
    text
}

fn is_id(text: &[u8]) -> bool {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.iter().all(is_plain)
}

/// The trace that a request belongs to; `None`: none that is in order.
pub(crate) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(&TRACEPARENT).iter();
    let only = given.next().filter(|_| given.next().is_none())?;
    read(only.as_bytes())
}

/// The trace's id in a `traceparent`, if that is in order (W3C Trace Context, 3.2).
fn read(text: &[u8]) -> Option<&str> {
    let (known, more) = text.split_at_checked(TRACEPARENT_BYTES)?;
    let is_hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_nothing = |part: &[u8]| part.iter().all(|b| *b == b'0');
    let [version, trace, parent, flags] = [&known[..2], &known[3..35], &known[36..52], &known[53..]];
    let is_parted = [known[2], known[35], known[52]] == *b"---";
    let in_order = [version, trace, parent, flags].into_iter().all(is_hex) && !is_nothing(trace) && !is_nothing(parent);
    // A later version may say more behind another dash.
    let end = match version {
        b"ff" => false,
        b"00" => more.is_empty(),
        _ => more.is_empty() || more.starts_with(b"-"),
    };
    (is_parted && in_order && end).then(|| str::from_utf8(trace).ok()).flatten()
}

/// What goes to the origin with a request that has no trace in order, and the id of the trace that begins.
pub(crate) fn begin_trace(settings: Traceparent, headers: &HeaderMap, edits: &mut Vec<Edit>) -> Option<Box<str>> {
    if settings == Traceparent::Pass || trace_id(headers).is_some() {
        return None;
    }
    // One of zeros is none.
    let trace = format!("{:016x}{:016x}", random() | 1, random());
    let made = HeaderValue::try_from(format!("00-{trace}-{:016x}-00", random() | 1)).ok()?;
    edits.push(Edit::Set(TRACEPARENT.clone(), made));
    if headers.contains_key(&TRACESTATE) {
        edits.push(Edit::Remove(TRACESTATE.clone()));
    }
    Some(trace.into())
}

/// 64 bits that have not been before. No secret: they come of a state that begins at random (SplitMix64).
fn random() -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    thread_local! {
        static STATE: Cell<u64> = Cell::new(seed());
    }
    let mut mixed = STATE.with(|state| {
        let next = state.get().wrapping_add(GOLDEN);
        state.set(next);
        next
    });
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn seed() -> u64 {
    let mut bytes = [0; 8];
    // Fails only if the system has no randomness at all; then TLS has not started either.
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).fold(
            HeaderMap::new(),
            |mut map, (name, value): (HeaderName, HeaderValue)| {
                map.append(name, value);
                map
            },
        )
    }

    #[test]
    fn an_id_is_kept_from_a_trusted_proxy_if_it_is_one() {
        let id = |value: &str, trusted| request_id(&headers(&[("x-request-id", value)]), trusted);
        assert_eq!(&*id("a.B_9-", true), "a.B_9-");
        let (one, two) = (id("a.B_9-", false), request_id(&HeaderMap::new(), true));
        assert!(one != two && one.len() == 32 && two.as_bytes().iter().all(u8::is_ascii_hexdigit));
        for odd in ["", "a b", "a,b", "é", &"x".repeat(65), "a\"b"] {
            assert_ne!(&*id(odd, true), odd, "{odd}");
        }
        let twice = headers(&[("x-request-id", "a"), ("x-request-id", "b")]);
        assert_eq!(request_id(&twice, true).len(), 32);
    }

    #[test]
    fn a_trace_is_in_order_or_none() {
        let id = |value: &str| trace_id(&headers(&[("traceparent", value)])).map(str::to_owned);
        assert_eq!(id(VALID).as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert!(
            id(&VALID.replacen("00", "cc", 1)).is_some()
                && id(&format!("{}-x", VALID.replacen("00", "01", 1))).is_some()
        );
        for odd in [
            "",
            "00",
            &VALID.to_uppercase(),
            &VALID.replacen("00", "ff", 1),
            &format!("{VALID}-x"),
            &format!("{}x", VALID.replacen("00", "01", 1)),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            &VALID.replace('-', "_"),
            &VALID.replace('4', "g"),
        ] {
            assert_eq!(id(odd), None, "{odd}");
        }
        assert_eq!(trace_id(&headers(&[("traceparent", VALID), ("traceparent", VALID)])), None);
    }

    #[test]
    fn a_trace_begins_where_that_is_asked_for_and_there_is_none() {
        let begun = |settings, lines: &[(&'static str, &str)]| {
            let mut edits = Vec::new();
            let trace = begin_trace(settings, &headers(lines), &mut edits);
            (trace, edits)
        };
        assert_eq!(begun(Traceparent::Pass, &[]), (None, Vec::new()));
        assert_eq!(begun(Traceparent::Make, &[("traceparent", VALID), ("tracestate", "a=b")]), (None, Vec::new()));
        let (trace, edits) = begun(Traceparent::Make, &[("traceparent", "junk"), ("tracestate", "a=b")]);
        let [Edit::Set(name, value), Edit::Remove(state)] = &edits[..] else { panic!("{edits:?}") };
        assert_eq!((name.as_str(), state.as_str()), ("traceparent", "tracestate"));
        assert_eq!(read(value.as_bytes()), trace.as_deref());
        assert!(value.to_str().unwrap().ends_with("-00"));
    }
}
