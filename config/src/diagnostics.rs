//! Where the mistakes of one file are collected, with their places and without its secrets.

mod error;
pub(crate) mod mask;
pub(crate) mod source;
pub(crate) mod words;

use std::{
    cell::{Cell, RefCell},
    ops::Range,
};

use crate::limits::MISTAKES_MAX;

pub(crate) use error::Wrong;
pub use error::{Errors, Kind, Mistake};
pub(crate) use source::{Place, Source};

/// Proof that a mistake was reported. Only [`Diagnostics`] makes it, so nothing fails in silence, and a reader that
/// gets one can go on without a message of its own (rustc's `ErrorGuaranteed`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported(());

/// A setting, or the proof that its mistake was reported.
pub(crate) type Read<T> = Result<T, Reported>;

/// What is known of keys, wherever they stand. They are declared above this module, and handed down to it.
pub(crate) struct KnownKeys {
    /// Whether a key is known, and only where no secret has any business.
    pub(crate) never_secret: fn(&str) -> bool,
    /// Which tables have a key, in words; `None` if no table has.
    pub(crate) tables_with: fn(&str) -> Option<String>,
}

/// The mistakes of one file. Readers share it, hence the cells.
pub(crate) struct Diagnostics {
    pub(crate) source: Source,
    pub(crate) known: &'static KnownKeys,
    drafts: RefCell<Vec<(Range<usize>, Wrong)>>,
    /// Spans that are never shown.
    hidden: RefCell<Vec<Range<usize>>>,
    /// Whether parts of the file could not be read at all.
    broken: Cell<bool>,
}

impl Diagnostics {
    pub(crate) fn new(source: Source, known: &'static KnownKeys) -> Self {
        Self { source, known, drafts: RefCell::default(), hidden: RefCell::default(), broken: Cell::new(false) }
    }

    pub(crate) fn report(&self, span: Range<usize>, wrong: Wrong) -> Reported {
        let mut drafts = self.drafts.borrow_mut();
        // One more than is shown tells that there are more.
        if self.is_certain(&wrong) && drafts.len() <= MISTAKES_MAX {
            drafts.push((span, wrong));
        }
        Reported(())
    }

    /// Whether parts of the file could not be read.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// What seems to be missing may stand in the part that could not be read.
    fn is_certain(&self, wrong: &Wrong) -> bool {
        !self.broken.get() || wrong.kind != Kind::Missing
    }

    /// A mistake that is one only if another file says nothing else.
    pub(crate) fn suspect(&self, span: Range<usize>, wrong: Wrong) -> Option<Mistake> {
        let hidden = self.everything_hidden();
        self.is_certain(&wrong).then(|| self.mistake(span, wrong, &hidden))
    }

    /// Keeps a span out of every message and excerpt.
    pub(crate) fn hide(&self, span: Range<usize>) {
        self.hidden.borrow_mut().push(span);
    }

    /// Parts of the file are not TOML. What stands in them is not known, so whatever might be a secret is
    /// hidden, and nothing is called missing.
    pub(crate) fn set_broken(&self) {
        if !self.broken.replace(true) {
            self.hidden.borrow_mut().extend(mask::suspicious(&self.source.text, self.known.never_secret));
        }
    }

    /// The mistakes in the order of their places.
    pub(crate) fn close(self) -> Vec<Mistake> {
        let mut drafts = self.drafts.take();
        if drafts.is_empty() {
            return Vec::new();
        }
        drafts.sort_by_key(|(span, _)| (span.start, span.end));
        let hidden = self.everything_hidden();
        drafts.into_iter().map(|(span, wrong)| self.mistake(span, wrong, &hidden)).collect()
    }

    fn everything_hidden(&self) -> Vec<Range<usize>> {
        let mut hidden = self.hidden.borrow().clone();
        // The last line of defence: a secret in an unexpected place.
        hidden.extend(mask::master_secrets(&self.source.text));
        hidden
    }

    fn mistake(&self, span: Range<usize>, wrong: Wrong, hidden: &[Range<usize>]) -> Mistake {
        let (line, column) = self.source.position(span.start);
        let is_whole_file = span.is_empty() && wrong.kind != Kind::Syntax;
        Mistake {
            kind: wrong.kind,
            file: self.source.path.clone(),
            line,
            column,
            text: self.source.text(&span, hidden),
            message: wrong.message,
            help: wrong.help,
            excerpt: (!is_whole_file).then(|| self.source.excerpt(&span, hidden)),
        }
    }
}
