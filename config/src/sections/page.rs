//! `[page]` of a tenant: what its visitors see while they wait.

#[cfg(test)]
mod tests;
pub(crate) mod texts;

use std::collections::BTreeMap;

use crate::{
    declare::{Default as Absent, Key, Looks, Optional, Section, Table, Text},
    diagnostics::Read,
    forms::language::{self, Language},
};
use texts::TextsByLanguage;

/// `[page]` of a tenant: what its visitors see while they wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// For visitors who ask for none of the languages that there are.
    pub language: Language,
    /// Texts in the place of ours, by language and name.
    pub texts: BTreeMap<Language, BTreeMap<String, String>>,
}

impl Default for Page {
    fn default() -> Self {
        Self { language: LANGUAGE.default(), texts: BTreeMap::new() }
    }
}

pub(crate) static SECTION: Section = Section {
    name: "[page]",
    doc: "What visitors see while they wait",
    may_hold_secrets: false,
    keys: &[&LANGUAGE, &TEXTS],
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

pub(crate) fn read(table: &Table<'_>) -> Read<Page> {
    let language = table.read(&LANGUAGE);
    let texts = table.read_with(&TEXTS, |value| TEXTS.kind.read(value));
    Ok(Page { language: language?, texts: texts?.unwrap_or_default() })
}
