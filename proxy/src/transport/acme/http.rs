//! Requests to an authority: over TLS, to one that its certificate is for, each on a connection of its own and bounded.

use std::{
    pin::Pin,
    str::FromStr as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// How long an exchange may take, the name and the handshake among it.
const WITHIN: Duration = Duration::from_secs(30);
/// Longest answer that is read: a long chain.
const BYTES_MAX: usize = 1 << 20;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The way to an authority.
#[derive(Clone)]
pub(super) struct Https {
    tls: Arc<ClientConfig>,
    /// How long the authority has asked to be left alone, with its last refusal.
    retry_after_s: Arc<Mutex<Option<u64>>>,
}

impl Https {
    pub(super) fn new(tls: Arc<ClientConfig>) -> Self {
        Self { tls, retry_after_s: Arc::default() }
    }

    /// How long the authority has asked to be left alone since this was asked last.
    pub(super) fn take_retry_after_s(&self) -> Option<u64> {
        self.retry_after_s.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Failed> {
        let uri = request.uri().clone();
        if uri.scheme_str() != Some("https") {
            return Err(format!("{uri} is no https URL").into());
        }
        let authority = uri.authority().ok_or("a URL without a host")?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tcp = TcpStream::connect((host.as_str(), authority.port_u16().unwrap_or(443))).await?;
        let stream = TlsConnector::from(self.tls.clone()).connect(ServerName::try_from(host)?, tcp).await?;
        request.headers_mut().insert(header::HOST, HeaderValue::from_str(authority.as_str())?);
        *request.uri_mut() = Uri::from_str(uri.path_and_query().map_or("/", |target| target.as_str()))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let answer = async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, BYTES_MAX).collect().await?.to_bytes();
            Ok(Response::from_parts(head, Full::new(body)))
        };
        let answer = answer.await;
        driver.abort();
        answer
    }

    fn note(&self, answer: &Response<Full<Bytes>>) {
        let is_refused = answer.status().is_client_error() || answer.status().is_server_error();
        let written = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        if let Some(after_s) = written.filter(|_| is_refused).and_then(|written| seconds(written, SystemTime::now())) {
            *self.retry_after_s.lock().unwrap_or_else(PoisonError::into_inner) = Some(after_s);
        }
    }
}

/// What `Retry-After` says, in seconds from now: a number of them, or a date (RFC 9110, 10.2.3).
fn seconds(written: &str, now: SystemTime) -> Option<u64> {
    let date =
        |written| Some(httpdate::parse_http_date(written).ok()?.duration_since(now).unwrap_or_default().as_secs());
    written.trim().parse().ok().or_else(|| date(written.trim()))
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let this = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await;
            let request = Request::from_parts(head, Full::new(body.to_bytes()));
            let answer = timeout(WITHIN, this.exchange(request)).await;
            let late = |_| Failed::from(format!("no answer within {} s", WITHIN.as_secs()));
            let answer = answer.map_err(late).flatten().map_err(Error::Other)?;
            this.note(&answer);
            Ok(BytesResponse::from(answer))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_wait_is_a_number_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 100);
        assert_eq!(seconds(" 120 ", now), Some(120));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(100));
        assert_eq!(seconds("Tue, 06 Nov 1990 08:49:37 GMT", now), Some(0), "it has passed");
        assert_eq!(seconds("soon", now), None);
    }
}
