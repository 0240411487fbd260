//! `sluice health`: is the node alive, or ready? For images without a shell, which have no curl.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use http::{Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, runtime::Builder, time::timeout};

use super::Failed;
use crate::commands::console::say;

/// From the look-up of the name to the last byte. Shorter than the time-outs of health checks that run it.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// What is read of an answer.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Where a node answers unless its config says otherwise.
const ADDRESS: &str = "127.0.0.1:9900";

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Where to ask: the address of the node's `admin` listener. Without it and `--config`: http://127.0.0.1:9900.
    ///
    /// A check that restarts a node should name no config: a mistake in a file that is just being changed is no reason
    /// to restart a node that runs.
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    url: Option<Uri>,
    /// Read where to ask from `admin` in the sluice.toml of this directory.
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Whether it should get visitors, as balancers ask, and not only whether it is alive. A restart does not make a
    /// node ready.
    #[arg(long)]
    ready: bool,
}

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let authority = match (&options.url, &options.config) {
        (Some(url), _) => authority(url)?,
        (None, Some(dir)) => listener(dir)?.to_string(),
        (None, None) => ADDRESS.to_owned(),
    };
    let path = match options.url.as_ref().map_or("/", Uri::path) {
        "/" if options.ready => "/health/ready",
        "/" => "/health",
        path => path,
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async { timeout(ANSWER_WITHIN, ask(&authority, path)).await });
    // A look-up of a name cannot be called off, and is not waited for.
    runtime.shutdown_background();
    let because = |why: &str| Failed::Because(format!("http://{authority}{path}: {why}"));
    let (status, body) = match answer {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(because(&error.to_string())),
        Err(_) => return Err(because(&format!("no answer within {} s", ANSWER_WITHIN.as_secs()))),
    };
    let body = String::from_utf8_lossy(&body);
    if status == StatusCode::OK {
        say(body.trim_end());
        Ok(())
    } else {
        Err(because(&format!("{status} {}", body.trim_end())))
    }
}

/// Host and port of a URL.
fn authority(url: &Uri) -> Result<String, Failed> {
    let wrong = |why: &str| Failed::Because(format!("{url}: {why}; write http://ADDRESS:PORT"));
    if url.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP) {
        return Err(wrong("health is answered over plain HTTP"));
    }
    let authority = url.authority().ok_or_else(|| wrong("there is no address in it"))?;
    match authority.port_u16() {
        Some(_) => Ok(authority.to_string()),
        None => Ok(format!("{authority}:80")),
    }
}

/// Where a node with this config is asked from its own machine.
pub(super) fn listener(dir: &std::path::Path) -> Result<SocketAddr, Failed> {
    let Some(listener) = sluice_config::admin_listener(dir).map_err(Failed::Config)? else {
        return Err(Failed::Because("`admin` in [server] is off: there is nothing to ask".into()));
    };
    if listener.port() == 0 {
        let chosen = "the system chooses the port of `admin`: name the one that the node has said, with --url";
        return Err(Failed::Because(chosen.into()));
    }
    // A listener on all addresses is asked on this machine's own.
    let ip = match listener.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, listener.port()))
}

pub(super) type Wrong = Box<dyn std::error::Error + Send + Sync>;

pub(super) async fn ask(authority: &str, path: &str) -> Result<(StatusCode, Bytes), Wrong> {
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path).header(header::HOST, authority).body(Empty::<Bytes>::new())?;
    let exchange = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok((head.status, Limited::new(body, BODY_BYTES_MAX).collect().await?.to_bytes()))
    };
    tokio::select! {
        answer = exchange => answer,
        // It ends before the answer only if it fails.
        ended = connection => Err(ended.err().map_or_else(|| "the connection ended without an answer".into(), Wrong::from)),
    }
}
