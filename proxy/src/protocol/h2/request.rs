//! One stream: a request and its answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use pingora_core::{
    apps::HttpServerApp as _,
    protocols::http::{ServerSession, v2::server::HttpSession},
};
use tokio::time::sleep;

use super::{Active, Driver};
use crate::service::{Passage, STREAM_WRITE_TIMEOUT, head_of, write};

/// Serves one request.
pub(super) async fn serve(driver: Driver, mut stream: HttpSession, active: Active) {
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
        if written.is_err_and(|error| *error.etype() == pingora_core::ErrorType::WriteTimedout) {
            shared.set(&shared.stalled);
        }
        return;
    }
    drop(turn);
    forward(&driver, session, passage, &active).await;
}

/// Hands a request to pingora. In a box: most requests are never forwarded.
async fn forward(driver: &Driver, mut session: ServerSession, mut passage: Passage, active: &Active) {
    let body = (!session.is_body_done()).then(|| {
        active.0.set(&active.0.uploads);
        (passage.count_body(), passage.body_silence_max())
    });
    passage.ride_on(session.req_header_mut());
    let proxied = Box::pin(driver.proxy.process_new_http(session, &driver.shutdown));
    match body {
        None => drop(proxied.await),
        // Dropping it resets the stream and lets the origin go.
        Some((pieces, silence_max)) => tokio::select! {
            _ = proxied => {}
            () = silent(pieces, silence_max) => driver.service.node.metrics.cut("body_silent"),
        },
    }
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
