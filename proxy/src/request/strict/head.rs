//! What only the bytes of an HTTP/1 head still show, once it has been parsed.

use super::Violation;
use crate::request::scan::{before, find, split};

/// Empty lines that may come before a request line (RFC 9112, 2.2 asks for at least one, for old browsers' sake).
const EMPTY_LINES_MAX: usize = 2;

/// Checks the bytes from the first to the empty line that ends the head. `chunked`: there is a `Transfer-Encoding`.
///
/// The head has been parsed successfully, so lines are well-formed but for their ends.
pub(super) fn check(raw: &[u8], chunked: bool) -> Result<(), Violation> {
    // No early exit, so that the compiler can take many bytes at a time.
    let is_bare = |before: u8, at: u8| (at == b'\n') & (before != b'\r');
    let pairs = raw.iter().zip(raw.get(1..).unwrap_or_default());
    if raw.first() == Some(&b'\n') || pairs.fold(false, |found, (&before, &at)| found | is_bare(before, at)) {
        return Err(Violation::LineEnd);
    }
    let mut head = raw;
    let mut empty_lines = 0;
    while let Some(rest) = head.strip_prefix(b"\r\n") {
        head = rest;
        empty_lines += 1;
    }
    if empty_lines > EMPTY_LINES_MAX {
        return Err(Violation::LineEnd);
    }
    // Pingora cuts a fragment off the target before anybody sees it.
    let request_line = before(b'\r', head);
    if find(b' ', request_line).is_some_and(|space| find(b'#', &request_line[space..]).is_some()) {
        return Err(Violation::TargetBytes);
    }
    // Pingora drops the length when there is a coding, so only here can the two be seen together.
    if chunked && has_length(head) {
        return Err(Violation::LengthWithCoding);
    }
    Ok(())
}

fn has_length(head: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length:";
    split(b'\n', head)
        .skip(1)
        .any(|line| line.split_at_checked(NAME.len()).is_some_and(|(name, _)| name.eq_ignore_ascii_case(NAME)))
}
