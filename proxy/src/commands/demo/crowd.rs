//! The demo's crowd: keeps a line standing, some of it walks away.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, interval, sleep};

use super::visitor::{Http, Visitor, http};

/// One in so many walks away before it is called.
const ONE_IN_WALKS_AWAY: u64 = 4;
/// How long a visitor looks around in the shop, in seconds.
const LOOKS_AROUND_S: std::ops::Range<u64> = 5..40;

/// Counts of the crowd.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    in_line: AtomicU64,
    walked_away: AtomicU64,
    dice: AtomicU64,
}

impl Crowd {
    pub(super) fn walked_away(&self) -> u64 {
        self.walked_away.load(Ordering::Relaxed)
    }

    /// Brings so many visitors at once, and from then on as many as it takes to keep the line as long.
    pub(super) async fn stand_in_line(self: Arc<Self>, front: SocketAddr, size: u32, rate: u32) {
        let http = http();
        let patience_s = 2 * u64::from(size) * 60 / u64::from(rate).max(1) + 20;
        let mut look = interval(Duration::from_millis(100));
        loop {
            look.tick().await;
            let missing = u64::from(size).saturating_sub(self.in_line.load(Ordering::Relaxed));
            // A rush of hundreds is fine, a rush of thousands in one instant is not what a demo is for.
            for _ in 0..missing.min(100) {
                self.in_line.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(self.clone().visit(http.clone(), front, patience_s));
            }
        }
    }

    async fn visit(self: Arc<Self>, http: Http, front: SocketAddr, patience_s: u64) {
        let walks_away = self.roll(ONE_IN_WALKS_AWAY) == 0;
        let patience = walks_away.then(|| Duration::from_secs(1 + self.roll(patience_s)));
        let mut visitor = Visitor::new(http, front);
        let entered = stand(&mut visitor, patience).await;
        self.in_line.fetch_sub(1, Ordering::Relaxed);
        if !entered {
            self.walked_away.fetch_add(1, Ordering::Relaxed);
            return;
        }
        sleep(Duration::from_secs(LOOKS_AROUND_S.start + self.roll(LOOKS_AROUND_S.end - LOOKS_AROUND_S.start))).await;
        let _ = visitor.open("/thanks").await;
    }

    /// A number below `below`, from a small generator: a demo needs variety, not unpredictability.
    fn roll(&self, below: u64) -> u64 {
        let n = self.dice.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mixed = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)) % below.max(1)
    }
}

/// Waits as a browser does. False: patience has run out, or something went wrong for too long.
async fn stand(visitor: &mut Visitor, patience: Option<Duration>) -> bool {
    let came = Instant::now();
    let mut failures = 0;
    let mut entered = visitor.open("/").await.unwrap_or(false);
    while !entered && failures < 5 {
        if patience.is_some_and(|patience| came.elapsed() > patience) {
            return false;
        }
        match visitor.ask().await {
            Ok(status) if matches!(status.state.as_str(), "called" | "admitted") => {
                entered = visitor.open("/").await.unwrap_or(false);
                if !entered {
                    sleep(Duration::from_secs(1)).await;
                }
            }
            Ok(status) => sleep(Duration::from_secs(status.poll_after_seconds)).await,
            Err(_) => {
                failures += 1;
                sleep(Duration::from_secs(2)).await;
            }
        }
    }
    entered
}
