//! Heads on HTTP/2: what the origin is asked, and what it answers.

use http::{
    HeaderMap, HeaderValue, Request, Uri, header,
    response::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};
use pingora_http::{RequestHeader, ResponseHeader};

use crate::{
    request::{Edit, syntax::strict::Body},
    upstream::{
        Failure, Size,
        answer::{Asked, BrokenHead},
        ask::{Fields, members_of},
        origin::{Origin, proof},
    },
};

/// The request as the origin gets it.
///
/// # Errors
/// If it cannot be said in HTTP/2.
pub(in crate::upstream) fn request(
    fields: &Fields<'_>,
    request: &RequestHeader,
    edits: &[Edit],
    body: Body,
    origin: &Origin,
) -> Result<Request<()>, Failure> {
    let authority = Authority::try_from(fields.host);
    let target = PathAndQuery::try_from(fields.target);
    let (Ok(authority), Ok(target)) = (authority, target) else {
        return Err(Failure::Request("its host or its target cannot be said in HTTP/2"));
    };
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(if origin.settings.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP });
    (uri.authority, uri.path_and_query) = (Some(authority), Some(target));
    let uri = Uri::from_parts(uri).map_err(|_| Failure::Request("its target cannot be said in HTTP/2"))?;
    let mut asked = Request::new(());
    (*asked.method_mut(), *asked.uri_mut()) = (request.method.clone(), uri);
    let headers = asked.headers_mut();
    for (name, value) in &request.headers {
        if fields.passes(name, edits) && name != header::EXPECT {
            headers.append(name, value.clone());
        }
    }
    for edit in edits {
        if let Edit::Set(name, value) = edit {
            headers.append(name, value.clone());
        }
    }
    // The one coding that HTTP/2 knows: the client can read what comes behind a body.
    if members_of(&request.headers, &header::TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers")) {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Some(proof) = origin.proof()
        && let Ok(value) = HeaderValue::try_from(proof.token())
    {
        headers.insert(proof::NAME, value);
    }
    if let Body::Length(length) = body {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(asked)
}

/// The answer's head as the client gets it, and what is known of its body. `ended`: there is none.
///
/// # Errors
/// If it cannot be told how long the body is.
pub(super) fn answer(parts: Parts, asked: Asked, ended: bool) -> Result<(ResponseHeader, Size), BrokenHead> {
    let mut headers = parts.headers;
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
    let has_none = asked.head || parts.status == 204 || parts.status == 304;
    let size = match length(&headers)? {
        _ if has_none => Size::NoBody,
        None if ended => Size::Known(0),
        None => Size::Unknown,
        // The crate holds the body against it.
        Some(length) => Size::Known(length),
    };
    if parts.status == 204 {
        headers.remove(header::CONTENT_LENGTH);
    } else if size == Size::Known(0) && !headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    }
    let mut head = ResponseHeader::build(parts.status, Some(headers.len() + 4)).map_err(|_| BrokenHead("status"))?;
    let mut named = None;
    for (name, value) in headers {
        named = name.or(named);
        if let Some(name) = &named {
            head.append_header(name.clone(), value).map_err(|_| BrokenHead("too many fields"))?;
        }
    }
    Ok((head, size))
}

fn length(headers: &HeaderMap) -> Result<Option<u64>, BrokenHead> {
    let mut found = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let text =
            value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
        let length = text.and_then(|text| text.parse().ok()).ok_or(BrokenHead("length"))?;
        if found.replace(length).is_some_and(|before| before != length) {
            return Err(BrokenHead("two lengths"));
        }
    }
    Ok(found)
}

/// Trailers as lines of HTTP/1.1, which is what clients are handed.
pub(super) fn trailer_lines(trailers: &HeaderMap) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in trailers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            lines.extend_from_slice(part);
        }
    }
    lines
}
