//! Path prefixes in the normal form that request paths are brought to before they are matched.
//!
//! A prefix in any other form would match nothing, or not what its author thinks: it is refused, with the normal
//! form as the suggestion wherever there is one.

use crate::{error::Wrong, limits::PATH_BYTES_MAX};

/// What [`prefix`] accepts, for editors; a few mistakes too many pass.
pub(crate) const PATTERN: &str = r"^/[^?#\s\\]*$";

/// Sluice's own paths on tenants' hosts.
const OWN: &str = "/.sluice";

/// Checks a path prefix: absolute, and in normal form (RFC 3986, section 6.2.2).
pub(crate) fn prefix(written: &str) -> Result<String, Wrong> {
    if !written.starts_with('/') {
        let start = written
            .split_once("://")
            .map_or(written, |(_, rest)| rest.find('/').map_or("", |slash| &rest[slash + 1..]));
        return Err(Wrong::malformed("a path starts with `/`", write(&format!("/{start}"))));
    }
    if written.len() > PATH_BYTES_MAX {
        return Err(Wrong::malformed(
            "the path is too long",
            format!("a shorter prefix of it matches too; the longest allowed has {PATH_BYTES_MAX} bytes"),
        ));
    }
    if let Some(end) = written.find(['?', '#']) {
        return Err(Wrong::malformed(
            "queues are chosen by path alone, without query or fragment",
            write(&written[..end]),
        ));
    }
    if written.contains("//") {
        let merged = written.split('/').filter(|segment| !segment.is_empty()).collect::<Vec<_>>();
        return Err(Wrong::malformed("`//` is not in normal form", write(&format!("/{}", merged.join("/")))));
    }
    check_characters(written)?;
    check_escapes(written)?;
    if written.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Wrong::malformed(
            "`.` and `..` are not in normal form: requests are resolved before they are matched",
            "write the path without them",
        ));
    }
    match written.strip_prefix(OWN) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Err(Wrong::malformed(
            format!("paths under `{OWN}/` are Sluice's own on every host, and never queued"),
            "write another path",
        )),
        _ => Ok(written.to_owned()),
    }
}

/// RFC 3986's `pchar`, `/` and `%`; everything else has to be escaped.
fn check_characters(written: &str) -> Result<(), Wrong> {
    if written.contains('\\') {
        return Err(Wrong::malformed("`\\` is ambiguous: some servers take it for `/`", "write `/`"));
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&b);
    if written.bytes().all(allowed) {
        return Ok(());
    }
    if written.chars().any(char::is_control) {
        return Err(Wrong::malformed("a path has no control characters", "remove them"));
    }
    let escape = |b: u8| if allowed(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    let escaped: String = written.bytes().map(escape).collect();
    Err(Wrong::malformed("a character that URLs carry escaped", write(&escaped)))
}

fn check_escapes(written: &str) -> Result<(), Wrong> {
    for (at, _) in written.match_indices('%') {
        let digits = written.get(at + 1..at + 3).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(digits) = digits else {
            return Err(Wrong::malformed("`%` without two hexadecimal digits", "write `%25` for the sign itself"));
        };
        let byte = u8::from_str_radix(digits, 16).unwrap_or_default();
        let (before, after) = (&written[..at], &written[at + 3..]);
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            let plain = format!("{before}{}{after}", char::from(byte));
            return Err(Wrong::malformed(format!("`%{digits}` is a plain character, escaped"), write(&plain)));
        }
        if matches!(byte, b'/' | b'\\') || byte.is_ascii_control() {
            return Err(Wrong::malformed(
                format!("a request with `%{digits}` in its path is ambiguous and always refused"),
                "write a path without it",
            ));
        }
        if byte == b'%' && after.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2 {
            return Err(Wrong::malformed(
                "a request whose path is escaped twice is ambiguous and always refused",
                "escape it once",
            ));
        }
        if digits.bytes().any(|b| b.is_ascii_lowercase()) {
            let upper = format!("{before}%{}{after}", digits.to_ascii_uppercase());
            return Err(Wrong::malformed("escapes are written in capitals", write(&upper)));
        }
    }
    Ok(())
}

fn write(path: &str) -> String {
    format!("write \"{}\"", super::harmless(path))
}
