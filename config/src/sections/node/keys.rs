//! `[keys]`: master secrets by name.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use serde_json::json;
use toml::de::DeTable;

use crate::{
    declare::{Form, Json, Key, Looks, Readable as _, Required, Section, Table, Text, Value, json},
    diagnostics::{Diagnostics, Kind, Read, Wrong, words},
    outside::Outside,
    sections::secret::{Kept, Secret},
};

/// `[keys]`: master secrets by name. `current` signs, all of them verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Name of the secret that signs.
    pub current: String,
    /// At least the current one; each 32 bytes or more.
    pub secrets: BTreeMap<String, Secret>,
}

pub(crate) static SECTION: Section = Section {
    name: "[keys]",
    doc: "Master secrets that sign visitors' tokens",
    may_hold_secrets: true,
    keys: &[&CURRENT, &SECRETS],
};

static CURRENT: Key<Text<String>> = Key {
    name: "current",
    doc: "Name of the secret that signs, one of `secrets`; all of them verify",
    kind: Text { parse: name, looks: Looks::Pattern(NAME_PATTERN, "") },
    absent: Required("name the secret that signs"),
};

static SECRETS: Key<SecretsByName> = Key {
    name: "secrets",
    doc: "Master secrets by name: 32 to 1,024 bytes in base64, each in an environment variable or a file",
    kind: SecretsByName { entries: 1..=32, each: Kept { example: "\"2026-11\" = { env = \"SLUICE_KEY\" }" } },
    absent: Required("write `secrets = { \"2026-11\" = { env = \"SLUICE_KEY\" } }`"),
};

const EXAMPLE: &str = "secrets = { \"2026-11\" = { env = \"SLUICE_KEY\" } }";
const NAME_HELP: &str = "a name has 1 to 32 of A-Z a-z 0-9 . _ -, such as \"2026-11\"";
const NAME_PATTERN: &str = "^[A-Za-z0-9._-]{1,32}$";

/// A table of names and secrets.
struct SecretsByName {
    entries: RangeInclusive<usize>,
    each: Kept,
}

impl Form for SecretsByName {
    fn schema(&self) -> Json {
        json(json!({
            "type": "object",
            "additionalProperties": self.each.schema(),
            "minProperties": self.entries.start(),
            "maxProperties": self.entries.end(),
            "propertyNames": { "pattern": NAME_PATTERN },
        }))
    }
    fn bounds(&self) -> String {
        format!("{} to {}; a name has 1 to 32 of `A-Z a-z 0-9 . _ -`", self.entries.start(), self.entries.end())
    }
    fn section(&self) -> Option<&'static Section> {
        self.each.section()
    }
}

pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<Keys> {
    let names = match table.value(&SECRETS).and_then(Value::as_table) {
        Some(secrets) => secrets.keys().map(|name| name.get_ref().as_ref()).collect(),
        None => BTreeSet::new(),
    };
    let secrets = table.read_with(&SECRETS, |value| SECRETS.kind.read(value, outside));
    let current = table.read_with(&CURRENT, |value| current(value, &names));
    Ok(Keys { current: current?, secrets: secrets? })
}

impl SecretsByName {
    fn read(&self, value: Value<'_>, outside: &Outside<'_>) -> Read<BTreeMap<String, Secret>> {
        let Some(entries) = value.as_table() else {
            value.hide();
            return Err(value.wrong_type("a table of names and secrets", EXAMPLE));
        };
        if !self.entries.contains(&entries.len()) {
            value.hide();
            let message = format!("`secrets` has {} entries", entries.len());
            let help = format!("write {} to {}: `{EXAMPLE}`", self.entries.start(), self.entries.end());
            return Err(value.wrong(Wrong::new(Kind::OutOfRange, message, help)));
        }
        // Each of them reports its own mistake before the first one ends the collecting.
        let all: Vec<_> =
            each(value.diagnostics, entries).map(|(name, entry)| (name, self.each.master(entry, outside))).collect();
        all.into_iter().map(|(name, secret)| Ok((name?, secret?))).collect()
    }
}

/// The entries with their names checked.
fn each<'a>(diagnostics: &'a Diagnostics, entries: &'a DeTable<'a>) -> impl Iterator<Item = (Read<String>, Value<'a>)> {
    entries.iter().map(|(key, node)| {
        let checked = name(key.get_ref()).map_err(|wrong| {
            // It may be the secret itself, with its name and its place mixed up.
            diagnostics.hide(key.span());
            diagnostics.report(key.span(), wrong)
        });
        (checked, Value::new(diagnostics, "secret", node))
    })
}

fn current(value: Value<'_>, names: &BTreeSet<&str>) -> Read<String> {
    let current = CURRENT.kind.read(value).inspect_err(|_| value.hide())?;
    if names.is_empty() || names.contains(current.as_str()) {
        return Ok(current);
    }
    let known = names.iter().filter(|known| name(known).is_ok());
    let help = match words::closest(&current, known.clone().copied()) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("known are {}", words::list(known.map(|name| format!("\"{name}\"")), "and")),
    };
    Err(value.conflict("`secrets` has none of this name", help))
}

fn name(written: &str) -> Result<String, Wrong> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=32).contains(&written.len()) && written.bytes().all(valid) {
        return Ok(written.to_owned());
    }
    Err(Wrong::malformed("not a secret's name", NAME_HELP))
}
