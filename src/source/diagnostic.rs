//! What is wrong with a file, said to its author.

use super::{Code, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The workspace loads all the same.
    Warning,
    /// The workspace does not load.
    Error,
}

/// A second place that a diagnostic speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there, in a few words.
    pub message: String,
}

/// One finding: one mistake of the author gives one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code, with a page in `grammar/codes/`.
    pub code: Code,
    /// From the code table unless `lints` or an `allow` says otherwise.
    pub severity: Severity,
    /// One lower-case sentence without a full stop, user text in backticks.
    pub message: String,
    /// What to type instead.
    pub help: Option<String>,
    /// The tightest place.
    pub span: Span,
    /// What the primary span shows, if the message alone does not say it.
    pub here: Option<String>,
    /// Other places.
    pub labels: Vec<Label>,
    /// The witness: the steps, by stable id, on the shortest path to the fault.
    pub path: Vec<String>,
}

impl Diagnostic {
    /// A diagnostic with its code's own severity.
    #[must_use]
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            help: None,
            span,
            here: None,
            labels: Vec::new(),
            path: Vec::new(),
        }
    }

    /// Says what to type instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what the primary span shows.
    #[must_use]
    pub fn here(mut self, here: impl Into<String>) -> Self {
        self.here = Some(here.into());
        self
    }

    /// Points at a second place.
    #[must_use]
    pub fn label(mut self, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label { span, message: message.into() });
        self
    }

    /// Gives the steps that lead there.
    #[must_use]
    pub fn path(mut self, path: Vec<String>) -> Self {
        self.path = path;
        self
    }
}

/// All findings of a phase. Every phase collects and goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, d: Diagnostic) {
        self.0.push(d);
    }

    /// Adds all of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether any of them keeps the workspace from loading.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// In order of file and place, exact repetitions removed.
    pub fn sort(&mut self) {
        self.0.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
        self.0.dedup();
    }
}
