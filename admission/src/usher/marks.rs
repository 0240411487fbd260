//! Words for the line that wait for the next batch.
//!
//! Two kinds, apart: what must not be lost (who was let in, whose visit has ended, who is inside) never waits behind
//! polls. Of a visitor who polls only the latest word counts, so polls are kept once per number, however long the line
//! is away.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::pace::MARKS_PER_ROUND;
use crate::line::{Batch, Seen};

/// Most numbers of which polls wait. More are dropped: the lowest are called first, and the others ask again.
pub const POLLS_MAX: usize = 1_000_000;
/// Most words that must not be lost. It takes as many visitors inside, in one outage, to have more.
pub const KEPT_MAX: usize = 1_000_000;

/// So long a mark may take to the line and count as if it had just been made: marks wait for the next step, and the
/// visitor is not to blame.
const FRESH: Duration = Duration::from_secs(1);

/// Something the line should know and no visitor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The epoch of the number; 0: not known. A number of another epoch means someone else.
    pub epoch: u64,
    /// What the line should know.
    pub word: Word,
}

/// What the line should know of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Seen waiting.
    Seen {
        /// The number, and for how long it counts as present.
        seen: Seen,
        /// When the visitor was told to ask again, in ms; 0: whenever it can.
        told_ms: u32,
    },
    /// Said good-bye while waiting; the place is kept.
    Away(u64),
    /// Seen inside.
    Inside(u64),
    /// Let in by this node alone, while the store was unavailable.
    Admitted(u64),
    /// The visit is over.
    Ended(u64),
}

impl Word {
    /// Whether it must not be lost: no later word of the visitor makes up for it.
    pub fn is_kept(&self) -> bool {
        !matches!(self, Self::Seen { .. } | Self::Away(_))
    }
}

/// A mark, and when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Marked {
    /// The mark.
    pub mark: Mark,
    /// When it was made, on the node's clock.
    pub at: Instant,
}

/// Marks on their way to the line.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// The latest word of each number that waits.
    polls: BTreeMap<u64, Poll>,
    /// Numbers, with their epoch.
    inside: BTreeSet<(u64, u64)>,
    admitted: BTreeSet<(u64, u64)>,
    ended: BTreeSet<(u64, u64)>,
    /// Marks that found no room.
    dropped: u64,
}

#[derive(Clone, Copy, Debug)]
struct Poll {
    epoch: u64,
    /// When the visitor was seen, and for how long the number counts as present from then on; `None`: it said
    /// good-bye.
    seen: Option<(Instant, Duration)>,
}

impl Marks {
    pub(super) fn take(&mut self, Marked { mark: Mark { epoch, word }, at }: Marked) {
        match word {
            Word::Seen { seen: Seen { number, hold_ms }, .. } => {
                let seen = Some((at, Duration::from_millis(hold_ms.into())));
                self.poll(number, Poll { epoch, seen });
            }
            Word::Away(number) => self.poll(number, Poll { epoch, seen: None }),
            Word::Inside(number) => self.keep(number, epoch, |marks| &mut marks.inside),
            Word::Admitted(number) => self.keep(number, epoch, |marks| &mut marks.admitted),
            Word::Ended(number) => self.keep(number, epoch, |marks| &mut marks.ended),
        }
    }

    fn poll(&mut self, number: u64, poll: Poll) {
        self.polls.insert(number, poll);
        if self.polls.len() > POLLS_MAX {
            self.polls.pop_last();
            self.dropped += 1;
        }
    }

    fn keep(&mut self, number: u64, epoch: u64, of: impl Fn(&mut Self) -> &mut BTreeSet<(u64, u64)>) {
        if self.kept_len() < KEPT_MAX {
            of(self).insert((number, epoch));
        } else {
            self.dropped += 1;
        }
    }

    fn kept_len(&self) -> usize {
        self.inside.len() + self.admitted.len() + self.ended.len()
    }

    pub(super) fn len(&self) -> usize {
        self.polls.len() + self.kept_len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many marks found no room since the last time.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Takes over what waits there: all that must not be lost, and of polls as many as one batch bears, the lowest
    /// numbers first. A later word replaces an earlier one.
    pub(super) fn take_from(&mut self, waiting: &mut Self) {
        self.inside.append(&mut waiting.inside);
        self.admitted.append(&mut waiting.admitted);
        self.ended.append(&mut waiting.ended);
        let room = MARKS_PER_ROUND.saturating_sub(self.polls.len());
        if waiting.polls.len() <= room {
            self.polls.append(&mut waiting.polls);
        } else {
            self.polls.extend((0..room).map_while(|_| waiting.polls.pop_first()));
        }
    }

    /// Writes into a batch what is still worth saying at this moment in this epoch (0: not known).
    pub(super) fn write(&self, batch: &mut Batch, now: Instant, epoch: u64) {
        let current = |of: u64| of == 0 || epoch == 0 || of == epoch;
        let numbers = |set: &BTreeSet<(u64, u64)>, out: &mut Vec<u64>| {
            out.clear();
            out.extend(set.iter().filter(|&&(_, of)| current(of)).map(|&(number, _)| number));
        };
        numbers(&self.inside, &mut batch.inside);
        numbers(&self.admitted, &mut batch.admitted);
        numbers(&self.ended, &mut batch.ended);
        batch.seen.clear();
        batch.away.clear();
        for (&number, poll) in self.polls.iter().filter(|(_, poll)| current(poll.epoch)) {
            match poll.seen {
                None => batch.away.push(number),
                Some((at, hold)) => {
                    let age = now.saturating_duration_since(at).saturating_sub(FRESH);
                    // A mark that is older than it was worth would only say that somebody was there.
                    let left = hold.saturating_sub(age).as_millis();
                    if let Some(hold_ms) = u32::try_from(left).ok().filter(|&ms| ms > 0) {
                        batch.seen.push(Seen { number, hold_ms });
                    }
                }
            }
        }
    }
}
