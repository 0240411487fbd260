//! A pingora with nothing in it: the floor under everything that Sluice does.

use std::{net::SocketAddr, path::PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use pingora_core::{
    Error, ErrorType, Result,
    listeners::tls::TlsSettings,
    server::{Server, configuration::ServerConf},
    upstreams::peer::HttpPeer,
};
use pingora_http::ResponseHeader;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

use crate::Failed;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// Worker threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Forward everything there.
    #[arg(long, conflicts_with = "answer", required_unless_present = "answer")]
    origin: Option<SocketAddr>,
    /// Answer everything with this HTTP/1.1 response.
    #[arg(long)]
    answer: Option<PathBuf>,
    /// Where to listen for TLS, with HTTP/2 offered.
    #[arg(long, requires_all = ["chain", "key"])]
    listen_tls: Option<SocketAddr>,
    /// PEM file of the certificate and those that signed it.
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// PEM file of its key.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

struct Bare {
    origin: Option<SocketAddr>,
    answer: Option<(ResponseHeader, Bytes)>,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _: &mut ()) -> Result<bool> {
        let Some((head, body)) = &self.answer else { return Ok(false) };
        session.write_response_header(Box::new(head.clone()), false).await?;
        session.write_response_body(Some(body.clone()), true).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        match self.origin {
            Some(origin) => Ok(Box::new(HttpPeer::new(origin, false, String::new()))),
            None => Error::e_explain(ErrorType::InternalError, "no origin"),
        }
    }
}

pub(crate) fn run(options: Options) -> Result<(), Failed> {
    let answer = options.answer.map(|file| read(&std::fs::read(file)?)).transpose()?;
    let conf = ServerConf { threads: options.threads, upstream_keepalive_pool_size: 1_024, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { origin: options.origin, answer });
    service.add_tcp(&options.listen.to_string());
    if let (Some(listen), Some(chain), Some(key)) = (options.listen_tls, &options.chain, &options.key) {
        let text = |path: &PathBuf| path.to_str().map(str::to_owned).ok_or("a strange path");
        let mut settings = TlsSettings::intermediate(&text(chain)?, &text(key)?)?;
        settings.enable_h2();
        service.add_tls_with_settings(&listen.to_string(), None, settings);
    }
    server.add_service(service);
    server.run_forever();
}

/// Takes an HTTP/1.1 response apart.
fn read(bytes: &[u8]) -> Result<(ResponseHeader, Bytes), Failed> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").ok_or("the answer has no head")?;
    let text = std::str::from_utf8(&bytes[..end])?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|l| l.split(' ').nth(1)).ok_or("the answer has no status")?;
    let mut head = ResponseHeader::build(status.parse::<u16>()?, None)?;
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or("a broken header")?;
        // Pingora adds these two by itself.
        if !["date", "connection"].contains(&name.to_ascii_lowercase().as_str()) {
            head.append_header(name.to_owned(), value)?;
        }
    }
    Ok((head, Bytes::copy_from_slice(&bytes[end + 4..])))
}
