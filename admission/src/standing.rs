//! Where one visitor stands: what the page, the status document and the problem document tell.

mod look;

pub use self::look::{Look, admitted, called, lapsed};

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

/// Why a line stands still, or its visitor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The operator holds the line.
    Paused,
    /// Every seat is taken; the next visitor is called when somebody leaves.
    SeatsTaken,
    /// The store is unavailable; places are kept.
    StoreAway,
    /// The store came back with gaps; the line is being rebuilt before anybody is called.
    Recovering,
    /// The operator closed the queue.
    Closed,
    /// The line is at its bound.
    LineFull,
    /// As many were called in the last minute as may be, as after the rate was lowered.
    RateUsed,
    /// The visitor was called and did not enter. Is called again once the page is loaded, not while it only asks.
    Lapsed,
    /// The visitor's place is on another device now.
    Moved,
}

impl Reason {
    /// Every reason, for tables and tests.
    pub const ALL: [Self; 9] = [
        Self::Paused,
        Self::SeatsTaken,
        Self::StoreAway,
        Self::Recovering,
        Self::Closed,
        Self::LineFull,
        Self::RateUsed,
        Self::Lapsed,
        Self::Moved,
    ];

    /// The name in the status document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::SeatsTaken => "seats_taken",
            Self::StoreAway => "store_away",
            Self::Recovering => "recovering",
            Self::Closed => "closed",
            Self::LineFull => "line_full",
            Self::RateUsed => "rate_used",
            Self::Lapsed => "lapsed",
            Self::Moved => "moved",
        }
    }
}

/// How long a visitor will wait, as a range meant to hold for at least 80 % of visitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitRange {
    /// Hardly sooner than this, in seconds.
    pub low_s: u32,
    /// Hardly later than this, in seconds.
    pub high_s: u32,
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
