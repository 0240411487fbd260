//! One stream: a request and its answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Method, header};
use pingora_core::{
    ErrorType,
    apps::HttpServerApp as _,
    protocols::http::{ServerSession, v2::server::HttpSession},
};
use tokio::{
    sync::SemaphorePermit,
    time::{sleep, timeout},
};

use super::{AT_ORIGIN, Active, Driver};
use crate::service::{Passage, STREAM_WRITE_TIMEOUT, head_of, write};

/// What is left of a request's body behind an answer of ours is read for at most this long.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// And at most so many bytes of it.
const DRAIN_BYTES_MAX: usize = 64 << 10;

/// Serves one request.
pub(super) async fn serve(driver: Arc<Driver>, mut stream: HttpSession, active: Active) {
    let Active(shared) = &active;
    stream.set_write_timeout(Some(STREAM_WRITE_TIMEOUT));
    let mut passage = Passage::begin(&driver.service.node);
    // A client that does not take its answers has a few under way and no more, whatever it asks for.
    let Ok(turn) = shared.answers.acquire().await else { return };
    let head = head_of(stream.req_header(), None);
    let answer = driver.service.judge(head, &shared.connection, &mut passage).await;
    let mut session = ServerSession::new_http2(stream);
    if let Some(answer) = answer {
        let written = write(&mut session, &mut passage, answer).await;
        match written {
            // Some clients lose an answer that is followed at once by the reset of a request they are still sending.
            Ok(()) => {
                drop(turn);
                if !session.is_body_done() {
                    let _ = timeout(DRAIN_TIMEOUT, drain(&mut session)).await;
                }
            }
            Err(error) if *error.etype() == ErrorType::WriteTimedout => shared.set(&shared.stalled),
            Err(_) => {}
        }
        return;
    }
    drop(turn);
    Box::pin(forward(&driver, session, passage, &active)).await;
}

/// Reads away what is left of a short body. Of a longer one the client is told that it is not wanted.
async fn drain(session: &mut ServerSession) {
    let mut bytes = 0;
    while bytes <= DRAIN_BYTES_MAX
        && let Ok(Some(piece)) = session.read_request_body().await
    {
        bytes += piece.len();
    }
}

/// Hands a request to pingora.
async fn forward(driver: &Driver, mut session: ServerSession, mut passage: Passage, active: &Active) {
    let Some(_turn) = turn_at_origin(driver, active).await else { return };
    match timeout(passage.body_silence_max(), end_comes_late(&mut session)).await {
        Ok(Ok(())) => {}
        // The client is gone.
        Ok(Err(_)) => return,
        Err(_) => return driver.service.node.metrics.cut("body_silent"),
    }
    let body = (!session.is_body_done()).then(|| {
        active.0.set(&active.0.uploads);
        (passage.count_body(), passage.body_silence_max())
    });
    let Active(shared) = active;
    passage.count_not_taken(shared.not_taken.clone());
    let not_taken = shared.not_taken.load(Ordering::Relaxed);
    passage.ride_on(session.req_header_mut());
    let proxied = driver.proxy.process_new_http(session, &driver.shutdown);
    match body {
        None => drop(proxied.await),
        // Dropping it resets the stream and lets the origin go.
        Some((pieces, silence_max)) => tokio::select! {
            _ = proxied => {}
            () = silent(pieces, silence_max) => driver.service.node.metrics.cut("body_silent"),
        },
    }
    // One may be a film that has been paused, so they count in a row only: a client that takes others is no client that
    // takes none.
    match shared.not_taken.load(Ordering::Relaxed) {
        same if same == not_taken => shared.not_taken.store(0, Ordering::Relaxed),
        more if more >= AT_ORIGIN => shared.set(&shared.stalled),
        _ => {}
    }
}

/// One of the connection's own turns at an origin, or one of those that all share. Whichever is free first: a client whose
/// streams do not move holds up itself.
async fn turn_at_origin<'a>(driver: &'a Driver, active: &'a Active) -> Option<SemaphorePermit<'a>> {
    let Active(shared) = active;
    if let Ok(turn) = shared.at_origin.try_acquire() {
        return Some(turn);
    }
    tokio::select! {
        turn = shared.at_origin.acquire() => turn,
        turn = driver.beyond.acquire() => turn,
    }
    .ok()
}

/// Some clients end a page load with an empty frame behind its head. Forwarded before that has come, it would announce a
/// body that nobody sends, which some origins refuse. What comes instead is kept, and pingora sends it first.
async fn end_comes_late(session: &mut ServerSession) -> pingora_core::Result<()> {
    let head = session.req_header();
    let loads_page = matches!(head.method, Method::GET | Method::HEAD);
    if loads_page && !head.headers.contains_key(header::CONTENT_LENGTH) && !session.is_body_done() {
        session.enable_retry_buffering();
        session.read_request_body().await?;
    }
    Ok(())
}

/// Resolves when nothing of a body has come for so long; never once it is whole.
async fn silent(pieces: Arc<AtomicUsize>, silence_max: Duration) {
    let mut before = 0;
    loop {
        sleep(silence_max).await;
        match pieces.load(Ordering::Relaxed) {
            Passage::BODY_WHOLE => return std::future::pending().await,
            same if same == before => return,
            more => before = more,
        }
    }
}
