//! Path prefixes in the normal form that request paths are brought to before they are matched.
//!
//! A prefix in any other form would match nothing, or not what its author thinks: it is refused, with the normal
//! form as the suggestion wherever there is one.

use crate::{
    diagnostics::{Wrong, words},
    limits::PATH_BYTES_MAX,
};

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
    if let Some(before) = written.strip_suffix("/*") {
        return Err(Wrong::malformed(
            "`*` stands for itself, so that the path matches no page",
            format!("{}: it matches all that is below, too", write(if before.is_empty() { "/" } else { before })),
        ));
    }
    if written.contains("//") {
        let merged = written.split('/').filter(|segment| !segment.is_empty()).collect::<Vec<_>>();
        return Err(Wrong::malformed("`//` is not in normal form", write(&format!("/{}", merged.join("/")))));
    }
    check_characters(written)?;
    check_parameters(written)?;
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

/// What stands for itself in a path: RFC 3986's `pchar` and `/`.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte)
}

/// Plain characters and `%`; everything else has to be escaped.
fn check_characters(written: &str) -> Result<(), Wrong> {
    if written.contains('\\') {
        return Err(Wrong::malformed("`\\` is ambiguous: some servers take it for `/`", "write `/`"));
    }
    let allowed = |b: u8| is_plain(b) || b == b'%';
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

/// A `;`, escaped or not, and what follows it in its segment: `/a;v=1` is matched as `/a`.
fn check_parameters(written: &str) -> Result<(), Wrong> {
    let plain = written.replace("%3B", ";").replace("%3b", ";");
    if !plain.contains(';') {
        return Ok(());
    }
    let mut cut = String::new();
    for segment in plain.split('/').skip(1).map(|segment| segment.split(';').next().unwrap_or_default()) {
        // A segment of nothing but parameters would leave `//` behind.
        if !cut.ends_with('/') {
            cut.push('/');
        }
        cut.push_str(segment);
    }
    Err(Wrong::malformed("`;` begins parameters, which are cut off before a request is matched", write(&cut)))
}

fn check_escapes(written: &str) -> Result<(), Wrong> {
    for (at, _) in written.match_indices('%') {
        let digits = written.get(at + 1..at + 3).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(digits) = digits else {
            return Err(Wrong::malformed("`%` without two hexadecimal digits", "write `%25` for the sign itself"));
        };
        let byte = u8::from_str_radix(digits, 16).unwrap_or_default();
        let (before, after) = (&written[..at], &written[at + 3..]);
        if is_plain(byte) && byte != b'/' {
            let plain = format!("{before}{}{after}", char::from(byte));
            return Err(Wrong::malformed(format!("`%{digits}` is a plain character, escaped"), write(&plain)));
        }
        if matches!(byte, b'/' | b'\\') || byte.is_ascii_control() {
            return Err(Wrong::malformed(
                format!("a request with `%{digits}` in its path is ambiguous and always refused"),
                "write a path without it",
            ));
        }
        if is_overlong(&written[at..]) {
            return Err(Wrong::malformed(
                "a request whose path hides a plain character in overlong UTF-8 is always refused",
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

/// Whether escapes at the start of `rest` spell an ASCII character in two, three or four bytes of UTF-8.
fn is_overlong(rest: &str) -> bool {
    let escape = |escape: &[u8]| match escape {
        [b'%', hex @ ..] => u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok(),
        _ => None,
    };
    let bytes: Vec<u8> = rest.as_bytes().chunks_exact(3).map_while(escape).take(4).collect();
    matches!(
        bytes.as_slice(),
        [0xc0 | 0xc1, 0x80..=0xbf, ..] | [0xe0, 0x80 | 0x81, 0x80..=0xbf, ..] | [0xf0, 0x80, 0x80 | 0x81, 0x80..=0xbf]
    )
}

fn write(path: &str) -> String {
    format!("write \"{}\"", words::harmless(path))
}
