//! TOML with all its syntax errors at once.
//!
//! The parser recovers from an error, but what it makes of the rest depends on where it was: after an array
//! that is never closed, every following line is an error too. A config file is a list of short statements, so
//! the faulty one is taken out and the rest parsed again. Only real mistakes remain, and
//! the readers see everything around them.

mod slip;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, ops::Range};

use toml::de::DeTable;

use crate::{
    diagnostics::{Diagnostics, Kind, Wrong},
    limits::SYNTAX_ERRORS_MAX,
};

/// Parses the file of `diagnostics`, reports what is not TOML, and hands whatever is to `read`.
///
/// `None` if too little of the file makes sense to go on.
pub(crate) fn parse<T>(diagnostics: &Diagnostics, read: impl FnOnce(&DeTable<'_>) -> T) -> Option<T> {
    let mut text = Cow::Borrowed(diagnostics.source.text.as_str());
    let mut last_error_at = None;
    for _ in 0..SYNTAX_ERRORS_MAX {
        let (table, errors) = DeTable::parse_recoverable(&text);
        // The parser's passes report one after the other; the first in the file is the cause of the others.
        let place = |error: &toml::de::Error| error.span().unwrap_or_default().start;
        let Some(error) = errors.iter().min_by_key(|error| place(error)) else {
            return Some(read(table.get_ref()));
        };
        let at = place(error);
        if last_error_at == Some(at) {
            // Taking a statement out did not help: the cause cannot be found by looking at lines.
            return None;
        }
        last_error_at = Some(at);

        diagnostics.set_broken();
        let faulty = Statement::around(&text, at, error.message());
        if let Some((span, slip)) = slip::find(&text, at, &faulty.range, faulty.is_unclosed) {
            diagnostics.report(visible(&text, span), slip);
        } else {
            let span = match faulty.is_unclosed {
                true => last_line(&text, &faulty.range),
                false => visible(&text, error.span().unwrap_or_default()),
            };
            diagnostics.report(span, explain(error.message(), faulty.is_unclosed));
        }
        let without = blank(&text, faulty.range);
        drop(table);
        text = Cow::Owned(without);
    }
    None
}

/// The lines of one `key = value`, or of one `[section]` with everything in it.
struct Statement {
    range: Range<usize>,
    /// Whether the error stands where the next statement begins.
    is_unclosed: bool,
}

impl Statement {
    fn around(text: &str, at: usize, message: &str) -> Self {
        let mut lines = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            lines.push((start, Opens::of(line)));
            start += line.len();
        }
        let error_line = lines.partition_point(|(start, _)| *start <= at).saturating_sub(1);
        let opens = |nth: usize| lines.get(nth).map_or(Opens::Nothing, |(_, opens)| *opens);
        let before = |end: usize| (0..end).rev().find(|nth| opens(*nth) != Opens::Nothing);

        // In front of the `=` of a line that looks right, the fault is that the line before never ended. Not so if
        // both are well-formed and only do not go together.
        let goes_with_nothing = message.starts_with("duplicate") || message.starts_with("cannot extend");
        let line_start = lines.get(error_line).map_or(0, |(start, _)| *start);
        let is_in_front = match opens(error_line) {
            Opens::Value { equals } => at < line_start + equals,
            Opens::Section => at == line_start,
            Opens::Nothing => false,
        };
        let follows_value = before(error_line).is_some_and(|nth| matches!(opens(nth), Opens::Value { .. }));
        let is_unclosed = is_in_front && follows_value && !goes_with_nothing;
        let first = match is_unclosed {
            true => before(error_line),
            false => before(error_line + 1),
        }
        .unwrap_or(error_line);
        let ends = |nth: &usize| match opens(first) {
            Opens::Section => opens(*nth) == Opens::Section,
            _ => opens(*nth) != Opens::Nothing,
        };
        let last = (first + 1..lines.len()).find(ends);
        let offset = |nth: usize| lines.get(nth).map_or(text.len(), |(start, _)| *start);
        Self { range: offset(first)..last.map_or(text.len(), offset), is_unclosed }
    }
}

/// What a line looks like it opens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opens {
    Value { equals: usize },
    Section,
    Nothing,
}

impl Opens {
    fn of(line: &str) -> Self {
        let key = |c: char| c.is_ascii_alphanumeric() || "-_. \t\"'".contains(c);
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix('[') {
            let name = name.trim_start_matches('[').split([']', '#']).next().unwrap_or_default();
            // `[1, 2],` is an element of an array.
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
            return if is_name && name.chars().all(key) { Self::Section } else { Self::Nothing };
        }
        match line.find('=') {
            Some(equals) if line[..equals].chars().all(key) => Self::Value { equals },
            _ => Self::Nothing,
        }
    }
}

/// The same text, as long, with spaces for one statement, so that all offsets stay.
fn blank(text: &str, range: Range<usize>) -> String {
    let blanked = text[range.clone()].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' });
    text[..range.start].chars().chain(blanked).chain(text[range.end..].chars()).collect()
}

/// The last line of a statement that was never closed.
fn last_line(text: &str, statement: &Range<usize>) -> Range<usize> {
    let end = statement.start + text[statement.clone()].trim_end().len();
    let line = text[..end].rfind('\n').map_or(0, |newline| newline + 1);
    let indent = text[line..end].len() - text[line..end].trim_start().len();
    line + indent..end
}

/// The parser's span; if that is empty, the word behind it, or else the line before it: something to show.
fn visible(text: &str, span: Range<usize>) -> Range<usize> {
    if !span.is_empty() {
        return span;
    }
    let rest = text[span.start..].lines().next().unwrap_or_default();
    if rest.trim().is_empty() {
        return last_line(text, &(0..span.start));
    }
    let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
    span.start..span.start + word
}

fn explain(message: &str, is_unclosed: bool) -> Wrong {
    // The parser's words for the value it hoped for do not help where the quotes were forgotten.
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let message = match expected {
        _ if is_unclosed => "not TOML: the value does not end here".to_owned(),
        "" | "nothing" | "literal string" => format!("not TOML: {what}"),
        expected => format!("not TOML: {what}, expected {expected}"),
    };
    let help = match what {
        _ if is_unclosed => "close it: a quote, `]` or `}` is missing, or a comma",
        "duplicate key" => "it was written before: keep one of the two",
        _ if what.contains("unclosed") => "add the missing bracket",
        _ if what.contains("no value") => "write `key = value`, one to a line",
        _ => "numbers, true and false stand bare, all other values in quotes: `key = \"value\"`",
    };
    Wrong::new(Kind::Syntax, message, help)
}
