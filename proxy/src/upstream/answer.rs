//! The head of an origin's answer, read as RFC 9110 and RFC 9112 say, and where they leave it open as nginx does.
//!
//! | in the answer | what comes of it |
//! |---|---|
//! | a field with a name or a value that is none | left out |
//! | a space before the colon, a value that goes on in the next line | mended |
//! | equal `Content-Length`s, `5, 5` | one length |
//! | lengths that differ, or that are no number | broken |
//! | a length beside `chunked` | chunked; the connection is not used again |
//! | a coding other than `chunked` | broken |
//! | a length or a body where none can be: 1xx, 204, 304, HEAD | no body; a 1xx and a 204 lose the length |
//! | 101 that was not asked for | broken |
//! | HTTP/1.2 and later, HTTP/2 and later in the status line | taken for HTTP/1.1 |
//! | neither length nor coding | the body ends with the connection |
//! | fields of the origin's connection, and those that `Connection` names | left out |

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, StatusCode, header};
use pingora_http::ResponseHeader;

use super::body::Incoming;
use crate::request::syntax::scan::split;

/// Longest head of an answer.
pub(crate) const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most fields of an answer.
const FIELDS_MAX: usize = 256;
/// Fields that `Connection` may name; what it names beyond is not looked at.
const NOMINATED_MAX: usize = 32;

/// What decides about the answer to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The method is HEAD: a length without a body.
    pub(crate) head: bool,
    /// A WebSocket was asked for.
    pub(crate) websocket: bool,
}

/// An answer whose head has been read.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Without the fields of the origin's connection and its framing. `Content-Length` is right, or not there.
    pub(crate) head: ResponseHeader,
    pub(crate) body: Incoming,
    /// What the client is told of the body's length.
    pub(crate) size: Size,
    /// The connection may be used again behind it.
    pub(crate) keeps: bool,
}

/// What is known of a body before it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// The answer has no body, whatever its fields say.
    NoBody,
    Known(u64),
    Unknown,
}

/// An answer that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer's head is broken: {0}")]
pub(crate) struct BrokenHead(pub(crate) &'static str);

/// The length of the head in front of what has been read; `None`: it is not whole.
pub(crate) fn head_length(bytes: &[u8]) -> Option<usize> {
    // A parser skips empty lines in front.
    let start = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    for feed in memchr::memchr_iter(b'\n', &bytes[start..]) {
        let behind = start + feed + 1;
        match bytes[behind..] {
            [b'\n', ..] => return Some(behind + 1),
            [b'\r', b'\n', ..] => return Some(behind + 2),
            _ => {}
        }
    }
    None
}

/// Reads a head that is whole.
///
/// # Errors
/// If it cannot be told where its body ends, or what it says.
pub(crate) fn read(head: &[u8], asked: Asked) -> Result<Answer, BrokenHead> {
    let start = head.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let mut head = BytesMut::from(&head[start..]);
    let is_old = version(&mut head)?;
    let head = head.freeze();

    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .parse_response_with_uninit_headers(&mut response, &head, &mut fields);
    match parsed {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(BrokenHead("it has no end")),
        Err(httparse::Error::TooManyHeaders) => return Err(BrokenHead("too many fields")),
        Err(httparse::Error::Status) => return Err(BrokenHead("status line")),
        Err(_) => return Err(BrokenHead("it is none")),
    }
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(BrokenHead("status"))?;
    // One that is no text, the parser gives as an empty one.
    let reason = response.reason.filter(|reason| !reason.is_empty());
    let Ok(mut out) = ResponseHeader::build(status, Some(response.headers.len() + 4)) else {
        return Err(BrokenHead("status"));
    };
    let _ = out.set_reason_phrase(reason.or(status.canonical_reason()));

    let mut connection = Connection::default();
    let mut framing = Framing::default();
    for field in response.headers.iter() {
        let (name, value) = (field.name.as_bytes(), field.value);
        // The first letter decides about most names.
        match name[0] | 0x20 {
            b'c' if name.eq_ignore_ascii_case(b"content-length") => {
                framing.length(value)?;
                continue;
            }
            b'c' if name.eq_ignore_ascii_case(b"connection") => {
                connection.read(value);
                continue;
            }
            b't' if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                framing.coding(value)?;
                continue;
            }
            b'u' if name.eq_ignore_ascii_case(b"upgrade") && status != StatusCode::SWITCHING_PROTOCOLS => continue,
            b'k' if name.eq_ignore_ascii_case(b"keep-alive") => continue,
            b'p' if name.eq_ignore_ascii_case(b"proxy-connection") => continue,
            _ => {}
        }
        let value = if memchr::memchr(b'\n', value).is_some() { unfolded(value) } else { head.slice_ref(value) };
        // What the parser takes and a field may not hold is left out as well.
        if let Ok(value) = HeaderValue::from_maybe_shared(value) {
            let _ = out.append_header(head.slice_ref(name), value);
        }
    }
    for name in connection.nominated.iter().take(NOMINATED_MAX) {
        out.remove_header(&**name);
    }
    let both = framing.chunked && framing.length.is_some();
    let keeps = connection.keeps(is_old) && !both && !(is_old && framing.chunked);
    let (body, size) = framing.body(status, asked)?;
    if let Some(length) = framing.announced(status) {
        let _ = out.insert_header(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(Answer { head: out, body, size, keeps })
}

/// Makes a version of a status line one that the parser knows. True: it is older than HTTP/1.1.
fn version(head: &mut [u8]) -> Result<bool, BrokenHead> {
    let [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, ..] = head else { return Err(BrokenHead("status line")) };
    if !major.is_ascii_digit() || !minor.is_ascii_digit() || *major == b'0' {
        return Err(BrokenHead("version"));
    }
    let is_old = (*major, *minor) == (b'1', b'0');
    (*major, *minor) = (b'1', if is_old { b'0' } else { b'1' });
    Ok(is_old)
}

/// A value that goes on in the next line (RFC 9112, 5.2).
fn unfolded(value: &[u8]) -> Bytes {
    value.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }).collect()
}

/// What `Connection` says.
#[derive(Debug, Default)]
struct Connection {
    close: bool,
    keep_alive: bool,
    nominated: Vec<String>,
}

impl Connection {
    fn read(&mut self, value: &[u8]) {
        for option in split(b',', value).map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if !option.is_empty()
                && self.nominated.len() < NOMINATED_MAX
                && let Ok(name) = str::from_utf8(option)
            {
                self.nominated.push(name.to_ascii_lowercase());
            }
        }
    }

    fn keeps(&self, is_old: bool) -> bool {
        !self.close && (!is_old || self.keep_alive)
    }
}

/// What the fields say of the body's end.
#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    fn length(&mut self, value: &[u8]) -> Result<(), BrokenHead> {
        for text in split(b',', value).map(<[u8]>::trim_ascii) {
            let digits = !text.is_empty() && text.len() <= 19 && text.iter().all(u8::is_ascii_digit);
            let number = str::from_utf8(text).ok().filter(|_| digits).and_then(|text| text.parse::<i64>().ok());
            let length = number.and_then(|number| u64::try_from(number).ok()).ok_or(BrokenHead("length"))?;
            if self.length.replace(length).is_some_and(|before| before != length) {
                return Err(BrokenHead("two lengths"));
            }
        }
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), BrokenHead> {
        for coding in split(b',', value).map(<[u8]>::trim_ascii).filter(|coding| !coding.is_empty()) {
            if !coding.eq_ignore_ascii_case(b"chunked") || self.chunked {
                return Err(BrokenHead("transfer coding"));
            }
            self.chunked = true;
        }
        Ok(())
    }

    /// RFC 9112, 6.3.
    fn body(&self, status: StatusCode, asked: Asked) -> Result<(Incoming, Size), BrokenHead> {
        if status == StatusCode::SWITCHING_PROTOCOLS && !asked.websocket {
            return Err(BrokenHead("a switch of protocols that was not asked for"));
        }
        let bodiless = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || asked.head;
        Ok(match self.length {
            _ if bodiless => (Incoming::Length(0), Size::NoBody),
            _ if self.chunked => (Incoming::chunked(), Size::Unknown),
            Some(length) => (Incoming::Length(length), Size::Known(length)),
            None => (Incoming::UntilClose, Size::Unknown),
        })
    }

    /// The length that the client gets to see. RFC 9110, 8.6: none on a 1xx or a 204.
    fn announced(&self, status: StatusCode) -> Option<u64> {
        let may_be = !status.is_informational() && status != StatusCode::NO_CONTENT && !self.chunked;
        self.length.filter(|_| may_be)
    }
}

#[cfg(test)]
mod tests;
