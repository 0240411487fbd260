//! Whether a connection takes anything. While it does not, nothing more is read for its streams, however wide their windows
//! are: what the system has no room for would be kept here.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// The way out of one connection.
#[derive(Debug, Default)]
pub(super) struct Wire {
    is_blocked: AtomicBool,
    /// Streams that wait for it: at most as many as a connection may have.
    waiting: Mutex<Vec<Waker>>,
}

impl Wire {
    /// The system takes nothing more.
    pub(super) fn block(&self) {
        self.is_blocked.store(true, Ordering::Relaxed);
    }

    /// The system has taken everything.
    pub(super) fn open(&self) {
        if self.is_blocked.swap(false, Ordering::Relaxed) {
            let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !self.is_blocked.load(Ordering::Relaxed)
    }

    /// Ready when it is not blocked.
    pub(super) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_blocked.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        // It may have been opened meanwhile.
        if self.is_blocked.load(Ordering::Relaxed) { Poll::Pending } else { Poll::Ready(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn streams_wait_while_it_is_blocked_and_are_woken_once() {
        let (wire, woken) = (Wire::default(), Arc::new(Woken::default()));
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(wire.poll_open(&mut cx).is_ready());
        wire.block();
        assert!(wire.poll_open(&mut cx).is_pending());
        assert!(wire.poll_open(&mut cx).is_pending());
        wire.open();
        wire.open();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(wire.poll_open(&mut cx).is_ready());
    }
}
