//! What goes into one step of a line and what comes out.

use serde::{Deserialize, Serialize};

use sluice_config::limits::LANES_MAX;

use super::{Change, Changed, Control, LaneId, PerLane, Revision, slot_of, summary::Summary};

/// Everything a node has to say to a line and to ask of it, since the last time.
///
/// Every part is idempotent by its content: sending a batch again after a lost reply changes nothing and
/// gives the same answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// What the node already knows; merged by maximum.
    pub known: Known,
    /// Numbers seen waiting.
    pub seen: Vec<Seen>,
    /// Numbers that said good-bye while waiting. The place is kept; it is not called until seen again.
    pub away: Vec<u64>,
    /// Numbers seen inside.
    pub inside: Vec<u64>,
    /// Numbers whose visit has ended.
    pub ended: Vec<u64>,
    /// Numbers that this node let in by itself while the line could not be asked.
    pub admitted: Vec<u64>,
    /// Since when, on the line's clock, this node could not ask the line, if it is only just back; else 0.
    pub away_since_ms: u64,
    /// Most visitors near the head whom this node awaited lately have not asked.
    pub hush: bool,
    /// Visitors without a number, in the order in which they came.
    pub newcomers: Vec<Newcomer>,
    /// Numbers that ask whether they are called.
    pub asks: Vec<Ask>,
    /// What an operator wants changed.
    pub changes: Vec<Change>,
}

impl Batch {
    /// The highest number of each lane that somebody holds a valid token for, by slot; 0: none.
    pub(crate) fn tops(&self) -> [u64; LANES_MAX] {
        let marks = self.inside.iter().chain(&self.admitted).chain(&self.ended).copied();
        let seen = self.seen.iter().map(|seen| seen.number).chain(self.asks.iter().map(|ask| ask.number));
        highest(marks.chain(seen))
    }
}

fn highest(numbers: impl Iterator<Item = u64>) -> [u64; LANES_MAX] {
    let mut tops = [0; LANES_MAX];
    for number in numbers {
        let top = &mut tops[slot_of(number)];
        *top = number.max(*top);
    }
    tops
}

/// What a node knows of the line from its last outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The epoch in which the numbers of this batch were given out. 0: the node knows nothing.
    pub epoch: u64,
    /// What it knows of each lane, by slot.
    pub lanes: PerLane<KnownLane>,
    /// The line's clock as this node reckons it: the last one it was told, plus what has gone by since on the
    /// node's monotonic clock.
    pub clock_ms: Option<u64>,
    /// Steps that the line had made. More than it has now: its state was lost or is an old copy.
    pub steps: u64,
    /// The life of the line in which that was.
    pub life: u64,
    /// The last end of a visit that the node knows of, by [`Outcome::ended`]; 0: none yet. `None`: it does not ask
    /// for them.
    #[serde(default)]
    pub ended_ms: Option<u64>,
    /// The last change by an operator that the node knows of.
    #[serde(default)]
    pub revision: Revision,
    /// What was set by it, for a line that has lost it.
    #[serde(default)]
    pub control: Option<Box<Control>>,
    /// Calls that the node knows of, by tenth of a second of the line's clock, oldest first. This and what
    /// follows is sent only to a line that has begun a new life since.
    pub calls: Vec<(u64, u32)>,
    /// Numbers that are called and have not entered, and until when their seats are kept.
    pub due: Vec<(u64, u64)>,
    /// Numbers inside, and until when.
    pub inside: Vec<(u64, u64)>,
}

impl Known {
    /// The highest number of each lane that has, or had, a seat, by slot; 0: none.
    pub(crate) fn tops(&self) -> [u64; LANES_MAX] {
        highest(self.inside.iter().chain(&self.due).map(|&(number, _)| number))
    }
}

/// What a node knows of one lane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownLane {
    /// Which lane.
    pub lane: LaneId,
    /// Highest number known to be issued.
    pub issued: u64,
    /// Highest number known to be called.
    pub head: u64,
    /// Highest floor known.
    pub floor: u64,
    /// Numbers that were skipped, see [`LaneSummary::gaps`](super::LaneSummary::gaps).
    pub gaps: Vec<(u64, u64)>,
}

impl KnownLane {
    /// Takes over what another node knows, as far as it is more.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.issued = self.issued.max(other.issued);
        self.head = self.head.max(other.head);
        self.floor = self.floor.max(other.floor);
    }
}

/// A number seen waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The number.
    pub number: u64,
    /// How long it counts as present: the time after which it was told to ask again, and some grace.
    pub hold_ms: u32,
}

/// A visitor without a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newcomer {
    /// The slip's random id. The same id gets the same number again.
    pub id: u64,
    /// How long the number counts as present, as in [`Seen`].
    pub hold_ms: u32,
    /// The visitor enters at once if called, else only stands in line.
    pub enter: bool,
    /// No slip has come back yet, so the visitor takes a number only if it can be called in this very step:
    /// a client that keeps no cookies must not lengthen a line.
    pub walk_in: bool,
    /// In which lane it takes a number.
    pub lane: LaneId,
    /// When the slip was handed out, on the line's clock, if that was a while ago, or when it came back, if the line
    /// did not answer then; 0: just now. Counts only while the line [settles](Batch::away_since_ms).
    pub arrived_ms: u64,
}

/// A number that asks whether it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The number.
    pub number: u64,
    /// How long it counts as present, as in [`Seen`].
    pub hold_ms: u32,
    /// The visitor enters at once if called.
    pub enter: bool,
}

/// The answer to a newcomer or to an [`Ask`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Stands in line.
    Waiting,
    /// May enter; the seat is kept until then.
    Called {
        /// When the seat is given back, on the line's clock.
        until_ms: u64,
    },
    /// Is inside.
    Inside {
        /// When the visitor entered, on the line's clock.
        since_ms: u64,
        /// When the seat is free again unless the visitor is seen, on the line's clock.
        until_ms: u64,
        /// The visitor has walked in, and nothing shows yet that it keeps its pass. The seat is kept for a short while,
        /// until the pass comes back: as an inside mark or an ask.
        provisional: bool,
    },
    /// Was called, heard of it and did not enter. Is called again after an ask that enters, which is to say when the
    /// visitor loads the page; a page that only asks keeps no place.
    Lapsed,
    /// Is of no use any more: the visit is over, the number was passed over longer than `return_within` ago, or it was
    /// called twice, heard of it and did not enter.
    Spent,
    /// Got no number: the line is full or closed, or a walk-in could not be called at once.
    Refused,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// For every newcomer of the batch, in its order: the number (0 if refused) and what it may do.
    pub newcomers: Vec<(u64, Verdict)>,
    /// For every ask of the batch, in its order.
    pub asks: Vec<Verdict>,
    /// How many visitors this step called.
    pub called: u32,
    /// Those of them who stood in line, and until when their seats wait for them: nobody else knows of it yet.
    pub due: Vec<(u64, u64)>,
    /// Numbers whose visits have ended and when, on the line's clock, after those that the node
    /// [knows](Known::ended_ms) of; at most 1,000, the rest with the next step. Their passes are void.
    pub ended: Vec<(u64, u64)>,
    /// For every change of the batch, in its order, what became of it.
    pub changes: Vec<Changed>,
    /// What an operator has set, if it is news to the [node](Known::revision).
    pub control: Option<Box<Control>>,
    /// The line after this step.
    pub summary: Summary,
}
