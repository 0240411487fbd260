//! The tables of the two kinds of file, one module each: the settings that come of a table, the keys it may have, and
//! the reader.

pub(crate) mod cookies;
pub(crate) mod cors;
pub(crate) mod keys;
pub(crate) mod node;
pub(crate) mod origin;
pub(crate) mod pem;
pub(crate) mod queue;
pub(crate) mod secret;
pub(crate) mod server;
pub(crate) mod store;
pub(crate) mod tenant;
pub(crate) mod tls;

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    hash::Hash,
};

use crate::{
    declare::{Looks, Section, Text, Value},
    diagnostics::{Kind, KnownKeys, Place, Read, Wrong, words},
    forms::name::{self, Name},
};

/// One of the two kinds of file.
pub(crate) struct File {
    pub(crate) name: &'static str,
    pub(crate) top: &'static Section,
}

pub(crate) static NODE_FILE: File = File { name: "sluice.toml", top: &node::SECTION };
pub(crate) static TENANT_FILE: File = File { name: "tenants/*.toml", top: &tenant::SECTION };

/// What the sections know of keys, wherever they stand.
pub(crate) static KNOWN_KEYS: KnownKeys = KnownKeys { never_secret, tables_with };

fn never_secret(key: &str) -> bool {
    let (mut is_known, mut may_be_secret) = (false, false);
    for file in [&NODE_FILE, &TENANT_FILE] {
        file.top.walk(&[], &mut |_, section| {
            if let Some(key) = section.key(key) {
                is_known = true;
                may_be_secret |= !section.never_secret(key);
            }
        });
    }
    is_known && !may_be_secret
}

/// Tables below others are left out: a lost key was hardly meant for them.
fn tables_with(key: &str) -> Option<String> {
    let mut tables = Vec::new();
    for file in [&NODE_FILE, &TENANT_FILE] {
        file.top.walk(&[], &mut |path, section| match path {
            _ if section.key(key).is_none() => {}
            [] => tables.push(format!("the top of {}", file.name)),
            [_] if section.has_heading() => tables.push(format!("{} of {}", section.name, file.name)),
            _ => {}
        });
    }
    (!tables.is_empty()).then(|| words::list(tables.into_iter(), "or"))
}

/// The name of a tenant or a queue.
pub(crate) const NAME_TEXT: Text<Name> = Text { parse: name::parse, looks: Looks::Pattern(name::PATTERN, name::SHOWN) };

/// What must be unique, with whoever had each first.
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

    /// Claims the item that `value` is read as, or reports that somebody has it already.
    pub(crate) fn claim_for(&mut self, item: T, value: Value<'_>, what: &str) -> Read<()> {
        self.claim(item, Owner::At(value.place()), what).map_err(|wrong| value.wrong(wrong))
    }
}
