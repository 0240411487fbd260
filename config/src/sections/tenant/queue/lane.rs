//! `[[queue.lane]]`: rows of numbers beside each other in one queue.

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use super::NAME_TEXT;
use crate::{
    declare::{Count, Default, Key, Required, Section, Table, Text},
    diagnostics::Read,
    forms::name::Name,
    sections::tenant::claims::Claims,
};

/// `[[queue.lane]]`: a row of numbers of a queue. Rate, seats and everything else are the queue's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Stable name, unique in the queue.
    pub name: Name,
    /// While several lanes stand, they are called in this proportion.
    pub weight: NonZeroU32,
}

pub(crate) static SECTION: Section = Section {
    name: "[[queue.lane]]",
    doc: "A row of numbers within the queue. Lanes share rate, seats and everything else, and are called by weight; within a \
          lane the order is exact. Visitors stand in the first lane unless something puts them into another",
    may_hold_secrets: false,
    keys: &[&NAME, &WEIGHT],
};

static NAME: Key<Text<Name>> = Key {
    name: "name",
    doc: "Stable name, for metrics and for `Sluice-Lane`; unique in the queue. Under a new name a lane is another one",
    kind: NAME_TEXT,
    absent: Required("write `name = \"members\"`"),
};

static WEIGHT: Key<Count, Default<NonZeroU32>> = Key {
    name: "weight",
    doc: "While several lanes stand, they are called in this proportion. What a lane cannot use goes to the others at once",
    kind: Count(1..=100),
    absent: Default(|| NonZeroU32::MIN),
};

/// Reads a lane. `taken` are the names of those before it.
pub(super) fn read(table: &Table<'_>, taken: &mut Claims<Name>) -> Read<Lane> {
    let name = table.checked(&NAME, |value, name| taken.claim_for(name.clone(), value, "lane name"));
    let weight = table.read(&WEIGHT);
    Ok(Lane { name: name?, weight: weight? })
}
