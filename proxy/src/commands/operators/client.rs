//! A client of the operators' API: one request at a time, errors in plain words.

use std::{env, fs, path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{commands::Failed, upstream::tls_to_anywhere};

/// How long one answer may take.
const WITHIN: Duration = Duration::from_secs(10);
/// Longest answer, in bytes: a thousand queues, or a report over weeks.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Where a token is looked for.
const TOKEN: &str = "SLUICE_TOKEN";

/// Where the API is, and who asks.
#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Api {
    /// Address of the API: `listen` of `[admin]`, or the proxy before it.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9901")]
    url: String,
    /// File that holds a token or a key and nothing else. Without it: the environment variable SLUICE_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// A client.
pub(in crate::commands) struct Client {
    url: Uri,
    host: String,
    port: u16,
    token: String,
}

fn because(why: impl std::fmt::Display) -> Failed {
    Failed::Because(why.to_string())
}

impl Client {
    /// # Errors
    /// If the address is none, or there is no token.
    pub(in crate::commands) fn new(api: &Api) -> Result<Self, Failed> {
        let url: Uri = api.url.parse().map_err(|error| because(format_args!("--url {}: {error}", api.url)))?;
        let scheme = url.scheme_str().unwrap_or_default();
        let (Some(host), "http" | "https") = (url.host(), scheme) else {
            return Err(because(format_args!("--url {}: write http://HOST:PORT or https://HOST", api.url)));
        };
        let port = url.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        let token = match &api.token_file {
            Some(file) => {
                fs::read_to_string(file).map_err(|error| because(format_args!("{}: {error}", file.display())))?
            }
            None => env::var(TOKEN).map_err(|_| {
                because(format_args!(
                    "who asks? Put a key, or what `sluice admin token --config DIR` prints, into {TOKEN} or a file \
                     (--token-file)"
                ))
            })?,
        };
        let token = token.trim().to_owned();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(because("the token is empty, or holds more than a token"));
        }
        Ok(Self { host: host.trim_matches(['[', ']']).to_owned(), port, token, url })
    }

    /// The `data` of an answer.
    ///
    /// # Errors
    /// In words: what could not be reached, or what the API has said.
    pub(in crate::commands) async fn get(&self, path: &str) -> Result<Value, Failed> {
        let asked = timeout(WITHIN, self.ask(path)).await;
        asked.map_err(|_| self.failed(format_args!("no answer within {} s", WITHIN.as_secs())))?
    }

    async fn ask(&self, path: &str) -> Result<Value, Failed> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(|error| {
            self.failed(format_args!(
                "cannot connect: {error}. Is the node up, and is there an [admin] in its sluice.toml?"
            ))
        })?;
        if self.url.scheme_str() != Some("https") {
            return self.exchange(stream, path).await;
        }
        let tls = tls_to_anywhere().map_err(|error| self.failed(error))?;
        let name = ServerName::try_from(self.host.clone()).map_err(|error| self.failed(error))?;
        let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(|error| self.failed(error))?;
        self.exchange(stream, path).await
    }

    async fn exchange<S>(&self, stream: S, path: &str) -> Result<Value, Failed>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let request = Request::get(path)
            .header(header::HOST, self.url.authority().map_or("", |authority| authority.as_str()))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Empty::<Bytes>::new())
            .map_err(|error| self.failed(error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.failed(error))?;
        let driver = tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(|error| self.failed(error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        driver.abort();
        let body = body.map_err(|error| self.failed(error))?.to_bytes();
        let answer = serde_json::from_slice::<Value>(&body).ok().filter(|answer| answer["metadata"].is_object());
        let foreign = || format!("answered {status}, and not as the API does: is this the address of [admin]?");
        let answer = answer.ok_or_else(|| self.failed(foreign()))?;
        if status == StatusCode::OK {
            return Ok(answer["data"].clone());
        }
        let error = &answer["errors"][0];
        let text = |name: &str| error[name].as_str().unwrap_or_default();
        let (message, hint) = (text("message"), text("hint"));
        Err(self.failed(format_args!("{message}{}{hint}", if hint.is_empty() { "" } else { "; " })))
    }

    fn failed(&self, why: impl std::fmt::Display) -> Failed {
        let authority = self.url.authority().map_or("", |authority| authority.as_str());
        because(format_args!("{authority}: {why}"))
    }
}
