//! The forms that settings take as text.

pub(crate) mod address;
pub(crate) mod duration;
#[cfg(test)]
mod fuzzed;
pub(crate) mod host;
pub(crate) mod language;
pub(crate) mod moment;
pub(crate) mod name;
pub(crate) mod networks;
pub(crate) mod path;
pub(crate) mod path_pattern;
pub(crate) mod size;
#[cfg(test)]
mod tests;
