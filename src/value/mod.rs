//! Run-time values: shared JSON and the set of paths in it that must not be shown.
//!
//! Knows nothing of journeys, expressions or stores.

mod hex;
mod name;
mod path;
mod secrets;
mod shared;

use std::sync::Arc;

pub use hex::hex;
pub use name::{Name, Slug};
pub use path::{Path, Segment, Taint};
pub use secrets::Secrets;
pub use serde_json::Value as Json;
pub use shared::Shared;

/// A value: JSON that is shared, never copied, and beside it what in it is sensitive.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Value {
    /// The data.
    #[serde(rename = "v")]
    pub json: Arc<Json>,
    /// The paths of `json` that may not be shown.
    #[serde(rename = "t", default, skip_serializing_if = "Taint::is_clean")]
    pub taint: Taint,
}

impl Value {
    /// A value that may be shown.
    #[must_use]
    pub fn clean(json: impl Into<Arc<Json>>) -> Self {
        Self { json: json.into(), taint: Taint::default() }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.json.is_null()
    }
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        Self::clean(json)
    }
}

/// Text of a JSON value as a person would read it: strings bare, everything else as JSON, `null` as nothing.
#[must_use]
pub fn display(json: &Json) -> String {
    match json {
        Json::String(s) => s.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

/// Text with all but its end hidden: at most a third of it, and at most four characters, can be read.
#[must_use]
pub fn mask(text: &str) -> String {
    let length = text.chars().count();
    let hidden = length - (length / 3).min(4);
    text.chars().enumerate().map(|(at, c)| if at < hidden { '•' } else { c }).collect()
}
