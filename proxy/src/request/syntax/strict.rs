//! What RFC 9110 and RFC 9112 demand of a request head, and the parser under us lets through.
//!
//! Two programs that read one request differently are how requests are smuggled past a gate. [`check`] therefore
//! refuses whatever has more than one reading, and gives the one reading of the rest as [`Facts`].
//!
//! Pingora 0.9.1 parses with `httparse` and hands over a header map, so what it has rejected or merged by then cannot
//! be seen there:
//!
//! | in the request | what pingora does with it | where it is caught |
//! |---|---|---|
//! | obs-fold, space before `:`, odd bytes in names or values, bare CR, a version that is none | answers 400 | pingora |
//! | other versions | answers 400 | [`wire`](crate::request::syntax::wire): 505 |
//! | several `Host`, `Host` unlike an absolute target, user info in either | answers 400 | pingora, and here |
//! | `Content-Length` beside `Transfer-Encoding` | drops the length, closes after the answer | here, in the raw head |
//! | bare LF as a line end, a fragment in the target | takes both | [`wire`](crate::request::syntax::wire) |
//! | NUL, space or control bytes in the target | escapes them (`%00`, `%20`) and parses again | [`wire`](crate::request::syntax::wire) |
//! | chunk sizes and extensions of any sort | ignores extensions, reads an empty size as 0 | [`wire`](crate::request::syntax::wire) |
//! | equal `Content-Length`s, `5, 5` | merges them | here |
//! | a length with a zero in front, several `Content-Type`s | takes them | here |
//! | `Transfer-Encoding: gzip, chunked`, `chunked, chunked`, on several lines | looks at the last member only | here |
//! | no or an empty `Host`, any bytes in it | takes it | here |
//! | `Upgrade` without `Connection: upgrade` | takes it for an upgrade | here: ignored |
//! | `Connection: close` in a second field, or beside `keep-alive` | keeps the connection | `protocol/h1.rs`: closes |
//!
//! HTTP/2 has its own framing, and the `h2` crate enforces RFC 9113's rules on pseudo-headers, connection-specific
//! fields and `content-length`; the rest of the checks apply to it all the same.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};

mod framing;
mod host;
mod target;

pub(crate) use framing::{Body, Upgrade};
pub(crate) use target::Form;

/// Most header fields. The cookie lines of HTTP/2 count as one.
pub(crate) const FIELDS_MAX: usize = 100;
/// Longest field value in bytes: a Kerberos ticket is as long as this.
pub(crate) const VALUE_BYTES_MAX: usize = 48 * 1024;
/// Most bytes of all names and values together.
pub(crate) const FIELDS_BYTES_MAX: usize = 64 * 1024;
/// Longest request target in bytes.
pub(crate) const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Longest method name in bytes; the longest registered one has 17.
pub(crate) const METHOD_BYTES_MAX: usize = 24;

/// A request head as pingora hands it over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// `RequestHeader::raw_path()`: the target as it came, without a fragment.
    pub target: &'a [u8],
    /// `RequestHeader::uri`: carries the authority of HTTP/2.
    pub uri: &'a Uri,
    /// The protocol version.
    pub version: Version,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// HTTP/1 only: the bytes of the head, `Session::to_h1_raw()`.
    pub raw: Option<&'a [u8]>,
}

/// The one reading of a request head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts<'a> {
    /// The host asked for: lower case, without port and without a dot at the end. What tenants are found by.
    pub host: Cow<'a, str>,
    /// The port asked for, if the client named one.
    pub port: Option<u16>,
    /// The form of the target. An absolute one is to be sent on in origin form.
    pub form: Form,
    /// The path as it came; `/` for an absolute target without one, `*` in asterisk form.
    pub path: &'a [u8],
    /// What comes after the first `?`.
    pub query: Option<&'a [u8]>,
    /// How the body is framed.
    pub body: Body,
    /// The protocol the client would like to switch to.
    pub upgrade: Option<Upgrade>,
}

/// Checks a request head.
///
/// # Errors
/// The first [`Violation`] found. Whatever it is, the connection is to be closed after the answer: where the next
/// request starts is in doubt.
pub(crate) fn check(head: Head<'_>) -> Result<Facts<'_>, Violation> {
    if !matches!(head.version, Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2) {
        return Err(Violation::Version);
    }
    check_method(head.method)?;
    let target = target::read(head.method, head.target)?;
    let fields = Fields::read(head.headers, head.version)?;
    let host = host::read(target.authority, head.uri.authority(), fields.host)?;
    let body = framing::read_body(head.version, &fields)?;
    if matches!(fields.content_type, One::Repeated) {
        return Err(Violation::TypeRepeated);
    }
    let upgrade = if fields.upgrade { framing::read_upgrade(head.version, head.headers, body)? } else { None };
    // Pingora drops the length when there is a coding, so only here can the two be seen together.
    if body == Body::Chunked && head.raw.is_some_and(framing::has_length) {
        return Err(Violation::LengthWithCoding);
    }
    Ok(Facts {
        host: host.name,
        port: host.port,
        form: target.form,
        path: target.path,
        query: target.query,
        body,
        upgrade,
    })
}

/// What is wrong with a request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Violation {
    /// Neither HTTP/1.0, 1.1 nor 2.
    Version,
    /// TRACE, which sends cookies back to scripts, or CONNECT, which a reverse proxy has no use for.
    MethodRefused,
    /// A longer method name than any in use.
    MethodTooLong,
    /// No method where a request line begins, in more bytes than any has.
    RequestLine,
    /// Longer than [`TARGET_BYTES_MAX`].
    TargetTooLong,
    /// A control, space or DEL, or a fragment, in the target. Bytes above 127 are no part of a URI, and browsers of old and
    /// many a program send them all the same: what they may mean in a path is judged there.
    TargetBytes,
    /// A target that is none of the forms its method may have.
    TargetForm,
    /// More than [`FIELDS_MAX`] fields.
    FieldCount,
    /// A value longer than [`VALUE_BYTES_MAX`], or all together more than [`FIELDS_BYTES_MAX`].
    FieldSize,
    /// A framing field under a name that CGI-like origins take for the real one.
    FieldName,
    /// No `Host` and no authority.
    HostMissing,
    /// `Host` without a value.
    HostEmpty,
    /// More than one `Host`.
    HostRepeated,
    /// Not a host name or address with at most a port.
    HostMalformed,
    /// `Host` and the target's authority name different hosts.
    HostConflict,
    /// Not a number in plain digits, or one with a zero in front.
    LengthMalformed,
    /// More than one `Content-Length`, even if they agree.
    LengthRepeated,
    /// `Content-Length` and `Transfer-Encoding`.
    LengthWithCoding,
    /// More than one `Transfer-Encoding`, or more than one member.
    CodingRepeated,
    /// A transfer coding other than `chunked`.
    CodingUnknown,
    /// `Transfer-Encoding` with a value that is no coding, or in a version that has none.
    CodingMalformed,
    /// More than one `Content-Type`: an origin may go by another one than we do.
    TypeRepeated,
    /// HTTP/2: an `Upgrade`.
    UpgradeUnannounced,
    /// A WebSocket handshake with a body.
    UpgradeWithBody,
    /// A line that ends in a bare LF, or empty lines in front of the request.
    LineEnd,
    /// HTTP/2: `:scheme` is not that of the connection.
    Scheme,
    /// HTTP/2: a value that begins or ends with a space or tab (RFC 9113, 8.2.1).
    FieldValue,
    /// A chunk-size line, the end of a chunk or a trailer that is not what RFC 9112, 7.1 says.
    ChunkSize,
}

impl Violation {
    /// The status to answer with.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::MethodRefused => 405,
            Self::MethodTooLong | Self::CodingUnknown => 501,
            Self::TargetTooLong => 414,
            Self::FieldCount | Self::FieldSize => 431,
            Self::RequestLine
            | Self::TargetBytes
            | Self::TargetForm
            | Self::FieldName
            | Self::HostMissing
            | Self::HostEmpty
            | Self::HostRepeated
            | Self::HostMalformed
            | Self::HostConflict
            | Self::LengthMalformed
            | Self::LengthRepeated
            | Self::LengthWithCoding
            | Self::CodingRepeated
            | Self::CodingMalformed
            | Self::TypeRepeated
            | Self::UpgradeUnannounced
            | Self::UpgradeWithBody
            | Self::LineEnd
            | Self::Scheme
            | Self::FieldValue
            | Self::ChunkSize => 400,
        }
    }

    /// A short fixed name: a metric label.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::MethodRefused => "method_refused",
            Self::MethodTooLong => "method_too_long",
            Self::RequestLine => "request_line",
            Self::TargetTooLong => "target_too_long",
            Self::TargetBytes => "target_bytes",
            Self::TargetForm => "target_form",
            Self::FieldCount => "field_count",
            Self::FieldSize => "field_size",
            Self::FieldName => "field_name",
            Self::HostMissing => "host_missing",
            Self::HostEmpty => "host_empty",
            Self::HostRepeated => "host_repeated",
            Self::HostMalformed => "host_malformed",
            Self::HostConflict => "host_conflict",
            Self::LengthMalformed => "length_malformed",
            Self::LengthRepeated => "length_repeated",
            Self::LengthWithCoding => "length_with_coding",
            Self::CodingRepeated => "coding_repeated",
            Self::CodingUnknown => "coding_unknown",
            Self::CodingMalformed => "coding_malformed",
            Self::TypeRepeated => "type_repeated",
            Self::UpgradeUnannounced => "upgrade_unannounced",
            Self::UpgradeWithBody => "upgrade_with_body",
            Self::LineEnd => "line_end",
            Self::Scheme => "scheme",
            Self::FieldValue => "field_value",
            Self::ChunkSize => "chunk_size",
        }
    }
}

/// That it is a token is the type's doing; unknown ones go to the origin like POST does.
fn check_method(method: &Method) -> Result<(), Violation> {
    if matches!(*method, Method::TRACE | Method::CONNECT) {
        return Err(Violation::MethodRefused);
    }
    if method.as_str().len() > METHOD_BYTES_MAX { Err(Violation::MethodTooLong) } else { Ok(()) }
}

/// The fields that decide about host and framing, found in the one pass that weighs all fields: a look for each of
/// them by its name would cost more, most of all for those that are not there.
#[derive(Default)]
struct Fields<'a> {
    host: One<'a>,
    length: One<'a>,
    coding: One<'a>,
    content_type: One<'a>,
    upgrade: bool,
}

/// A field that may be there once.
#[derive(Clone, Copy, Default)]
enum One<'a> {
    #[default]
    Absent,
    Once(&'a HeaderValue),
    Repeated,
}

impl<'a> One<'a> {
    fn add(&mut self, value: &'a HeaderValue) {
        *self = if matches!(self, Self::Absent) { Self::Once(value) } else { Self::Repeated };
    }
}

impl<'a> Fields<'a> {
    fn read(headers: &'a HeaderMap, version: Version) -> Result<Self, Violation> {
        let mut count = headers.len();
        if version == Version::HTTP_2 {
            // A browser sends each cookie on a line of its own (RFC 9113, 8.2.3), and may well have a hundred.
            count -= headers.get_all(header::COOKIE).iter().count().saturating_sub(1);
        }
        if count > FIELDS_MAX {
            return Err(Violation::FieldCount);
        }
        let mut fields = Self::default();
        let mut bytes = 0;
        for (name, value) in headers {
            bytes += name.as_str().len() + value.len();
            if value.len() > VALUE_BYTES_MAX || bytes > FIELDS_BYTES_MAX {
                return Err(Violation::FieldSize);
            }
            if version == Version::HTTP_2 && has_blank_ends(value.as_bytes()) {
                return Err(Violation::FieldValue);
            }
            match *name {
                header::HOST => fields.host.add(value),
                header::CONTENT_LENGTH => fields.length.add(value),
                header::TRANSFER_ENCODING => fields.coding.add(value),
                header::CONTENT_TYPE => fields.content_type.add(value),
                header::UPGRADE => fields.upgrade = true,
                // CGI and its heirs turn `-` and `_` into the same variable name.
                _ if matches!(name.as_str(), "content_length" | "transfer_encoding") => {
                    return Err(Violation::FieldName);
                }
                _ => {}
            }
        }
        Ok(fields)
    }
}

/// The parser of HTTP/1 has cut such ends off; in HTTP/2 they are part of the value, and to an origin they are not.
fn has_blank_ends(value: &[u8]) -> bool {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_blank(value.first()) || is_blank(value.last())
}

#[cfg(test)]
mod tests;
