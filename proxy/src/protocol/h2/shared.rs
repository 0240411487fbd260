//! What the tasks of one connection share.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::{Notify, Semaphore};

use super::{rest::Rest, wire::Wire};
use crate::{
    sinks::tally::Held,
    transport::{Spot, connection::Connection},
};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) connection: Connection,
    pub(super) spot: Spot,
    /// Streams that are being served.
    pub(super) active: AtomicUsize,
    pub(super) answers: Semaphore,
    pub(super) at_origin: Semaphore,
    pub(super) stalled: AtomicBool,
    /// Origins' answers in a row that have not been taken.
    pub(super) not_taken: AtomicUsize,
    pub(super) uploads: AtomicBool,
    /// A request has been forwarded: this is no visitor who only waits.
    pub(super) forwarded: AtomicBool,
    /// `stalled`, `not_taken`, `uploads` or `forwarded` has changed.
    pub(super) changed: Notify,
    pub(super) wire: Arc<Wire>,
    pub(super) rest: Arc<Rest>,
    /// Set once the node leaves, until the connection has ended.
    pub(super) waited_for: OnceLock<Held>,
}

impl Shared {
    /// Whether something is being served, or its last bytes are not with the kernel. How slowly a client may take those is
    /// judged by the socket.
    pub(super) fn is_under_way(&self) -> bool {
        let is_not_written = !self.wire.is_open() && self.not_taken.load(Ordering::Relaxed) == 0;
        is_not_written || self.active.load(Ordering::Relaxed) > 0
    }

    /// Whether its framing may be dropped: nothing is under way, and nothing needs it.
    pub(super) fn may_rest(&self) -> bool {
        self.rest.may()
            && self.wire.is_open()
            && self.active.load(Ordering::Relaxed) == 0
            && self.not_taken.load(Ordering::Relaxed) == 0
            && !self.forwarded.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, what: &AtomicBool) {
        if !what.swap(true, Ordering::Relaxed) {
            self.changed.notify_one();
        }
    }
}

/// A stream that is being served, however that ends.
pub(super) struct Active(pub(super) Arc<Shared>);

impl Active {
    pub(super) fn begin(shared: &Arc<Shared>) -> Self {
        if shared.active.fetch_add(1, Ordering::Relaxed) == 0 {
            shared.spot.is_busy();
        }
        Self(shared.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if self.0.active.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.spot.idles(true);
        }
    }
}
