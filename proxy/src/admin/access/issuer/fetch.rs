//! Asking an issuer: for its keys, and for the token that a code stands for.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header, request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::Value;
use sluice_config::WebhookUrl;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::Jwk;
use crate::upstream::tls_to_anywhere;

const WITHIN: Duration = Duration::from_secs(5);
const BYTES_MAX: usize = 256 << 10;
/// Most keys of a set that are kept.
const KEYS_MAX: usize = 100;

/// Never holds what was sent or what was answered, but for the issuer's own word for an error.
pub(super) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The keys at an address.
pub(super) async fn keys(url: &WebhookUrl) -> Result<Vec<Jwk>, Failed> {
    let (status, body) = ask(url, Request::get(&url.target), Bytes::new()).await?;
    if status != StatusCode::OK {
        return Err(format!("answered {status}").into());
    }
    let set: Value = serde_json::from_slice(&body)?;
    let all = set["keys"].as_array().ok_or("not a set of keys (`keys` is missing)")?;
    Ok(all.iter().filter_map(Jwk::of).take(KEYS_MAX).collect())
}

/// The token of a person, for a form with a code. `authorization`: authenticates the client.
pub(super) async fn id_token(
    url: &WebhookUrl,
    form: String,
    authorization: Option<HeaderValue>,
) -> Result<String, Failed> {
    let mut request = Request::post(&url.target).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let (status, body) = ask(url, request, form.into()).await?;
    // What the parser says of a text that is not JSON may show a part of it.
    let answer: Option<Value> = serde_json::from_slice(&body).ok();
    let text = |name: &str| answer.as_ref().and_then(|answer| answer[name].as_str());
    if status != StatusCode::OK {
        let word = text("error").filter(|word| is_error_word(word)).unwrap_or("without a reason");
        return Err(format!("answered {status} ({word})").into());
    }
    let token =
        text("id_token").ok_or("there is no `id_token` in the answer: is this the issuer's `token_endpoint`?")?;
    Ok(token.to_owned())
}

/// Whether this is an error of the standard, such as `access_denied`, and not a text that somebody wants to be read.
pub(crate) fn is_error_word(word: &str) -> bool {
    (1..=40).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

async fn ask(url: &WebhookUrl, request: request::Builder, body: Bytes) -> Result<(StatusCode, Bytes), Failed> {
    let answered = timeout(WITHIN, connect_and_send(url, request, body)).await;
    answered.map_err(|_| format!("no answer within {} s", WITHIN.as_secs()))?
}

async fn connect_and_send(
    url: &WebhookUrl,
    request: request::Builder,
    body: Bytes,
) -> Result<(StatusCode, Bytes), Failed> {
    let host = if url.host.contains(':') {
        format!("[{}]:{}", url.host, url.port)
    } else {
        format!("{}:{}", url.host, url.port)
    };
    let request = request.header(header::HOST, host).header(header::ACCEPT, "application/json");
    let request = request.body(Full::new(body))?;
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
    if !url.https {
        return send(stream, request).await;
    }
    let name = ServerName::try_from(url.host.clone())?;
    send(TlsConnector::from(tls_to_anywhere()?).connect(name, stream).await?, request).await
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The connection ends with this question, however that ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), BYTES_MAX).collect().await?;
    Ok((status, body.to_bytes()))
}
