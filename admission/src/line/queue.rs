//! What a queue has once, whatever lanes it has: its clock, rate, seats, slips, what an operator has set, what happened.

pub(in crate::line) mod clock;
pub(in crate::line) mod control;
pub(in crate::line) mod ended;
pub(in crate::line) mod hush;
pub(in crate::line) mod lives;
pub(in crate::line) mod minutes;
pub(in crate::line) mod rate;
pub(in crate::line) mod seats;
pub(in crate::line) mod settling;
pub(in crate::line) mod slips;
pub(in crate::line) mod turns;
