//! What a condition decided, why, and what its actions came to: the record of it.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::value::Json;

/// What a condition came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody can say; written `null`.
    Unknown,
}

impl Verdict {
    /// `true`, `false`, or `null` for what is unknown.
    #[must_use]
    pub const fn as_bool(self) -> Option<bool> {
        match self {
            Self::True => Some(true),
            Self::False => Some(false),
            Self::Unknown => None,
        }
    }

    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Unknown => "unknown",
        }
    }
}

impl From<bool> for Verdict {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl Serialize for Verdict {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_bool().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Verdict {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<bool>::deserialize(deserializer)?.map_or(Self::Unknown, Self::from))
    }
}

/// Why a decision is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// What it is decided over is not there.
    MissingInput,
    /// What it is decided over is of another type.
    TypeMismatch,
    /// The entity's history is too short inside the window.
    InsufficientHistory,
    /// All of the history is one value, so nothing deviates from it.
    ZeroVariance,
    /// The value before is 0, so that every change of it is without end.
    InfiniteChange,
    /// An expression cannot be evaluated.
    FailingExpression,
    /// A condition that it is made of is not there.
    UnknownCondition,
}

impl Reason {
    /// As records say it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingInput => "missing_input",
            Self::TypeMismatch => "type_mismatch",
            Self::InsufficientHistory => "insufficient_history",
            Self::ZeroVariance => "zero_variance",
            Self::InfiniteChange => "infinite_change",
            Self::FailingExpression => "failing_expression",
            Self::UnknownCondition => "unknown_condition",
        }
    }
}

/// The record of a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Its id, unique in the tenant.
    pub decision_id: Arc<str>,
    /// What decided.
    pub condition_id: Arc<str>,
    /// Which version of it.
    pub condition_version: Arc<str>,
    /// Whose namespace that is.
    pub namespace: Arc<str>,
    /// For what.
    pub entity: Arc<str>,
    /// As of when.
    pub timestamp: Timestamp,
    /// What it came to: `true`, `false`, or `null` for unknown.
    pub value: Verdict,
    /// Why it is unknown.
    pub reason: Option<Reason>,
    /// The same in a sentence; of a known one, what was compared with what.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub detail: Arc<str>,
    /// What it was decided over.
    pub inputs: Json,
    /// What its actions came to.
    #[serde(default)]
    pub actions: Vec<ActionResult>,
    /// Whether nothing was to be sent.
    pub dry_run: bool,
    /// How many decisions led to it, by what their actions did.
    #[serde(default)]
    pub depth: u32,
    /// The event that it was evaluated on, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Arc<str>>,
    /// The conversation of that event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<Arc<str>>,
}

impl Decision {
    /// Puts what one of its actions came to into its place.
    pub fn place(&mut self, n: u32, result: ActionResult) {
        match self.actions.get_mut(n as usize) {
            Some(place) => *place = result,
            None => self.actions.push(result),
        }
    }
}

/// What became of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionStatus {
    /// It was done.
    Triggered,
    /// It was not meant to fire on this.
    Skipped,
    /// It was tried, and not done.
    Failed,
    /// It would have been done.
    WouldTrigger,
    /// It is under way: not said yet.
    Pending,
}

impl ActionStatus {
    /// As records say it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Triggered => "triggered",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::WouldTrigger => "would_trigger",
            Self::Pending => "pending",
        }
    }
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionError {
    /// A stable code.
    pub code: Arc<str>,
    /// One sentence, without secrets.
    pub message: Arc<str>,
}

/// What came of one action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionResult {
    /// Which.
    pub action_id: Arc<str>,
    /// Which version of it.
    pub action_version: Arc<str>,
    /// What became of it.
    pub status: ActionStatus,
    /// What was really delivered, secrets as `[redacted]`.
    #[serde(default)]
    pub payload_sent: Option<Json>,
    /// What would have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_preview: Option<Json>,
    /// Why it was not done.
    #[serde(default)]
    pub error: Option<DecisionError>,
    /// The decision that it was done for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<Arc<str>>,
    /// The conversation in which its journey runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<Arc<str>>,
    /// How often it was tried.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl ActionResult {
    /// A result with nothing but its status.
    #[must_use]
    pub fn new(action_id: Arc<str>, action_version: Arc<str>, status: ActionStatus) -> Self {
        Self {
            action_id,
            action_version,
            status,
            payload_sent: None,
            payload_preview: None,
            error: None,
            decision_id: None,
            conversation_id: None,
            attempts: 0,
        }
    }

    /// It failed.
    #[must_use]
    pub fn failed(self, code: &str, message: impl Into<Arc<str>>) -> Self {
        let error = Some(DecisionError { code: code.into(), message: message.into() });
        Self { status: ActionStatus::Failed, error, ..self }
    }
}
