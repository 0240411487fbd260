//! One file's text, and how a piece of it is shown without giving a secret away.

#[cfg(test)]
mod tests;

use std::{fmt, ops::Range, path::PathBuf, sync::Arc};

use super::words::harmless_char;

/// A file while it is being read.
pub(crate) struct Source {
    pub(crate) path: Arc<PathBuf>,
    pub(crate) text: String,
    line_starts: Vec<usize>,
}

/// One line of a file as it may be shown, and the part of it that is meant.
#[derive(Clone, Debug)]
pub(crate) struct Excerpt {
    pub(crate) line: String,
    pub(crate) span: Range<usize>,
}

/// Where something stands that a message elsewhere refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Arc<PathBuf>,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Stands for every secret, whatever its length.
const HIDDEN: &str = "***";
/// Longest offending text in a message, in characters.
const TEXT_CHARS_MAX: usize = 60;
/// Characters of a long line shown before and after the offending text.
const AROUND_CHARS_MAX: usize = 80;

impl Source {
    pub(crate) fn new(path: PathBuf, text: String) -> Self {
        let starts = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let line_starts = std::iter::once(0).chain(starts).collect();
        Self { path: Arc::new(path), text, line_starts }
    }

    pub(crate) fn place(&self, offset: usize) -> Place {
        let (line, column) = self.position(offset);
        Place { file: self.path.clone(), line, column }
    }

    /// Line and column in characters, both from 1.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let offset = floor_boundary(&self.text, offset);
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let before = &self.text[self.line_starts[line - 1]..offset];
        // An editor does not count the byte order mark.
        let column = before.chars().filter(|c| *c != '\u{feff}').count() + 1;
        (line, column)
    }

    /// The text of `span` for a message: its first line, short, with everything in `hidden` hidden.
    pub(crate) fn text(&self, span: &Range<usize>, hidden: &[Range<usize>]) -> String {
        let span = self.clip(span);
        let mut shown = Shown::default();
        shown.push(self, span.clone(), hidden);
        let text = shown.0.trim();
        match text.char_indices().nth(TEXT_CHARS_MAX) {
            Some((cut, _)) => format!("{}…", &text[..cut]),
            None => text.to_owned(),
        }
    }

    /// The line in which `span` begins, with everything in `hidden` hidden.
    pub(crate) fn excerpt(&self, span: &Range<usize>, hidden: &[Range<usize>]) -> Excerpt {
        let span = self.clip(span);
        let line = self.line_range(span.start);
        let before = self.text[line.start..span.start].char_indices().rev();
        let from = before.take(AROUND_CHARS_MAX).last().map_or(span.start, |(i, _)| line.start + i);
        let after = self.text[span.end..line.end].char_indices();
        let to = after.take(AROUND_CHARS_MAX).last().map_or(span.end, |(i, c)| span.end + i + c.len_utf8());
        let mut shown = Shown::default();
        shown.push(self, from..span.start, hidden);
        let start = shown.0.len();
        shown.push(self, span.clone(), hidden);
        let end = shown.0.len();
        // Comments are notes to oneself: who knows what is in them.
        let comment = self.text[span.end..to].find('#').map_or(to, |at| span.end + at);
        shown.push(self, span.end..comment, hidden);
        Excerpt { line: shown.0, span: start..end }
    }

    /// The bytes of the line at `offset`, without its end.
    fn line_range(&self, offset: usize) -> Range<usize> {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let end = self.line_starts.get(line).map_or(self.text.len(), |next| next - 1);
        self.line_starts[line - 1]..end
    }

    /// `span` as far as it is in its first line, on whole characters.
    fn clip(&self, span: &Range<usize>) -> Range<usize> {
        let start = floor_boundary(&self.text, span.start);
        let end = floor_boundary(&self.text, span.end).min(self.line_range(start).end);
        start..end.max(start)
    }
}

/// The last character boundary up to `offset`. The parser's spans keep to them; a slice must not rely on it.
fn floor_boundary(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Text on its way to a terminal.
#[derive(Default)]
struct Shown(String);

impl Shown {
    fn push(&mut self, source: &Source, range: Range<usize>, hidden: &[Range<usize>]) {
        let near = |hidden: &&Range<usize>| hidden.start < range.end && range.start < hidden.end;
        let hidden: Vec<_> = hidden.iter().filter(near).collect();
        let mut was_hidden = false;
        for (at, c) in source.text[range.clone()].char_indices() {
            let is_hidden = hidden.iter().any(|hidden| hidden.contains(&(range.start + at)));
            match is_hidden {
                true if was_hidden => {}
                true => self.0.push_str(HIDDEN),
                false => self.0.push(harmless_char(c)),
            }
            was_hidden = is_hidden;
        }
    }
}
