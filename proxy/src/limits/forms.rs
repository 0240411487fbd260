//! Memory for forms on their way back to their visitors.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory for the forms of one tenant that are on their way through. At the bound visitors are asked to go back.
const ROOM_BYTES: usize = 32 << 20;

/// Room for the forms of one tenant, so that a flood of one takes nothing from another.
#[derive(Clone, Debug)]
pub(crate) struct FormRoom(Arc<Semaphore>);

impl Default for FormRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM_BYTES)))
    }
}

impl FormRoom {
    /// Takes this many bytes of it, until the permit is dropped. `None`: less is free.
    pub(crate) fn take(&self, bytes: u32) -> Option<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_many_owned(bytes).ok()
    }
}
