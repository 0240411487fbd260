//! Who is here: three rings of bitmaps, so that forgetting somebody costs nothing.
//!
//! *At the door*: every mark says until when the number counts as present, which is when its visitor was told
//! to ask again plus some grace. The bit is set in the generation in which that time falls; when the
//! generation is over, its bitmap is wiped whole. A visitor who asks as told is thus always present, and one
//! who has left stops being present a few seconds after the missed poll: near the head, where polls are 2 s
//! apart, hardly a place is called for a visitor who has gone. There are two rings of these generations: a fine one for
//! short holds, and a coarse one for visitors far back and for hidden tabs, which ask once a minute. Who is marked in
//! the coarse one may count as present for up to 16 s more than was asked for. By the time the head reaches such a number
//! it is asked for more often and those seconds are over, and long holds cost few bitmaps.
//!
//! *Counted as waiting*: seen within the last 90 s, because a background tab asks once a minute at best. Time in which
//! the line could not be asked does not count: `asked_ms` is the line's clock without it.

use serde::{Deserialize, Serialize};

use super::bits::Bits;
use crate::polls::HIDDEN_HOLD_MS;

/// Length of a generation of the fine ring.
pub(in crate::line) const FINE_MS: u64 = 1_000;
/// Its generations: the current one and those that end later.
pub(in crate::line) const FINE_GENERATIONS: usize = 10;
/// Longest hold that goes into the fine ring.
pub(in crate::line) const FINE_HOLD_MS_MAX: u32 = 9_000;
/// Length of a generation of the coarse ring.
pub(in crate::line) const COARSE_MS: u64 = 16_000;
/// Its generations: the current one and those that end later.
pub(in crate::line) const COARSE_GENERATIONS: usize = 6;
/// Longest hold: a hidden tab asks once a minute, late, and over a slow network.
pub const HOLD_MS_MAX: u32 = 74_000;
const _: () = assert!(HIDDEN_HOLD_MS <= HOLD_MS_MAX);
const _: () = assert!(FINE_HOLD_MS_MAX as u64 <= (FINE_GENERATIONS as u64 - 1) * FINE_MS);
const _: () = assert!(HOLD_MS_MAX as u64 <= (COARSE_GENERATIONS as u64 - 1) * COARSE_MS);
// Who may be called is counted as waiting.
const _: () = assert!(HOLD_MS_MAX as u64 + COARSE_MS <= (WAITING_GENERATIONS as u64 - 1) * WAITING_MS);
/// Length of a waiting generation.
pub(in crate::line) const WAITING_MS: u64 = 30_000;
/// Waiting generations: the current one and those before, 90 to 120 s together.
pub(in crate::line) const WAITING_GENERATIONS: usize = 4;

/// One generation of a ring: its absolute index and its bits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Generation {
    index: u64,
    bits: Bits,
}

/// The three rings of one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::line) struct Presence {
    fine: Vec<Generation>,
    coarse: Vec<Generation>,
    waiting: Vec<Generation>,
    /// Who has been seen since a [hush](crate::line::queue::hush) began; `None`: there is none.
    heard: Option<Bits>,
}

impl Presence {
    pub(in crate::line) fn new() -> Self {
        let ring = |generations| vec![Generation::default(); generations];
        Self {
            fine: ring(FINE_GENERATIONS),
            coarse: ring(COARSE_GENERATIONS),
            waiting: ring(WAITING_GENERATIONS),
            heard: None,
        }
    }

    /// Wipes the generations that are over.
    pub(in crate::line) fn expire(&mut self, asked_ms: u64, now_ms: u64) {
        self.expire_doors(now_ms);
        self.expire_waiting(asked_ms);
    }

    fn expire_doors(&mut self, now_ms: u64) {
        wipe_before(&mut self.fine, now_ms / FINE_MS);
        wipe_before(&mut self.coarse, now_ms / COARSE_MS);
    }

    /// No number is at the door that is not counted as waiting: the floor would pass it.
    fn expire_waiting(&mut self, asked_ms: u64) {
        let oldest = (asked_ms / WAITING_MS + 1).saturating_sub(WAITING_GENERATIONS as u64);
        if self.waiting.iter().any(|g| g.index < oldest && g.bits.len_words() > 0) {
            wipe_before(&mut self.waiting, oldest);
            let waiting = all(&self.waiting);
            self.fine.iter_mut().chain(&mut self.coarse).for_each(|g| g.bits.mask(&waiting));
        }
    }

    /// Marks a number as present for `hold_ms`, at most [`HOLD_MS_MAX`].
    pub(in crate::line) fn mark(&mut self, offset: u64, asked_ms: u64, now_ms: u64, hold_ms: u32) {
        self.door(now_ms, hold_ms).set(offset);
        slot(&mut self.waiting, asked_ms / WAITING_MS).set(offset);
        if let Some(heard) = &mut self.heard {
            heard.set(offset);
        }
    }

    /// A hush begins: who is present is so for at least `hold_ms`, at most [`FINE_HOLD_MS_MAX`] (each in the ring they are in:
    /// the fine one holds those near the head).
    pub(in crate::line) fn hush_begins(&mut self, now_ms: u64, hold_ms: u32) {
        let until_ms = now_ms + u64::from(hold_ms);
        for (ring, ms) in [(&mut self.fine, FINE_MS), (&mut self.coarse, COARSE_MS)] {
            let mut sooner = Bits::default();
            for generation in ring.iter_mut().filter(|g| g.index < until_ms / ms) {
                sooner.merge(&generation.bits);
                generation.bits.wipe();
            }
            slot(ring, until_ms / ms).merge(&sooner);
        }
        self.heard = Some(Bits::default());
    }

    /// A hush is over, and most were back.
    pub(in crate::line) fn hush_ends(&mut self) {
        self.heard = None;
    }

    /// The numbers near the head, by word: those that are present for a short time.
    pub(in crate::line) fn near_word(&self, index: usize) -> u64 {
        self.fine.iter().fold(0, |word, g| word | g.bits.word(index))
    }

    /// Those that have been seen since the hush began, by word.
    pub(in crate::line) fn heard_word(&self, index: usize) -> u64 {
        self.heard.as_ref().map_or(u64::MAX, |heard| heard.word(index))
    }

    /// A hush is over: who has not been seen since it began is not there.
    pub(in crate::line) fn forget_unheard(&mut self) {
        if let Some(heard) = self.heard.take() {
            self.fine.iter_mut().chain(&mut self.coarse).for_each(|g| g.bits.mask(&heard));
        }
    }

    /// Whether a number has not been seen since the hush began that there is.
    pub(in crate::line) fn is_unheard(&self, offset: u64) -> bool {
        self.heard.as_ref().is_some_and(|heard| !heard.get(offset))
    }

    /// As [`Self::expire`], but those who were present when the line was last asked are so for `hold_ms` more, as they
    /// could not say it, as long as they are counted as waiting: or else a line that falls silent again and again would
    /// never forget who has left.
    pub(in crate::line) fn carry(&mut self, asked_ms: u64, now_ms: u64, hold_ms: u32) {
        self.expire_waiting(asked_ms);
        let mut door = all(&self.fine);
        door.merge(&all(&self.coarse));
        self.expire_doors(now_ms);
        self.door(now_ms, hold_ms).merge(&door);
    }

    /// Takes a number out of all rings.
    pub(in crate::line) fn forget(&mut self, offset: u64) {
        for generation in self.all_mut() {
            generation.bits.clear(offset);
        }
    }

    /// Until when a number counts as present at the door; 0: it does not.
    pub(in crate::line) fn until_ms(&self, offset: u64) -> u64 {
        let ring = |ring: &[Generation], ms| {
            let held = ring.iter().filter(|g| g.bits.get(offset));
            held.map(|g| (g.index + 1) * ms).max().unwrap_or(0)
        };
        ring(&self.fine, FINE_MS).max(ring(&self.coarse, COARSE_MS))
    }

    /// Whether a number counts as waiting.
    pub(super) fn is_counted(&self, offset: u64) -> bool {
        self.waiting.iter().any(|g| g.bits.get(offset))
    }

    /// The numbers at the door, by word.
    pub(in crate::line) fn door_word(&self, index: usize) -> u64 {
        self.fine.iter().chain(&self.coarse).fold(0, |word, g| word | g.bits.word(index))
    }

    /// The numbers counted as waiting, by word.
    pub(in crate::line) fn waiting_word(&self, index: usize) -> u64 {
        self.waiting.iter().fold(0, |word, g| word | g.bits.word(index))
    }

    /// Words that can hold a bit at all.
    pub(in crate::line) fn len_words(&self) -> usize {
        let all = self.fine.iter().chain(&self.coarse).chain(&self.waiting);
        all.map(|g| g.bits.len_words()).max().unwrap_or(0)
    }

    pub(in crate::line) fn drop_front(&mut self, words: usize) {
        for generation in self.all_mut() {
            generation.bits.drop_front(words);
        }
        self.heard.iter_mut().for_each(|heard| heard.drop_front(words));
    }

    /// The bitmap for numbers that are present for `hold_ms` from now on.
    fn door(&mut self, now_ms: u64, hold_ms: u32) -> &mut Bits {
        let until_ms = now_ms + u64::from(hold_ms.min(HOLD_MS_MAX));
        if hold_ms <= FINE_HOLD_MS_MAX {
            slot(&mut self.fine, until_ms / FINE_MS)
        } else {
            slot(&mut self.coarse, until_ms / COARSE_MS)
        }
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Generation> {
        self.fine.iter_mut().chain(&mut self.coarse).chain(&mut self.waiting)
    }
}

/// All bits of a ring.
fn all(ring: &[Generation]) -> Bits {
    let mut bits = Bits::default();
    ring.iter().for_each(|g| bits.merge(&g.bits));
    bits
}

fn wipe_before(ring: &mut [Generation], oldest: u64) {
    ring.iter_mut().filter(|g| g.index < oldest).for_each(|g| g.bits.wipe());
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
