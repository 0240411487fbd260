//! `[page]` of a tenant: what its visitors see while they wait.

pub(crate) mod colors;
pub(crate) mod look;
#[cfg(test)]
mod tests;
pub(crate) mod texts;

use std::collections::BTreeMap;

use crate::{
    declare::{Default as Absent, Key, Looks, Nested, Optional, Section, Table, Text},
    diagnostics::Read,
    forms::language::{self, Language},
    outside::Outside,
};
use colors::Colors;
use look::Look;
use texts::TextsByLanguage;

/// `[page]` of a tenant: what its visitors see while they wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// For visitors who ask for none of the languages that there are.
    pub language: Language,
    /// Texts in the place of ours, by language and name.
    pub texts: BTreeMap<Language, BTreeMap<String, String>>,
    /// Name, logo, font, style and links.
    pub look: Look,
    /// Colours by day.
    pub light: Colors,
    /// Colours by night.
    pub dark: Colors,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            language: LANGUAGE.default(),
            texts: BTreeMap::new(),
            look: Look::default(),
            light: Colors::LIGHT,
            dark: Colors::DARK,
        }
    }
}

pub(crate) static SECTION: Section = Section {
    name: "[page]",
    doc: "What visitors see while they wait",
    may_hold_secrets: false,
    keys: &[&look::NAME, &look::LOGO, &look::FONT, &look::CSS, &look::LINKS, &LANGUAGE, &TEXTS, &LIGHT, &DARK],
};

static LANGUAGE: Key<Text<Language>, Absent<Language>> = Key {
    name: "language",
    doc: "For visitors who ask for none of the languages that there are; what they choose, and what their browser asks \
          for, comes first",
    kind: Text { parse: language::parse, looks: Looks::Pattern(language::PATTERN, "a tag such as `de` or `pt-BR`") },
    absent: Absent(|| Language::ENGLISH),
};

static TEXTS: Key<TextsByLanguage, Optional> = Key {
    name: "texts",
    doc: "Texts in the place of ours, by language: `[page.texts.de]` and below it `states.waiting.heading = \"…\"`",
    kind: TextsByLanguage,
    absent: Optional("ours"),
};

static LIGHT: Key<Nested, Optional> = Key::table("light", &colors::LIGHT);
static DARK: Key<Nested, Optional> = Key::table("dark", &colors::DARK);

pub(crate) fn read(table: &Table<'_>, outside: &Outside<'_>) -> Read<Page> {
    let look = look::read(table, outside);
    let language = table.read(&LANGUAGE);
    let texts = table.read_with(&TEXTS, |value| TEXTS.kind.read(value));
    let light = table.nested(&LIGHT, |table| colors::read(table, Colors::LIGHT));
    let dark = table.nested(&DARK, |table| colors::read(table, Colors::DARK));
    Ok(Page { language: language?, texts: texts?.unwrap_or_default(), look: look?, light: light?, dark: dark? })
}
