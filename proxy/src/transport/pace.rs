//! How slowly a client may take what there is for it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use prometheus::IntCounter;
use tokio::time::{Instant, Sleep, sleep};

/// A client that takes its answers more slowly than this, in bytes a second, is cut off.
const SEND_RATE_MIN: usize = 128;
/// The rate is judged over this: a phone that changes networks in the middle of a download takes nothing for a while.
const JUDGED_OVER_S: usize = 25;
pub(crate) const JUDGED_OVER: Duration = Duration::from_secs(JUDGED_OVER_S as u64);
/// What a client must have taken by then.
pub(crate) const TAKEN_BYTES_MIN: usize = SEND_RATE_MIN * JUDGED_OVER_S;

/// The pace of one client. Time runs only while there is something that it does not take.
#[derive(Debug)]
pub(super) struct Pace {
    late: Option<Pin<Box<Sleep>>>,
    /// What the client has taken since `late` began.
    taken_bytes: usize,
    /// Cut off for taking too little.
    cut: bool,
    cuts: IntCounter,
}

impl Pace {
    /// `cuts` counts clients that take too little.
    pub(super) fn new(cuts: IntCounter) -> Self {
        Self { late: None, taken_bytes: 0, cut: false, cuts }
    }

    /// # Errors
    /// If the client has been cut off.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.cut { Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no answer")) } else { Ok(()) }
    }

    /// The client has taken some of what there is for it.
    pub(super) fn took(&mut self, bytes: usize) {
        self.taken_bytes = self.taken_bytes.saturating_add(bytes);
    }

    /// It has taken everything: whatever comes next has its own time.
    pub(super) fn took_all(&mut self) {
        self.late = None;
    }

    /// It has not. Pending until it is to be cut off.
    pub(super) fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.late.is_none() {
            self.taken_bytes = 0;
        }
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(JUDGED_OVER)));
        while late.as_mut().poll(cx).is_ready() {
            if self.taken_bytes < TAKEN_BYTES_MIN {
                if !self.cut {
                    self.cut = true;
                    self.cuts.inc();
                }
                break;
            }
            self.taken_bytes = 0;
            late.as_mut().reset(Instant::now() + JUDGED_OVER);
        }
        match self.check() {
            Err(error) => Poll::Ready(error),
            Ok(()) => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    fn pace() -> (Pace, IntCounter) {
        let cuts = IntCounter::new("cuts", "cuts").unwrap();
        (Pace::new(cuts.clone()), cuts)
    }

    /// Whether the client is cut off within a time in which it takes nothing.
    async fn is_cut_within(pace: &mut Pace, time: Duration) -> bool {
        timeout(time, poll_fn(|cx| pace.poll_late(cx))).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut_after_the_time_and_counted_once() {
        let (mut pace, cuts) = pace();
        assert!(!is_cut_within(&mut pace, JUDGED_OVER - Duration::from_millis(1)).await);
        assert!(is_cut_within(&mut pace, Duration::from_millis(2)).await);
        assert!(is_cut_within(&mut pace, Duration::ZERO).await, "nor does it last any longer");
        assert_eq!(pace.check().unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(cuts.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_little_but_enough_is_cut_only_when_it_stops() {
        let (mut pace, cuts) = pace();
        for _ in 0..1_000 {
            assert!(!is_cut_within(&mut pace, JUDGED_OVER / 3).await);
            pace.took(TAKEN_BYTES_MIN / 2);
        }
        assert!(is_cut_within(&mut pace, JUDGED_OVER * 2).await);
        assert_eq!(cuts.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_before_a_pause_does_not_count_for_what_comes_after() {
        let (mut pace, _) = pace();
        assert!(!is_cut_within(&mut pace, JUDGED_OVER / 2).await);
        pace.took(1 << 30);
        pace.took_all();
        advance(JUDGED_OVER * 10).await;
        assert!(!is_cut_within(&mut pace, JUDGED_OVER - Duration::from_millis(1)).await);
        assert!(is_cut_within(&mut pace, Duration::from_millis(2)).await);
    }
}
