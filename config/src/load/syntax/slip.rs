//! Habits of other formats and programs, called by their names.

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::diagnostics::{Kind, Wrong};

/// The slip behind an error of the parser at `at`, in a statement that takes up `statement`, and where it stands.
pub(super) fn find(
    text: &str,
    at: usize,
    statement: &Range<usize>,
    is_unclosed: bool,
) -> Option<(Range<usize>, Wrong)> {
    let line = line_at(text, at);
    // A value that does not end began anywhere in its statement.
    let suspects = if is_unclosed { statement.clone() } else { line.clone() };
    quote(text, suspects).or_else(|| colon(text, at, line))
}

fn line_at(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    start..text[at..].find('\n').map_or(text.len(), |newline| at + newline)
}

/// A quote as word processors and chats make it, where TOML has a straight one.
fn quote(text: &str, suspects: Range<usize>) -> Option<(Range<usize>, Wrong)> {
    let mut start = suspects.start;
    for line in text[suspects].split_inclusive('\n') {
        if let Some(at) = typographic_quote(line) {
            let help = "write straight quotes, `\"…\"`: word processors and chats replace them";
            return Some((start + at..start + at, Wrong::new(Kind::Syntax, "not TOML: a typographic quote", help)));
        }
        start += line.len();
    }
    None
}

/// The first typographic quote that stands in the place of a straight one: outside a string, or in one that it was meant
/// to end.
fn typographic_quote(line: &str) -> Option<usize> {
    let is_typographic = |c: char| "“”„‟‘’‚‛«»‹›″".contains(c);
    let (mut within, mut in_string, mut is_escaped) = (None, None, false);
    for (at, c) in line.char_indices() {
        match in_string {
            Some(_) if is_escaped => is_escaped = false,
            Some('"') if c == '\\' => is_escaped = true,
            Some(quote) if c == quote => (in_string, within) = (None, None),
            Some(_) if is_typographic(c) => within = Some(at),
            Some(_) => {}
            None if is_typographic(c) => return Some(at),
            None if c == '#' => return None,
            None if c == '"' || c == '\'' => in_string = Some(c),
            None => {}
        }
    }
    // Inside a text it may be an apostrophe; at its end it was meant to end it.
    within.filter(|at| {
        let mut rest = line[*at..].chars();
        rest.next();
        let rest = rest.as_str().trim_start_matches([' ', '\t', ',', ']', '}']).trim_end();
        rest.is_empty() || rest.starts_with('#')
    })
}

/// `key: value`, as in YAML and JSON.
fn colon(text: &str, at: usize, line: Range<usize>) -> Option<(Range<usize>, Wrong)> {
    let blank = [' ', '\t'];
    let colon = at + text[at..line.end].find(|c| !blank.contains(&c))?;
    let rest = text[colon..line.end].strip_prefix(':')?.trim();
    let entry = text[line.start..at].rfind(['{', ',']).map_or(line.start, |before| line.start + before + 1);
    let key = text[entry..at].trim();
    let is_key = |c: char| c.is_ascii_alphanumeric() || "-_.\"'".contains(c);
    if key.is_empty() || !key.chars().all(is_key) {
        return None;
    }
    let span = entry + text[entry..].find(key)?..line.end;
    let (message, help) = match rest {
        "" => (
            "not TOML: a name with `:`, as in YAML",
            "a table begins with its name in brackets, `[name]`; a list stands in them: `key = [\"a\", \"b\"]`",
        ),
        _ => {
            ("not TOML: `key: value`, as in YAML and JSON", "write `=` for `:`, and texts in quotes: `key = \"value\"`")
        }
    };
    Some((span, Wrong::new(Kind::Syntax, message, help)))
}
