//! The forms that settings take as text.

pub(crate) mod address;
pub(crate) mod duration;
pub(crate) mod host;
pub(crate) mod language;
pub(crate) mod name;
pub(crate) mod networks;
pub(crate) mod path;
pub(crate) mod path_pattern;
#[cfg(test)]
mod tests;
