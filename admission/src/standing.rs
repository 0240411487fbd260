//! Where one visitor stands: what the page, the status document and the problem document tell.

mod look;

pub use self::look::{Look, admitted, called, lapsed};
pub use crate::{estimate::WaitRange, line::Reason};

/// What a visitor may do now. The names are those of the status document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Has a slip, no number yet; the next poll takes one.
    Joining,
    /// Has a number and stands in line.
    Waiting,
    /// May enter: the next navigation is forwarded.
    Called,
    /// Is inside.
    Admitted,
    /// Nobody is being let in for the moment; the place is kept.
    Held,
    /// The queue is closed; nobody joins and nobody is called.
    Closed,
    /// The line is at its bound and takes no more numbers for now.
    Full,
}

impl State {
    /// The name in the status document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Waiting => "waiting",
            Self::Called => "called",
            Self::Admitted => "admitted",
            Self::Held => "held",
            Self::Closed => "closed",
            Self::Full => "full",
        }
    }
}

/// Where one visitor stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// What the visitor may do.
    pub state: State,
    /// The number in line, once taken, without those that were skipped before it: for the eye, not to ask with.
    pub number: Option<u64>,
    /// Visitors who will be called before; never rises for one visitor.
    pub ahead: Option<u64>,
    /// Visitors who came after and are waiting.
    pub behind: Option<u64>,
    /// The wait, while the line moves.
    pub wait: Option<WaitRange>,
    /// Share of the way from joining to being called, 0 to 1; never falls for one visitor.
    pub progress: Option<f32>,
    /// When to ask again, in seconds, at least 1.
    pub poll_after_s: u32,
    /// Why the line stands still, or the visitor does, when that is so.
    pub reason: Option<Reason>,
    /// The line's own clock, unix seconds.
    pub server_time_s: u64,
    /// For how long a call may still be taken up, in seconds, if that is known.
    pub enter_within_s: Option<u32>,
    /// When a queue opens that is closed, unix seconds, if its owner has said so.
    pub opens_at_s: Option<u64>,
}
