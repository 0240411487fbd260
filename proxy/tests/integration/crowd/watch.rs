//! Looks at the node's metrics all the time.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::support::{Connection, Request, metrics::Metrics, until_within};

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
    /// Calls in the last minute: all there were, in a test that is over within one.
    pub(crate) calls: u64,
    /// Seats of visitors inside, and of those who were called and have not entered.
    pub(crate) seats: u64,
}

/// All looks so far.
#[derive(Debug)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    looking: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    samples: Mutex<Vec<Sample>>,
    over: AtomicBool,
}

impl Watch {
    pub(crate) fn start(admin: SocketAddr) -> Self {
        let shared = Arc::new(Shared::default());
        let looking = tokio::spawn(look(admin, shared.clone()));
        Self { shared, looking: Mutex::new(Some(looking)) }
    }

    pub(crate) async fn stop(&self) {
        self.shared.over.store(true, Ordering::Relaxed);
        let looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(looking) = looking {
            looking.await.unwrap();
        }
    }

    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.shared.samples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many calls were seen.
    pub(crate) async fn until_calls(&self, calls: u64) {
        let look = async || self.samples().last().filter(|sample| sample.calls >= calls).map(drop);
        until_within(Duration::from_secs(60), "enough calls", look).await;
    }
}

async fn look(admin: SocketAddr, shared: Arc<Shared>) {
    let request = Request::new("GET", "/metrics").host("localhost");
    let mut connection = None;
    while !shared.over.load(Ordering::Relaxed) {
        sleep(LOOK_EVERY).await;
        // The node may be away for a moment.
        let mut kept = match connection.take() {
            Some(kept) => kept,
            None => match Connection::try_open(admin).await {
                Ok(fresh) => fresh,
                Err(_) => continue,
            },
        };
        let asked = Instant::now();
        let Ok(response) = kept.try_ask(&request).await else { continue };
        connection = Some(kept);
        let metrics = Metrics::parse(response.text());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of visitors")]
        let gauge = |name: &str| metrics.line(name, "shop") as u64;
        let seats = gauge("due_visitors") + gauge("inside_visitors");
        let calls = gauge("called_last_minute_visitors");
        let sample = Sample { asked, answered: Instant::now(), calls, seats };
        shared.samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    }
}
