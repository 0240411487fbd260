//! How tables are read.

mod table;
mod value;

#[cfg(test)]
pub(crate) use table::ASKED;
pub(crate) use table::{Section, Table};
pub(crate) use value::Value;
