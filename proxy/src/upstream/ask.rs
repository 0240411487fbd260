//! The head of a request, as an origin gets it: with our own framing and our own connection. HTTP/1.1 is written here,
//! HTTP/2 in [`http2`].

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, header};
use pingora_http::RequestHeader;

use super::{
    answer::Asked,
    body::Outgoing,
    failure::Failure,
    http2,
    origin::{Origin, proof},
};
use crate::request::{Edit, syntax::list::members, syntax::strict::Body};

/// Fields that `Connection` may name.
const NOMINATED_MAX: usize = 9;

/// A request on its way to an origin.
#[derive(Debug)]
pub(crate) struct Ask {
    /// Request line and fields, as they are written in HTTP/1.1.
    pub(crate) head: Vec<u8>,
    /// The same for an origin that speaks HTTP/2; the head is empty then.
    pub(super) http2: Option<Box<Request<()>>>,
    pub(crate) framing: Outgoing,
    /// What decides how the answer is read.
    pub(crate) asked: Asked,
    /// It may be sent again although an origin may have got it (RFC 9110, 9.2.2).
    pub(crate) is_idempotent: bool,
    /// The client waits for a "100 Continue" with its body.
    pub(crate) expects: bool,
}

impl Ask {
    /// Makes the head. `body` is what the client announces; `ended` says that none of it is to come. `origin` says whether
    /// it wants proof of where the request comes from.
    ///
    /// # Errors
    /// If fields are named by `Connection` that are not the client's to remove.
    pub(crate) fn new(
        request: &RequestHeader,
        edits: &[Edit],
        body: Body,
        ended: bool,
        websocket: bool,
        origin: Option<&Origin>,
    ) -> Result<Self, Failure> {
        let host = host(request, edits)?;
        let fields = Fields { nominated: nominated(request)?, host: host.as_bytes(), target: target(request) };
        let asked = Asked { head: request.method == Method::HEAD, websocket };
        let is_idempotent = is_idempotent(&request.method);
        // One that does not send its body before it is asked to, whatever it expects beside.
        let expects = request.version == Version::HTTP_11 && request.headers.contains_key(header::EXPECT);
        if let Some(origin) = origin.filter(|origin| origin.settings.http2) {
            if websocket {
                return Err(Failure::NoWebSocket);
            }
            let http2 = Some(Box::new(http2::request(&fields, request, edits, body, origin)?));
            return Ok(Self { head: Vec::new(), http2, framing: Outgoing::Plain, asked, is_idempotent, expects });
        }
        let mut head = Vec::with_capacity(1_024);
        line(&mut head, &[request.method.as_str().as_bytes(), b" ", fields.target, b" HTTP/1.1"]);
        field(&mut head, b"Host", fields.host);
        let mut cased = request.case_header_iter();
        for (name, value) in &request.headers {
            let spelt = cased.next().map_or(name.as_str().as_bytes(), |(name, _)| name.as_slice());
            if fields.passes(name, edits) {
                field(&mut head, spelt, value.as_bytes());
            }
        }
        for edit in edits {
            if let Edit::Set(name, value) = edit {
                field(&mut head, name.as_str().as_bytes(), value.as_bytes());
            }
        }
        if let Some(proof) = origin.and_then(Origin::proof) {
            field(&mut head, proof::FIELD.as_bytes(), proof.token().as_bytes());
        }
        let framing = match body {
            Body::Length(length) => {
                field(&mut head, b"Content-Length", length.to_string().as_bytes());
                Outgoing::Plain
            }
            Body::Chunked => chunked(&mut head),
            Body::Stream if !ended => chunked(&mut head),
            Body::None | Body::Stream => {
                // RFC 9110, 8.6: said where a body would mean something.
                let may_have_one = matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
                if request.headers.contains_key(header::CONTENT_LENGTH) || (body == Body::Stream && may_have_one) {
                    field(&mut head, b"Content-Length", b"0");
                }
                Outgoing::Plain
            }
        };
        if websocket {
            head.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
        }
        head.extend_from_slice(b"\r\n");
        // It may wait for long.
        head.shrink_to_fit();
        Ok(Self { head, http2: None, framing, asked, is_idempotent, expects })
    }
}

/// What an origin gets of a request's fields, whichever protocol it speaks.
pub(super) struct Fields<'r> {
    nominated: Vec<HeaderName>,
    pub(super) host: &'r [u8],
    pub(super) target: &'r [u8],
}

impl Fields<'_> {
    /// Whether a field goes on as it came.
    pub(super) fn passes(&self, name: &HeaderName, edits: &[Edit]) -> bool {
        let is_edited = || edits.iter().any(|edit| matches!(edit, Edit::Set(of, _) | Edit::Remove(of) if of == name));
        !is_of_connection(name) && !is_edited() && !self.nominated.contains(name)
    }
}

/// A request that may be sent again although an origin may have got it.
pub(super) fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

/// The members of a list in a request's fields.
pub(super) fn members_of<'h>(headers: &'h HeaderMap, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
    members(headers, name)
}

fn chunked(head: &mut Vec<u8>) -> Outgoing {
    field(head, b"Transfer-Encoding", b"chunked");
    Outgoing::Chunked
}

fn line(head: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| head.extend_from_slice(part));
    head.extend_from_slice(b"\r\n");
}

fn field(head: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    line(head, &[name, b": ", value]);
}

/// The target in origin form, as it came; an absolute one is for proxies.
fn target(request: &RequestHeader) -> &[u8] {
    match request.raw_path() {
        raw @ ([b'/', ..] | b"*") => raw,
        _ => request.uri.path_and_query().map_or(b"/", |target| target.as_str().as_bytes()),
    }
}

/// What stands in `Host`: what the client wrote there, or in its target.
fn host<'r>(request: &'r RequestHeader, edits: &'r [Edit]) -> Result<HostField<'r>, Failure> {
    if let Some(host) = request.headers.get(header::HOST) {
        return Ok(HostField::Value(host));
    }
    if let Some(authority) = request.uri.authority() {
        return Ok(HostField::Text(authority.as_str()));
    }
    // An absolute target of HTTP/1.0: it has been read already, to tell the origin.
    let forwarded = edits.iter().find_map(|edit| match edit {
        Edit::Set(name, value) if name.as_str() == "x-forwarded-host" => Some(HostField::Value(value)),
        _ => None,
    });
    forwarded.ok_or(Failure::Request("it has no host"))
}

enum HostField<'r> {
    Value(&'r HeaderValue),
    Text(&'r str),
}

impl HostField<'_> {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Value(value) => value.as_bytes(),
            Self::Text(text) => text.as_bytes(),
        }
    }
}

/// Fields about the client's connection and framing, and those that are written anew.
fn is_of_connection(name: &HeaderName) -> bool {
    match *name {
        header::HOST
        | header::CONNECTION
        | header::CONTENT_LENGTH
        | header::TRANSFER_ENCODING
        | header::TE
        | header::TRAILER
        | header::UPGRADE
        | header::PROXY_AUTHENTICATE
        | header::PROXY_AUTHORIZATION => true,
        _ => matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings"),
    }
}

/// The fields that `Connection` names.
fn nominated(request: &RequestHeader) -> Result<Vec<HeaderName>, Failure> {
    let mut names = Vec::new();
    for option in members(&request.headers, &header::CONNECTION) {
        if [&b"close"[..], b"keep-alive", b"upgrade"].iter().any(|usual| option.eq_ignore_ascii_case(usual)) {
            continue;
        }
        let Ok(name) = HeaderName::from_bytes(option) else {
            return Err(Failure::Request("Connection names what is no field"));
        };
        if matches!(name.as_str(), "host" | "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto") {
            return Err(Failure::Request("Connection names a field that says who the client is"));
        }
        if names.len() == NOMINATED_MAX {
            return Err(Failure::Request("Connection names too many fields"));
        }
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
