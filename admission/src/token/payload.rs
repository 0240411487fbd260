//! The payload's text: a small, fixed subset of JSON with exactly one spelling for every value.
//!
//! `{"t":"<tenant>","q":"<queue>"`, then `,"<key>":<integer>` for every claim in the kind's own order, then
//! `,"b":"<tag>"` when bound, then `}`. No allocation in either direction.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sluice_config::settings::Name;

use super::{Kind, TIME_MS_MAX, binding::TAG_LEN};

/// The longest payload: two names, eight integers of 20 digits, a binding, and what stands between them.
pub(super) const PAYLOAD_LEN_MAX: usize = r#"{"t":"","q":""}"#.len()
    + 2 * Name::LEN_MAX
    + 8 * (r#","k":"#.len() + DIGITS_MAX)
    + r#","b":"""#.len()
    + TAG_TEXT_LEN;

/// Digits as text.
const DIGITS: &[u8; 10] = b"0123456789";
/// Digits of the largest `u64`.
const DIGITS_MAX: usize = 20;
/// Characters of a binding's tag.
const TAG_TEXT_LEN: usize = (TAG_LEN * 4).div_ceil(3);

/// What a kind of token says, and how it is written.
pub(super) trait Claims: Sized {
    /// The kind, which is part of header and key.
    const KIND: Kind;

    /// Writes every claim, always in the same order.
    fn write(&self, out: &mut Writer);

    /// Reads them back in that order.
    fn read(from: &mut Reader<'_>) -> Option<Self>;
}

/// A payload as read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Payload<'a, C> {
    pub(super) tenant: &'a [u8],
    pub(super) queue: &'a [u8],
    pub(super) claims: C,
    pub(super) tag: Option<[u8; TAG_LEN]>,
}

/// Writes a payload.
pub(super) fn encode<C: Claims>(tenant: &Name, queue: &Name, claims: &C, tag: Option<[u8; TAG_LEN]>) -> Writer {
    let mut out = Writer { bytes: [0; PAYLOAD_LEN_MAX], len: 0 };
    for text in [r#"{"t":""#, tenant.as_str(), r#"","q":""#, queue.as_str(), r#"""#] {
        out.push(text.as_bytes());
    }
    claims.write(&mut out);
    if let Some(tag) = tag {
        out.tag(&tag);
    }
    out.push(b"}");
    out
}

/// Reads a payload; `None` unless [`encode`] could have written every byte of it.
pub(super) fn decode<C: Claims>(bytes: &[u8]) -> Option<Payload<'_, C>> {
    let mut from = Reader { rest: bytes };
    from.expect(r#"{"t":""#)?;
    let tenant = from.name()?;
    from.expect(r#"","q":""#)?;
    let queue = from.name()?;
    from.expect(r#"""#)?;
    let claims = C::read(&mut from)?;
    let tag = if from.rest == b"}" { None } else { Some(from.tag()?) };
    (from.rest == b"}").then_some(Payload { tenant, queue, claims, tag })
}

/// A payload being written, on the stack.
pub(super) struct Writer {
    bytes: [u8; PAYLOAD_LEN_MAX],
    len: usize,
}

impl Writer {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// A claim that is any integer.
    pub(super) fn integer(&mut self, key: &str, value: u64) {
        self.key(key);
        let mut digits = [0; DIGITS_MAX];
        let mut start = DIGITS_MAX;
        let mut rest = value;
        loop {
            start -= 1;
            digits[start] = DIGITS[(rest % 10) as usize];
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.push(&digits[start..]);
    }

    /// A claim that is a time in ms.
    pub(super) fn time(&mut self, key: &str, at_ms: u64) {
        self.integer(key, at_ms.min(TIME_MS_MAX));
    }

    fn tag(&mut self, tag: &[u8; TAG_LEN]) {
        self.key("b");
        self.push(b"\"");
        let mut text = [0; TAG_TEXT_LEN];
        let written = BASE64_URL_SAFE_NO_PAD.encode_slice(tag, &mut text);
        debug_assert_eq!(written, Ok(TAG_TEXT_LEN));
        self.push(&text);
        self.push(b"\"");
    }

    fn key(&mut self, key: &str) {
        self.push(b",\"");
        self.push(key.as_bytes());
        self.push(b"\":");
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// A payload being read from the front.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A claim that is any integer: no sign, no fraction, no exponent, no leading zero.
    pub(super) fn integer(&mut self, key: &str) -> Option<u64> {
        self.expect(r#",""#)?;
        self.expect(key)?;
        self.expect(r#"":"#)?;
        let text = self.rest;
        let (mut value, mut len) = (0_u64, 0);
        while let Some(digit) = text.get(len).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
            // Of fewer digits no number is too large.
            value = if len + 1 < DIGITS_MAX {
                value * 10 + u64::from(digit)
            } else {
                value.checked_mul(10)?.checked_add(u64::from(digit))?
            };
            len += 1;
        }
        self.rest = &text[len..];
        let leading_zero = len > 1 && text[0] == b'0';
        (len > 0 && !leading_zero).then_some(value)
    }

    /// Whether this claim comes next.
    pub(super) fn has(&self, key: &str) -> bool {
        let behind = self.rest.strip_prefix(br#",""#).and_then(|rest| rest.strip_prefix(key.as_bytes()));
        behind.is_some_and(|rest| rest.starts_with(br#"":"#))
    }

    /// A claim that is a time in ms.
    pub(super) fn time(&mut self, key: &str) -> Option<u64> {
        self.integer(key).filter(|at_ms| *at_ms <= TIME_MS_MAX)
    }

    fn tag(&mut self) -> Option<[u8; TAG_LEN]> {
        self.expect(r#","b":""#)?;
        let (text, rest) = self.rest.split_at_checked(TAG_TEXT_LEN)?;
        self.rest = rest;
        self.expect(r#"""#)?;
        // The decoder wants room for whole groups; it refuses trailing bits, so the text has one spelling.
        let mut tag = [0; TAG_LEN + 2];
        let len = BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut tag).ok()?;
        tag[..len].try_into().ok()
    }

    /// A [`Name`], none of whose characters JSON would escape.
    fn name(&mut self) -> Option<&'a [u8]> {
        let name = self.take_while(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
        let starts = name.first()?.is_ascii_alphanumeric();
        (starts && name.len() <= Name::LEN_MAX).then_some(name)
    }

    fn expect(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text.as_bytes())?;
        Some(())
    }

    fn take_while(&mut self, wanted: impl Fn(&u8) -> bool) -> &'a [u8] {
        let len = self.rest.iter().position(|b| !wanted(b)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }
}

#[cfg(test)]
mod tests;
