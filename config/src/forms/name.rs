//! Names of tenants and queues.

use std::{fmt, sync::Arc};

use crate::diagnostics::Wrong;

/// What a name looks like, for editors.
pub(crate) const PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,31}$";
/// The same, for people.
pub(crate) const SHOWN: &str = "1 to 32 of `a-z 0-9 - _`, first a letter or digit";

/// A tenant's or queue's name: 1 to 32 of `a-z 0-9 - _`, starting with a letter or digit.
///
/// Safe in cookie names, file names, metric labels and store keys as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Longest name in bytes.
    pub const LEN_MAX: usize = 32;

    /// Accepts a name, or returns `None`.
    pub fn new(text: &str) -> Option<Self> {
        let valid = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let starts = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        (starts && text.len() <= Self::LEN_MAX && text.bytes().all(valid)).then(|| Self(text.into()))
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tenant's or queue's name.
pub(crate) fn parse(written: &str) -> Result<Name, Wrong> {
    Name::new(written).ok_or_else(|| {
        Wrong::malformed(
            "not a name: it goes into cookies, metrics and store keys as it is",
            "write 1 to 32 of a-z 0-9 - _, beginning with a letter or digit",
        )
    })
}
