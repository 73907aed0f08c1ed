//! A held action as an index of the store knows it, so that whoever may approve finds it without reading conversations.

use std::sync::Arc;

use jiff::Timestamp;

/// An action that waits for a person of the company.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HoldRow {
    /// Its id: an approval names it.
    pub id: Arc<str>,
    /// The agent whose conversation it is.
    pub agent: Arc<str>,
    /// `integration.action`.
    pub action: Arc<str>,
    /// The role that may approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Arc<str>>,
    /// Where it is put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Arc<str>>,
    /// Who asked for it, and may not approve it.
    pub asked_by: Arc<str>,
    /// Since when.
    pub at: Timestamp,
    /// Refused by itself after that.
    pub until: Timestamp,
}

/// What a commit does to the index of holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldChange {
    /// An action is held.
    Opened(HoldRow),
    /// It was approved, refused or withdrawn, or its time passed.
    Closed {
        /// Which.
        id: Arc<str>,
    },
}
