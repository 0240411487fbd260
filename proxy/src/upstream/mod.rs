//! Forwarding: a request goes to a server of its origin, and the answer comes back.
//!
//! All of it happens in the task of the request, by one state machine ([`exchange`]) that moves bytes both ways. It reads
//! from one side only while the other takes what was read, so what is kept for a connection that stands still is at most
//! one read. The buffer that bytes are read into belongs to the worker's thread: between two reads nothing is in it.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | one read of an origin, and of a request's body | 16 KiB | |
//! | kept for a client or an origin that takes nothing | one read | nothing more is read for it |
//! | head of an answer | 64 KiB, 256 fields | 502 |
//! | interim answers | 32 | 502 |
//! | connect | `connect_timeout` | the next server, then 504; bounds of it in [`origin`] |
//! | an origin that says nothing once the request is whole | `read_timeout` | 504 |
//! | an origin that takes nothing | `write_timeout` | 504 |
//! | a request's body of which nothing comes | 30 s, on HTTP/2 and `write_timeout` | 408, on HTTP/2 the stream ends |
//! | a request's body | `body_max` | 413 |
//! | a WebSocket on which nothing moves | 1 h, 60 s once one side has ended | it ends |
//! | idle connections of a worker | 512, `idle_timeout` | the oldest is closed |
//!
//! A request is sent again only if no byte of an answer has come and its body has not been touched: to the next server if
//! none could be reached, and once more on a fresh connection if a reused one turns out to be closed. The latter for
//! methods that may be repeated, and for others if nothing of them was taken; on HTTP/2 also if the server says that it has
//! not looked at them.

mod answer;
mod ask;
mod body;
mod exchange;
mod failure;
mod http2;
mod link;
mod origin;
mod patience;
mod pool;
mod tunnel;

use std::{
    cell::RefCell,
    pin::{Pin, pin},
    sync::atomic::AtomicU64,
    task::{Context, Poll},
    time::Duration,
};

use pingora_http::ResponseHeader;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, interval, sleep},
};

pub(crate) use self::{
    answer::Size,
    ask::Ask,
    body::{CHUNK_END, ChunkLine, Incoming, LAST_CHUNK, Outgoing},
    failure::Failure,
    origin::{KnownOrigins, OfServer, Origin, OriginTlsError, tls_to_anywhere, tls_trusting},
};
use self::{
    exchange::{Amounts, End, Exchange},
    link::Link,
    origin::{Server, Tried},
    patience::Limits,
    pool::Pool,
};

/// One read.
const BUFFER_BYTES: usize = 16 << 10;
/// A timer that has not been set.
const NOT_YET: Duration = Duration::from_secs(86_400);
/// How often idle connections are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

thread_local! {
    /// What this thread reads into. Whoever uses it leaves nothing in it.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER_BYTES].into());
    static POOL: RefCell<Pool> = RefCell::default();
}

/// The client's side of a request that is forwarded. What is written is kept as far as the client does not take it.
pub(crate) trait Client {
    /// Reads of the request's body: so many bytes are in the buffer then. Not called once it is whole.
    fn poll_body(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Failure>>;

    /// Whether it speaks HTTP/2.
    fn is_http2(&self) -> bool;

    /// Whether the answer has begun.
    fn is_answered(&self) -> bool;

    /// Whether all of the request's body has been read.
    fn body_is_whole(&self) -> bool;

    /// Ready when the client is gone. Called once the body is whole.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Failure>;

    /// Passes on an answer that says that the answer is still to come.
    fn interim(&mut self, head: ResponseHeader);

    /// Begins the answer. `ended`: there is nothing behind the head.
    ///
    /// # Errors
    /// If the client is gone.
    fn begin(&mut self, head: ResponseHeader, size: Size, ended: bool) -> Result<(), Failure>;

    /// Goes on with the answer. With `end` this is the last of it, and these are its trailer lines.
    ///
    /// # Errors
    /// If the client is gone.
    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8], end: Option<&[u8]>) -> Result<(), Failure>;

    /// Ready when the client, or the system for it, has taken what was written.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>>;

    /// How much the client takes now. Called when everything has been flushed and there is something for it.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Failure>>;

    /// How much is read of an origin before the client can be asked: what follows the answer's head is kept for it.
    fn first_read_max(&self) -> usize {
        usize::MAX
    }

    /// There was nothing for it after all.
    fn give_room_back(&mut self) {}

    /// When it is too late for the client to take something, if that is not judged below.
    fn late(&self) -> Option<Instant> {
        None
    }

    /// It is that late. True: the client has taken enough meanwhile, and has more time.
    fn is_given_more_time(&mut self) -> bool {
        true
    }

    /// The connection itself, where it can switch to another protocol.
    fn stream(&mut self) -> Option<&mut dyn Stream>;
}

/// Bytes both ways.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// What sees an answer's head before the client does.
type OnHead<'h> = &'h mut (dyn FnMut(&mut ResponseHeader) + Send);

/// Where a request goes.
pub(crate) struct Route<'r> {
    pub(crate) origin: &'r Origin,
    /// Whose request it is, for origins whose visitors keep to their server.
    pub(crate) visitor: u64,
    /// How long nothing may come of a request's body.
    pub(crate) body_silence_max: Duration,
    /// How long a request's body may be, in bytes.
    pub(crate) body_max: u64,
    /// Bytes of the answer's body.
    pub(crate) sent: &'r AtomicU64,
    /// Called when bytes have moved, with the time: the visitor is still there.
    pub(crate) on_moved: &'r (dyn Fn(Instant) + Sync),
}

/// Forwards a request. `on_head` sees the answer's head before the client does.
///
/// # Errors
/// What went wrong; the client may have got a part of the answer.
pub(crate) async fn forward<C: Client>(
    client: &mut C,
    ask: &Ask,
    route: &Route<'_>,
    on_head: OnHead<'_>,
) -> Result<(), Failure> {
    let mut timer = pin!(sleep(NOT_YET));
    let mut tried = Tried::default();
    let mut may_reuse = true;
    loop {
        let turn = route.origin.turn(route.visitor, &tried).await.inspect_err(|_| route.origin.had_no_room())?;
        let server = turn.server();
        let attempt = match &ask.http2 {
            None => attempt(client, ask, server, route, may_reuse, timer.as_mut(), on_head).await,
            // In a box, as few origins speak it.
            Some(request) => {
                let expects = ask.expects;
                let to = http2::To { server, route, may_reuse, expects };
                Box::pin(http2::attempt(client, request, to, timer.as_mut(), on_head)).await
            }
        };
        match attempt {
            Attempt::Answered => {
                server.answered();
                return Ok(());
            }
            Attempt::Unreached(failure) => {
                route.origin.failed(server, &failure);
                if !route.origin.may_try_next(server, &mut tried) {
                    return Err(failure);
                }
            }
            // Once: the second attempt has a connection of its own.
            Attempt::Failed { again: true, .. } if may_reuse && route.origin.may_try_again() => may_reuse = false,
            Attempt::Failed { failure, blames, .. } => {
                if blames {
                    route.origin.failed(server, &failure);
                }
                return Err(failure);
            }
        }
    }
}

/// How one attempt at one server ends.
enum Attempt {
    Answered,
    /// There is no connection, so nothing has been sent.
    Unreached(Failure),
    Failed {
        failure: Failure,
        /// The request may be sent once more, on a fresh connection.
        again: bool,
        /// It is a failure of the server. What it has closed between two requests is none.
        blames: bool,
    },
}

/// The same over HTTP/1.1.
async fn attempt<C: Client>(
    client: &mut C,
    ask: &Ask,
    server: &Server,
    route: &Route<'_>,
    may_reuse: bool,
    timer: Pin<&mut Sleep>,
    on_head: OnHead<'_>,
) -> Attempt {
    let pooled = || POOL.with_borrow_mut(|pool| pool.take(server.id(), Instant::now()));
    let link = match may_reuse.then(pooled).flatten() {
        Some(link) => link,
        None => match open(server, route.origin.settings.connect_timeout).await {
            Ok(link) => link,
            Err(failure) => return Attempt::Unreached(failure),
        },
    };
    let mut exchange = Exchange::new(client, link, ask, Limits::of(route), Amounts::of(route));
    match exchange.run(timer, on_head).await {
        Ok(End::Answered) => {
            if let Some(link) = exchange.reusable() {
                let idle_max = route.origin.settings.idle_timeout;
                POOL.with_borrow_mut(|pool| pool.put(server.id(), link, idle_max, Instant::now()));
            }
            Attempt::Answered
        }
        Ok(End::Switched(early)) => {
            server.answered();
            let link = exchange.into_link();
            if let Some(stream) = client.stream() {
                Box::pin(tunnel::run(stream, link, early, route.on_moved)).await;
                return Attempt::Answered;
            }
            Attempt::Failed { failure: Failure::Closed, again: false, blames: false }
        }
        Err(failure) => {
            let again = exchange.may_be_sent_again(&failure);
            let blames = !exchange.was_closed_meanwhile(&failure);
            Attempt::Failed { failure, again, blames }
        }
    }
}

/// In a box, which is gone when there is a connection.
fn open(server: &Server, limit: Duration) -> Pin<Box<impl Future<Output = Result<Link, Failure>>>> {
    Box::pin(Link::open(server, limit))
}

/// Closes connections of this thread that have been idle for too long, for as long as it runs.
pub(crate) async fn sweep() {
    let mut every = interval(SWEEP_EVERY);
    loop {
        every.tick().await;
        let now = Instant::now();
        POOL.with_borrow_mut(|pool| pool.sweep(now));
        http2::sweep(now);
    }
}

/// Lends what this thread reads into.
fn with_buffer<T>(use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| use_it(buffer))
}
