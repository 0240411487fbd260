//! A request as it comes from the framing, and what that lets through and no request may have.

use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use pingora_http::{
    RequestHeader,
    authority::{RawTargetAuthority, raw_target_authority},
};

use super::{body::Body, piece::Piece};
use crate::{request::syntax::scan::split, service::BodySource};

/// A stream whose answer has not begun.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) head: RequestHeader,
    pub(super) body: Body,
    pub(super) answer: SendResponse<Piece>,
}

/// A request that was malformed, and has been refused.
#[derive(Debug)]
pub(super) struct Malformed;

impl Incoming {
    /// Takes a request over.
    ///
    /// # Errors
    /// If it is malformed (RFC 9113, 8.1.1). It is answered or reset by then.
    pub(super) fn accept(request: Request<RecvStream>, mut answer: SendResponse<Piece>) -> Result<Self, Malformed> {
        let (parts, body) = request.into_parts();
        let head = RequestHeader::from(parts);
        match fault(&head) {
            None => {}
            Some(Fault::Framing) => {
                answer.send_reset(Reason::PROTOCOL_ERROR);
                return Err(Malformed);
            }
            Some(Fault::Authority) => {
                let mut refusal = Response::new(());
                *refusal.status_mut() = StatusCode::BAD_REQUEST;
                // Fails if the client is gone.
                let _ = answer.send_response(refusal, true);
                return Err(Malformed);
            }
        }
        let is_empty = head.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0");
        Ok(Self { head, body: Body::new(body, is_empty), answer })
    }

    /// Refuses it. The client may try again.
    pub(super) fn refuse(mut self) {
        self.answer.send_reset(Reason::REFUSED_STREAM);
    }
}

impl BodySource for Incoming {
    fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    async fn next_piece(&mut self) -> Option<Bytes> {
        self.body.next_piece().await
    }

    fn expect_no_more(&mut self) {}
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Where it ends, or where its path does, is in doubt: its stream is reset.
    Framing,
    /// Whom it is for is in doubt: it is answered.
    Authority,
}

/// The rest is checked where requests of HTTP/1 are.
fn fault(head: &RequestHeader) -> Option<Fault> {
    let path = head.raw_path();
    // The parser of targets takes some of them.
    if path.iter().any(|byte| matches!(byte, 0 | b'\n' | b'\r' | b' ')) || lengths_differ(&head.headers) {
        return Some(Fault::Framing);
    }
    let is_absolute = head.method != Method::CONNECT && raw_target_authority(path) != RawTargetAuthority::None;
    (is_absolute || authority_is_in_doubt(head)).then_some(Fault::Authority)
}

fn lengths_differ(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return true;
    }
    let mut length = None;
    headers.get_all(header::CONTENT_LENGTH).iter().flat_map(|value| split(b',', value.as_bytes())).any(|text| {
        let number = str::from_utf8(text.trim_ascii()).ok().and_then(|text| text.parse::<u64>().ok());
        number.is_none_or(|number| length.replace(number).is_some_and(|before| before != number))
    })
}

fn authority_is_in_doubt(head: &RequestHeader) -> bool {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let (host, second) = (hosts.next().map(|host| host.as_bytes()), hosts.next());
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let has_user = |text: Option<&[u8]>| text.is_some_and(|text| text.contains(&b'@'));
    let differ = host.zip(authority).is_some_and(|(host, authority)| host != authority);
    second.is_some() || has_user(host) || has_user(authority) || differ || (host.is_none() && authority.is_none())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn head(uri: &str, fields: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = Request::get(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0.into()
    }

    #[test]
    fn a_request_whose_end_is_in_doubt_is_a_fault_of_framing() {
        for fields in [
            &[("content-length", "5"), ("content-length", "6")][..],
            &[("content-length", "5, 6")],
            &[("content-length", "five")],
            &[("content-length", "-1")],
            &[("content-length", "")],
            &[("transfer-encoding", "chunked")],
        ] {
            assert_eq!(fault(&head("https://a.test/", fields)), Some(Fault::Framing), "{fields:?}");
        }
    }

    #[test]
    fn a_request_whose_authority_is_in_doubt_is_answered() {
        for (uri, fields) in [
            ("https://a.test/", &[("host", "b.test")][..]),
            ("https://a.test/", &[("host", "a.test:443")]),
            ("https://a.test/", &[("host", "a.test"), ("host", "a.test")]),
            ("https://user@a.test/", &[]),
            ("/", &[("host", "user@a.test")]),
            ("/", &[]),
        ] {
            assert_eq!(fault(&head(uri, fields)), Some(Fault::Authority), "{uri} {fields:?}");
        }
    }

    #[test]
    fn what_is_in_order_has_no_fault() {
        for (uri, fields) in [
            ("https://a.test/", &[][..]),
            ("https://a.test/a?b", &[("host", "a.test"), ("content-length", "5")]),
            ("/", &[("host", "a.test")]),
            ("https://a.test/", &[("content-length", "5, 5"), ("content-length", "5")]),
        ] {
            assert_eq!(fault(&head(uri, fields)), None, "{uri} {fields:?}");
        }
    }
}
