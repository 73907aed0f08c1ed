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
