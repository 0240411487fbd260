//! From which addresses visitors have been inside lately.
//!
//! A preflight carries no cookies, so it does not show whether its visitor is inside. The request that it is for comes
//! from the same browser, and so from the same address. An address proves nothing and lets no visitor in: it decides only
//! whether a preflight, which changes nothing, is the origin's to answer while a line stands.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::gate::Gate;

/// Addresses remembered, 128 KiB for a node. A newer one takes the place of an older one with the same slot.
const SLOTS: usize = 1 << 14;

/// What is remembered: in each slot half a hash of queue and address, and the second.
pub(crate) struct Insiders {
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
    began: Instant,
}

impl Default for Insiders {
    fn default() -> Self {
        let slots = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self { slots, hasher: RandomState::new(), began: Instant::now() }
    }
}

impl fmt::Debug for Insiders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Insiders").finish_non_exhaustive()
    }
}

impl Insiders {
    /// A visitor of this queue is inside and comes from there.
    pub(crate) fn note(&self, gate: &Gate, addr: IpAddr) {
        let (slot, tag) = self.place(gate, addr);
        slot.store(tag | u64::from(self.now_s()), Ordering::Relaxed);
    }

    /// Whether one has been there within this time.
    pub(crate) fn include(&self, gate: &Gate, addr: IpAddr, within: Duration) -> bool {
        let (slot, tag) = self.place(gate, addr);
        let noted = slot.load(Ordering::Relaxed);
        let second = noted & u64::from(u32::MAX);
        let ago_s = u64::from(self.now_s()).saturating_sub(second);
        second > 0 && noted - second == tag && ago_s <= within.as_secs()
    }

    fn place(&self, gate: &Gate, addr: IpAddr) -> (&AtomicU64, u64) {
        // A line keeps its usher for as long as the node serves it, over reloads too.
        let hash = self.hasher.hash_one((Arc::as_ptr(&gate.usher).addr(), addr));
        let slot = usize::try_from(hash).unwrap_or(0) % SLOTS;
        (&self.slots[slot], hash & !u64::from(u32::MAX))
    }

    /// Seconds since the start, from 1 on.
    fn now_s(&self) -> u32 {
        u32::try_from(self.began.elapsed().as_secs()).unwrap_or(u32::MAX - 1) + 1
    }
}
