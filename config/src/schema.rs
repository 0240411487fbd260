//! JSON Schemas of the two kinds of file, for editors and other tools.
//!
//! A schema says which keys there are, what they mean, their types, defaults and bounds; what needs more than one
//! value at a time to judge is left to [`load`](crate::load). Every config that loads is valid by the schema.

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::sections::{File, NODE_FILE, TENANT_FILE};

/// The schema of `sluice.toml`.
pub fn server_file() -> Value {
    of(&NODE_FILE)
}

/// The schema of `tenants/*.toml`.
pub fn tenant_file() -> Value {
    of(&TENANT_FILE)
}

/// Draft 7 without references: the form that every editor's TOML support understands in full.
fn of(file: &File) -> Value {
    let mut schema = file.top.schema();
    schema.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
    schema.insert("title".into(), file.name.into());
    schema.into()
}
