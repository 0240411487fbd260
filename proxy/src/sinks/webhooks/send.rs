//! One attempt: resolved, checked, connected to the address that was checked, signed, sent.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use sluice_config::{Webhook, is_public};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    outbox::{Delivery, Tried},
    sign::signature,
};
use crate::{sinks::time::now_ms, upstream::tls_to_anywhere};

/// How long an attempt may take, the name and the handshake among it.
pub(super) const WITHIN: Duration = Duration::from_secs(15);
/// Addresses of a name that are tried.
const ADDRESSES_TRIED: usize = 3;

/// Why an attempt failed before there was an answer.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("no answer within {} s", WITHIN.as_secs())]
    TooLate,
    #[error("the name does not resolve: {0}")]
    Unresolved(io::Error),
    #[error("the name resolves to {0}, which is no address that the whole internet can reach")]
    Private(SocketAddr),
    #[error("the name resolves to {0}, which is not on this machine")]
    Elsewhere(SocketAddr),
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("TLS: {0}")]
    Tls(String),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Malformed(#[from] http::Error),
}

/// Tries a delivery once. Never fails: what went wrong is in what comes back.
pub(crate) async fn attempt(hook: &Webhook, delivery: &Delivery) -> Tried {
    let (at_ms, begun) = (now_ms(), Instant::now());
    let answer = match timeout(WITHIN, send(hook, delivery, at_ms / 1_000)).await {
        Ok(answer) => answer,
        Err(_) => Err(Failed::TooLate),
    };
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let tried = Tried { at_ms, took_ms, ..Tried::default() };
    match answer {
        Err(failed) => Tried { error: Some(failed.to_string()), ..tried },
        Ok(answer) => {
            let status = answer.status();
            let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let error = match status {
                status if status.is_success() => None,
                status if status.is_redirection() => Some(format!("answered {status}; redirects are not followed")),
                status => Some(format!("answered {status}")),
            };
            let retry_after_s = retry_after.and_then(|seconds| seconds.parse().ok());
            Tried { status: Some(status.as_u16()), error, retry_after_s, ..tried }
        }
    }
}

async fn send(hook: &Webhook, delivery: &Delivery, timestamp_s: u64) -> Result<Response<()>, Failed> {
    let (url, body) = (&hook.url, &delivery.body);
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    let is_usual = url.port == if url.https { 443 } else { 80 };
    let request = Request::post(&url.target)
        .header(header::HOST, if is_usual { host } else { format!("{host}:{}", url.port) })
        .header(header::USER_AGENT, concat!("Sluice/", env!("CARGO_PKG_VERSION")))
        .header(header::CONTENT_TYPE, "application/json")
        .header("webhook-id", &delivery.id)
        .header("webhook-timestamp", timestamp_s)
        .header("webhook-signature", signature(&hook.secrets, &delivery.id, timestamp_s, body))
        .body(Full::new(Bytes::from(body.clone())))?;
    let stream = connect(&addresses(hook).await?).await?;
    if !url.https {
        return exchange(stream, request).await;
    }
    let tls = client().map_err(Failed::Tls)?;
    let name = ServerName::try_from(url.host.clone()).map_err(|error| Failed::Tls(error.to_string()))?;
    let stream = TlsConnector::from(tls).connect(name, stream).await;
    exchange(stream.map_err(|error| Failed::Tls(error.to_string()))?, request).await
}

/// The addresses of a webhook, all of which must be allowed: one that is not shows whose name it is.
async fn addresses(hook: &Webhook) -> Result<Vec<SocketAddr>, Failed> {
    let found = lookup_host((hook.url.host.as_str(), hook.url.port)).await.map_err(Failed::Unresolved)?;
    let found: Vec<_> = found.collect();
    for &address in &found {
        let is_here = address.ip().to_canonical().is_loopback();
        match hook.loopback {
            true if !is_here => return Err(Failed::Elsewhere(address)),
            false if !is_public(address.ip()) => return Err(Failed::Private(address)),
            _ => {}
        }
    }
    match found.is_empty() {
        true => Err(Failed::Unresolved(io::Error::other("it has no address"))),
        false => Ok(found),
    }
}

/// To an address that was checked: the name is not asked again.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Failed> {
    let mut last = io::Error::other("no address");
    for address in addresses.iter().take(ADDRESSES_TRIED) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(Failed::Connect(last))
}

/// Sends a request and takes the head of the answer; its body is of no interest.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<()>, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    driver.abort();
    Ok(answer?.map(drop))
}

/// TLS to receivers, by the authorities that the system trusts.
fn client() -> Result<Arc<ClientConfig>, String> {
    static CLIENT: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    CLIENT.get_or_init(|| tls_to_anywhere().map_err(|error| error.to_string())).clone()
}
