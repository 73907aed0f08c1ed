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
    let fold = |w: &str| w.to_lowercase().replace('-', "_");
    let (folded, length) = (fold(word), word.chars().count());
    let near = |candidate: &'a str| {
        let other = candidate.chars().count();
        // A third of a short word is one slip; a long one may hold more.
        let slips = (length.max(other) / 3).min(1 + length.max(other) / 4);
        if length.abs_diff(other) > slips {
            return None;
        }
        let distance = strsim::damerau_levenshtein(&folded, &fold(candidate));
        (distance <= slips).then_some((distance, candidate))
    };
    candidates.into_iter().filter_map(near).min().map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn a_guess_is_a_slip_away_in_short_words_and_a_few_in_long_ones() {
        let guess = |word, known: &[&'static str]| did_you_mean(word, known.iter().copied());
        assert_eq!(guess("code", &["body", "status", "headers"]), None);
        assert_eq!(guess("x", &["y"]), None);
        assert_eq!(guess("bdoy", &["body", "status"]), Some("body"));
        assert_eq!(guess("Order-Id", &["order_id"]), Some("order_id"));
        assert_eq!(guess("statsus", &["status", "statuses"]), Some("status"));
        assert_eq!(guess("verifed_custmer", &["verified_customer"]), Some("verified_customer"));
    }
}
