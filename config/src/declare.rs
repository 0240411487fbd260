//! Every key of every table, declared once.
//!
//! A [`Key`] says what a key is called, what it means, what its values look like ([`Form`], [`Readable`]), and what holds without it. A
//! [`Section`] lists the keys of a table. From these come:
//!
//! - the reader: [`Table::read`] asks for a key, and whatever is not in the list is reported as unknown;
//! - the bounds and the default, which reader, schema and manual all take from the same declaration;
//! - the JSON Schema ([`crate::schema`]) and the tables of the manual ([`crate::manual`]);
//! - the mask: what is shown of a file that is not TOML ([`Section::never_secret`]).
//!
//! What needs several values, or files, to judge is written out in the section that declares the keys.

mod key;
mod kinds;
mod schema;
mod table;
mod value;

pub(crate) use key::{Absent, AnyKey, Default, Form, Json, Key, Optional, Readable, Required, Section, json};
pub(crate) use kinds::{Choice, Count, List, Looks, Number, Switch, Text, Time};
#[cfg(test)]
pub(crate) use table::ASKED;
pub(crate) use table::{Nested, Table};
pub(crate) use value::Value;
