//! Fetching the keys of an issuer.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::Value;
use sluice_config::WebhookUrl;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::Jwk;
use crate::upstream::tls_to_anywhere;

const WITHIN: Duration = Duration::from_secs(5);
const BYTES_MAX: usize = 256 << 10;
/// Most keys of a set that are kept.
const KEYS_MAX: usize = 100;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The keys at an address.
pub(super) async fn keys(url: &WebhookUrl) -> Result<Vec<Jwk>, Failed> {
    let body = timeout(WITHIN, get(url)).await.map_err(|_| format!("no answer within {} s", WITHIN.as_secs()))??;
    let set: Value = serde_json::from_slice(&body)?;
    let all = set["keys"].as_array().ok_or("not a set of keys (`keys` is missing)")?;
    Ok(all.iter().filter_map(Jwk::of).take(KEYS_MAX).collect())
}

async fn get(url: &WebhookUrl) -> Result<Bytes, Failed> {
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
    if !url.https {
        return exchange(stream, url).await;
    }
    let name = ServerName::try_from(url.host.clone())?;
    exchange(TlsConnector::from(tls_to_anywhere()?).connect(name, stream).await?, url).await
}

async fn exchange<S>(stream: S, url: &WebhookUrl) -> Result<Bytes, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let host = if url.host.contains(':') {
        format!("[{}]:{}", url.host, url.port)
    } else {
        format!("{}:{}", url.host, url.port)
    };
    let request = Request::get(&url.target).header(header::HOST, host).header(header::ACCEPT, "application/json");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), BYTES_MAX).collect().await;
    driver.abort();
    if status != StatusCode::OK {
        return Err(format!("answered {status}").into());
    }
    Ok(body?.to_bytes())
}
