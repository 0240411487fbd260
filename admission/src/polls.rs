//! When visitors ask again: after which pause, how late they may be, and for how long they count as present meanwhile.

/// Polls near the head are this far apart, in seconds.
pub const POLL_S_MIN: u32 = 2;
/// Polls far back are this far apart, in seconds.
pub const POLL_S_MAX: u32 = 20;
/// How long after its pause a visitor may ask and still count as present, on the fastest networks and on the
/// slowest: the way there and back, and a timer that fires late. In between it is measured.
pub const GRACE_MS_MIN: u32 = 1_300;
/// The longest grace.
pub const GRACE_MS_MAX: u32 = 6_000;
/// The grace while nothing is known: more than nearly any network needs, since no visitor can have left yet.
pub const GRACE_MS_PRIOR: u32 = 3_500;
/// A page shortens or lengthens a pause by up to one part in this many, by chance.
const JITTER: u32 = 10;
/// A hidden page asks once a minute; it counts as present for this long where that matters, in ms.
pub const HIDDEN_HOLD_MS: u32 = 65_000;

/// By how much a page may lengthen its pause by itself, in ms.
pub fn jitter_ms(told_ms: u32) -> u64 {
    u64::from(told_ms / JITTER)
}

/// How long a visitor who is to ask again after `poll_s` counts as present, in ms.
pub const fn hold_ms(poll_s: u32, grace_ms: u32) -> u32 {
    poll_s * (1_000 + 1_000 / JITTER) + grace_ms
}
