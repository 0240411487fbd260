//! The few JSON tokens the documents are made of, appended to a buffer.
//!
//! The documents have a fixed shape and are written tens of thousands of times a second, so they
//! are written token by token: no tree, no reflection, no allocation beyond the buffer.

/// Appends `text` as a JSON string, quotes included.
///
/// `<` is escaped too, which JSON allows: the document can then stand inside an HTML `script`
/// element, whatever an operator's message contains.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut plain_from = 0;
    out.push(b'"');
    for (i, &byte) in bytes.iter().enumerate() {
        if !needs_escape(byte) {
            continue;
        }
        out.extend_from_slice(&bytes[plain_from..i]);
        plain_from = i + 1;
        escape(out, byte);
    }
    out.extend_from_slice(&bytes[plain_from..]);
    out.push(b'"');
}

/// Appends `text` as a JSON string, or `null`.
pub(crate) fn string_or_null(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => string(out, text),
        None => null(out),
    }
}

/// Appends an integer.
pub(crate) fn integer(out: &mut Vec<u8>, value: impl Into<u64>) {
    out.extend_from_slice(itoa::Buffer::new().format(value.into()).as_bytes());
}

/// Appends an integer, or `null`.
pub(crate) fn integer_or_null(out: &mut Vec<u8>, value: Option<u64>) {
    match value {
        Some(value) => integer(out, value),
        None => null(out),
    }
}

/// Appends a share between 0 and 1 with at most three decimals, or `null` for none and for what is
/// no number.
pub(crate) fn share_or_null(out: &mut Vec<u8>, share: Option<f32>) {
    match share.and_then(thousandths) {
        None => null(out),
        Some(1000..) => out.push(b'1'),
        Some(0) => out.push(b'0'),
        Some(n) => {
            // 1000 + n has exactly four digits; the first stands for the unit.
            let mut digits = itoa::Buffer::new();
            out.extend_from_slice(b"0.");
            out.extend_from_slice(digits.format(1000 + n)[1..].trim_end_matches('0').as_bytes());
        }
    }
}

/// Appends `null`.
pub(crate) fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"null");
}

fn thousandths(share: f32) -> Option<u16> {
    #[expect(clippy::cast_possible_truncation, reason = "clamped to 0..=1000")]
    share.is_finite().then(|| (share.clamp(0.0, 1.0) * 1000.0).round() as u16)
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | b'<')
}

#[cold]
fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 0xf)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests;
