//! HTTP/2: many requests at a time on one connection.
//!
//! One task drives a connection: it reads frames, writes them, and accepts streams. It never waits for a line, for an origin
//! or for the client's flow control, since nothing would move meanwhile. Each stream is a small task of its own: it has
//! the request judged, as on HTTP/1, and answers what can be answered here; only what is for an origin enters the future
//! that forwards.
//!
//! | bound | value | at the bound |
//! |---|--:|---|
//! | requests begun in a row | 8 | other connections have their turn |
//! | streams open at once | 100 | the next is refused; browsers wait by themselves |
//! | requests under way on the node | `requests_max` | the next is refused, which says that it may be tried again |
//! | answers of ours under way on a connection | 8 | the next waits its turn |
//! | requests of a connection under way, once half of `requests_max` are | a 512th of what is left, at least 1 | as above |
//! | requests of a connection at origins | 6, and 256 more for all of a worker | the next waits its turn |
//! | an answer of ours not taken | 25 s | the connection ends |
//! | an origin's answer not taken, 128 bytes a second | over 25 s | the stream ends; with the sixth in a row the connection |
//! | idle behind an answer that was not taken | 10 s | the client is told to go, in two steps |
//! | a request's body that does not come | 30 s beyond what the origin may take | the stream ends |
//! | frames that ask for nothing | a budget, see [`frames`] | the connection ends |
//! | connections of a worker with wide windows | 128 | the next keeps its narrow ones: bodies come more slowly |
//! | frames before SETTINGS, pseudo-fields in trailers | none | the connection ends |
//! | malformed requests | 32 | the connection ends |
//! | all places for connections taken, and this one is the idlest | | the connection ends |
//! | first request | 20 s | the connection ends |
//! | idle | 75 s | the client is told to go, in two steps; at once while it [rests](rest) |
//! | requests in all | 10,000 | the same |
//!
//! A connection on which nothing is asked for 5 s, and nothing but what is answered here ever was, rests: its framing is
//! dropped, and made anew with the next request. That is what visitors who wait far back do between two polls.

mod answers;
mod body;
mod client;
mod frames;
mod incoming;
mod life;
mod piece;
mod request;
mod rest;
mod shared;
mod stream;
mod wire;

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use h2::{
    Reason, RecvStream,
    server::{Builder, SendResponse},
};
use http::Request;
use tokio::{
    select,
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::yield_now,
    time::{Instant, timeout},
};

use self::{
    frames::Excess,
    incoming::{Incoming, Malformed},
    life::{End, Event, IDLE_NOT_TAKEN, LIVELY, Life, Unconfirmed},
    piece::Piece,
    rest::{Parts, Rest, Table},
    shared::{Active, Shared},
    stream::Stream,
    wire::Wire,
};
use super::{Driver, FIRST_REQUEST, KEEPALIVE, REQUESTS_PER_CONNECTION_MAX};
use crate::{
    request::syntax::strict::FIELDS_BYTES_MAX,
    transport::{Idle, Spot, connection::Connection, socket::Socket},
};

/// Streams of a connection at once: what RFC 9113, 6.5.2 recommends at least.
const STREAMS_MAX: u32 = 100;
/// What a client may send before it hears from us, on a stream and on the connection.
const WINDOW_BYTES: u32 = 64 << 10;
/// The same once somebody who is inside sends a body: 100 Mbit/s over 80 ms.
const WINDOW_BYTES_WIDE: u32 = 1 << 20;
/// Connections of a worker that may have such windows at once.
pub(super) const WIDE_MAX: usize = 128;
/// What is kept for a stream whose client has room for it, and does not read: one read of an origin.
const SEND_BUFFER_BYTES: usize = client::ROOM_BYTES;
/// Streams that a client resets before they are accepted.
const RESETS_PENDING_MAX: usize = 20;
/// Streams that are reset for the client's mistakes, from one rest to the next.
const RESETS_OWN_MAX: usize = 64;
/// Requests that are not in order, of one connection.
const MALFORMED_MAX: u32 = 32;
/// Requests of one connection that are begun in a row; then it is the turn of others.
const IN_A_ROW_MAX: usize = 8;
/// Answers of ours under way on one connection.
const ANSWERS_MAX: usize = 8;
/// Requests that each connection may have at origins: as many as a browser has connections of HTTP/1.1, so that no page
/// stands still that would not without HTTP/2. What each may keep for a client that does not take it is the size of a read.
const AT_ORIGIN: usize = 6;
/// And as many more, over all connections of a worker, while there is room.
pub(super) const BEYOND_MAX: usize = 256;
/// Once half of the requests that a node has room for are under way, a connection may have this part of the room that is
/// left, and at least one: however many a client opens, there is room for others.
const SHARE_OF_ROOM: usize = 512;
/// A connection on which nothing is asked for this long rests, if it can. Who is near the head asks more often.
const RESTS_AFTER: Duration = Duration::from_secs(5);
/// How long a connection that ends is driven on, so that its client hears why.
const FAREWELL: Duration = Duration::from_secs(1);

/// A request, and the way of its answer.
type Begun = (Request<RecvStream>, SendResponse<Piece>);
type Http2 = h2::server::Connection<Stream, Piece>;

impl Driver {
    /// Serves a connection until it ends. What it is made of is made here, so that the future keeps no room for it.
    pub(crate) fn http2(
        self: &Arc<Self>,
        socket: Socket,
        connection: Connection,
        spot: Spot,
    ) -> impl Future<Output = ()> + use<> {
        let excess = Arc::new(Excess::default());
        let (wire, rest) = (Arc::new(Wire::default()), Arc::new(Rest::default()));
        let stream = Stream::new(Box::new(Parts::new(socket)), excess.clone(), wire.clone(), rest.clone());
        let shared = Arc::new(Shared {
            connection,
            spot,
            active: AtomicUsize::new(0),
            answers: Semaphore::new(ANSWERS_MAX),
            at_origin: Semaphore::new(AT_ORIGIN),
            stalled: AtomicBool::new(false),
            not_taken: AtomicUsize::new(0),
            uploads: AtomicBool::new(false),
            forwarded: AtomicBool::new(false),
            changed: Notify::new(),
            wire,
            rest,
            waited_for: OnceLock::new(),
        });
        let (driver, mut begun) = (self.clone(), begin(stream, &shared));
        async move {
            let mut life = Life::new();
            loop {
                let Some(mut connection) = begun.await else { return };
                match driver.drive(&mut connection, &shared, &excess, &mut life).await {
                    End::Rests => {}
                    End::InOrder => return end(connection, &shared).await,
                    End::Because(reason, why) => {
                        driver.service.node.metrics.cut(why);
                        connection.abrupt_shutdown(reason);
                        // A client that takes nothing hears nothing: another one may need its place at once.
                        let within = if shared.wire.is_open() { FAREWELL } else { Duration::ZERO };
                        let _ = timeout(within, std::future::poll_fn(|cx| connection.poll_closed(cx))).await;
                        // One that has asked for too much is not waited for.
                        if reason == Reason::NO_ERROR {
                            end(connection, &shared).await;
                        }
                        return;
                    }
                }
                let Some(parts) = shared.rest.take_back(connection) else { return };
                let Some(stream) = driver.rest(parts, &shared, &excess, &life).await else { return };
                begun = begin(stream, &shared);
            }
        }
    }

    async fn drive(
        self: &Arc<Self>,
        connection: &mut Http2,
        shared: &Arc<Shared>,
        excess: &Excess,
        life: &mut Life,
    ) -> End {
        let mut shutdown = self.shutdown.clone();
        let mut idle = pin!(Idle::new(RESTS_AFTER));
        let mut leaving = false;
        let mut unconfirmed: Option<Unconfirmed> = None;
        let mut wide = None;
        // What has come together is answered together, in one write.
        let mut came = Vec::new();
        let mut others_have_their_turn = false;
        let mut closing = pin!(shutdown.wait_for(|&closing| closing));
        let mut changed = pin!(shared.changed.notified());
        loop {
            // Here, where no event is there that the future would keep room for.
            if std::mem::take(&mut others_have_their_turn) {
                yield_now().await;
            }
            let event = {
                let mut next = |cx: &mut Context<'_>| -> Poll<Event> {
                    if shared.spot.poll_gone(cx).is_ready() {
                        return Poll::Ready(Event::NoRoom);
                    }
                    if came.len() >= IN_A_ROW_MAX {
                        return Poll::Ready(Event::AllCame);
                    }
                    let accepted = connection.poll_accept(cx).map(Event::Accepted);
                    // Looked at behind the reading that may have set it.
                    if let Some(frame) = excess.get() {
                        return Poll::Ready(Event::Excess(frame));
                    }
                    if accepted.is_ready() {
                        return accepted;
                    }
                    if !came.is_empty() {
                        return Poll::Ready(Event::AllCame);
                    }
                    if shared.waited_for.get().is_none() && closing.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Event::Leave);
                    }
                    if unconfirmed.is_some_and(|settings| shared.rest.acks() != settings.acks) {
                        return Poll::Ready(Event::Confirmed);
                    }
                    changed.as_mut().poll(cx).map(|()| Event::Changed)
                };
                idle.as_mut().wait(&mut next).await
            };
            match event {
                // Two steps: what is on its way already is served, what comes later goes to another connection.
                Some(Event::Leave) => {
                    leaving = true;
                    connection.graceful_shutdown();
                    // What has been answered need not be with the kernel yet, so the node waits for the end of the
                    // connection. One on which nothing is under way has a moment for it: its client may be asleep.
                    shared.waited_for.get_or_init(|| self.service.node.metrics.http2_leaving.hold());
                    idle.as_mut().restart(FAREWELL);
                }
                Some(Event::Changed) => {
                    changed.set(shared.changed.notified());
                    if shared.stalled.load(Ordering::Relaxed) {
                        return End::Because(Reason::ENHANCE_YOUR_CALM, "answers_not_taken");
                    }
                    let is_idle = shared.active.load(Ordering::Relaxed) == 0;
                    if is_idle && !leaving && shared.not_taken.load(Ordering::Relaxed) > 0 {
                        idle.as_mut().restart(IDLE_NOT_TAKEN);
                    }
                    if shared.uploads.load(Ordering::Relaxed) && wide.is_none() {
                        wide = self.wide.clone().try_acquire_owned().ok();
                    }
                    if !self.suit(connection, shared, wide.as_ref(), life) {
                        unconfirmed.get_or_insert(Unconfirmed { acks: shared.rest.acks(), no_table: false });
                    }
                }
                Some(Event::Confirmed) => {
                    life.has_no_table |= unconfirmed.is_some_and(|settings| settings.no_table);
                    // A request may have been forwarded meanwhile.
                    let is_suited = self.suit(connection, shared, wide.as_ref(), life);
                    unconfirmed = (!is_suited).then(|| Unconfirmed { acks: shared.rest.acks(), no_table: false });
                    if !leaving && life.has_no_table && shared.may_rest() {
                        return End::Rests;
                    }
                }
                Some(Event::NoRoom) => return End::Because(Reason::NO_ERROR, "idlest"),
                Some(Event::Excess(frame)) => return End::Because(frame.code(), frame.reason()),
                Some(Event::Accepted(Some(Ok((request, answer))))) => match Incoming::accept(request, answer) {
                    Ok(request) => {
                        life.asked = Instant::now();
                        life.served += 1;
                        life.in_a_row += 1;
                        if life.in_a_row == LIVELY {
                            shared.changed.notify_one();
                        }
                        if life.served >= REQUESTS_PER_CONNECTION_MAX && !leaving {
                            leaving = true;
                            connection.graceful_shutdown();
                        }
                        idle.as_mut().restart(if leaving { FAREWELL } else { RESTS_AFTER });
                        came.push(request);
                    }
                    Err(Malformed) => {
                        life.malformed += 1;
                        if life.malformed >= MALFORMED_MAX {
                            return End::Because(Reason::ENHANCE_YOUR_CALM, "malformed_requests");
                        }
                    }
                },
                Some(Event::AllCame) => {
                    others_have_their_turn = came.len() >= IN_A_ROW_MAX;
                    for request in std::mem::take(&mut came) {
                        self.begin(request, shared);
                    }
                }
                Some(Event::Accepted(None)) => return End::InOrder,
                Some(Event::Accepted(Some(Err(error)))) => {
                    if let Some(why) = frames::blame(&error) {
                        self.service.node.metrics.cut(why);
                    }
                    return End::InOrder;
                }
                // Looked at again soon where the end of it is waited for.
                None if shared.is_under_way() => {
                    let forwards = shared.forwarded.load(Ordering::Relaxed);
                    let again = if forwards { KEEPALIVE } else { RESTS_AFTER };
                    idle.as_mut().restart(if leaving { FAREWELL } else { again });
                }
                None if !leaving && life.asked.elapsed() < life.idles_for(shared) => {
                    life.in_a_row = 0;
                    let may_rest = shared.may_rest() && wide.is_none();
                    if may_rest && life.has_no_table {
                        return End::Rests;
                    }
                    // Fails if an earlier change is not confirmed.
                    if may_rest && unconfirmed.is_none() && connection.set_initial_window_size(WINDOW_BYTES).is_ok() {
                        unconfirmed = Some(Unconfirmed { acks: shared.rest.acks(), no_table: true });
                        shared.rest.say(Table::None);
                    }
                    idle.as_mut().restart(life.idles_for(shared).saturating_sub(life.asked.elapsed()));
                }
                None if leaving || life.served == 0 => return End::Because(Reason::NO_ERROR, "idle"),
                None => {
                    leaving = true;
                    connection.graceful_shutdown();
                    idle.as_mut().restart(FAREWELL);
                }
            }
        }
    }

    /// Gives a connection on which requests are forwarded, or come in a row, what it needs for that: wide windows for bodies,
    /// and a table. False: not yet, as earlier settings are not confirmed.
    fn suit(
        &self,
        connection: &mut Http2,
        shared: &Shared,
        wide: Option<&OwnedSemaphorePermit>,
        life: &mut Life,
    ) -> bool {
        let is_lively = life.in_a_row >= LIVELY || shared.forwarded.load(Ordering::Relaxed);
        let wants_table = life.has_no_table && is_lively;
        let bytes = if wide.is_some() { WINDOW_BYTES_WIDE } else { WINDOW_BYTES };
        if wide.is_some() {
            connection.set_target_window_size(bytes);
        }
        if wide.is_none() && !wants_table {
            return true;
        }
        let is_said = connection.set_initial_window_size(bytes).is_ok();
        if is_said && wants_table {
            shared.rest.say(Table::Default);
            life.has_no_table = false;
        }
        is_said
    }

    /// Begins to serve a stream, or refuses it.
    fn begin(self: &Arc<Self>, request: Incoming, shared: &Arc<Shared>) {
        let metrics = &self.service.node.metrics;
        let (room, all) = (self.service.room(), self.service.requests_max);
        let has_its_share = room < all / 2 && shared.active.load(Ordering::Relaxed) >= (room / SHARE_OF_ROOM).max(1);
        if room == 0 || has_its_share {
            metrics.reject(if room == 0 { "requests_max" } else { "connection_share" });
            return request.refuse();
        }
        // Most requests are answered without waiting for anything, and then need no task. One that has to wait is polled
        // again by its task, so nothing of it was to be woken yet.
        let driver = self.clone();
        let mut judging = Box::pin(request::judged(driver.clone(), request, Active::begin(shared)));
        match judging.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(None) => {}
            Poll::Ready(Some(passed)) => drop(tokio::spawn(request::forward(driver, passed))),
            Poll::Pending => drop(tokio::spawn(async move {
                // What it was judged with is gone before it is forwarded, which may last for hours.
                let passed = judging.await;
                if let Some(passed) = passed {
                    // In a box of its own, as hardly any request comes to both.
                    Box::pin(request::forward(driver, passed)).await;
                }
            })),
        }
    }
}

/// Waits for the preface. One that says nothing goes when another needs its place.
fn begin(stream: Stream, shared: &Arc<Shared>) -> Pin<Box<impl Future<Output = Option<Box<Http2>>> + use<>>> {
    let shared = shared.clone();
    Box::pin(async move {
        let begun = select! {
            biased;
            () = shared.spot.gone() => return None,
            begun = timeout(FIRST_REQUEST, options().handshake(stream)) => begun,
        };
        begun.ok()?.ok().map(Box::new)
    })
}

/// Ends a connection that has been driven to its end, unless its place is needed. In a box, so that the future of one that is
/// driven keeps no room for it.
fn end(connection: Box<Http2>, shared: &Shared) -> Pin<Box<impl Future<Output = ()>>> {
    Box::pin(async move {
        let Some(mut parts) = shared.rest.take_back(connection) else { return };
        select! {
            biased;
            () = shared.spot.gone() => {}
            () = parts.linger() => {}
        }
    })
}

fn options() -> Builder {
    let mut options = Builder::new();
    options
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(FIELDS_BYTES_MAX).unwrap_or(u32::MAX))
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(Some(RESETS_OWN_MAX));
    options
}
