//! The kinds of value that most keys have.

use std::{fmt::Display, num::NonZeroU32, ops::RangeInclusive, time::Duration};

use serde_json::{Value as JsonValue, json};

use super::{
    key::{self, Form, Json, Readable, Section},
    value::Value,
};
use crate::{
    diagnostics::{Read, Wrong, words},
    forms::duration,
};

/// A whole number within bounds that begin above zero.
pub(crate) struct Count(pub(crate) RangeInclusive<u32>);
/// A whole number within bounds.
pub(crate) struct Number(pub(crate) RangeInclusive<u32>);
/// A duration within bounds.
pub(crate) struct Time(pub(crate) RangeInclusive<Duration>);
/// `true` or `false`.
pub(crate) struct Switch;

fn number_schema(bounds: &RangeInclusive<u32>) -> Json {
    key::json(json!({ "type": "integer", "minimum": bounds.start(), "maximum": bounds.end() }))
}

fn number_bounds(bounds: &RangeInclusive<u32>) -> String {
    format!("{} to {}", words::grouped(*bounds.start()), words::grouped(*bounds.end()))
}

impl Form for Count {
    fn schema(&self) -> Json {
        number_schema(&self.0)
    }
    fn bounds(&self) -> String {
        number_bounds(&self.0)
    }
}

impl Readable for Count {
    type Out = NonZeroU32;
    fn read(&self, value: Value<'_>) -> Read<NonZeroU32> {
        value.count(self.0.clone())
    }
    fn write(&self, out: &NonZeroU32) -> JsonValue {
        out.get().into()
    }
}

impl Form for Number {
    fn schema(&self) -> Json {
        number_schema(&self.0)
    }
    fn bounds(&self) -> String {
        number_bounds(&self.0)
    }
}

impl Readable for Number {
    type Out = u32;
    fn read(&self, value: Value<'_>) -> Read<u32> {
        value.integer(self.0.clone())
    }
    fn write(&self, out: &u32) -> JsonValue {
        (*out).into()
    }
}

impl Time {
    /// Bounds in whole seconds.
    pub(crate) const fn from_s(bounds: RangeInclusive<u64>) -> Self {
        Self(Duration::from_secs(*bounds.start())..=Duration::from_secs(*bounds.end()))
    }
    /// Bounds in milliseconds.
    pub(crate) const fn from_ms(bounds: RangeInclusive<u64>) -> Self {
        Self(Duration::from_millis(*bounds.start())..=Duration::from_millis(*bounds.end()))
    }
}

impl Form for Time {
    fn schema(&self) -> Json {
        key::json(json!({ "type": "string", "pattern": duration::PATTERN }))
    }
    fn bounds(&self) -> String {
        format!("{} to {}", duration::show(*self.0.start()), duration::show(*self.0.end()))
    }
    fn remark(&self) -> Option<String> {
        Some(format!("From {}.", self.bounds()))
    }
}

impl Readable for Time {
    type Out = Duration;
    fn read(&self, value: Value<'_>) -> Read<Duration> {
        value.duration(self.0.clone())
    }
    fn write(&self, out: &Duration) -> JsonValue {
        duration::show(*out).into()
    }
}

impl Form for Switch {
    fn schema(&self) -> Json {
        key::json(json!({ "type": "boolean" }))
    }
    fn bounds(&self) -> String {
        String::new()
    }
}

impl Readable for Switch {
    type Out = bool;
    fn read(&self, value: Value<'_>) -> Read<bool> {
        value.bool()
    }
    fn write(&self, out: &bool) -> JsonValue {
        (*out).into()
    }
}

/// One word out of a few, each with what it means.
pub(crate) struct Choice<T: 'static, const N: usize> {
    pub(crate) words: &'static [(&'static str, T); N],
    pub(crate) meanings: [&'static str; N],
}

impl<T: Sync, const N: usize> Form for Choice<T, N> {
    fn schema(&self) -> Json {
        let choice = |((word, _), meaning): (&(&str, T), &&str)| json!({ "const": word, "description": meaning });
        let choices: Vec<_> = self.words.iter().zip(&self.meanings).map(choice).collect();
        key::json(json!({ "type": "string", "oneOf": choices }))
    }
    fn bounds(&self) -> String {
        let meaning = |((word, _), meaning): (&(&str, T), &&str)| format!("`\"{word}\"`: {meaning}");
        self.words.iter().zip(&self.meanings).map(meaning).collect::<Vec<_>>().join("; ")
    }
}

impl<T: Copy + PartialEq + Sync, const N: usize> Readable for Choice<T, N> {
    type Out = T;
    fn read(&self, value: Value<'_>) -> Read<T> {
        value.choice(self.words)
    }
    fn write(&self, out: &T) -> JsonValue {
        self.words.iter().find(|(_, value)| value == out).map_or(JsonValue::Null, |(word, _)| (*word).into())
    }
}

/// A string in a form of its own.
pub(crate) struct Text<T> {
    pub(crate) parse: fn(&str) -> Result<T, Wrong>,
    pub(crate) looks: Looks,
}

/// What a string looks like, for editors and people; mistakes that only `parse` finds may pass.
pub(crate) enum Looks {
    /// Like this regular expression, and in words for the manual.
    Pattern(&'static str, &'static str),
    /// As short and as long as this, in characters.
    Chars(RangeInclusive<usize>),
    /// At least one character; in words for the manual.
    Any(&'static str),
}

impl<T> Form for Text<T> {
    fn schema(&self) -> Json {
        key::json(match &self.looks {
            Looks::Pattern(pattern, _) => json!({ "type": "string", "pattern": pattern }),
            Looks::Chars(bounds) => json!({ "type": "string", "minLength": bounds.start(), "maxLength": bounds.end() }),
            Looks::Any(_) => json!({ "type": "string", "minLength": 1 }),
        })
    }
    fn bounds(&self) -> String {
        match &self.looks {
            Looks::Pattern(_, shown) | Looks::Any(shown) => (*shown).to_owned(),
            Looks::Chars(bounds) => format!("{} to {} characters", bounds.start(), bounds.end()),
        }
    }
}

impl<T: Display> Readable for Text<T> {
    type Out = T;
    fn read(&self, value: Value<'_>) -> Read<T> {
        value.text(self.parse)
    }
    fn write(&self, out: &T) -> JsonValue {
        out.to_string().into()
    }
}

/// A list, all of whose entries are of one kind.
pub(crate) struct List<K> {
    pub(crate) entries: RangeInclusive<usize>,
    pub(crate) each: K,
}

impl<K: Form> Form for List<K> {
    fn schema(&self) -> Json {
        let (min, max) = (self.entries.start(), self.entries.end());
        key::json(json!({ "type": "array", "minItems": min, "maxItems": max, "items": self.each.schema() }))
    }
    fn bounds(&self) -> String {
        let count = match self.entries.start() {
            0 => format!("at most {}", self.entries.end()),
            start => format!("{start} to {}", self.entries.end()),
        };
        match self.each.bounds() {
            each if each.is_empty() => count,
            each => format!("{count} of {each}"),
        }
    }
    fn section(&self) -> Option<&'static Section> {
        self.each.section()
    }
}

impl<K> List<K> {
    /// Reads all entries by `read`, even if one is wrong.
    pub(crate) fn read_each<'a, T>(&self, value: Value<'a>, read: impl FnMut(Value<'a>) -> Read<T>) -> Read<Vec<T>> {
        value.list(self.entries.clone(), read)
    }
}

impl<K: Readable> List<K> {
    /// Reads all entries, and has `check` look at each that could be read.
    pub(crate) fn check_each<'a>(
        &self,
        value: Value<'a>,
        mut check: impl FnMut(Value<'a>, &K::Out) -> Read<()>,
    ) -> Read<Vec<K::Out>> {
        self.read_each(value, |entry| {
            let read = self.each.read(entry)?;
            check(entry, &read)?;
            Ok(read)
        })
    }
}

impl<K: Readable> Readable for List<K> {
    type Out = Vec<K::Out>;
    fn read(&self, value: Value<'_>) -> Read<Vec<K::Out>> {
        self.read_each(value, |entry| self.each.read(entry))
    }
    fn write(&self, out: &Vec<K::Out>) -> JsonValue {
        out.iter().map(|entry| self.each.write(entry)).collect()
    }
}
