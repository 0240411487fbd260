//! The kinds of token and what each of them says.

use sluice_config::limits::LANES_MAX;

use super::payload::{Claims, Reader, Writer};
use crate::line::{LaneId, PLACES, number_of, place_of, slot_of};

/// The kinds of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Arrived, no number yet.
    Slip,
    /// A number in line.
    Ticket,
    /// May enter.
    Pass,
    /// A number in line on its way to another device.
    Move,
}

impl Kind {
    /// Every kind, in the order in which a visitor gets them.
    pub const ALL: [Self; 4] = [Self::Slip, Self::Ticket, Self::Pass, Self::Move];

    /// The name in headers of tokens, cookie names and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slip => "slip",
            Self::Ticket => "ticket",
            Self::Pass => "pass",
            Self::Move => "move",
        }
    }
}

/// Arrived, has no number yet: handed to whoever comes without a token, exchanged for a number when it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slip {
    /// Random, so that a slip that comes back twice is one visitor.
    pub id: u64,
    /// When it was handed out, ms on the line's clock.
    pub issued_at_ms: u64,
    /// In which lane its visitor takes a number, unless the request that brings it back says otherwise.
    pub lane: LaneId,
}

/// A number in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The line's epoch; a reset of the line voids the ticket.
    pub epoch: u64,
    /// The number, which says the lane as well; see [`slot_of`].
    pub number: u64,
    /// When the number was taken, ms on the line's clock.
    pub issued_at_ms: u64,
    /// How many stood ahead when the number was taken: the whole of the way, for progress.
    pub ahead_first: u64,
    /// The fewest ahead that this visitor was ever shown: a shown position never rises, on whichever node.
    pub ahead_shown: u64,
}

/// May enter, and is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pass {
    /// The line's epoch; a reset of the line voids the pass.
    pub epoch: u64,
    /// The number that was called.
    pub number: u64,
    /// When the visitor was first let in, ms on the line's clock. Stays when the pass is minted anew.
    pub issued_at_ms: u64,
    /// No longer valid from here on, ms on the line's clock; moves on with every request.
    pub expires_at_ms: u64,
    /// No longer valid from here on, however active, ms on the line's clock.
    pub ends_at_ms: u64,
}

/// A number in line on its way to another device: what a link carries. Becomes a [`Ticket`] there, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Move {
    /// The ticket that it becomes.
    pub ticket: Ticket,
    /// Random, so that two links of one number are two.
    pub id: u64,
    /// No longer valid from here on, ms on the line's clock.
    pub expires_at_ms: u64,
}

impl Claims for Slip {
    const KIND: Kind = Kind::Slip;

    fn write(&self, out: &mut Writer) {
        out.integer("d", self.id);
        out.time("i", self.issued_at_ms);
        // Nearly all are of the first lane, and do without.
        if self.lane != LaneId::FIRST {
            out.integer("l", self.lane.code().into());
        }
    }
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            id: from.integer("d")?,
            issued_at_ms: from.time("i")?,
            lane: match from.has("l") {
                false => LaneId::FIRST,
                true => LaneId::from_code(from.integer("l").filter(|&code| code > 0)?.try_into().ok()?),
            },
        })
    }
}

/// A number as its lane's slot and its place there, which keeps the token short.
fn write_number(out: &mut Writer, number: u64) {
    out.integer("l", slot_of(number) as u64);
    out.integer("n", place_of(number));
}

fn read_number(from: &mut Reader<'_>) -> Option<u64> {
    let slot = usize::try_from(from.integer("l")?).ok().filter(|&slot| slot < LANES_MAX)?;
    let place = from.integer("n").filter(|&place| place < PLACES)?;
    Some(number_of(slot, place))
}

// A struct expression runs its fields from top to bottom, so each `read` names them in the order of `write`.

impl Claims for Ticket {
    const KIND: Kind = Kind::Ticket;

    fn write(&self, out: &mut Writer) {
        out.integer("e", self.epoch);
        write_number(out, self.number);
        out.time("i", self.issued_at_ms);
        out.integer("f", self.ahead_first);
        out.integer("s", self.ahead_shown);
    }
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            epoch: from.integer("e")?,
            number: read_number(from)?,
            issued_at_ms: from.time("i")?,
            ahead_first: from.integer("f")?,
            ahead_shown: from.integer("s")?,
        })
    }
}

impl Claims for Move {
    const KIND: Kind = Kind::Move;

    fn write(&self, out: &mut Writer) {
        self.ticket.write(out);
        out.integer("d", self.id);
        out.time("x", self.expires_at_ms);
    }
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { ticket: Ticket::read(from)?, id: from.integer("d")?, expires_at_ms: from.time("x")? })
    }
}

impl Claims for Pass {
    const KIND: Kind = Kind::Pass;

    fn write(&self, out: &mut Writer) {
        out.integer("e", self.epoch);
        write_number(out, self.number);
        out.time("i", self.issued_at_ms);
        out.time("x", self.expires_at_ms);
        out.time("h", self.ends_at_ms);
    }
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            epoch: from.integer("e")?,
            number: read_number(from)?,
            issued_at_ms: from.time("i")?,
            expires_at_ms: from.time("x")?,
            ends_at_ms: from.time("h")?,
        })
    }
}
