//! Where the body ends, and whether another protocol follows (RFC 9112, 6; RFC 9110, 7.8).

use http::{HeaderMap, Version, header};

use super::{Fields, One, Violation};
use crate::request::{syntax::list::members, syntax::scan::split};

/// How a request's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// HTTP/1 without a body.
    None,
    /// So many bytes follow.
    Length(u64),
    /// HTTP/1.1 chunks follow.
    Chunked,
    /// HTTP/2 without a length: bytes until the stream's end, maybe none.
    Stream,
}

/// What the client would like to switch to. Only a WebSocket is ever switched to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// `Upgrade: websocket` and nothing else.
    WebSocket,
    /// Anything else, `h2c` for one: served as if it had not asked, which RFC 9110, 7.8 allows.
    Other,
}

pub(super) fn read_body(version: Version, fields: &Fields<'_>) -> Result<Body, Violation> {
    let length = read_length(fields.length)?;
    let chunked = read_coding(version, fields.coding)?;
    match (length, chunked) {
        (Some(_), true) => Err(Violation::LengthWithCoding),
        (Some(0), false) => Ok(Body::None),
        (Some(length), false) => Ok(Body::Length(length)),
        (None, true) => Ok(Body::Chunked),
        (None, false) if version == Version::HTTP_2 => Ok(Body::Stream),
        (None, false) => Ok(Body::None),
    }
}

/// Whether a head, as it came, has a `Content-Length`.
pub(super) fn has_length(head: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length:";
    split(b'\n', head)
        .skip(1)
        .any(|line| line.split_at_checked(NAME.len()).is_some_and(|(name, _)| name.eq_ignore_ascii_case(NAME)))
}

/// RFC 9110, 8.6 lets a recipient merge equal lengths. No client sends two, and not every origin merges them.
fn read_length(field: One<'_>) -> Result<Option<u64>, Violation> {
    let field = match field {
        One::Absent => return Ok(None),
        One::Once(field) => field,
        One::Repeated => return Err(Violation::LengthRepeated),
    };
    let text = field.as_bytes();
    if text.contains(&b',') {
        return Err(Violation::LengthRepeated);
    }
    // `parse` takes a plus sign. Nineteen digits fit an i64, which is what some origins count in. Some read a zero in front
    // as the sign of an octal number.
    let is_octal = text.len() > 1 && text.starts_with(b"0");
    if text.is_empty() || text.len() > 19 || is_octal || !text.iter().all(u8::is_ascii_digit) {
        return Err(Violation::LengthMalformed);
    }
    let length = str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    length.and_then(|length| u64::try_from(length).ok()).map(Some).ok_or(Violation::LengthMalformed)
}

/// Whether the body is chunked: one field, one member, `chunked`.
fn read_coding(version: Version, field: One<'_>) -> Result<bool, Violation> {
    let field = match field {
        One::Absent => return Ok(false),
        _ if version != Version::HTTP_11 => return Err(Violation::CodingMalformed),
        One::Once(field) => field,
        One::Repeated => return Err(Violation::CodingRepeated),
    };
    let text = field.as_bytes();
    if text.eq_ignore_ascii_case(b"chunked") {
        return Ok(true);
    }
    let chunked = text.split(|&b| b == b',').filter(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"));
    if chunked.count() > 1 {
        return Err(Violation::CodingRepeated);
    }
    // RFC 9112, 6.1: 501 for a coding we do not have; but `\x0bchunked`, `;chunked` or nothing is not a coding.
    let is_coding = |coding: &[u8]| {
        let coding = coding.trim_ascii();
        !coding.is_empty() && coding.iter().all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    if text.split(|&b| b == b',').all(is_coding) {
        Err(Violation::CodingUnknown)
    } else {
        Err(Violation::CodingMalformed)
    }
}

/// What a request with an `Upgrade` asks for.
pub(super) fn read_upgrade(version: Version, headers: &HeaderMap, body: Body) -> Result<Option<Upgrade>, Violation> {
    // RFC 9110, 7.8: to be ignored in HTTP/1.0, and where a hop before us has dropped `Connection`.
    if version == Version::HTTP_10 {
        return Ok(None);
    }
    if !members(headers, &header::CONNECTION).any(|option| option.eq_ignore_ascii_case(b"upgrade")) {
        // An HTTP/2 request may have no such field at all.
        return if version == Version::HTTP_2 { Err(Violation::UpgradeUnannounced) } else { Ok(None) };
    }
    let mut protocols = members(headers, &header::UPGRADE);
    let websocket = protocols.next().is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"));
    if !websocket || protocols.next().is_some() {
        return Ok(Some(Upgrade::Other));
    }
    // After 101 pingora reads what is left of the body as the other protocol; an origin may read it as the body.
    if body != Body::None {
        return Err(Violation::UpgradeWithBody);
    }
    Ok(Some(Upgrade::WebSocket))
}
