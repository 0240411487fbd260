//! A Sluice with two queues: one whose visitor is inside, one in which thousands stand.

use std::{net::SocketAddr, path::Path, process::Command, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    Failed,
    client::{Protocol, Site, Target, Tickets, Way},
    kit::{
        drive::Connection,
        process::{Server, free_addr, sibling},
    },
};

/// How many stand before the visitor who polls.
const AHEAD: usize = 2_000;
pub(super) const HOST: &str = "shop.example.com";

pub(super) struct Scene {
    dir: tempfile::TempDir,
    server: Server,
    entrance: Target,
}

impl Scene {
    /// In the open, or over TLS and HTTP/2 with this site's certificate.
    pub(super) async fn start(origin: SocketAddr, site: Option<&Site>) -> Result<Self, Failed> {
        let dir = tempfile::tempdir()?;
        let secure = match site {
            None => None,
            Some(site) => {
                site.write(dir.path())?;
                Some(Target { addr: free_addr()?, way: way(site)? })
            }
        };
        let https = secure.as_ref().map(|to| format!("https = [\"{}\"]\n", to.addr)).unwrap_or_default();
        let tls = if site.is_some() { Site::TENANT } else { "" };
        std::fs::create_dir(dir.path().join("tenants"))?;
        std::fs::write(
            dir.path().join("sluice.toml"),
            format!(
                "[server]\nhttp = [\"127.0.0.1:0\"]\n{https}admin = false\nthreads = 2\n\n[keys]\ncurrent = \
                 \"bench\"\nsecrets = {{ bench = {{ env = \"SLUICE_BENCH_KEY\" }} }}\n"
            ),
        )?;
        std::fs::write(
            dir.path().join("tenants/shop.toml"),
            format!(
                "name = \"shop\"\nhosts = [\"{HOST}\"]\n\n[origin]\nservers = [\"{origin}\"]\n\n{tls}[[queue]]\nname = \
                 \"open\"\npaths = [\"/\"]\nrelease_per_minute = 6000\n\n[[queue]]\nname = \"long\"\npaths = \
                 [\"/long\"]\nrelease_per_minute = 1\n"
            ),
        )?;
        let mut command = Command::new(sibling("sluice")?);
        command.arg("run").arg("--config").arg(dir.path());
        // A key for this run only: measuring needs no secret.
        command.env("SLUICE_BENCH_KEY", BASE64_STANDARD.encode([7; 32])).env("RUST_LOG", "error");
        let mut server = Server::start_and_listen(command)?;
        if let Some(secure) = &secure {
            server.listens(secure.addr)?;
        }
        let entrance = secure.unwrap_or_else(|| server.addr.into());
        Ok(Self { dir, server, entrance })
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Where visitors come to.
    pub(super) fn entrance(&self) -> &Target {
        &self.entrance
    }

    /// The request of a visitor who is inside.
    pub(super) async fn admitted(&self) -> Result<Vec<u8>, Failed> {
        let mut connection = Connection::open(&self.entrance).await?;
        let answer = connection.ask(&get(HOST, "/", "")).await?;
        let pass = cookie(answer, "sluice_pass_open").ok_or("no pass was given")?;
        // The first pass is good for half a minute; once it has come back there is one for a visit.
        let answer = connection.ask(&get(HOST, "/", &pass)).await?;
        let pass = cookie(answer, "sluice_pass_open").ok_or("the pass was not renewed")?;
        Ok(get(HOST, "/", &pass))
    }

    /// The poll of a visitor far back in line, and its answer.
    pub(super) async fn poll_far_back(&self) -> Result<(Vec<u8>, Vec<u8>), Failed> {
        let mut connection = Connection::open(&self.entrance).await?;
        let status = "/.sluice/status?queue=long";
        let mut ticket = None;
        // The first walks in; everybody after stands in line.
        connection.ask(&get(HOST, "/long", "")).await?;
        for _ in 0..AHEAD {
            let slip =
                cookie(connection.ask(&get(HOST, status, "")).await?, "sluice_slip_long").ok_or("no slip was given")?;
            ticket = cookie(connection.ask(&get(HOST, status, &slip)).await?, "sluice_ticket_long");
        }
        let poll = get(HOST, status, &ticket.ok_or("no ticket was given")?);
        let answer = connection.ask(&poll).await?.to_vec();
        Ok((poll, answer))
    }
}

/// A browser's request.
pub(super) fn get(host: &str, path: &str, cookie: &str) -> Vec<u8> {
    let mode = if path.starts_with("/.sluice") { "same-origin" } else { "navigate" };
    let cookie = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench\r\nAccept: text/html\r\nSec-Fetch-Mode: \
         {mode}\r\n{cookie}\r\n"
    )
    .into_bytes()
}

/// How a visitor comes over TLS.
pub(super) fn way(site: &Site) -> Result<Way, Failed> {
    site.way(HOST, Protocol::Http2Tls, Arc::new(Tickets::at_most(1)))
}

/// `name=value` of a cookie that an answer sets; over TLS its name has a prefix.
pub(super) fn cookie(answer: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(answer);
    let pair = text.split("\r\n").find_map(|line| {
        let (header, value) = line.split_once(": ")?;
        let pair = value.split(';').next()?;
        let plain = pair.strip_prefix("__Host-").unwrap_or(pair);
        (header.eq_ignore_ascii_case("set-cookie") && plain.starts_with(name)).then(|| pair.to_owned())
    })?;
    (!pair.ends_with('=')).then_some(pair)
}
