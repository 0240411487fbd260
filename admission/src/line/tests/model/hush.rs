//! A hush, as the model has it.

use super::{Model, Place};
use crate::line::{Batch, slot_of};

/// How long it lasts, and for how long who was present when it began is so at least.
const HUSH_MS: u64 = 28_000;
const HOLD_MS: u64 = 8_200;

impl Model {
    /// It shows what it was, or ends, or begins.
    pub(super) fn hush(&mut self, batch: &Batch, now_ms: u64) {
        if let Some(since_ms) = self.hush_ms {
            if !self.waits && !self.hush_is_over && now_ms >= since_ms + HOLD_MS {
                let near = self.visitors.iter().filter(|&(&number, visitor)| {
                    let is_uncalled = visitor.place == Place::Waiting && number > self.lanes[slot_of(number)].floor;
                    is_uncalled && visitor.near_until_ms > now_ms
                });
                let (heard, unheard): (Vec<_>, Vec<_>) = near.partition(|near| near.1.is_heard);
                self.waits = unheard.len() > heard.len();
                let hushes = &mut self.came.hushes;
                *if self.waits { &mut hushes.1 } else { &mut hushes.0 } += 1;
                self.hush_is_over = !self.waits;
            }
            if now_ms >= since_ms + HUSH_MS {
                for visitor in self.visitors.values_mut().filter(|visitor| self.waits && !visitor.is_heard) {
                    (visitor.near_until_ms, visitor.far_until_ms) = (0, 0);
                }
                (self.hush_ms, self.waits, self.hush_is_over) = (None, false, false);
            }
        }
        if batch.hush && self.hush_ms.is_none() {
            self.hush_ms = Some(now_ms);
            for visitor in self.visitors.values_mut() {
                visitor.is_heard = false;
                for (until_ms, length_ms) in [(&mut visitor.near_until_ms, 1_000), (&mut visitor.far_until_ms, 16_000)]
                {
                    if *until_ms > now_ms {
                        *until_ms = (*until_ms).max(((now_ms + HOLD_MS) / length_ms + 1) * length_ms);
                    }
                }
            }
        }
    }
}
