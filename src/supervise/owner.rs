//! Whose a resource is, as the rules of an action tell it.

use std::sync::Arc;

/// What one rule of ownership found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ownership {
    /// A read has to tell, and has not been asked yet.
    Unread,
    /// This.
    Told(Owner),
}

/// Whose it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// This one's, as text.
    Is(Arc<str>),
    /// The rule is a condition, which holds.
    Meets,
    /// The rule is a condition, which does not.
    Fails,
    /// Nothing, an empty text, or no answer.
    Unknown,
}
