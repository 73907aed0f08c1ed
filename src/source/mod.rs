//! Where text came from and what is wrong with it: files, spans in bytes, diagnostics, and how they are shown.
//!
//! Knows nothing of journeys and nothing of async. Lines and columns exist only in the renderers.

mod code;
mod diagnostic;
mod map;
pub mod render;

pub use code::{CODES, Code, CodeInfo};
pub use diagnostic::{Diagnostic, Diagnostics, Label, Severity};
pub use map::{FileId, Position, SourceFile, SourceMap, Span, Text};

/// The candidate nearest to `word`, if one is near enough to be what was meant.
#[must_use]
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(&folded, &c.to_lowercase().replace('-', "_")), c))
        .filter(|(d, c)| *d <= 1 + c.len().max(word.len()) / 4)
        .min()
        .map(|(_, c)| c)
}
