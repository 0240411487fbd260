//! Why a token was refused.

/// Why a token was refused: a metric label, and the whole of what is said about a token that failed.
///
/// To the visitor all of them are the same: the token is treated as absent and cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// Longer than [`LEN_MAX`](super::LEN_MAX).
    #[error("token is too long")]
    TooLong,
    /// Not three parts between dots.
    #[error("token does not have three parts")]
    Format,
    /// The header is not one of ours for this kind: another algorithm, an unknown or retired secret, another kind.
    #[error("token header is not one in use")]
    Header,
    /// The MAC is not that of the bytes in front of it: altered, or of another tenant, queue or secret.
    #[error("token MAC does not match")]
    Mac,
    /// The MAC holds but the payload is not one we write: a fault of ours, worth an alarm.
    #[error("token payload is malformed")]
    Malformed,
    /// The MAC holds but the payload names another tenant or queue: a fault of ours, worth an alarm.
    #[error("token belongs elsewhere")]
    Elsewhere,
    /// Bound to another network or user agent.
    #[error("token is bound to another client")]
    Binding,
    /// Of another epoch of the line.
    #[error("token is of another epoch")]
    Epoch,
    /// The pass has run out.
    #[error("token has expired")]
    Expired,
    /// The visit of the pass has ended before it ran out.
    #[error("token is of a visit that has ended")]
    Ended,
}

impl Refused {
    /// Every reason, in the order in which they are looked for.
    pub const ALL: [Self; 10] = [
        Self::TooLong,
        Self::Format,
        Self::Header,
        Self::Mac,
        Self::Malformed,
        Self::Elsewhere,
        Self::Binding,
        Self::Epoch,
        Self::Expired,
        Self::Ended,
    ];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Format => "format",
            Self::Header => "header",
            Self::Mac => "mac",
            Self::Malformed => "malformed",
            Self::Elsewhere => "elsewhere",
            Self::Binding => "binding",
            Self::Epoch => "epoch",
            Self::Expired => "expired",
            Self::Ended => "ended",
        }
    }
}
