//! Where the mistakes of one file are collected.

use std::{
    cell::{Cell, RefCell},
    ops::Range,
};

use crate::{
    error::{Kind, Mistake, Wrong},
    limits::MISTAKES_MAX,
    mask,
    source::Source,
};

/// Proof that a mistake was reported. Only [`Log`] makes it, so nothing fails in silence, and whoever gets one
/// can go on reading without saying anything himself (rustc's `ErrorGuaranteed`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported(());

/// A setting, or the proof that its mistake was reported.
pub(crate) type Read<T> = Result<T, Reported>;

/// The mistakes of one file. Readers share it, hence the cells.
pub(crate) struct Log {
    pub(crate) source: Source,
    drafts: RefCell<Vec<(Range<usize>, Wrong)>>,
    /// Spans that are never shown.
    hidden: RefCell<Vec<Range<usize>>>,
    /// Whether parts of the file could not be read at all.
    broken: Cell<bool>,
}

impl Log {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, drafts: RefCell::default(), hidden: RefCell::default(), broken: Cell::new(false) }
    }

    pub(crate) fn report(&self, span: Range<usize>, wrong: Wrong) -> Reported {
        // What seems to be missing may stand in the part that could not be read.
        let untold = self.broken.get() && wrong.kind == Kind::Missing;
        let mut drafts = self.drafts.borrow_mut();
        // One more than is shown tells that there are more.
        if !untold && drafts.len() <= MISTAKES_MAX {
            drafts.push((span, wrong));
        }
        Reported(())
    }

    /// Keeps a span out of every message and excerpt.
    pub(crate) fn hide(&self, span: Range<usize>) {
        self.hidden.borrow_mut().push(span);
    }

    /// Parts of the file are not TOML. Nobody knows what stands in them, so whatever might be a secret is
    /// hidden, and nothing is called missing.
    pub(crate) fn set_broken(&self) {
        if !self.broken.replace(true) {
            self.hidden.borrow_mut().extend(mask::suspicious(&self.source.text));
        }
    }

    /// The mistakes in the order of their places.
    pub(crate) fn close(self) -> Vec<Mistake> {
        let mut drafts = self.drafts.into_inner();
        if drafts.is_empty() {
            return Vec::new();
        }
        // The last line of defence: a secret that was put where nobody would expect one.
        let mut hidden = self.hidden.into_inner();
        hidden.extend(mask::master_secrets(&self.source.text));
        drafts.sort_by_key(|(span, _)| (span.start, span.end));
        let mistake = |(span, wrong): (Range<usize>, Wrong)| {
            let (line, column) = self.source.position(span.start);
            let is_whole_file = span.is_empty() && wrong.kind != Kind::Syntax;
            Mistake {
                kind: wrong.kind,
                file: self.source.path.clone(),
                line,
                column,
                text: self.source.text(&span, &hidden),
                message: wrong.message,
                help: wrong.help,
                excerpt: (!is_whole_file).then(|| self.source.excerpt(&span, &hidden)),
            }
        };
        drafts.into_iter().map(mistake).collect()
    }
}
