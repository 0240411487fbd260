//! Every mistake of one load, for people and for machines.

mod pretty;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::source::Excerpt;

/// All mistakes found in one config directory, in the order of its files and of the lines in them.
///
/// [`Display`](fmt::Display) writes `file:line:column: message` lines, each followed by indented help: that is
/// what scripts look for. [`Errors::pretty`] draws the same with the lines it is about, and the type is a
/// [`miette::Diagnostic`] for programs that print their own reports. No form shows a secret's value.
#[derive(Clone, Debug)]
pub struct Errors {
    mistakes: Vec<Mistake>,
    omitted: usize,
}

impl Errors {
    /// At most [`limits::MISTAKES_MAX`](crate::limits::MISTAKES_MAX) of them, at least one.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// How many more there were.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    pub(crate) fn new(mut mistakes: Vec<Mistake>) -> Self {
        let omitted = mistakes.len().saturating_sub(crate::limits::MISTAKES_MAX);
        mistakes.truncate(crate::limits::MISTAKES_MAX);
        Self { mistakes, omitted }
    }
}

impl std::error::Error for Errors {}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, mistake) in self.mistakes.iter().enumerate() {
            if nth > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:{}:{}: {mistake}", mistake.file().display(), mistake.line, mistake.column)?;
            for line in mistake.help.lines() {
                write!(f, "\n    {line}")?;
            }
        }
        if self.omitted > 0 {
            write!(f, "\nand {} more", self.omitted)?;
        }
        Ok(())
    }
}

/// One mistake: where it stands, what is wrong and what to write instead.
#[derive(Clone, Debug)]
pub struct Mistake {
    pub(crate) kind: Kind,
    pub(crate) file: Arc<PathBuf>,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) text: String,
    pub(crate) message: String,
    pub(crate) help: String,
    /// The line it stands in; `None` if the file as a whole is at fault.
    pub(crate) excerpt: Option<Excerpt>,
}

impl Mistake {
    /// What sort of mistake it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }
    /// The file, under the directory that was loaded.
    pub fn file(&self) -> &Path {
        &self.file
    }
    /// Line in the file, from 1.
    pub fn line(&self) -> usize {
        self.line
    }
    /// Column in the line, in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }
    /// The offending text, cut to one short line; empty if the file as a whole is at fault.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// What is wrong, without the offending text.
    pub fn message(&self) -> &str {
        &self.message
    }
    /// What to write instead.
    pub fn help(&self) -> &str {
        &self.help
    }
}

impl std::error::Error for Mistake {}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text.as_str() {
            "" => f.write_str(&self.message),
            text => write!(f, "`{text}`: {}", self.message),
        }
    }
}

/// What sort of mistake it is; [`Kind::code`] is stable and meant for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A file or folder is missing, unreadable, too large or not text.
    Unreadable,
    /// Not TOML.
    Syntax,
    /// A key or table that is not known.
    UnknownKey,
    /// A key or table without which nothing works.
    Missing,
    /// A string where a number belongs, and the like.
    WrongType,
    /// A number, duration or count outside its bounds.
    OutOfRange,
    /// Text that is not in the form it must have.
    Malformed,
    /// Something that must be unique and is not.
    Duplicate,
    /// Settings that do not go together.
    Conflict,
    /// A secret that is missing, weak, or open to others.
    Secret,
    /// A host name that does not resolve.
    Unresolved,
    /// A certificate that cannot be presented, or an authority that cannot be trusted.
    Certificate,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Unreadable,
        Self::Syntax,
        Self::UnknownKey,
        Self::Missing,
        Self::WrongType,
        Self::OutOfRange,
        Self::Malformed,
        Self::Duplicate,
        Self::Conflict,
        Self::Secret,
        Self::Unresolved,
        Self::Certificate,
    ];

    /// A name that does not change between versions.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "config::unreadable",
            Self::Syntax => "config::syntax",
            Self::UnknownKey => "config::unknown-key",
            Self::Missing => "config::missing",
            Self::WrongType => "config::wrong-type",
            Self::OutOfRange => "config::out-of-range",
            Self::Malformed => "config::malformed",
            Self::Duplicate => "config::duplicate",
            Self::Conflict => "config::conflict",
            Self::Secret => "config::secret",
            Self::Unresolved => "config::unresolved",
            Self::Certificate => "config::certificate",
        }
    }
}

/// Why a piece of text was not accepted, without its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Wrong {
    pub(crate) fn new(kind: Kind, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: help.into() }
    }
    pub(crate) fn malformed(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Kind::Malformed, message, help)
    }
}
