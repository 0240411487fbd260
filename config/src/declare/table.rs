//! Tables whose keys are asked for one by one.

use std::{cell::RefCell, ops::Range};

use toml::de::DeTable;

use super::value::Value;
use crate::diagnostics::{Diagnostics, Kind, Place, Read, Reported, Wrong, mask::KEY_BYTES_MAX, words};

/// What a table is called.
#[derive(Clone, Copy)]
pub(crate) struct Section {
    /// Its file and its path there, `FILE:KEY.KEY`; for a file's top, the file. As in the schema.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests compare readers and schema by it"))]
    pub(crate) path: &'static str,
    /// What people call it.
    pub(crate) shown: &'static str,
    /// How one is written.
    pub(crate) example: &'static str,
}

#[cfg(test)]
thread_local! {
    /// What the readers asked for on this thread, as section and key: the schema must say the same.
    pub(crate) static ASKED: RefCell<std::collections::BTreeSet<(&'static str, &'static str)>> = RefCell::default();
}

/// A table that is being read. It remembers which keys were asked for; nobody knows the others.
pub(crate) struct Table<'a> {
    pub(crate) diagnostics: &'a Diagnostics,
    section: Section,
    span: Range<usize>,
    entries: &'a DeTable<'a>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(
        diagnostics: &'a Diagnostics,
        section: Section,
        span: Range<usize>,
        entries: &'a DeTable<'a>,
    ) -> Self {
        Self { diagnostics, section, span, entries, asked: RefCell::default() }
    }

    /// Runs `read`, then reports every key it did not ask for.
    pub(crate) fn read<T>(self, read: impl FnOnce(&Self) -> Read<T>) -> Read<T> {
        let result = read(&self);
        self.report_unknown().and(result)
    }

    /// The value of a key that may be left out.
    pub(crate) fn optional<T>(&self, key: &'static str, read: impl FnOnce(Value<'a>) -> Read<T>) -> Read<Option<T>> {
        self.value(key).map(read).transpose()
    }

    /// The value of a key that may be left out, with what it is then.
    pub(crate) fn or<T>(&self, key: &'static str, default: T, read: impl FnOnce(Value<'a>) -> Read<T>) -> Read<T> {
        self.value(key).map_or(Ok(default), read)
    }

    /// The value of a key that must be there; `help` says what to write.
    pub(crate) fn required<T>(
        &self,
        key: &'static str,
        help: impl Into<String>,
        read: impl FnOnce(Value<'a>) -> Read<T>,
    ) -> Read<T> {
        match self.value(key) {
            Some(value) => read(value),
            None => Err(self.missing(format!("`{key}` is missing"), help)),
        }
    }

    /// The value itself, for readers that need more than one look at it.
    pub(crate) fn value(&self, key: &'static str) -> Option<Value<'a>> {
        self.asked.borrow_mut().push(key);
        #[cfg(test)]
        ASKED.with_borrow_mut(|asked| asked.insert((self.section.path, key)));
        self.entries.get(key).map(|node| Value::new(self.diagnostics, key, node))
    }

    /// Reads a table that may be left out, with everything in it at its default then.
    pub(crate) fn section<T>(
        &self,
        key: &'static str,
        section: Section,
        read: impl FnOnce(&Table<'_>) -> Read<T>,
    ) -> Read<T> {
        match self.value(key) {
            Some(value) => value.table(section, |table| read(table)),
            None => Table::new(self.diagnostics, section, 0..0, &DeTable::new()).read(read),
        }
    }

    /// Where the table begins, for a message about something else.
    pub(crate) fn place(&self) -> Place {
        self.diagnostics.source.place(self.span.start)
    }

    /// Reports that something is not there, at the head of the table.
    pub(crate) fn missing(&self, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.wrong(Wrong::new(Kind::Missing, message, help))
    }

    /// Reports a mistake of the table as a whole.
    pub(crate) fn wrong(&self, wrong: Wrong) -> Reported {
        self.diagnostics.report(self.span.clone(), wrong)
    }

    fn report_unknown(&self) -> Read<()> {
        let asked = self.asked.borrow();
        let mut result = Ok(());
        for (key, node) in self.entries {
            let name = key.get_ref().as_ref();
            if asked.contains(&name) {
                continue;
            }
            // Nobody knows what it holds: it may be a password under a misspelt name, or the password itself.
            Value::new(self.diagnostics, name, node).hide();
            if name.len() > KEY_BYTES_MAX {
                self.diagnostics.hide(key.span());
            }
            let what = if node.get_ref().is_table() { "table" } else { "key" };
            let message = format!("unknown {what} in {}", self.section.shown);
            let wrong = Wrong::new(Kind::UnknownKey, message, self.suggest(name, &asked));
            result = Err(self.diagnostics.report(key.span(), wrong));
        }
        result
    }

    fn suggest(&self, name: &str, asked: &[&'static str]) -> String {
        if let Some(key) = words::closest(name, asked.iter().copied()) {
            return format!("did you mean `{key}`?");
        }
        if let Some(section) = (self.diagnostics.known.tables_with)(name) {
            return format!("it belongs in {section}");
        }
        let known = words::list(asked.iter().map(|key| format!("`{key}`")), "and");
        format!("remove it; known here are {known}")
    }
}
