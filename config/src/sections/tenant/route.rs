//! `[[route]]`: paths that another origin serves.

#[cfg(test)]
mod tests;

use crate::{
    declare::{Key, List, Looks, Nested, Optional, Required, Section, Table, Text},
    diagnostics::Read,
    forms::path,
    outside::Outside,
    sections::{
        node::limits::{BODY_MAX, Size},
        tenant::claims::Claims,
        tenant::origin::{self, Origin},
    },
};

/// `[[route]]`: paths that another origin than the tenant's own serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Prefixes of the normalised path; the longest match over all routes wins.
    pub paths: Vec<String>,
    /// Where their admitted requests go.
    pub origin: Origin,
    /// Longest body of a request, in bytes; `None`: that of the tenant.
    pub body_max: Option<u64>,
}

pub(crate) static SECTION: Section = Section {
    name: "[[route]]",
    doc: "Paths that another origin serves. Which queue stands before a path has nothing to do with it",
    may_hold_secrets: false,
    keys: &[&PATHS, &ORIGIN, &BODY_MAX_KEY],
};

static PATHS: Key<List<Text<String>>> = Key {
    name: "paths",
    doc: "Prefixes of the normalised path, as in queues; the longest match over all routes wins, what matches none goes to \
          `[origin]`; unique in the tenant's routes",
    kind: List {
        entries: 1..=50,
        each: Text { parse: path::prefix, looks: Looks::Pattern(path::PATTERN, "at most 512 bytes") },
    },
    absent: Required("write `paths = [\"/api\"]`"),
};

static ORIGIN: Key<Nested> = Key {
    name: "origin",
    doc: origin::SECTION.doc,
    kind: Nested { section: &origin::SECTION, example: "[route.origin]" },
    absent: Required("write `[route.origin]` and below it `servers = [\"127.0.0.1:9001\"]`"),
};

static BODY_MAX_KEY: Key<Size, Optional> = Key {
    name: "body_max",
    doc: "Longest body of a request to these paths, such as `\"2GiB\"`; a longer one gets 413",
    kind: BODY_MAX,
    absent: Optional("that of `[limits]`"),
};

/// Reads a route. `taken` are the paths of those before it.
pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>, taken: &mut Claims<String>) -> Read<Route> {
    let paths = table.read_with(&PATHS, |value| {
        PATHS.kind.check_each(value, |entry, path| taken.claim_for(path.to_ascii_lowercase(), entry, "path"))
    });
    let origin = table.read_with(&ORIGIN, |value| ORIGIN.kind.read(value, |table| origin::read(table, outside)));
    let body_max = table.read(&BODY_MAX_KEY);
    Ok(Route { paths: paths?, origin: origin?, body_max: body_max? })
}
