//! Datapoints: what a field is and which values it takes (language, 4).

use std::sync::Arc;

use crate::source::Span;
use crate::template::Template;
use crate::value::{Json, Name, Slug};

/// A typed field.
#[derive(Debug, Clone)]
pub struct Datapoint {
    /// Its human name.
    pub name: Arc<str>,
    /// Its slug; the variable is `slug.name`.
    pub slug: Slug,
    /// What it is.
    pub description: Option<Arc<str>>,
    /// Its type.
    pub kind: DatapointType,
    /// Whether its type could not be read: nothing is concluded from it then.
    pub unread: bool,
    /// Whether a value must be.
    pub required: bool,
    /// In characters.
    pub min_length: Option<u64>,
    /// In characters.
    pub max_length: Option<u64>,
    /// The whole value matches it.
    pub pattern: Option<Pattern>,
    /// Least number, or ISO date.
    pub min: Option<Json>,
    /// Greatest number, or ISO date.
    pub max: Option<Json>,
    /// Whole numbers only.
    pub integer: bool,
    /// How it is asked.
    pub prompt: Option<Template>,
    /// Shown where it is typed.
    pub placeholder: Option<Arc<str>>,
    /// Values that it might have.
    pub examples: Vec<Json>,
    /// Never shown.
    pub sensitive: bool,
    /// Whether a file declares it, or it is only named by a journey.
    pub declared: bool,
    /// Its `name` (or `slug`) in the file.
    pub span: Span,
}

impl Datapoint {
    /// What says which values it takes, as text: two that agree in it take the same ones.
    #[must_use]
    pub fn rule(&self) -> String {
        let pattern = self.pattern.as_ref().map(|p| &p.source);
        format!(
            "{:?}",
            (&self.slug, &self.kind, self.min_length, self.max_length, pattern, &self.min, &self.max, self.integer, self.sensitive)
        )
    }

    /// The variable.
    #[must_use]
    pub fn variable(&self) -> &Name {
        &self.slug.name
    }
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As written.
    pub source: Arc<str>,
    /// Matches a whole value.
    pub whole: regex::Regex,
    /// Matches it as whole words anywhere in a message.
    pub inside: regex::Regex,
}

impl Pattern {
    /// Longest pattern, in bytes.
    const MAX_SOURCE: usize = 1_024;
    /// Memory that one compiled pattern may take, in bytes.
    const MAX_COMPILED: usize = 1 << 20;

    /// Compiles a pattern both ways. An outer `^` and `$` mean the whole value, and inside a message the whole word.
    ///
    /// # Errors
    /// One lower-case sentence that says what is wrong with the pattern.
    pub fn new(source: &str) -> Result<Self, String> {
        if source.len() > Self::MAX_SOURCE {
            return Err(format!("the pattern is longer than {} bytes", Self::MAX_SOURCE));
        }
        let compile = |regex: &str| {
            regex::RegexBuilder::new(regex).size_limit(Self::MAX_COMPILED).dfa_size_limit(Self::MAX_COMPILED).nest_limit(64).build()
        };
        // Compiled alone first, so that an unbalanced parenthesis cannot close the group it is put into.
        compile(source).map_err(|e| match e {
            regex::Error::CompiledTooBig(_) => "the pattern is too big once it is compiled".to_owned(),
            other => {
                let text = other.to_string();
                let last = text.lines().last().unwrap_or("it cannot be read");
                format!("the pattern is no regular expression: {}", last.trim_start_matches("error: "))
            }
        })?;
        let too_big = |_| "the pattern is too big once it is compiled".to_owned();
        let word = Self::without_anchors(source);
        Ok(Self {
            source: source.into(),
            whole: compile(&format!(r"\A(?:{source})\z")).map_err(too_big)?,
            inside: compile(&format!(r"\b{{start-half}}(?:{word})\b{{end-half}}")).map_err(too_big)?,
        })
    }

    /// The pattern without an outer `^` and `$`, where what is left is still a pattern.
    fn without_anchors(source: &str) -> &str {
        let mut word = source.strip_prefix('^').unwrap_or(source);
        if let Some(cut) = word.strip_suffix('$')
            && cut.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 0
        {
            word = cut;
        }
        if regex::Regex::new(word).is_ok() { word } else { source }
    }
}

/// The type of a datapoint.
#[derive(Debug, Clone)]
pub enum DatapointType {
    /// Text.
    String,
    /// An e-mail address.
    Email,
    /// A phone number, kept as E.164.
    Phone,
    /// A number.
    Number,
    /// Yes or no.
    Boolean,
    /// A date, kept as ISO 8601.
    Date,
    /// One of these.
    Enum(Vec<Arc<str>>),
    /// Several of one type.
    List(Box<DatapointType>),
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_pattern_matches_a_whole_value_and_whole_words() {
        let p = Pattern::new("^#W[0-9]{7}$").expect("a pattern");
        assert!(p.whole.is_match("#W2611340") && !p.whole.is_match("my #W2611340"));
        assert_eq!(p.inside.find("where is #W2611340?").map(|m| m.as_str()), Some("#W2611340"));
        assert!(!p.inside.is_match("x#W26113401"));
    }

    #[test]
    fn a_bad_pattern_says_why() {
        assert!(Pattern::new("a)(b").is_err());
        assert_eq!(Pattern::new("(a").unwrap_err(), "the pattern is no regular expression: unclosed group");
        assert!(Pattern::new("(?:a{1000}){1000}").unwrap_err().contains("too big"));
    }
}
