//! HTTP/2 to the servers of an origin, as gRPC needs it: many requests on one connection.
//!
//! Over TLS it is agreed on by ALPN, else it is known beforehand (`h2c`). A connection belongs to one worker's thread, as
//! those of HTTP/1.1 do, and is driven by a task of its own.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | requests of a connection | 100, or fewer if the server says so | another connection |
//! | connections of a worker to a server | 64 | 503, as for a server without room |
//! | kept of an answer for a client that takes nothing | 64 KiB | the server may send no more of it |
//! | head of an answer | 64 KiB | 502 |
//! | interim answers | 32 | 502 |
//! | idle connection | `idle_timeout` | it is closed |
//!
//! WebSockets need a connection of their own, so they get 502: their paths need a `[[route]]` without `http2`.

mod connections;
mod exchange;
mod head;

use std::{io, pin::Pin, time::Duration};

use bytes::Bytes;
use h2::client::Builder;
use http::{Request, StatusCode};
use tokio::time::{Instant, Sleep, timeout};

use self::exchange::{Exchange, broken};
pub(super) use self::{connections::sweep, head::request};
use super::{Attempt, Client, Failure, OnHead, Route, answer::HEAD_BYTES_MAX, link::Link, origin::Server};

/// What a server may send of an answer before the client has taken any: what is kept for a client that takes nothing.
const WINDOW_BYTES: u32 = 64 << 10;
/// All answers of a connection together. One whose client takes nothing must not hold up the others, so each is bounded by
/// its own window.
const WINDOW_BYTES_ALL: u32 = 8 << 20;
/// What of a request's body is handed to the connection before it has been written.
const SEND_BUFFER_BYTES: usize = 64 << 10;

/// Where one attempt goes, and how.
pub(super) struct To<'a> {
    pub(super) server: &'a Server,
    pub(super) route: &'a Route<'a>,
    /// A connection that is there already may be used.
    pub(super) may_reuse: bool,
    /// The client sends its body once it is asked to.
    pub(super) expects: bool,
}

/// Carries a request to this server and its answer back.
pub(super) async fn attempt<C: Client>(
    client: &mut C,
    request: &Request<()>,
    to: To<'_>,
    timer: Pin<&mut Sleep>,
    on_head: OnHead<'_>,
) -> Attempt {
    let To { server, route, may_reuse, expects } = to;
    let settings = &route.origin.settings;
    let lease = match may_reuse.then(|| connections::lease(server.id())).flatten() {
        Some(lease) => lease,
        None => match open(server, settings.connect_timeout).await {
            Ok((send, connection)) => {
                match connections::keep(server.id(), send, connection, settings.idle_timeout, Instant::now()) {
                    Some(lease) => lease,
                    None => return Attempt::Unreached(Failure::Busy),
                }
            }
            Err(failure) => return Attempt::Unreached(failure),
        },
    };
    let mut exchange = Exchange::new(client, lease, request, route);
    if expects {
        exchange.say_continue();
    }
    match exchange.run(timer, on_head).await {
        Ok(()) => Attempt::Answered,
        Err(failure) => exchange.failed(failure),
    }
}

type Connection = h2::client::Connection<Link, Bytes>;
type Send = h2::client::SendRequest<Bytes>;

/// A new connection, with its preface sent.
async fn open(server: &Server, limit: Duration) -> Result<(Send, Connection), Failure> {
    let link = Link::open(server, limit).await?;
    shake(link).await.map_err(broken)
}

async fn shake(link: Link) -> Result<(Send, Connection), h2::Error> {
    let mut options = Builder::new();
    options
        .enable_push(false)
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES_ALL)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER_BYTES);
    options.handshake(link).await
}

/// Asks once for the status of an answer, on a connection of its own.
///
/// # Errors
/// If none comes in time.
pub(super) async fn status(link: Link, request: Request<()>, within: Duration) -> io::Result<StatusCode> {
    let ask = async {
        let (mut send, connection) = shake(link).await?;
        let (answer, _) = send.send_request(request, true)?;
        tokio::select! {
            answer = answer => answer.map(|answer| answer.status()),
            ended = connection => Err(ended.err().unwrap_or_else(|| h2::Reason::NO_ERROR.into())),
        }
    };
    let answered = timeout(within, ask).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
    answered.map_err(io::Error::other)
}
