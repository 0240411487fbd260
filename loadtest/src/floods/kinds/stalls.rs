//! Answers that are asked for and not taken, over HTTP/2.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    Failed,
    client::Target,
    floods::{
        kinds::{
            frames::{Frames as _, INITIAL_WINDOW_SIZE, kind},
            hold::{Opening, hold},
            pour::{Became, COMES_AGAIN_AFTER, LASTS},
        },
        raw::Raw,
        scene::{Clients, FLOODED},
    },
};

/// How long a server is given to cut those who take nothing.
const WATCHED_FOR: Duration = Duration::from_secs(60);
/// A hundred connections, and a thousand: as near as 32 at a time come to these.
const FEW: usize = 96;
const MANY: usize = 992;
/// Streams of one connection on which nothing moves.
const STREAMS: u32 = 100;
/// PINGs that are written at once.
const PINGS: usize = 1_000;
/// A server that takes no more PINGs within this has stopped reading.
const TAKES_WITHIN: Duration = Duration::from_secs(1);
/// And so many batches at most: 17 MB on each connection.
const BATCHES_MAX: usize = 1_000;

/// A hundred connections, each with one answer of 8 MB that has no window.
pub(in crate::floods) async fn zero_window(clients: Clients) -> Result<Became, Failed> {
    hold(clients, FEW, |to| Box::pin(stalled(to, 1)), WATCHED_FOR).await
}

/// A thousand connections, each with a hundred of them.
pub(in crate::floods) async fn streams(clients: Clients) -> Result<Became, Failed> {
    hold(clients, MANY, |to| Box::pin(stalled(to, STREAMS)), WATCHED_FOR).await
}

async fn stalled(to: Target, streams: u32) -> Result<Raw, Failed> {
    let mut raw = Raw::open(&to, &[(INITIAL_WINDOW_SIZE, 0)], true).await?;
    let mut bytes = Vec::new();
    for number in 0..streams {
        bytes.whole_request(number * 2 + 1, FLOODED);
    }
    raw.write(&bytes).await?;
    raw.has_asked(streams.into());
    Ok(raw)
}

/// As many connections with PINGs until the server stops reading, whose answers are not read: over and over, as what
/// others feel in the moment of a rush is chance.
pub(in crate::floods) async fn ping_unread(clients: Clients) -> Result<Became, Failed> {
    let until = Instant::now() + LASTS;
    let mut became = Became::default();
    while Instant::now() < until {
        let again = hold(clients.clone(), FEW, |to| -> Opening<Raw> { Box::pin(unread(to)) }, WATCHED_FOR).await?;
        became.add(again);
        sleep(COMES_AGAIN_AFTER).await;
    }
    Ok(became)
}

async fn unread(to: Target) -> Result<Raw, Failed> {
    let mut raw = Raw::open(&to, &[], false).await?;
    let mut bytes = Vec::new();
    for _ in 0..PINGS {
        bytes.frame(kind::PING, 0, 0, b"floods..");
    }
    for _ in 0..BATCHES_MAX {
        if !matches!(tokio::time::timeout(TAKES_WITHIN, raw.write(&bytes)).await, Ok(Ok(()))) {
            break;
        }
    }
    Ok(raw)
}
