//! The tables of the two kinds of file, one reader each. What they accept, [`crate::schema`] describes.

pub(crate) mod cors;
pub(crate) mod keys;
pub(crate) mod node;
pub(crate) mod origin;
pub(crate) mod queue;
pub(crate) mod secret;
pub(crate) mod server;
pub(crate) mod store;
pub(crate) mod tenant;

use std::{collections::HashMap, hash::Hash};

use crate::error::{Kind, Place, Wrong};

/// What must be unique, with the place where each was written first.
pub(crate) struct Claims<T>(HashMap<T, Place>);

impl<T> Default for Claims<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + Hash> Claims<T> {
    /// Claims `item`, or says who has it already.
    pub(crate) fn claim(&mut self, item: T, place: Place, what: &str) -> Result<(), Wrong> {
        match self.0.get(&item) {
            Some(first) => {
                Err(Wrong::new(Kind::Duplicate, format!("this {what} is taken: {first} has it"), "keep one of the two"))
            }
            None => {
                self.0.insert(item, place);
                Ok(())
            }
        }
    }
}
