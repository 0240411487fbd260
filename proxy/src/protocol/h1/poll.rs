//! Polls: what most requests are while a line stands, answered without what a proxy needs.
//!
//! A visitor who waits asks `/.sluice/status` again and again. What every other request is prepared for costs more than
//! this answer. So a poll that came whole, is spelt as nearly all are, and is followed by nothing is read here, by the
//! same parser and the same modules as every request, and is answered at once. Whatever is unusual about a request is
//! left to the way that all take.

use std::mem::MaybeUninit;

use bytes::{BufMut, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};
use pingora_core::protocols::http::date::get_cached_date;

use super::client::put_status;
use crate::{
    request::{
        kind,
        syntax::strict::{Body, FIELDS_MAX, Head},
    },
    routing::decision::{Endpoint, GoesTo},
    service::{Passage, Service, answer::Answer},
    transport::connection::Connection,
};

/// What a poll begins with.
const BEGINS: &[u8] = b"GET /.sluice/status?";

/// Whether a request may be a poll, by its first bytes.
pub(super) fn may_be_poll(head: &[u8]) -> bool {
    head.starts_with(BEGINS) && head.ends_with(b"\r\n\r\n")
}

impl Service {
    /// Answers a poll: status line, head and body. `None`: it is none, or an unusual one; nothing has been done.
    ///
    /// `head` is all that the client has sent, `last` says that the connection is to be closed afterwards.
    pub(super) async fn poll(&self, head: &Bytes, connection: &Connection, last: bool) -> Option<(Vec<u8>, Passage)> {
        let (target, headers) = read(head)?;
        // Pingora's own type for a target takes none of these.
        if memchr::memchr3(b'"', b'<', b'>', target).is_some() {
            return None;
        }
        let uri = Uri::default();
        let kind = kind::classify(&Method::GET, Version::HTTP_11, &headers);
        let head = Head {
            method: &Method::GET,
            target,
            uri: &uri,
            version: Version::HTTP_11,
            headers: &headers,
            raw: Some(head),
        };
        let decision = self.decide(head, kind, connection).ok()?;
        let usual = matches!(decision.goes_to, GoesTo::Own(Endpoint::Status))
            && decision.facts.body == Body::None
            && decision.facts.upgrade.is_none();
        if !usual {
            return None;
        }
        // Whoever is over a bound is told so on the way of all requests.
        connection.belongs_to(&decision.site.usage).ok()?;
        let mut passage = Passage::begin(self, true);
        passage.kind = kind;
        let answer = self.serve(head, decision, connection, &mut passage).await?;
        Some((write(answer, Some(&mut passage), last), passage))
    }
}

/// The target and the fields of a head that is a whole request and keeps its connection.
fn read(head: &Bytes) -> Option<(&[u8], HeaderMap)> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(head, &mut fields).ok()?;
    if parsed != httparse::Status::Complete(head.len()) || request.version != Some(1) || request.method != Some("GET") {
        return None;
    }
    let mut headers = HeaderMap::with_capacity(request.headers.len());
    for field in request.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value)).ok()?;
        let usual = match name {
            header::CONNECTION => value.as_bytes().eq_ignore_ascii_case(b"keep-alive"),
            header::EXPECT => false,
            _ => true,
        };
        if !usual {
            return None;
        }
        headers.append(name, value);
    }
    Some((request.path?.as_bytes(), headers))
}

/// An answer's bytes.
pub(super) fn write(answer: Answer, passage: Option<&mut Passage>, last: bool) -> Vec<u8> {
    let Answer { mut head, body, closes, .. } = answer;
    if let Some(passage) = passage {
        // Fails only for more fields than any answer of ours has.
        let _ = passage.dress(&mut head);
    }
    let mut out = Vec::with_capacity(512 + body.len());
    put_status(&mut out, &head);
    head.header_to_h1_wire(&mut out);
    out.put_slice(b"Date: ");
    out.put_slice(get_cached_date().as_bytes());
    out.put_slice(if last || closes {
        b"\r\nConnection: close\r\n\r\n"
    } else {
        b"\r\nConnection: keep-alive\r\n\r\n"
    });
    out.put_slice(&body);
    out
}
