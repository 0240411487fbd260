//! Who asks, what was recorded, which nodes there are, which keys.

pub(super) mod keys;
pub(super) mod login;
pub(super) mod me;
pub(super) mod nodes;
pub(super) mod records;
