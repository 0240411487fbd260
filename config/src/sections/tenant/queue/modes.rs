//! What a queue does, and what it answers.

/// What a queue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everybody passes; visits are only observed.
    Open,
    /// Visitors are called at the release rate.
    Auto,
    /// Nobody is called; newcomers join the line.
    Hold,
    /// The line is served at the release rate until it is empty, then everybody passes.
    Drain,
    /// Nobody is called and nobody joins; visitors inside stay.
    Closed,
}

impl Mode {
    /// Every mode with the word for it in files, JSON and metrics.
    pub const ALL: [(&'static str, Self); 5] = [
        (Self::Open.as_str(), Self::Open),
        (Self::Auto.as_str(), Self::Auto),
        (Self::Hold.as_str(), Self::Hold),
        (Self::Drain.as_str(), Self::Drain),
        (Self::Closed.as_str(), Self::Closed),
    ];

    /// What each of them means, in that order.
    pub(super) const MEANINGS: [&str; 5] = [
        "everybody passes; visits are only observed",
        "visitors are called at the release rate",
        "nobody is called; newcomers join the line",
        "the line is served at the release rate until it is empty, then everybody passes",
        "nobody is called and nobody joins; visitors inside stay",
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Auto => "auto",
            Self::Hold => "hold",
            Self::Drain => "drain",
            Self::Closed => "closed",
        }
    }
}

/// What a closed queue is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClosedAs {
    /// Closed.
    #[default]
    Closed,
    /// Not open yet.
    NotOpen,
    /// Sold out.
    SoldOut,
}

impl ClosedAs {
    /// Every choice with the word for it in files.
    pub const ALL: [(&'static str, Self); 3] =
        [("closed", Self::Closed), ("not_open", Self::NotOpen), ("sold_out", Self::SoldOut)];

    /// What each of them means, in that order.
    pub(super) const MEANINGS: [&str; 3] = [
        "it says that nobody can join",
        "it is about to open: visitors keep the page open and join then",
        "nothing is left to wait for",
    ];

    /// The word for it in files.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, choice)| *choice == self).map_or("closed", |(word, _)| word)
    }
}

/// What happens to newcomers while a shared store is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStoreLoss {
    /// Nobody new gets in.
    Hold,
    /// The head goes on by time at the release rate.
    Trickle,
    /// Everyone gets in once the store has been unavailable for 5 s.
    Admit,
}

impl OnStoreLoss {
    /// Every choice with the word for it in files, JSON and metrics.
    pub const ALL: [(&'static str, Self); 3] = [
        (Self::Hold.as_str(), Self::Hold),
        (Self::Trickle.as_str(), Self::Trickle),
        (Self::Admit.as_str(), Self::Admit),
    ];

    /// What each of them means, in that order.
    pub(super) const MEANINGS: [&str; 3] = [
        "nobody new gets in",
        "the line goes on by time at the release rate",
        "everyone gets in once the store has been unavailable for 5 s",
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Trickle => "trickle",
            Self::Admit => "admit",
        }
    }
}

/// Status code of the waiting page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitStatus {
    /// 200
    Ok,
    /// 202
    Accepted,
    /// 429
    TooManyRequests,
    /// 503
    ServiceUnavailable,
}

impl WaitStatus {
    /// Every status a waiting page may have.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Accepted, Self::TooManyRequests, Self::ServiceUnavailable];

    /// The number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::Accepted => 202,
            Self::TooManyRequests => 429,
            Self::ServiceUnavailable => 503,
        }
    }
}
