//! One stream: a request and its answer.

use std::{
    future::poll_fn,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use http::{Method, header};
use pingora_core::{
    ErrorType,
    protocols::http::{ServerSession, v2::server::HttpSession},
};
use pingora_http::RequestHeader;
use tokio::{sync::SemaphorePermit, time::timeout};

use super::{AT_ORIGIN, Active, Driver, client::Client};
use crate::{
    service::{Passage, STREAM_WRITE_TIMEOUT, head_of, write},
    upstream::{Client as _, Failure},
};

/// What is left of a request's body behind an answer of ours is read for at most this long.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// And at most so many bytes of it.
const DRAIN_BYTES_MAX: usize = 64 << 10;

/// A request that may pass, and is to be forwarded.
pub(super) struct Passed {
    stream: HttpSession,
    passage: Passage,
    active: Active,
}

/// Has one request judged, and answers it if it does not pass.
pub(super) async fn judged(driver: Arc<Driver>, mut stream: HttpSession, active: Active) -> Option<Passed> {
    let Active(shared) = &active;
    stream.set_write_timeout(Some(STREAM_WRITE_TIMEOUT));
    let mut passage = Passage::begin(&driver.service.node);
    // A client that does not take its answers has a few under way and no more, whatever it asks for.
    let Ok(turn) = shared.answers.acquire().await else { return None };
    let head = head_of(stream.req_header(), None);
    let Some(answer) = driver.service.judge(head, &shared.connection, &mut passage).await else {
        drop(turn);
        return Some(Passed { stream, passage, active });
    };
    let mut session = ServerSession::new_http2(stream);
    match write(&mut session, &mut passage, answer).await {
        // Some clients lose an answer that is followed at once by the reset of a request they are still sending.
        Ok(()) => {
            drop(turn);
            if let ServerSession::H2(stream) = &mut session {
                drain(stream).await;
            }
        }
        Err(error) if *error.etype() == ErrorType::WriteTimedout => shared.set(&shared.stalled),
        Err(_) => {}
    }
    None
}

/// Forwards a request once it is its turn. One that waits keeps no room for what comes then.
pub(super) async fn forward(driver: Arc<Driver>, passed: Passed) {
    let Passed { stream, passage, active } = passed;
    let Some(_turn) = turn_at_origin(&driver, &active).await else { return };
    Box::pin(forward_now(&driver, stream, passage, &active)).await;
}

/// Reads away what is left of a short body. Of a longer one the client is told that it is not wanted.
async fn drain(stream: &mut HttpSession) {
    if stream.is_body_done() {
        return;
    }
    let read = async {
        let mut bytes = 0;
        while bytes <= DRAIN_BYTES_MAX
            && let Ok(Some(piece)) = stream.read_body_bytes().await
        {
            bytes += piece.len();
        }
    };
    let _ = timeout(DRAIN_TIMEOUT, read).await;
}

async fn forward_now(driver: &Driver, mut stream: HttpSession, mut passage: Passage, active: &Active) {
    let Active(shared) = active;
    let metrics = &driver.service.node.metrics;
    let head = take_head(&mut stream);
    let mut client = Client::new(stream);
    match timeout(passage.body_silence_max(), end_comes_late(&head, &mut client)).await {
        Ok(Ok(())) => {}
        // The client is gone.
        Ok(Err(_)) => return,
        Err(_) => return metrics.cut("body_silent"),
    }
    let body_ended = client.body_is_whole();
    if !body_ended {
        shared.set(&shared.uploads);
    }
    match driver.service.forward(&mut client, head, &mut passage, body_ended).await {
        // One may be a film that has been paused, so they count in a row only: a client that takes others is no client that
        // takes none.
        Err(Failure::NotTaken) => {
            metrics.cut("answer_not_taken");
            if shared.not_taken.fetch_add(1, Ordering::Relaxed) + 1 >= AT_ORIGIN {
                shared.set(&shared.stalled);
            }
        }
        Err(failure) => {
            if matches!(failure, Failure::BodySilent) {
                metrics.cut("body_silent");
            }
            tracing::debug!(%failure, "a request ended before its answer was whole");
            shared.not_taken.store(0, Ordering::Relaxed);
        }
        Ok(()) => {
            shared.not_taken.store(0, Ordering::Relaxed);
            drain(client.session()).await;
        }
    }
}

/// Takes the head out of a session that needs it no more.
fn take_head(stream: &mut HttpSession) -> RequestHeader {
    let head = stream.req_header_mut();
    match RequestHeader::build_no_case("GET", b"/", Some(0)) {
        Ok(nothing) => std::mem::replace(head, nothing),
        Err(_) => head.clone(),
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
/// body that nobody sends, which some origins refuse. What comes instead is kept, and is sent first.
async fn end_comes_late(head: &RequestHeader, client: &mut Client) -> Result<(), Failure> {
    let loads_page = matches!(head.method, Method::GET | Method::HEAD);
    if loads_page && !head.headers.contains_key(header::CONTENT_LENGTH) {
        poll_fn(|cx| client.poll_begun_body(cx)).await?;
    }
    Ok(())
}
