//! Who came while the line could not be asked.
//!
//! A node that was cut off hands out slips with the time of arrival. When it is back, its visitors return one by
//! one, each when the page asks again; numbered as they return, whoever polls first would overtake. So the line
//! settles first: for a little longer than the pages take to ask again, newcomers are written down, and then they
//! get their numbers in the order in which they came, whichever node they came to.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

/// How long the line waits for those who came meanwhile: what a page is told to wait at most while the store is
/// away, and time for the way.
pub(in crate::line) const SETTLE_MS: u64 = 8_000;
/// Most numbers handed out to them in one step, which bounds its time.
pub(in crate::line) const NUMBERED_MAX: usize = 10_000;
/// How long they count as present with their new number: until they have asked again.
pub(in crate::line) const NUMBERED_HOLD_MS: u32 = 8_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Settling {
    /// Since when newcomers could not be numbered. Nobody counts as having come before.
    from_ms: u64,
    until_ms: u64,
    by_time: BTreeSet<(When, u64)>,
    by_id: HashMap<u64, When>,
}

/// When a newcomer came, and then the slot of its lane.
type When = (u64, usize);

impl Settling {
    /// A node is back that could not ask the line since `away_since_ms`.
    pub(in crate::line) fn begin(&mut self, away_since_ms: u64, now_ms: u64) {
        if !self.is_on(now_ms) {
            *self = Self { from_ms: away_since_ms.min(now_ms), until_ms: now_ms + SETTLE_MS, ..Self::default() };
        }
    }

    pub(in crate::line) fn is_on(&self, now_ms: u64) -> bool {
        now_ms < self.until_ms || !self.by_time.is_empty()
    }

    pub(in crate::line) fn len(&self) -> usize {
        self.by_time.len()
    }

    /// Writes down who came when, and to the lane of which slot. Of the times told for one slip the earliest counts,
    /// whichever is told first: a batch that was on its way for long may not say when its newcomers came. False: was
    /// there already.
    pub(in crate::line) fn write_down(&mut self, id: u64, slot: usize, arrived_ms: u64, now_ms: u64) -> bool {
        let arrived_ms = if arrived_ms == 0 { now_ms } else { arrived_ms.clamp(self.from_ms.min(now_ms), now_ms) };
        let when = (arrived_ms, slot);
        let before = self.by_id.get(&id).copied();
        if before.is_some_and(|before| before <= when) {
            return false;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, id));
        }
        self.by_id.insert(id, when);
        self.by_time.insert((when, id));
        before.is_none()
    }

    /// Those whose turn it is to get a number, in their order, and the slots of their lanes.
    pub(in crate::line) fn take_due(&mut self, now_ms: u64) -> Vec<(usize, u64)> {
        if now_ms < self.until_ms {
            return Vec::new();
        }
        let due: Vec<_> = self.by_time.iter().take(NUMBERED_MAX).map(|&((_, slot), id)| (slot, id)).collect();
        for (_, id) in &due {
            self.by_id.remove(id);
            self.by_time.pop_first();
        }
        due
    }
}
