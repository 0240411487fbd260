//! Who is here: two rings of bitmaps, so that forgetting somebody costs nothing.
//!
//! *At the door*: every mark says until when the number counts as present, which is when its visitor was told
//! to ask again plus some grace. The bit is set in the generation in which that time falls; when the
//! generation is over, its bitmap is wiped whole. A visitor who asks as told is thus always present, and one
//! who has left stops being present a few seconds after the missed poll: near the head, where polls are 2 s
//! apart, hardly a place is called for somebody who has gone.
//!
//! *Counted as waiting*: seen within the last 90 s, because a background tab asks once a minute at best.

use serde::{Deserialize, Serialize};

use super::bits::Bits;

/// Length of a door generation.
pub(super) const DOOR_MS: u64 = 2_000;
/// Door generations: the current one and those that end later.
pub(super) const DOOR_GENERATIONS: usize = 16;
/// Longest hold that the door ring can represent.
pub const HOLD_MS_MAX: u32 = 28_000;
const _: () = assert!(HOLD_MS_MAX as u64 + 2 * DOOR_MS <= DOOR_GENERATIONS as u64 * DOOR_MS);
/// Length of a waiting generation.
pub(super) const WAITING_MS: u64 = 30_000;
/// Waiting generations: the current one and those before, 90 to 120 s together.
pub(super) const WAITING_GENERATIONS: usize = 4;

/// One generation of a ring: its absolute index and its bits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Generation {
    index: u64,
    bits: Bits,
}

/// The two rings of one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Presence {
    door: Vec<Generation>,
    waiting: Vec<Generation>,
}

impl Presence {
    pub(super) fn new() -> Self {
        Self {
            door: vec![Generation::default(); DOOR_GENERATIONS],
            waiting: vec![Generation::default(); WAITING_GENERATIONS],
        }
    }

    /// Wipes the generations that are over at `now_ms`.
    pub(super) fn expire(&mut self, now_ms: u64) {
        let door = now_ms / DOOR_MS;
        for generation in &mut self.door {
            if generation.index < door {
                generation.bits.wipe();
            }
        }
        let waiting = now_ms / WAITING_MS;
        for generation in &mut self.waiting {
            if generation.index + WAITING_GENERATIONS as u64 <= waiting {
                generation.bits.wipe();
            }
        }
    }

    /// Marks a number as present for `hold_ms`, at most [`HOLD_MS_MAX`].
    pub(super) fn mark(&mut self, offset: u64, now_ms: u64, hold_ms: u32) {
        let until = now_ms + u64::from(hold_ms.min(HOLD_MS_MAX));
        slot(&mut self.door, until / DOOR_MS).set(offset);
        slot(&mut self.waiting, now_ms / WAITING_MS).set(offset);
    }

    /// Takes a number out of both rings.
    pub(super) fn forget(&mut self, offset: u64) {
        for generation in self.door.iter_mut().chain(&mut self.waiting) {
            generation.bits.clear(offset);
        }
    }

    /// Until when a number counts as present at the door; 0: it does not.
    pub(super) fn until_ms(&self, offset: u64) -> u64 {
        let held = self.door.iter().filter(|g| g.bits.get(offset));
        held.map(|g| (g.index + 1) * DOOR_MS).max().unwrap_or(0)
    }

    /// The numbers at the door, by word.
    pub(super) fn door_word(&self, index: usize) -> u64 {
        self.door.iter().fold(0, |word, g| word | g.bits.word(index))
    }

    /// The numbers counted as waiting, by word.
    pub(super) fn waiting_word(&self, index: usize) -> u64 {
        self.waiting.iter().fold(0, |word, g| word | g.bits.word(index))
    }

    /// Words that can hold a bit at all.
    pub(super) fn len_words(&self) -> usize {
        self.door.iter().chain(&self.waiting).map(|g| g.bits.len_words()).max().unwrap_or(0)
    }

    pub(super) fn drop_front(&mut self, words: usize) {
        for generation in self.door.iter_mut().chain(&mut self.waiting) {
            generation.bits.drop_front(words);
        }
    }
}

/// The bitmap of generation `index`, wiped if its place in the ring held an older one.
fn slot(ring: &mut [Generation], index: u64) -> &mut Bits {
    let place = usize::try_from(index % ring.len() as u64).unwrap_or(0);
    let generation = &mut ring[place];
    if generation.index != index {
        generation.index = index;
        generation.bits.wipe();
    }
    &mut generation.bits
}
