//! The request target (RFC 9112, 3.2).

use http::Method;

use super::{TARGET_BYTES_MAX, Violation};
use crate::request::syntax::scan::find;

/// The form a target came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `/path?query`
    Origin,
    /// `http://host/path?query`
    Absolute,
    /// `*`, of OPTIONS only: about this server as a whole, so nothing for an origin.
    Asterisk,
}

/// A target taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) form: Form,
    /// Of the absolute form: what stands between `//` and the path.
    pub(super) authority: Option<&'a [u8]>,
    pub(super) path: &'a [u8],
    pub(super) query: Option<&'a [u8]>,
}

const DEL: u8 = 0x7f;

/// Takes a target apart.
pub(super) fn read<'a>(method: &Method, target: &'a [u8]) -> Result<Target<'a>, Violation> {
    if target.len() > TARGET_BYTES_MAX {
        return Err(Violation::TargetTooLong);
    }
    // No early exit, so that the compiler can take many bytes at a time.
    let is_bad = |b: u8| b <= b' ' || b == DEL || b == b'#';
    if target.iter().fold(false, |found, &b| found | is_bad(b)) {
        return Err(Violation::TargetBytes);
    }
    match target {
        [b'/', ..] => {
            let (path, query) = cut_query(target);
            Ok(Target { form: Form::Origin, authority: None, path, query })
        }
        b"*" if *method == Method::OPTIONS => {
            Ok(Target { form: Form::Asterisk, authority: None, path: target, query: None })
        }
        _ => {
            let rest = strip_scheme(target).ok_or(Violation::TargetForm)?;
            let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
            let (authority, rest) = rest.split_at(end);
            let (path, query) = cut_query(rest);
            let path = if path.is_empty() { b"/" } else { path };
            Ok(Target { form: Form::Absolute, authority: Some(authority), path, query })
        }
    }
}

fn cut_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match find(b'?', target) {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    }
}

/// No other scheme is served here, and a gateway to one is not what this is.
fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}
