//! `[origin.health]`: whether and how servers are checked.

use std::time::Duration;

use crate::{
    declare::{Default, Key, Looks, Optional, Section, Table, Text, Time},
    diagnostics::{Read, Wrong},
};

/// `[origin.health]`: how the servers of an origin are checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Health {
    /// What a check asks for; `None`: it connects, and no more.
    pub path: Option<String>,
    /// Between two checks of a server, give or take a fifth.
    pub interval: Duration,
    /// A check fails after this, and in any case before the next one.
    pub timeout: Duration,
}

impl std::default::Default for Health {
    fn default() -> Self {
        Self { path: None, interval: INTERVAL.default(), timeout: TIMEOUT.default() }
    }
}

pub(crate) static SECTION: Section = Section {
    name: "[origin.health]",
    doc: "How servers are checked. Without this table they are judged by the requests alone",
    may_hold_secrets: false,
    keys: &[&PATH, &INTERVAL, &TIMEOUT],
};

static PATH: Key<Text<String>, Optional> = Key {
    name: "path",
    doc: "Path, and query if need be, of a page that is asked for; a status of 2xx or 3xx is good",
    kind: Text { parse: path, looks: Looks::Pattern("^/[!-~]*$", "at most 2,048 bytes") },
    absent: Optional("a check connects, and no more"),
};

static INTERVAL: Key<Time, Default<Duration>> = Key {
    name: "interval",
    doc: "Between two checks of a server by a node, give or take a fifth. Three in a row that fail, and it is down; two \
          that are good, and it is up",
    kind: Time::from_s(1..=5 * 60),
    absent: Default(|| Duration::from_secs(30)),
};

static TIMEOUT: Key<Time, Default<Duration>> = Key {
    name: "timeout",
    doc: "How long a check may take; never longer than `interval`",
    kind: Time::from_ms(100..=60_000),
    absent: Default(|| Duration::from_secs(5)),
};

const PATH_BYTES_MAX: usize = 2048;

pub(super) fn read(table: &Table<'_>) -> Read<Health> {
    let path = table.read(&PATH);
    let interval = table.read(&INTERVAL);
    let timeout = table.read(&TIMEOUT);
    Ok(Health { path: path?, interval: interval?, timeout: timeout? })
}

fn path(written: &str) -> Result<String, Wrong> {
    if !written.starts_with('/') {
        return Err(Wrong::malformed("a path starts with `/`", "write \"/health\""));
    }
    if written.len() > PATH_BYTES_MAX || !written.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Wrong::malformed(
            "not a path that can be asked for",
            format!("write printable ASCII without spaces, at most {PATH_BYTES_MAX} bytes"),
        ));
    }
    Ok(written.to_owned())
}
