//! A triggered action as it is registered: what it does, and on which decisions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::value::Json;

/// On which decisions an action is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FireOn {
    /// On true ones.
    True,
    /// On false ones.
    False,
    /// On every one, unknown ones too.
    Any,
}

impl FireOn {
    /// Whether it is done on this.
    #[must_use]
    pub const fn fires(self, verdict: Verdict) -> bool {
        match self {
            Self::Any => true,
            Self::True => matches!(verdict, Verdict::True),
            Self::False => matches!(verdict, Verdict::False),
        }
    }
}

/// When an action is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// On which decisions.
    pub fire_on: FireOn,
    /// Of which condition.
    pub condition_id: Arc<str>,
    /// Of which version of it.
    pub condition_version: Arc<str>,
}

/// How often it is tried again, and how soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Tries after the first.
    pub retries: u32,
    /// Milliseconds before the first of them; twice as long before each further one.
    pub backoff_ms: u64,
}

/// A triggered action as it is registered. `config` is judged by its `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionDefinition {
    /// Its id.
    pub action_id: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// What it does.
    pub config: Json,
    /// When.
    pub trigger: Trigger,
    /// Whose it is.
    pub namespace: Arc<str>,
    /// Delivery at least once, if it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}
