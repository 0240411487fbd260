//! Checks of servers, where `[origin.health]` asks for them: once per node, apart from the requests.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    sync::{Arc, Weak},
    time::Duration,
};

use http::{Request, header};
use sluice_config::Health as Settings;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::proof;
use super::{Origin, balance::random, health::Turned, server::Server};
use crate::upstream::{http2, link::Link};

/// Checks of all origins at the same time.
pub(super) const CHECKS_MAX: usize = 64;
/// The rest of an answer is read away for at most this long, and at most so many bytes of it, so that few servers see their
/// client break off.
const READ_AWAY_FOR: Duration = Duration::from_millis(200);
const READ_AWAY_BYTES_MAX: usize = 64 << 10;
/// As much of an answer is read for its status.
const STATUS_BYTES: usize = b"HTTP/1.1 200".len();

/// Checks the servers of an origin for as long as it is in force. Every check comes up to a fifth earlier or later, so
/// that those of many nodes do not meet.
pub(super) async fn run(origin: Weak<Origin>, settings: Settings, places: Arc<Semaphore>) {
    let mut wait = jittered(settings.interval.min(Duration::from_secs(1)));
    loop {
        sleep(wait).await;
        wait = jittered(settings.interval);
        let Some(origin) = origin.upgrade() else { return };
        let mut checks = JoinSet::new();
        for server in origin.current() {
            let (origin, settings, places) = (origin.clone(), settings.clone(), places.clone());
            checks.spawn(async move {
                if let Ok(_place) = places.acquire().await {
                    judge(&origin, &server, &settings).await;
                }
            });
        }
        drop(origin);
        while checks.join_next().await.is_some() {}
    }
}

fn jittered(time: Duration) -> Duration {
    let percent = u32::try_from(80 + random() % 41).unwrap_or(100);
    time * percent / 100
}

async fn judge(origin: &Origin, server: &Server, settings: &Settings) {
    let within = settings.timeout.min(settings.interval);
    let checked = timeout(within, check(origin, server, settings)).await;
    let checked = checked.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")));
    let id = &server.known.id;
    match server.health.checked(checked.is_ok()) {
        Some(Turned::Down) => {
            let cause = checked.err().map(|error| error.to_string()).unwrap_or_default();
            tracing::warn!(tenant = %id.tenant, route = id.route, server = %server.endpoint, cause, "a server is down by its checks");
        }
        Some(Turned::Up) => {
            tracing::info!(tenant = %id.tenant, route = id.route, server = %server.endpoint, "a server is up again by its checks");
        }
        None => {}
    }
}

/// Connects, and asks for a page if there is one to ask for. An origin that wants proof of where requests come from gets it
/// here as well, or it would be down by its checks.
async fn check(origin: &Origin, server: &Server, settings: &Settings) -> io::Result<()> {
    let mut link = Link::open(server, settings.timeout).await.map_err(io::Error::other)?;
    let Some(path) = &settings.path else { return Ok(()) };
    let (host, proof) = (&origin.host, origin.proof());
    if origin.settings.http2 {
        let scheme = if server.tls.is_some() { "https" } else { "http" };
        let mut request = Request::get(format!("{scheme}://{host}{path}")).header(header::USER_AGENT, "sluice");
        if let Some(proof) = proof {
            request = request.header(proof::NAME, proof.token());
        }
        let status = http2::status(link, request.body(()).map_err(io::Error::other)?, settings.timeout).await?;
        return if status.is_success() || status.is_redirection() {
            Ok(())
        } else {
            Err(other_status(status.as_str()))
        };
    }
    let proof = proof.map_or_else(String::new, |proof| format!("{}: {}\r\n", proof::FIELD, proof.token()));
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: sluice\r\n{proof}Connection: close\r\n\r\n");
    let mut left = request.as_bytes();
    while !left.is_empty() {
        match poll_fn(|cx| link.poll_write(cx, &[IoSlice::new(left)])).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => left = &left[written..],
        }
    }
    poll_fn(|cx| link.poll_flush(cx)).await?;
    let (mut answer, mut got) = ([0; STATUS_BYTES], 0);
    while got < STATUS_BYTES {
        match poll_fn(|cx| link.poll_read(cx, &mut answer[got..])).await? {
            0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed without an answer")),
            read => got += read,
        }
    }
    // What it said first counts, however it ends.
    let _ = timeout(READ_AWAY_FOR, read_away(&mut link)).await;
    match answer {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'2' | b'3', _, _] => Ok(()),
        [b'H', b'T', b'T', b'P', .., a, b, c] => Err(other_status(&String::from_utf8_lossy(&[a, b, c]))),
        _ => Err(io::Error::other("the answer is not HTTP")),
    }
}

fn other_status(status: &str) -> io::Error {
    io::Error::other(format!("status {status}"))
}

async fn read_away(link: &mut Link) {
    let (mut rest, mut got) = ([0; 1 << 10], 0);
    while got < READ_AWAY_BYTES_MAX {
        match poll_fn(|cx| link.poll_read(cx, &mut rest)).await {
            Ok(read) if read > 0 => got += read,
            _ => return,
        }
    }
}
