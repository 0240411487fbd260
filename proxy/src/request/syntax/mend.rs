//! What no URI may hold, and programs send all the same: `{"a":1}` or `<b>` in a query.
//!
//! The parser's own type for a target refuses these bytes, which have one reading only. So they are escaped before it sees
//! them, and are judged and forwarded in that spelling, as browsers send them. HTTP/2 has no such place, and needs none:
//! its clients' libraries refuse them as well.

/// The start of a request with its target mended; `None`: there is nothing to mend in its first line.
pub(crate) fn target(bytes: &[u8]) -> Option<Vec<u8>> {
    let start = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at);
    let odd = bytes[start..end].iter().filter(|&&byte| is_odd(byte)).count();
    if odd == 0 {
        return None;
    }
    let mut mended = Vec::with_capacity(bytes.len() + 2 * odd);
    mended.extend_from_slice(&bytes[..start]);
    for &byte in &bytes[start..end] {
        match byte {
            b'"' => mended.extend_from_slice(b"%22"),
            b'<' => mended.extend_from_slice(b"%3C"),
            b'>' => mended.extend_from_slice(b"%3E"),
            b'`' => mended.extend_from_slice(b"%60"),
            other => mended.push(other),
        }
    }
    mended.extend_from_slice(&bytes[end..]);
    Some(mended)
}

/// Neither in a method nor in a version, so that the target is the only place for them.
fn is_odd(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'`')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(line: &str) -> Option<String> {
        target(line.as_bytes()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn a_target_is_mended_in_the_first_line_alone() {
        let rest = "Host: a\r\nX: \"<>\"\r\n\r\nGET /\"";
        let line = |target: &str| format!("\r\nGET {target} HTTP/1.1\r\n{rest}");
        assert_eq!(mended(&line("/p?f={\"a\":1}&q=<b>`")), Some(line("/p?f={%22a%22:1}&q=%3Cb%3E%60")));
        assert_eq!(mended(&line("/p?f={a:1}&q=%3Cb%3E")), None);
        assert_eq!(mended("GET /<"), Some("GET /%3C".into()), "the rest of the line is still to come");
    }
}
