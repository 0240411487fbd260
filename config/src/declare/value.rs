//! Reading parsed TOML into settings: every value either becomes what it should be, or reports its own mistake
//! and lets the reader go on.

use std::{
    fmt::Display,
    num::NonZeroU32,
    ops::{Range, RangeInclusive},
    time::Duration,
};

use toml::{
    Spanned,
    de::{DeFloat, DeTable, DeValue},
};

use crate::{
    diagnostics::{Diagnostics, Kind, Place, Read, Reported, Wrong, mask::KEY_BYTES_MAX, words},
    forms::duration,
};

/// A value in a file, knowing where it stands and what it is called.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    pub(crate) diagnostics: &'a Diagnostics,
    pub(crate) key: &'a str,
    node: &'a Spanned<DeValue<'a>>,
}

impl<'a> Value<'a> {
    pub(crate) fn new(diagnostics: &'a Diagnostics, key: &'a str, node: &'a Spanned<DeValue<'a>>) -> Self {
        Self { diagnostics, key, node }
    }

    /// Reports this value as a mistake.
    pub(crate) fn wrong(self, wrong: Wrong) -> Reported {
        self.diagnostics.report(self.node.span(), wrong)
    }

    pub(crate) fn conflict(self, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.wrong(Wrong::new(Kind::Conflict, message, help))
    }

    /// Where the value stands, for a message about another one.
    pub(crate) fn place(self) -> Place {
        self.diagnostics.source.place(self.node.span().start)
    }

    /// Keeps the value, and all values in it, out of every message and excerpt.
    pub(crate) fn hide(self) {
        hide(self.diagnostics, self.node);
    }

    /// Keeps what follows `mark` out of every message and excerpt, or all of the value if there is no such mark.
    pub(crate) fn hide_after(self, mark: &str) {
        let span = self.node.span();
        match self.diagnostics.source.text[span.clone()].find(mark) {
            Some(at) => self.diagnostics.hide(span.start + at + mark.len()..span.end),
            None => self.hide(),
        }
    }

    pub(crate) fn is_list(self) -> bool {
        self.node.get_ref().is_array()
    }

    pub(crate) fn as_bool(self) -> Option<bool> {
        self.node.get_ref().as_bool()
    }

    /// A whole number, or the greatest there is for one beyond it.
    pub(crate) fn as_integer(self) -> Option<i128> {
        let integer = self.node.get_ref().as_integer()?;
        Some(i128::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i128::MAX))
    }

    /// The whole number that was meant by one in quotes, or with a point.
    pub(crate) fn number_meant(self) -> Option<u32> {
        let float = self.node.get_ref().as_float().map(DeFloat::as_str);
        let digits = self.as_str().or(float)?.trim().replace(['_', ','], "");
        let whole = digits.split_once('.').map_or(digits.as_str(), |(whole, _)| whole);
        whole.parse().ok()
    }

    pub(crate) fn as_table(self) -> Option<&'a DeTable<'a>> {
        self.node.get_ref().as_table()
    }

    pub(crate) fn as_str(self) -> Option<&'a str> {
        self.node.get_ref().as_str()
    }

    pub(crate) fn string(self) -> Read<&'a str> {
        self.as_str().ok_or_else(|| self.wrong_type("a string", format!("{} = \"…\"", self.key)))
    }

    pub(crate) fn bool(self) -> Read<bool> {
        self.as_bool().ok_or_else(|| {
            let meant = !self.as_str().is_some_and(|word| matches!(word, "false" | "no" | "off"));
            self.wrong_type("true or false", format!("{} = {meant}", self.key))
        })
    }

    /// A whole number within bounds.
    pub(crate) fn integer(self, bounds: RangeInclusive<u32>) -> Read<u32> {
        let Some(number) = self.as_integer() else {
            let meant = self.number_meant().filter(|number| bounds.contains(number)).unwrap_or(*bounds.start());
            return Err(self.wrong_type("a number", format!("{} = {meant}", self.key)));
        };
        u32::try_from(number)
            .ok()
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| self.out_of_range(words::grouped(*bounds.start()), words::grouped(*bounds.end())))
    }

    /// A whole number within bounds that begin above zero.
    pub(crate) fn count(self, bounds: RangeInclusive<u32>) -> Read<NonZeroU32> {
        let number = self.integer(bounds.clone())?;
        NonZeroU32::new(number).ok_or_else(|| self.out_of_range(words::grouped(1), words::grouped(*bounds.end())))
    }

    pub(crate) fn duration(self, bounds: RangeInclusive<Duration>) -> Read<Duration> {
        let Some(written) = self.as_str() else {
            let example = match self.as_integer() {
                Some(number) => format!("{} = \"{number}s\"", self.key),
                None => format!("{} = \"{}\"", self.key, duration::show(*bounds.start())),
            };
            return Err(self.wrong_type("a duration in quotes, with its unit", example));
        };
        let read = duration::parse(written).map_err(|wrong| self.wrong(wrong))?;
        if !bounds.contains(&read) {
            return Err(self.out_of_range(duration::show(*bounds.start()), duration::show(*bounds.end())));
        }
        Ok(read)
    }

    /// A string in a form of its own.
    pub(crate) fn text<T>(self, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Read<T> {
        parse(self.string()?).map_err(|wrong| self.wrong(wrong))
    }

    /// One word out of a few.
    pub(crate) fn choice<T: Copy>(self, words: &[(&str, T)]) -> Read<T> {
        let written = self.string()?;
        if let Some((_, choice)) = words.iter().find(|(word, _)| *word == written) {
            return Ok(*choice);
        }
        let all = words::list(words.iter().map(|(word, _)| format!("\"{word}\"")), "or");
        let help = match words::closest(written, words.iter().map(|(word, _)| *word)) {
            Some(word) => format!("did you mean \"{word}\"? Possible are {all}"),
            None => format!("write {all}"),
        };
        Err(self.wrong(Wrong::malformed(format!("no such {}", self.key), help)))
    }

    /// A list, all of whose entries are read even if one is wrong.
    pub(crate) fn list<T>(self, bounds: RangeInclusive<usize>, read: impl FnMut(Value<'a>) -> Read<T>) -> Read<Vec<T>> {
        let Some(array) = self.node.get_ref().as_array() else {
            // The commonest slip: one entry without its brackets.
            let entry = self.as_str().map_or("\"…\"".to_owned(), |one| format!("{one:?}"));
            let example = format!("{} = [{}]", self.key, words::harmless(&entry));
            return Err(self.wrong_type("a list", example));
        };
        if !bounds.contains(&array.len()) {
            let message = format!("`{}` has {} entries", self.key, array.len());
            let help = format!("write {} to {} of them", bounds.start(), bounds.end());
            return Err(self.wrong(Wrong::new(Kind::OutOfRange, message, help)));
        }
        // Read all before the first failure ends the collecting.
        let entries: Vec<_> = array.iter().map(|node| Value { node, ..self }).map(read).collect();
        entries.into_iter().collect()
    }

    pub(crate) fn span(self) -> Range<usize> {
        self.node.span()
    }

    pub(crate) fn wrong_type(self, wanted: &str, example: impl Display) -> Reported {
        let found = match self.node.get_ref().type_str() {
            "integer" => "a number",
            "float" => "a number with a fraction",
            "boolean" => "true or false",
            "datetime" => "a date",
            "array" => "a list",
            "table" => "a table",
            _ => "a string",
        };
        let message = format!("`{}` must be {wanted}, not {found}", self.key);
        self.wrong(Wrong::new(Kind::WrongType, message, format!("write `{example}`")))
    }

    fn out_of_range(self, low: impl Display, high: impl Display) -> Reported {
        let message = format!("`{}` is out of range", self.key);
        let help = format!("write a value from {low} to {high}");
        self.wrong(Wrong::new(Kind::OutOfRange, message, help))
    }
}

fn hide(diagnostics: &Diagnostics, node: &Spanned<DeValue<'_>>) {
    match node.get_ref() {
        DeValue::Table(table) => table.iter().for_each(|(key, value)| {
            if key.get_ref().len() > KEY_BYTES_MAX {
                diagnostics.hide(key.span());
            }
            hide(diagnostics, value);
        }),
        DeValue::Array(array) => array.iter().for_each(|value| hide(diagnostics, value)),
        _ => diagnostics.hide(node.span()),
    }
}
