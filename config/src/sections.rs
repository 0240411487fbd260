//! The tables of the two kinds of file, one module each: the settings that come of a table, the keys it may have, and
//! the reader.

pub(crate) mod node;
pub(crate) mod secret;
pub(crate) mod tenant;
pub(crate) mod tls;
pub(crate) mod webhook;

use crate::{
    declare::Section,
    diagnostics::{KnownKeys, words},
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
