//! A limit on how long a connection idles.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// A limit on idling that costs no timer per request: the timer is set anew only when it fires early.
    pub(super) struct Idle {
        until: Instant,
        #[pin]
        timer: Sleep,
    }
}

impl Idle {
    pub(super) fn new(limit: Duration) -> Self {
        let until = Instant::now() + limit;
        Self { until, timer: sleep_until(until) }
    }

    pub(super) fn restart(self: Pin<&mut Self>, limit: Duration) {
        *self.project().until = Instant::now() + limit;
    }

    /// Waits for `event`. False: it failed, or the limit was over first.
    pub(super) async fn wait(
        mut self: Pin<&mut Self>,
        mut event: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>,
    ) -> bool {
        poll_fn(|cx| {
            if let Poll::Ready(result) = event(cx) {
                return Poll::Ready(result.is_ok());
            }
            let mut this = self.as_mut().project();
            while this.timer.as_mut().poll(cx).is_ready() {
                if Instant::now() >= *this.until {
                    return Poll::Ready(false);
                }
                this.timer.as_mut().reset(*this.until);
            }
            Poll::Pending
        })
        .await
    }
}
