//! What the script that is this line over again, in Redis, must have in common with it.

use super::{
    PAGE_BACK_MS_MAX, SILENT_IDLE_MS, SILENT_MS, call, ended, gaps, lives, marks, presence, rate, rules, seats,
    settling, slips, summary,
};

/// Constants by the names that they have in the script.
pub(crate) const CONSTANTS: [(&str, u64); 32] = [
    ("FINE_MS", presence::FINE_MS),
    ("FINES", presence::FINE_GENERATIONS as u64),
    ("FINE_HOLD_MS_MAX", presence::FINE_HOLD_MS_MAX as u64),
    ("COARSE_MS", presence::COARSE_MS),
    ("COARSES", presence::COARSE_GENERATIONS as u64),
    ("HOLD_MS_MAX", presence::HOLD_MS_MAX as u64),
    ("WAITING_MS", presence::WAITING_MS),
    ("WAITINGS", presence::WAITING_GENERATIONS as u64),
    ("REACH_MAX", lives::REACH_MAX),
    ("REACH_KEPT", lives::REACH_KEPT),
    ("HEAL_MS", lives::HEAL_MS),
    ("SKIP", lives::SKIP),
    ("FLOOR_PARTS", marks::PARTS),
    ("GAPS_MAX", gaps::GAPS_MAX as u64),
    ("CREDIT", rules::CREDIT_PER_VISITOR),
    ("SLOT_MS", rate::SLOT_MS),
    ("SLOTS", rate::SLOTS),
    ("PROVISIONAL_MS", seats::PROVISIONAL_MS),
    ("SILENT_MS", SILENT_MS),
    ("SILENT_IDLE_MS", SILENT_IDLE_MS),
    ("PAGE_BACK_MS_MAX", PAGE_BACK_MS_MAX as u64),
    ("MOVING_MS", call::MOVING_MS),
    ("REMEMBER_MS", slips::REMEMBER_MS),
    ("REMEMBER_MS_MIN", slips::REMEMBER_MS_MIN),
    ("SLIPS_MAX", slips::SLIPS_MAX as u64),
    ("SETTLE_MS", settling::SETTLE_MS),
    ("NUMBERED_MAX", settling::NUMBERED_MAX as u64),
    ("NUMBERED_HOLD_MS", settling::NUMBERED_HOLD_MS as u64),
    ("BLOCK", summary::BLOCK),
    ("BLOCKS_PER_DOUBLING", summary::BLOCKS_PER_DOUBLING),
    ("ENDED_MAX", ended::ENDED_MAX as u64),
    ("ENDED_TOLD_MAX", ended::ENDED_TOLD_MAX as u64),
];
