//! How findings are shown: one file a format, all over the same [`Report`].
//!
//! Decides nothing about what is wrong, and nothing about terminals: whether there is colour is the caller's to say.

mod concise;
mod full;
mod github;
mod json;
mod sarif;

use super::{Code, Diagnostic, Diagnostics, Position, Severity, SourceMap, Span};

/// A form that findings can be shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// With the lines of the file, for people.
    #[default]
    Full,
    /// One line each.
    Concise,
    /// One JSON object, for programs.
    Json,
    /// SARIF 2.1.0, for code scanners.
    Sarif,
    /// Workflow commands, for annotations on a pull request.
    Github,
}

/// Findings, and what they were found in.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The findings, in the order they are shown.
    pub diagnostics: &'a Diagnostics,
    /// The files they point into.
    pub sources: &'a SourceMap,
    /// How many journeys were looked at.
    pub journeys: usize,
    /// How many integrations were looked at.
    pub integrations: usize,
}

impl Report<'_> {
    /// The findings in that form; only [`Format::Full`] and [`Format::Concise`] know colour.
    #[must_use]
    pub fn render(&self, format: Format, color: bool) -> String {
        match format {
            Format::Full => full::render(self, color),
            Format::Concise => concise::render(self, color),
            Format::Json => json::render(self),
            Format::Sarif => sarif::render(self),
            Format::Github => github::render(self),
        }
    }

    /// How many errors and how many warnings there are.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let errors = self.diagnostics.0.iter().filter(|d| d.severity == Severity::Error).count();
        (errors, self.diagnostics.0.len() - errors)
    }

    /// One line that sums up: `2 errors and 1 warning in 6 journeys and 3 integrations`.
    #[must_use]
    pub fn summary(&self) -> String {
        let number = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let findings = match self.count() {
            (0, 0) => "no findings".to_owned(),
            (errors, 0) => number(errors, "error"),
            (0, warnings) => number(warnings, "warning"),
            (errors, warnings) => format!("{} and {}", number(errors, "error"), number(warnings, "warning")),
        };
        format!("{findings} in {} and {}", number(self.journeys, "journey"), number(self.integrations, "integration"))
    }

    fn place(&self, span: Span) -> Option<Place<'_>> {
        let file = self.sources.file(span.file)?;
        let (start, end) = (self.sources.position(span.file, span.start), self.sources.position(span.file, span.end));
        Some(Place { file: &file.name, start, end: end.max(start) })
    }
}

/// The page of a code, for `explain`; the code in any case.
#[must_use]
pub fn explain(code: &str) -> Option<&'static str> {
    Code::from_name(code).and_then(Code::info).map(|info| info.page)
}

/// A span as people and other programs count: the end is one past the last character.
struct Place<'a> {
    file: &'a str,
    start: Position,
    end: Position,
}

impl Severity {
    const fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// `reached by: ask -> look-up -> tell`: the witness path of a diagnostic.
fn witness(d: &Diagnostic) -> Option<String> {
    (!d.path.is_empty()).then(|| format!("reached by: {}", printable(&d.path.join(" -> "))))
}

/// The message with its witness and help, a line each, for formats that have one text.
fn message(d: &Diagnostic) -> String {
    let help = d.help.iter().map(|h| format!("help: {}", printable(h)));
    std::iter::once(printable(&d.message)).chain(witness(d)).chain(help).collect::<Vec<_>>().join("\n")
}

/// Text on one line and without anything that a terminal would obey.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let directs = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
        if c.is_control() || directs { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests;
