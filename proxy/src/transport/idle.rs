//! A limit on how long a connection idles.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// A limit on idling that costs no timer per request: the timer is set anew only when it fires early, or
    /// would fire late.
    pub(crate) struct Idle {
        until: Instant,
        #[pin]
        timer: Sleep,
    }
}

impl Idle {
    pub(crate) fn new(limit: Duration) -> Self {
        let until = Instant::now() + limit;
        Self { until, timer: sleep_until(until) }
    }

    pub(crate) fn restart(self: Pin<&mut Self>, limit: Duration) {
        let mut this = self.project();
        *this.until = Instant::now() + limit;
        if *this.until < this.timer.deadline() {
            this.timer.as_mut().reset(*this.until);
        }
    }

    /// Waits for `event`. `None`: the limit was over first.
    pub(crate) async fn wait<T>(
        mut self: Pin<&mut Self>,
        mut event: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        poll_fn(|cx| {
            if let Poll::Ready(happened) = event(cx) {
                return Poll::Ready(Some(happened));
            }
            let mut this = self.as_mut().project();
            while this.timer.as_mut().poll(cx).is_ready() {
                if Instant::now() >= *this.until {
                    return Poll::Ready(None);
                }
                this.timer.as_mut().reset(*this.until);
            }
            Poll::Pending
        })
        .await
    }
}
