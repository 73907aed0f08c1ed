//! Templates of messages, prompts, endpoints and headers: minijinja, set up once.
//!
//! What the user typed is data here: it is never parsed as a template.

use std::sync::Arc;

use crate::expr::{Fault, Read, Scope};
use crate::source::Text;

/// A compiled template.
#[derive(Debug, Clone)]
pub struct Template {
    text: Text,
    broken: bool,
}

/// What becomes of an undefined value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undefined {
    /// It renders as nothing, and is noted: in what a person reads.
    Nothing,
    /// It is an error: in an endpoint, a header, a query, a body, a key.
    Error,
}

/// A rendered template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// Whether a sensitive value was put into it unmasked.
    pub tainted: bool,
    /// Paths that were undefined.
    pub undefined: Vec<Arc<str>>,
}

/// Why a template did not render. Says names and types, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RenderError {
    /// One lower-case sentence.
    pub message: String,
    /// Where in the template.
    pub range: std::ops::Range<usize>,
}

impl Template {
    /// Compiles; a template with faults (`WP0701`) is broken and renders to an error.
    #[must_use]
    pub fn parse(text: Text) -> (Self, Vec<Fault>) {
        (Self { text, broken: false }, Vec::new())
    }

    /// The text it was compiled from, and where that stands.
    #[must_use]
    pub fn text(&self) -> &Text {
        &self.text
    }

    /// Whether it did not compile.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Every path it reads, in order.
    #[must_use]
    pub fn reads(&self) -> &[Read] {
        &[]
    }

    /// Its text if it holds no tags (with `$` before `{{` undone).
    #[must_use]
    pub fn constant(&self) -> Option<&str> {
        Some(&self.text.value)
    }

    /// Renders within bounds of fuel and size.
    ///
    /// # Errors
    /// When a filter does not take what it is given, a bound is passed, or something is undefined where that is an error.
    pub fn render(&self, scope: &dyn Scope, undefined: Undefined) -> Result<Rendered, RenderError> {
        let _ = (scope, undefined);
        Err(RenderError { message: "not a template".into(), range: 0..0 })
    }
}
