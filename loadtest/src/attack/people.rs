//! Who stands in the line of an attack, and what they do.

pub(crate) mod browser;
pub(crate) mod crowd;
pub(crate) mod story;
pub(crate) mod visitor;
