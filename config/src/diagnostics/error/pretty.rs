//! Mistakes as miette diagnostics.

use std::fmt::Display;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents,
};

use super::{Errors, Mistake};

impl Diagnostic for Errors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.mistakes.iter().map(|mistake| mistake as &dyn Diagnostic)))
    }
}

impl Diagnostic for Mistake {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(self.kind.code()))
    }
    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(&self.help))
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_ref().map(|_| self as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let excerpt = self.excerpt.as_ref()?;
        let label = LabeledSpan::new_with_span(None, excerpt.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// A mistake is its own source: the one line it stands in. The lines around it are no help, and one of them
/// might hold a secret.
impl SourceCode for Mistake {
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let line = self.excerpt.as_ref().map_or("", |excerpt| &excerpt.line);
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.display().to_string(),
            line.as_bytes(),
            SourceSpan::from(0..line.len()),
            self.line.saturating_sub(1),
            self.column.saturating_sub(1),
            1,
        )))
    }
}

impl Errors {
    /// The mistakes as drawings with their source lines, for a terminal.
    pub fn pretty(&self, colour: bool) -> String {
        draw(self, colour)
    }
}

fn draw(errors: &Errors, colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(100);
    let mut drawing = String::new();
    for mistake in &errors.mistakes {
        // Writing to a String cannot fail, and one drawing must not hide the next.
        let _ = handler.render_report(&mut drawing, mistake);
        if mistake.excerpt.is_none() {
            drawing.push_str(&format!("   in {}\n", mistake.file.display()));
        }
    }
    if errors.omitted > 0 {
        drawing.push_str(&format!("and {} more\n", errors.omitted));
    }
    drawing
}
