//! One stream: a request and its answer.

use std::{
    future::poll_fn,
    sync::{Arc, atomic::Ordering},
};

use http::{Method, header};
use pingora_http::RequestHeader;
use tokio::{sync::SemaphorePermit, time::timeout};

use super::{
    AT_ORIGIN, Active, Driver,
    answers::{self, Unwritten},
    client::Client,
    incoming::Incoming,
};
use crate::{
    service::{Asking, Passage, head_of},
    upstream::{Client as _, Failure},
};

/// A request that may pass, and is to be forwarded.
pub(super) struct Passed {
    client: Client,
    asks: Asks,
    passage: Passage,
    active: Active,
}

/// What the origin will be asked.
enum Asks {
    /// There is no body to wait for. Most wait for their turn like this, as it takes the least room.
    This(Asking),
    /// What is asked depends on whether a body comes.
    ThisWithBody(Box<RequestHeader>),
}

/// Has one request judged, and answers it if it does not pass.
pub(super) async fn judged(driver: Arc<Driver>, mut request: Incoming, active: Active) -> Option<Box<Passed>> {
    let Active(shared) = &active;
    let mut passage = Passage::begin(&driver.service, false);
    // A client that does not take its answers has a few under way and no more, whatever it asks for.
    let Ok(turn) = shared.answers.acquire().await else { return None };
    let head = head_of(&request.head, None);
    let Some(answer) = driver.service.judge(head, &shared.connection, &mut passage).await else {
        drop(turn);
        let Incoming { head, body, answer } = request;
        let asks = if body.has_ended() {
            Asks::This(Asking::of(&head, &mut passage, true))
        } else {
            Asks::ThisWithBody(Box::new(head))
        };
        let client = Client::new(body, answer, shared.wire.clone());
        return Some(Box::new(Passed { client, asks, passage, active }));
    };
    match answers::write(&mut request, &mut passage, answer).await {
        // Some clients lose an answer that is followed at once by the reset of a request they are still sending.
        Ok(()) => {
            drop(turn);
            request.body.drain().await;
        }
        Err(Unwritten::NotTaken) => shared.set(&shared.stalled),
        Err(Unwritten::Gone) => {}
    }
    None
}

/// Forwards a request once it is its turn. One that waits keeps no room for what comes then.
pub(super) async fn forward(driver: Arc<Driver>, mut passed: Box<Passed>) {
    let Passed { client, asks, passage, active } = &mut *passed;
    let Some(_turn) = turn_at_origin(&driver, active).await else { return };
    // The connection is about to end; its origin is spared.
    if active.0.stalled.load(Ordering::Relaxed) {
        return;
    }
    active.0.set(&active.0.forwarded);
    Box::pin(forward_now(&driver, client, asks, passage, active)).await;
}

/// What it is given is borrowed: a future keeps room twice for what it owns and hands on.
async fn forward_now(
    driver: &Driver,
    client: &mut Client,
    asks: &mut Asks,
    passage: &mut Passage,
    Active(shared): &Active,
) {
    let metrics = &driver.service.node.metrics;
    let mut with_body;
    let asking = match asks {
        Asks::This(asking) => asking,
        Asks::ThisWithBody(head) => {
            if head.headers.contains_key(header::EXPECT) {
                client.say_continue();
            }
            match timeout(passage.body_silence_max(), end_comes_late(head, client)).await {
                Ok(Ok(())) => {}
                // The client is gone.
                Ok(Err(_)) => return,
                Err(_) => return metrics.cut("body_silent"),
            }
            let body_ended = client.body_is_whole();
            if !body_ended {
                shared.set(&shared.uploads);
            }
            with_body = Box::new(Asking::of(head, passage, body_ended));
            &mut *with_body
        }
    };
    match driver.service.forward(client, asking, passage).await {
        // One may be a film that has been paused, so they count in a row only: a client that takes others is no client that
        // takes none.
        Err(Failure::NotTaken) => {
            metrics.cut("answer_not_taken");
            if shared.not_taken.fetch_add(1, Ordering::Relaxed) + 1 >= AT_ORIGIN {
                shared.set(&shared.stalled);
            }
            shared.changed.notify_one();
        }
        Err(failure) => {
            if matches!(failure, Failure::BodySilent) {
                metrics.cut("body_silent");
            }
            if failure.of_origin().is_some() {
                client.break_off();
            }
            tracing::debug!(%failure, "request ended before its answer was complete");
            shared.not_taken.store(0, Ordering::Relaxed);
        }
        Ok(()) => {
            shared.not_taken.store(0, Ordering::Relaxed);
            client.body().drain().await;
        }
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
