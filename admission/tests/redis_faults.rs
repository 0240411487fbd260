//! What the Redis store does when the server does not do what it should.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "redis_faults/access.rs"]
mod access;
mod conformance;
#[path = "redis_faults/failover.rs"]
mod failover;
#[path = "redis_faults/memory.rs"]
mod memory;
#[path = "redis_faults/operation.rs"]
mod operation;
#[path = "redis/servers.rs"]
mod servers;
#[path = "redis_faults/unavailable.rs"]
mod unavailable;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use conformance::{line, rules};
use sluice_admission::{
    line::{Batch, Known, Outcome, Summary},
    store::{LineId, Redis, Store, StoreError},
};

/// So long a test waits for a store to come back: its longest pause is a second, and the machine is busy.
const BACK_WITHIN: Duration = Duration::from_secs(30);

async fn step(store: &Redis, batch: &Batch) -> Result<Outcome, StoreError> {
    store.sync(&line("sale"), &rules(), batch).await
}

/// Tries until the store answers, for as long as it may take; returns the answer.
async fn when_back(store: &Redis, line: &LineId, within: Duration) -> Outcome {
    let end = Instant::now() + within;
    loop {
        match store.sync(line, &rules(), &Batch::default()).await {
            Ok(outcome) => return outcome,
            Err(error) => assert!(Instant::now() < end, "not back within {within:?}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Tries until the store says that it is not let in; returns what it says. Before that it may have lost a connection.
async fn when_refused(store: &Redis, within: Duration) -> String {
    let end = Instant::now() + within;
    loop {
        let why = away(step(store, &Batch::default()).await);
        if why.contains("refused user and password") {
            return why;
        }
        assert!(Instant::now() < end, "not refused within {within:?}: {why}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn known(s: &Summary) -> Known {
    let (epoch, steps, life) = (s.epoch, s.steps, s.life);
    Known { epoch, lanes: s.known_lanes(), clock_ms: Some(s.now_ms), steps, life, ..Known::default() }
}

fn away(outcome: Result<Outcome, StoreError>) -> String {
    match outcome {
        Err(StoreError::Away(why)) => why,
        other => panic!("the store should be away: {other:?}"),
    }
}

/// A call to a store that is away has failed when it has begun: it waits for nothing.
fn assert_fails_at_once(store: &Redis) {
    let batch = Batch::default();
    let call = pin!(step(store, &batch));
    match call.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => drop(away(outcome)),
        Poll::Pending => panic!("the call waits for something"),
    }
    assert!(store.away().is_some());
}
