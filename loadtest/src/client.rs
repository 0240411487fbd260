//! A visitor's connection: plain, HTTP/1.1 over TLS or HTTP/2 over TLS, behind one interface.

mod answer;
mod io;
mod site;
mod tickets;
mod way;

use std::net::{Ipv4Addr, SocketAddr};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Uri, Version, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

pub(crate) use self::{
    answer::{Answer, Trouble},
    io::Io,
    site::Site,
    tickets::Tickets,
    way::{Protocol, Target, Way},
};

/// Longest body that is read, in bytes.
const BODY_BYTES_MAX: usize = 16 << 20;
/// What an HTTP/2 connection takes before it says more: about as much as browsers'.
const WINDOW_BYTES: u32 = 15 << 20;

/// A connection that takes one request at a time, and lasts for as long as this is kept.
#[derive(Debug)]
pub(crate) enum Connection {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(h2::client::SendRequest<Bytes>),
}

impl Connection {
    /// Connects, from this address if one is given, and shakes hands.
    pub(crate) async fn open(way: &Way, to: SocketAddr, from: Option<Ipv4Addr>) -> Result<Self, Trouble> {
        let io = way.connect(to, from).await?;
        // The task ends with the visitor's half; what goes wrong is reported to that half.
        if way.protocol() == Protocol::Http2Tls {
            let mut options = h2::client::Builder::new();
            let options = options.enable_push(false).initial_connection_window_size(WINDOW_BYTES);
            let (send, connection) = options.handshake(io).await?;
            tokio::spawn(async move { drop(connection.await) });
            return Ok(Self::Http2(send));
        }
        let (send, connection) = http1::handshake(TokioIo::new(io)).await?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self::Http1(send))
    }

    /// Whether it is known that the other end has closed it. HTTP/2 says so with the next request only.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Http1(send) => send.is_closed(),
            Self::Http2(_) => false,
        }
    }

    /// One more that asks on streams of the same connection; `None` over HTTP/1.1, which has no streams.
    pub(crate) fn lane(&self) -> Option<Self> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(send) => Some(Self::Http2(send.clone())),
        }
    }

    /// The request as this connection takes it, made ready once if it is sent over and over.
    pub(crate) fn ready(&self, request: &Request<()>) -> Result<Request<()>, Trouble> {
        match self {
            Self::Http1(_) => Ok(request.clone()),
            Self::Http2(_) => for_http2(request).ok_or(Trouble::NotHttp),
        }
    }

    /// Sends a request that [`Self::ready`] gave, and reads the whole answer.
    pub(crate) async fn send(&mut self, request: Request<()>) -> Result<Answer, Trouble> {
        match self {
            Self::Http1(send) => {
                send.ready().await?;
                let (head, body) = send.send_request(request.map(|()| Empty::new())).await?.into_parts();
                let body = Limited::new(body, BODY_BYTES_MAX).collect().await?.to_bytes();
                Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
            }
            Self::Http2(send) => {
                let mut stream = send.clone().ready().await?;
                let (answer, _) = stream.send_request(request, true)?;
                let (head, mut body) = answer.await?.into_parts();
                let mut whole = BytesMut::new();
                while let Some(data) = body.data().await {
                    let data = data?;
                    body.flow_control().release_capacity(data.len())?;
                    if whole.len() + data.len() > BODY_BYTES_MAX {
                        return Err(Trouble::NotHttp);
                    }
                    whole.extend_from_slice(&data);
                }
                Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: whole.freeze() })
            }
        }
    }
}

/// The same request with `:authority` in place of `Host`, and without a body that is not there.
fn for_http2(request: &Request<()>) -> Option<Request<()>> {
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    let target = request.uri().path_and_query()?.as_str();
    let mut ready = Request::new(());
    *ready.method_mut() = request.method().clone();
    *ready.uri_mut() = Uri::builder().scheme("https").authority(host).path_and_query(target).build().ok()?;
    *ready.version_mut() = Version::HTTP_2;
    *ready.headers_mut() = request.headers().clone();
    ready.headers_mut().remove(header::HOST);
    Some(ready)
}

/// A request as it stands in HTTP/1.1; `None` if it is none, or has a body.
pub(crate) fn parse(bytes: &[u8]) -> Option<Request<()>> {
    const FIELDS_MAX: usize = 32;
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Request::new(&mut fields);
    if !matches!(head.parse(bytes), Ok(httparse::Status::Complete(length)) if length == bytes.len()) {
        return None;
    }
    let mut request = Request::new(());
    *request.method_mut() = head.method?.parse::<Method>().ok()?;
    *request.uri_mut() = head.path?.parse().ok()?;
    let headers: &mut HeaderMap = request.headers_mut();
    for field in head.headers {
        let name = header::HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        headers.append(name, header::HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(request)
}

#[cfg(test)]
mod tests;
