//! Tables whose keys are asked for one by one.

use std::ops::Range;
#[cfg(test)]
use std::{cell::RefCell, collections::BTreeSet};

use toml::de::DeTable;

use super::{
    key::{Absence, AnyKey, Default, Form, Json, Key, Optional, Readable, Required, Section},
    value::Value,
};
use crate::diagnostics::{self, Diagnostics, Place, Read, Reported, Wrong, mask::KEY_BYTES_MAX, words};

#[cfg(test)]
thread_local! {
    /// What the readers asked for on this thread, as the name of the section and the key: all that is declared.
    pub(crate) static ASKED: RefCell<BTreeSet<(&'static str, &'static str)>> = RefCell::default();
}

/// A table that is being read.
pub(crate) struct Table<'a> {
    pub(crate) diagnostics: &'a Diagnostics,
    section: &'static Section,
    span: Range<usize>,
    entries: &'a DeTable<'a>,
}

/// What becomes of a key of type `T` if it is written, and if not.
pub(crate) trait Presence<T> {
    type Out;
    fn present(&self, read: T) -> Self::Out;
    fn absent(&self, table: &Table<'_>, key: &str) -> Read<Self::Out>;
}

impl<T> Presence<T> for Required {
    type Out = T;
    fn present(&self, read: T) -> T {
        read
    }
    fn absent(&self, table: &Table<'_>, key: &str) -> Read<T> {
        Err(table.missing(format!("`{key}` is missing"), self.0))
    }
}

impl<T> Presence<T> for Optional {
    type Out = Option<T>;
    fn present(&self, read: T) -> Option<T> {
        Some(read)
    }
    fn absent(&self, _: &Table<'_>, _: &str) -> Read<Option<T>> {
        Ok(None)
    }
}

impl<T> Presence<T> for Default<T> {
    type Out = T;
    fn present(&self, read: T) -> T {
        read
    }
    fn absent(&self, _: &Table<'_>, _: &str) -> Read<T> {
        Ok((self.0)())
    }
}

impl<'a> Table<'a> {
    pub(crate) fn new(
        diagnostics: &'a Diagnostics,
        section: &'static Section,
        span: Range<usize>,
        entries: &'a DeTable<'a>,
    ) -> Self {
        Self { diagnostics, section, span, entries }
    }

    /// Runs `read`, then reports every key that the section does not list.
    pub(crate) fn read_by<T>(self, read: impl FnOnce(&Self) -> Read<T>) -> Read<T> {
        let result = read(&self);
        self.report_unknown().and(result)
    }

    /// The value of a key, or what holds without it.
    pub(crate) fn read<K: Readable, A>(&self, key: &'static Key<K, A>) -> Read<A::Out>
    where
        A: Absence<K> + Presence<K::Out>,
    {
        self.read_with(key, |value| key.kind.read(value))
    }

    /// The value of a key, which `check` looks at if it is written.
    pub(crate) fn checked<K: Readable, A>(
        &self,
        key: &'static Key<K, A>,
        check: impl FnOnce(Value<'a>, &K::Out) -> Read<()>,
    ) -> Read<A::Out>
    where
        A: Absence<K> + Presence<K::Out>,
    {
        self.read_with(key, |value| {
            let read = key.kind.read(value)?;
            check(value, &read)?;
            Ok(read)
        })
    }

    /// What `read` makes of a key, or what holds without it.
    pub(crate) fn read_with<K: Form, A, T>(
        &self,
        key: &'static Key<K, A>,
        read: impl FnOnce(Value<'a>) -> Read<T>,
    ) -> Read<A::Out>
    where
        A: Absence<K> + Presence<T>,
    {
        match self.value(key) {
            Some(value) => Ok(key.absent.present(read(value)?)),
            None => key.absent.absent(self, key.name),
        }
    }

    /// What `read` makes of a table, or of an empty one if it is not written.
    pub(crate) fn nested<T>(
        &self,
        key: &'static Key<Nested, Optional>,
        read: impl FnOnce(&Table<'_>) -> Read<T>,
    ) -> Read<T> {
        match self.value(key) {
            Some(value) => key.kind.read(value, |table| read(table)),
            None => Table::new(self.diagnostics, key.kind.section, 0..0, &DeTable::new()).read_by(read),
        }
    }

    /// The value itself, for readers that need more than one look at it.
    pub(crate) fn value(&self, key: &'static dyn AnyKey) -> Option<Value<'a>> {
        debug_assert!(
            self.section.key(key.name()).is_some(),
            "`{}` is read, and not among the keys of {}",
            key.name(),
            self.section.name
        );
        #[cfg(test)]
        ASKED.with_borrow_mut(|asked| asked.insert((self.section.name, key.name())));
        self.entries.get(key.name()).map(|node| Value::new(self.diagnostics, key.name(), node))
    }

    /// Where the table begins, for a message about something else.
    pub(crate) fn place(&self) -> Place {
        self.diagnostics.source.place(self.span.start)
    }

    /// Reports that something is not there, at the head of the table.
    pub(crate) fn missing(&self, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.wrong(Wrong::new(diagnostics::Kind::Missing, message, help))
    }

    /// Reports a mistake of the table as a whole.
    pub(crate) fn wrong(&self, wrong: Wrong) -> Reported {
        self.diagnostics.report(self.span.clone(), wrong)
    }

    fn report_unknown(&self) -> Read<()> {
        let mut result = Ok(());
        for (key, node) in self.entries {
            let name = key.get_ref().as_ref();
            if self.section.key(name).is_some() {
                continue;
            }
            // It may hold a password under a misspelt name, or be the password itself.
            Value::new(self.diagnostics, name, node).hide();
            if name.len() > KEY_BYTES_MAX {
                self.diagnostics.hide(key.span());
            }
            let what = if node.get_ref().is_table() { "table" } else { "key" };
            let message = format!("unknown {what} in {}", self.section.name);
            let wrong = Wrong::new(diagnostics::Kind::UnknownKey, message, self.suggest(name));
            result = Err(self.diagnostics.report(key.span(), wrong));
        }
        result
    }

    fn suggest(&self, name: &str) -> String {
        let known = || self.section.keys.iter().map(|key| key.name());
        if let Some(key) = words::closest(name, known()) {
            return format!("did you mean `{key}`?");
        }
        if let Some(tables) = (self.diagnostics.known.tables_with)(name) {
            return format!("it belongs in {tables}");
        }
        let known = words::list(known().map(|key| format!("`{key}`")), "and");
        format!("remove it; known here are {known}")
    }
}

impl Key<Nested, Optional> {
    /// A table under a heading of its own, which may be left out.
    pub(crate) const fn table(name: &'static str, section: &'static Section) -> Self {
        Self { name, doc: section.doc, kind: Nested { section, example: section.name }, absent: Optional("") }
    }
}

/// A table within a table, read by the section that declares its keys.
pub(crate) struct Nested {
    pub(crate) section: &'static Section,
    /// How one is written, for a message.
    pub(crate) example: &'static str,
}

impl Nested {
    /// Reads the table by `read`; keys that the section does not list are reported.
    pub(crate) fn read<'a, T>(&self, value: Value<'a>, read: impl FnOnce(&Table<'a>) -> Read<T>) -> Read<T> {
        let Some(entries) = value.as_table() else {
            value.hide();
            return Err(value.wrong_type("a table", self.example));
        };
        Table::new(value.diagnostics, self.section, value.span(), entries).read_by(read)
    }
}

impl Form for Nested {
    fn schema(&self) -> Json {
        self.section.schema()
    }
    fn bounds(&self) -> String {
        String::new()
    }
    fn section(&self) -> Option<&'static Section> {
        Some(self.section)
    }
}
