//! The catalogues: one file for each language, one message on a line.

use std::{collections::BTreeMap, sync::OnceLock};

use serde::Deserialize as _;
use sluice_config::Language;
use toml::{Table, Value};

use super::Words;

/// In the order of [`Language::all`].
static CATALOGUES: [&str; Language::COUNT] = [
    include_str!("../../languages/id.toml"),
    include_str!("../../languages/ca.toml"),
    include_str!("../../languages/cs.toml"),
    include_str!("../../languages/da.toml"),
    include_str!("../../languages/de.toml"),
    include_str!("../../languages/et.toml"),
    include_str!("../../languages/en.toml"),
    include_str!("../../languages/es.toml"),
    include_str!("../../languages/fr.toml"),
    include_str!("../../languages/ga.toml"),
    include_str!("../../languages/hr.toml"),
    include_str!("../../languages/is.toml"),
    include_str!("../../languages/it.toml"),
    include_str!("../../languages/lv.toml"),
    include_str!("../../languages/lt.toml"),
    include_str!("../../languages/hu.toml"),
    include_str!("../../languages/nl.toml"),
    include_str!("../../languages/nb.toml"),
    include_str!("../../languages/pl.toml"),
    include_str!("../../languages/pt-BR.toml"),
    include_str!("../../languages/pt-PT.toml"),
    include_str!("../../languages/ro.toml"),
    include_str!("../../languages/sk.toml"),
    include_str!("../../languages/sl.toml"),
    include_str!("../../languages/fi.toml"),
    include_str!("../../languages/sv.toml"),
    include_str!("../../languages/vi.toml"),
    include_str!("../../languages/tr.toml"),
    include_str!("../../languages/el.toml"),
    include_str!("../../languages/bg.toml"),
    include_str!("../../languages/ru.toml"),
    include_str!("../../languages/sr.toml"),
    include_str!("../../languages/uk.toml"),
    include_str!("../../languages/he.toml"),
    include_str!("../../languages/ar.toml"),
    include_str!("../../languages/fa.toml"),
    include_str!("../../languages/ur.toml"),
    include_str!("../../languages/hi.toml"),
    include_str!("../../languages/bn.toml"),
    include_str!("../../languages/ta.toml"),
    include_str!("../../languages/th.toml"),
    include_str!("../../languages/ko.toml"),
    include_str!("../../languages/ja.toml"),
    include_str!("../../languages/zh-Hans.toml"),
    include_str!("../../languages/zh-Hant.toml"),
];

/// The words of a language.
pub fn of(language: Language) -> &'static Words {
    static WORDS: [OnceLock<Words>; Language::COUNT] = [const { OnceLock::new() }; Language::COUNT];
    WORDS[language.index()].get_or_init(|| read(language, table(language)).expect("a test reads every catalogue"))
}

/// The words of a language with other texts in the place of ours, by name. One that does not fit is left out: a config
/// has been checked before it comes here.
pub fn with(language: Language, texts: &BTreeMap<String, String>) -> Words {
    let mut table = table(language);
    for (name, text) in texts {
        put(&mut table, name, text);
    }
    read(language, table).expect("only texts that are there have been replaced")
}

pub(super) fn table(language: Language) -> Table {
    CATALOGUES[language.index()].parse().expect("a test reads every catalogue")
}

fn read(language: Language, table: Table) -> Result<Words, toml::de::Error> {
    Ok(Words { language, ..Words::deserialize(table)? })
}

fn put(table: &mut Table, name: &str, text: &str) {
    match name.split_once('.') {
        None => {
            // A plural form that the language does not have would never be shown.
            if let Some(Value::String(ours)) = table.get_mut(name) {
                text.clone_into(ours);
            }
        }
        Some((group, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(group) {
                put(inner, rest, text);
            }
        }
    }
}
