//! Patterns of whole paths: globs and regular expressions.
//!
//! Both become one automaton when the config is loaded. It reads each byte of a path once, whatever the pattern, and
//! allocates nothing: no visitor can choose a path that takes long.

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use regex_automata::{
    Anchored, Input, MatchKind,
    dfa::{Automaton as _, StartKind, dense},
    nfa::thompson,
    util::syntax,
};

use crate::{
    diagnostics::{Wrong, words},
    forms::path,
    limits::{PATH_AUTOMATON_BYTES_MAX, PATH_BYTES_MAX},
};

/// A pattern that a whole path matches or not, upper and lower case alike.
#[derive(Clone)]
pub struct PathPattern {
    written: String,
    /// What every path that matches begins with, in lower case.
    prefix: Box<[u8]>,
    automaton: Arc<dense::DFA<Vec<u32>>>,
}

impl PathPattern {
    /// As it stands in the config.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// What every path that matches begins with, in lower case: of a glob what stands before its first `*`.
    pub fn prefix(&self) -> &str {
        str::from_utf8(&self.prefix).unwrap_or_default()
    }

    /// Whether the pattern is for this whole path, which is in normal form.
    pub fn matches(&self, path: &str) -> bool {
        let path = path.as_bytes();
        let begins = path.get(..self.prefix.len()).is_some_and(|begin| {
            // Patterns of one queue mostly begin alike and differ at the end of what they begin with.
            let ends_alike = begin.last().map(u8::to_ascii_lowercase) == self.prefix.last().copied();
            ends_alike && begin.eq_ignore_ascii_case(&self.prefix)
        });
        // The automaton fails only at bytes that it was told to stop at, of which there are none.
        begins && matches!(self.automaton.try_search_fwd(&Input::new(path).anchored(Anchored::Yes)), Ok(Some(_)))
    }

    fn new(written: &str, expression: &str, prefix: &str) -> Result<Self, Wrong> {
        let limits = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .match_kind(MatchKind::All)
            .dfa_size_limit(Some(PATH_AUTOMATON_BYTES_MAX))
            .determinize_size_limit(Some(8 * PATH_AUTOMATON_BYTES_MAX));
        let automaton = dense::Builder::new()
            .configure(limits)
            .syntax(syntax::Config::new().unicode(false).utf8(false).case_insensitive(true).nest_limit(50))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(PATH_AUTOMATON_BYTES_MAX)))
            .build(&format!("(?:{expression})\\z"))
            .map_err(|error| not_built(&error))?;
        let prefix = prefix.to_ascii_lowercase().into_bytes().into();
        Ok(Self { written: written.to_owned(), prefix, automaton: Arc::new(automaton) })
    }
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.written, &self.prefix) == (&other.written, &other.prefix)
    }
}

impl Eq for PathPattern {}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathPattern({:?})", self.written)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// Reads a glob: a path in normal form in which `*` is any characters but `/`, and `**` any characters at all.
pub(crate) fn glob(written: &str) -> Result<PathPattern, Wrong> {
    if written.contains("***") {
        return Err(Wrong::malformed(
            "`***` is no wildcard",
            "write `**` for any characters, those of several segments",
        ));
    }
    if written.contains('?') || written.contains('[') || written.contains('{') {
        return Err(Wrong::malformed(
            "only `*` and `**` are wildcards here",
            "`*` is any characters but `/`, `**` any characters at all; `path_regex` can say more",
        ));
    }
    // Whatever stands between wildcards is to be spelt as in every other path of a config.
    path::prefix(&written.replace('*', "x")).map_err(|wrong| Wrong {
        help: "write it as browsers ask for it, with `*` and `**` for what differs: \"/hooks/*\", \"/api/**\"".into(),
        ..wrong
    })?;
    let mut expression = String::with_capacity(2 * written.len());
    for (nth, piece) in written.split("**").enumerate() {
        if nth > 0 {
            expression.push_str("(?s:.*)");
        }
        for (nth, literal) in piece.split('*').enumerate() {
            if nth > 0 {
                expression.push_str("[^/]*");
            }
            literal.chars().for_each(|c| {
                if !c.is_ascii_alphanumeric() && c != '/' {
                    expression.push('\\');
                }
                expression.push(c);
            });
        }
    }
    PathPattern::new(written, &expression, written.split('*').next().unwrap_or_default())
}

/// Reads a regular expression, which is for whole paths.
pub(crate) fn regex(written: &str) -> Result<PathPattern, Wrong> {
    if written.is_empty() || written.len() > PATH_BYTES_MAX {
        return Err(Wrong::malformed(
            "an expression has 1 to 512 bytes",
            "write one, such as `/item/[0-9]+`, or several rules",
        ));
    }
    let pattern = PathPattern::new(written, written, "")?;
    if pattern.matches("") {
        return Err(Wrong::malformed(
            "the expression is for the empty path as well, which there is none of",
            "write one that begins with `/`; it is for the whole path, so that `^` and `$` are not needed",
        ));
    }
    Ok(pattern)
}

fn not_built(error: &dense::BuildError) -> Wrong {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let said = cause.to_string();
    // The last line says what is wrong; those before it draw it.
    let said = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
    Wrong::malformed(
        format!("the pattern cannot be used: {}", words::harmless(said)),
        "write a simpler one, or several rules; `(?i)` is not needed, and there is nothing that looks ahead or back",
    )
}
