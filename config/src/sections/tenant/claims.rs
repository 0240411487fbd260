//! What must be unique in a file, or over all files.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    hash::Hash,
};

use crate::{
    declare::Value,
    diagnostics::{Kind, Place, Read, Wrong},
};

/// What must be unique, with the first owner of each.
pub(crate) struct Claims<T>(HashMap<T, Owner>);

/// Who has something that must be unique.
pub(crate) enum Owner {
    /// It is written there.
    At(Place),
    /// It is what this key is without being written.
    Default(&'static str),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(place) => write!(f, "{place} has it"),
            Self::Default(key) => write!(f, "it is the default of `{key}`"),
        }
    }
}

impl<T> Default for Claims<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + Hash> Claims<T> {
    /// Claims `item`, or says who has it already.
    pub(crate) fn claim(&mut self, item: T, owner: Owner, what: &str) -> Result<(), Wrong> {
        match self.0.entry(item) {
            Entry::Occupied(first) => {
                let message = format!("this {what} is taken: {}", first.get());
                Err(Wrong::new(Kind::Duplicate, message, "keep one of the two"))
            }
            Entry::Vacant(free) => {
                free.insert(owner);
                Ok(())
            }
        }
    }

    /// Claims the item that `value` is read as, or reports who has it already.
    pub(crate) fn claim_for(&mut self, item: T, value: Value<'_>, what: &str) -> Read<()> {
        self.claim(item, Owner::At(value.place()), what).map_err(|wrong| value.wrong(wrong))
    }
}
