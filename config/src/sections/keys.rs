//! `[keys]`: master secrets by name.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeTable;

use crate::{
    declare::{Section, Table, Value},
    diagnostics::{Diagnostics, Kind, Read, Wrong, words},
    limits,
    outside::Outside,
    sections::secret,
    settings::{Keys, Secret},
};

pub(crate) const SECTION: Section = Section { path: "sluice.toml:keys", shown: "[keys]", example: "[keys]" };
const SECRET: Section = Section {
    path: "sluice.toml:keys.secrets.*",
    shown: "a secret",
    example: "\"2026-11\" = { env = \"SLUICE_KEY\" }",
};

const EXAMPLE: &str = "secrets = { \"2026-11\" = { env = \"SLUICE_KEY\" } }";
const NAME_HELP: &str = "a name has 1 to 32 of A-Z a-z 0-9 . _ -, such as \"2026-11\"";
/// What a secret's name looks like, for editors.
pub(crate) const NAME_PATTERN: &str = "^[A-Za-z0-9._-]{1,32}$";

pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<Keys> {
    let names = match table.value("secrets").and_then(Value::as_table) {
        Some(secrets) => secrets.keys().map(|name| name.get_ref().as_ref()).collect(),
        None => BTreeSet::new(),
    };
    let secrets = table.required("secrets", format!("write `{EXAMPLE}`"), |value| secrets(value, outside));
    let current = table.required("current", "name the secret that signs", |value| current(value, &names));
    Ok(Keys { current: current?, secrets: secrets? })
}

fn secrets(value: Value<'_>, outside: &Outside<'_>) -> Read<BTreeMap<String, Secret>> {
    let Some(entries) = value.as_table() else {
        value.hide();
        return Err(value.wrong_type("a table of names and secrets", EXAMPLE));
    };
    if !limits::SECRETS.contains(&entries.len()) {
        value.hide();
        let message = format!("`secrets` has {} entries", entries.len());
        let help = format!("write {} to {}: `{EXAMPLE}`", limits::SECRETS.start(), limits::SECRETS.end());
        return Err(value.wrong(Wrong::new(Kind::OutOfRange, message, help)));
    }
    // Each of them reports its own mistake before the first one ends the collecting.
    let all: Vec<_> =
        each(value.diagnostics, entries).map(|(name, entry)| (name, secret::master(entry, SECRET, outside))).collect();
    all.into_iter().map(|(name, secret)| Ok((name?, secret?))).collect()
}

/// The entries with their names checked.
fn each<'a>(diagnostics: &'a Diagnostics, entries: &'a DeTable<'a>) -> impl Iterator<Item = (Read<String>, Value<'a>)> {
    entries.iter().map(|(key, node)| {
        let name = key.get_ref().as_ref();
        let checked = if is_name(name) {
            Ok(name.to_owned())
        } else {
            // It may be the secret itself, with its name and its place mixed up.
            diagnostics.hide(key.span());
            Err(diagnostics.report(key.span(), Wrong::malformed("not a secret's name", NAME_HELP)))
        };
        (checked, Value::new(diagnostics, "secret", node))
    })
}

fn current(value: Value<'_>, names: &BTreeSet<&str>) -> Read<String> {
    let current = value.string().inspect_err(|_| value.hide())?;
    if !is_name(current) {
        value.hide();
        return Err(value.wrong(Wrong::malformed("not a secret's name", NAME_HELP)));
    }
    if names.is_empty() || names.contains(current) {
        return Ok(current.to_owned());
    }
    let known = names.iter().filter(|name| is_name(name));
    let help = match words::closest(current, known.clone().copied()) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("known are {}", words::list(known.map(|name| format!("\"{name}\"")), "and")),
    };
    Err(value.conflict("`secrets` has none of this name", help))
}

fn is_name(text: &str) -> bool {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=32).contains(&text.len()) && text.bytes().all(valid)
}
