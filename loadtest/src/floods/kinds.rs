//! The floods, one file for each kind.

pub(crate) mod ask;
pub(crate) mod control;
pub(crate) mod cookieless;
pub(crate) mod fields;
pub(crate) mod frames;
pub(crate) mod greedy;
pub(crate) mod hold;
pub(crate) mod pour;
pub(crate) mod resets;
pub(crate) mod slow;
pub(crate) mod stalls;
